"""``sarcodec bench``: rate and distortion against JPEG 2000 on given scenes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sarcodec.cli import console
from sarcodec.cli.options import (
    OUTPUT,
    QUALITY,
    DeviceOption,
    JobsOption,
    JsonOption,
    ModelOption,
    QuietOption,
    epilog,
    make_folder,
)

if TYPE_CHECKING:
    from sarcodec.bench.images import Image
    from sarcodec.bench.rd import Comparison, EncodeDecode, RdPoint

EPILOG = epilog(
    "sarcodec bench scene.tif -o report",
    "sarcodec bench a.tif b.tif --bpp 0.1,0.2,0.4,0.8 --json",
    notes=(
        "Every band is an image of its own, without tags. Rates are those of whole files, errors those of "
        "valid pixels in dB of power. A negative BD-rate means smaller files at equal error."
    ),
    codes=(2, 3, 6, 9, 10),
)

_SIDE = 1024  # of the scene that is simulated where none is given
_CROP = 256


def bench(
    scenes: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SCENE]...", help="Rasters; one is simulated where none is given."),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Gets rd.csv, rd.json, rd.png and a picture of each image; older ones are replaced.",
            rich_help_panel=OUTPUT,
        ),
    ] = Path("sarcodec-bench"),
    versus: Annotated[
        Literal["jpeg2000", "none"],
        typer.Option("--vs", help="Codec to compare with.", rich_help_panel=QUALITY),
    ] = "jpeg2000",
    bpp: Annotated[
        str,
        typer.Option(metavar="LIST", help="Bits per pixel to compare at.", rich_help_panel=QUALITY),
    ] = "0.05,0.1,0.2,0.4",
    model: ModelOption = None,
    device: DeviceOption = "auto",
    jobs: JobsOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compare rate and distortion with JPEG 2000 on scenes of yours; writes a table, a plot and pictures."""
    rates = _rates(bpp)
    make_folder(output)
    from sarcodec.bench import report
    from sarcodec.bench.images import images, sarcodec_files
    from sarcodec.bench.rd import compare

    points: list[RdPoint] = []
    with tempfile.TemporaryDirectory(prefix="sarcodec-") as scratch, console.progress(quiet=quiet) as tick:
        folder, number = Path(scratch), 0
        paths = scenes or [str(_simulated(folder))]
        for done, path in enumerate(paths):
            tick(Path(path).name, done, len(paths))
            for image in images(path):
                number += 1
                ours = sarcodec_files(image, folder, model=model, device=device, jobs=jobs)
                points += _measure(image, rates, versus, ours, output / f"crop-{number}.png")
    against = compare(points, reference=versus, test="sarcodec") if versus != "none" else []
    report.write_csv(points, output / "rd.csv")
    report.write_json(points, against, output / "rd.json", about=_about(versus))
    report.plot(points, output / "rd.png")
    _print(points, against, output, as_json=as_json, quiet=quiet)


def _measure(
    image: Image, rates: list[float], versus: str, ours: EncodeDecode, picture: Path
) -> list[RdPoint]:
    """All points of one image; a picture of its middle at the middle rate."""
    from sarcodec.bench import jpeg2000, report
    from sarcodec.bench.rd import measure
    from sarcodec.types import Window

    codecs: dict[str, EncodeDecode] = {"sarcodec": ours}
    if versus == "jpeg2000":
        codecs["jpeg2000"] = jpeg2000.encode_decode
    db, valid = image.db, image.valid
    shown: dict[str, Any] = {"original": db}

    def keep(point: RdPoint, decoded: Any) -> None:
        if point.wanted_bpp == rates[len(rates) // 2]:
            shown[f"{point.codec}, {point.bpp:.3f} bpp, {point.rmse_db:.2f} dB"] = decoded

    points = measure(image.name, db, valid, rates, codecs, on_decoded=keep)
    height, width = db.shape
    window = Window(
        max(0, (width - _CROP) // 2), max(0, (height - _CROP) // 2), min(_CROP, width), min(_CROP, height)
    )
    report.crops(shown, valid, window, picture)
    return points


def _print(
    points: list[RdPoint], against: list[Comparison], output: Path, *, as_json: bool, quiet: bool
) -> None:
    from sarcodec.bench import report

    if as_json:
        console.say((output / "rd.json").read_text(encoding="utf-8").rstrip())
    elif not quiet:
        console.say(report.table(points, against))
        console.say(f"written: {output}/rd.csv, rd.json, rd.png and a crop of each image")


def _about(versus: str) -> dict[str, str | float]:
    from sarcodec import __version__
    from sarcodec.bench import jpeg2000

    about: dict[str, str | float] = {"sarcodec": __version__}
    if versus == "jpeg2000":
        about["openjpeg"] = jpeg2000.openjpeg_version()
    return about


def _rates(text: str) -> list[float]:
    """Ascending rates of a comma-separated list."""
    from sarcodec.errors import UsageError

    try:
        rates = sorted({float(part) for part in text.split(",")})
    except ValueError:
        rates = []
    if not rates or not 0 < rates[0] <= rates[-1] < float("inf"):
        raise UsageError(
            f"--bpp {text} is not a list of positive numbers", hint="For example: --bpp 0.1,0.2,0.4"
        )
    return rates


def _simulated(folder: Path) -> Path:
    """A scene to compare on where the user gave none."""
    from sarcodec.io.simulated import write_scene
    from sarcodec.simulate import SceneSpec

    path = folder / "simulated.tif"
    write_scene(path, SceneSpec(_SIDE, _SIDE))
    return path
