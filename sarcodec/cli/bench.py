"""``sarcodec bench``: compare with other codecs, and write a report that can be believed and repeated."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from sarcodec.cli import console
from sarcodec.cli.options import (
    OUTPUT,
    QUALITY,
    RASTER,
    RESOURCES,
    DeviceOption,
    JobsOption,
    JsonOption,
    ModelOption,
    OverwriteOption,
    QuietOption,
    epilog,
    make_folder,
)

EPILOG = epilog(
    "sarcodec bench --vs jpeg2000 --quick",
    "sarcodec bench scene.tif -o report --vs jpeg2000,jpegxl,avif",
    "sarcodec bench a.tif b.tif --bpp 0.1,0.2,0.4,0.8 --pair may.tif,june.tif",
    notes=(
        "The folder gets report.html (one page, no network), bench.json, points.csv and pictures. Every band "
        "is an image of its own, without tags. Rates are those of whole files, errors those of valid pixels "
        "in dB of power. A negative BD-rate means smaller files at equal error. Without a scene it makes "
        "some: a landscape on two dates and pure speckle, whose noise-free truth is known. "
        "docs/benchmark.md has the formulas. Codecs: jpeg2000, webp, zstd-cog; with pip install "
        "'sarcodec[peers]' also jpegxl, avif, htj2k, lerc, zfp, sz3, sperr."
    ),
    codes=(2, 3, 6, 8, 9, 10),
)

_NAMES = ("report.html", "bench.json")


def bench(
    scenes: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SCENE]...", help="Rasters; some are simulated where none is given."),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Gets the report and its pictures.",
            rich_help_panel=OUTPUT,
        ),
    ] = Path("sarcodec-bench"),
    versus: Annotated[
        str,
        typer.Option(
            "--vs", metavar="LIST", help="Codecs to compare with, or none.", rich_help_panel=QUALITY
        ),
    ] = "jpeg2000",
    bpp: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Bits per pixel to compare at. [default: 0.05,0.1,0.2,0.4,0.8]",
            rich_help_panel=QUALITY,
        ),
    ] = None,
    pair: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BEFORE,AFTER",
            help="Two dates of one place on one grid: also compare change maps. May be repeated.",
            rich_help_panel=RASTER,
        ),
    ] = None,
    largest: Annotated[
        int,
        typer.Option(
            "--side",
            min=64,
            max=32768,
            metavar="PIXELS",
            help="Of a larger scene the middle is used; all of an image is held in memory.",
            rich_help_panel=RASTER,
        ),
    ] = 4096,
    quick: Annotated[
        bool, typer.Option("--quick", help="Smaller and fewer: about a minute.", rich_help_panel=RESOURCES)
    ] = False,
    no_speed: Annotated[
        bool, typer.Option("--no-speed", help="Measure no speed and memory.", rich_help_panel=RESOURCES)
    ] = False,
    model: ModelOption = None,
    device: DeviceOption = "cpu",
    jobs: JobsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compare with JPEG 2000 and others: rate, error, SAR figures, speed; writes a report to look at."""
    from sarcodec.atomic import check_target
    from sarcodec.bench import benchmark
    from sarcodec.bench.report import text
    from sarcodec.bench.report.page import write_report

    peers, pairs = _peers(versus), [_pair(both) for both in pair or ()]
    default = benchmark.QUICK_RATES if quick else benchmark.RATES
    plan = benchmark.Plan(
        command=shlex.join(["sarcodec", *sys.argv[1:]]),
        peers=peers,
        rates=default if bpp is None else _rates(bpp),
        pairs=tuple(pairs),
        quick=quick,
        with_speed=not no_speed,
        largest=largest,
        model=model,
        device=device,
        jobs=jobs,
    )
    for name in _NAMES:
        if (output / name).exists():
            check_target(output / name, overwrite=overwrite)
    with console.progress(quiet=quiet) as tick:
        tick("scenes", 0, 1)
        codecs, found = benchmark.codecs_of(plan), benchmark.images_of(scenes or [], plan)
        make_folder(output)
        results = benchmark.run(codecs, found, plan, output, tick)
        tick("report", 0, 1)
        write_report(results, output)
    if as_json:
        console.say((output / "bench.json").read_text(encoding="utf-8").rstrip())
    elif not quiet:
        console.say(text.summary(results))
        console.say(f"written: {output / 'report.html'}, bench.json, points.csv and pictures")


def _peers(text: str) -> tuple[str, ...]:
    """Names of a comma-separated list, each once; none for ``none``."""
    names = dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip())
    if not names:
        from sarcodec.errors import UsageError

        raise UsageError("--vs names no codec", hint="For example: --vs jpeg2000,jpegxl; or --vs none")
    return () if list(names) == ["none"] else tuple(names)


def _pair(text: str) -> tuple[str, str]:
    """The two files of ``BEFORE,AFTER``."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(parts) or parts[0] == parts[1]:
        from sarcodec.errors import UsageError

        raise UsageError(f"--pair {text} is not two files", hint="For example: --pair may.tif,june.tif")
    return parts[0], parts[1]


def _rates(text: str) -> tuple[float, ...]:
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
    return tuple(rates)
