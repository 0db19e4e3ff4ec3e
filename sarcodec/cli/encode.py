"""``sarcodec encode``: a raster to a `.sarc` file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sarcodec.cli import console, corrections, streams
from sarcodec.cli.corrections import with_wishes
from sarcodec.cli.options import (
    OUTPUT,
    QUALITY,
    RASTER,
    DeviceOption,
    JobsOption,
    JsonOption,
    LimitOption,
    ModelOption,
    OverwriteOption,
    QuietOption,
    check_resources,
    epilog,
)
from sarcodec.cli.outputs import output_for

if TYPE_CHECKING:
    from sarcodec.encoding.report import EncodeReport

EPILOG = epilog(
    "sarcodec encode scene.tif --bpp 0.2",
    "sarcodec encode scene.tif -q 70 -o small.sarc --overwrite",
    "sarcodec encode sigma0.tif --bpp 0.4 --radiometry",
    "sarcodec encode port.tif --bpp 0.2 --targets",
    "sarcodec encode scene.tif --bpp 0.2 --texture",
    "sarcodec encode sigma0.tif --rmse-db 1.5 --scale power --quantity sigma0 --json",
    notes=("A target out of the model's reach takes the nearest, warns, and counts as done."),
    codes=(2, 3, 6, 7, 8, 9),
)


@with_wishes(before="model")
def encode(
    source: Annotated[
        str, typer.Argument(metavar="INPUT", help="Any raster that GDAL reads; - is standard input.")
    ],
    quality: Annotated[
        float | None,
        typer.Option(
            "--quality",
            "-q",
            min=1,
            max=100,
            help="1 smallest to 100 best; 50 where no target is given.",
            rich_help_panel=QUALITY,
        ),
    ] = None,
    bpp: Annotated[
        float | None,
        typer.Option(
            "--bpp", metavar="BITS", help="Bits per pixel and band, whole file.", rich_help_panel=QUALITY
        ),
    ] = None,
    rmse_db: Annotated[
        float | None,
        typer.Option(
            "--rmse-db",
            metavar="DB",
            help="Root mean square error over valid pixels, in dB.",
            rich_help_panel=QUALITY,
        ),
    ] = None,
    bands: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...",
            help="Only these bands, counted from 1. All bands if left out.",
            rich_help_panel=RASTER,
        ),
    ] = None,
    scale: Annotated[
        str,
        typer.Option(
            metavar="SCALE[,SCALE...]",
            help="What pixel values are: auto, dn, amplitude, power or db; one for all bands, or one a band.",
            rich_help_panel=RASTER,
        ),
    ] = "auto",
    quantity: Annotated[
        Literal["unknown", "dn", "sigma0", "gamma0", "beta0"],
        typer.Option(help="Radiometric quantity, noted in the file.", rich_help_panel=RASTER),
    ] = "unknown",
    model: ModelOption = None,
    device: DeviceOption = "auto",
    jobs: JobsOption = None,
    limit: LimitOption = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT.sarc",
            help="File to write, a folder, or - (standard output). Left out: the input's name, .sarc.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    **flags: Any,
) -> None:
    """Encode a raster to a .sarc file. Choose at most one of -q, --bpp and --rmse-db."""
    check_targets(quality, bpp, rmse_db)
    wanted, numbers = corrections.wishes(flags), _bands(bands)
    from sarcodec.endings import SARC

    out = output_for(source, output, SARC, as_json=as_json)
    check_resources(model, jobs)
    from sarcodec import api
    from sarcodec.limits import limits_from
    from sarcodec.options import EncodeOptions

    options = EncodeOptions(
        quality=quality,
        bpp=bpp,
        rmse_db=rmse_db,
        scale=scale,
        quantity=quantity,
        bands=numbers,
        model=model,
        device=device,
        jobs=jobs,
        limits=limits_from(limit or []),
        **wanted,
    )
    with streams.read_from(source) as path, streams.written_to(out, SARC) as target:
        with console.progress(quiet=quiet) as tick:
            report = api.encode(path, target, overwrite=overwrite, progress=tick, options=options)
        facts = {"input": source, "output": out} | _facts(path, report)
    if not report.reached:
        console.warn(_out_of_reach(report, bpp, rmse_db))
    if as_json:
        console.say_json(facts)
    elif not quiet:
        origin = facts["scale_from"]
        told = {"given": "", "assumed": " (assumed)"}.get(origin, f" (from {origin})")
        streams.say(
            out,
            f"{source}  {console.size_text(facts['input_bytes'])} -> {out}  "
            f"{console.size_text(report.bytes)}  {facts['ratio']:.1f}x  {report.bpp:.4g} bpp  "
            f"scale {facts['scale']}{told}{_errors(report)}  {report.seconds:.1f} s",
        )


def check_targets(quality: float | None, bpp: float | None, rmse_db: float | None) -> None:
    """Raise `UsageError` before anything slow begins."""
    from sarcodec.errors import UsageError

    targets = {"-q": quality, "--bpp": bpp, "--rmse-db": rmse_db}
    given = [name for name, value in targets.items() if value is not None]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} contradict each other", hint="Choose one of them.")
    for name, value in targets.items():
        if value is not None and not 0 < value < float("inf"):
            raise UsageError(f"{name} {value} is not a positive number", hint="For example: --bpp 0.2")


def _bands(text: str | None) -> list[int] | None:
    """The numbers of ``1,2``."""
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        from sarcodec.errors import UsageError

        raise UsageError(
            f"--bands {text} is not a list of numbers", hint="For example: --bands 1,2"
        ) from error


def _joined(names: Iterable[str]) -> str:
    """One name if all are the same, else all of them, as --scale takes them."""
    found = list(names)
    return found[0] if len(set(found)) == 1 else ",".join(found)


def _out_of_reach(report: EncodeReport, bpp: float | None, rmse_db: float | None) -> str:
    if bpp is not None:
        return f"{bpp:g} bpp is out of reach of model {report.model} here; took the nearest, {report.bpp:.4g}"
    worst = max((error for error in report.rmse_db if error is not None), default=0.0)
    return (
        f"an RMSE of {rmse_db:g} dB is out of reach of model {report.model} here; took the nearest, "
        f"{worst:.4g} dB in the worst band at {report.bpp:.4g} bpp"
    )


def _errors(report: EncodeReport) -> str:
    """The error of each band, if one was asked for."""
    found = ["no data" if error is None else f"{error:.3f}" for error in report.rmse_db]
    return f"  RMSE {', '.join(found)} dB" if found else ""


def _facts(source: str, report: EncodeReport) -> dict[str, Any]:
    """What ``--json`` prints, but for the names of the files."""
    from sarcodec.bitstream.layout import native

    header = report.header
    raw = report.pixels * native(header.dtype).size
    stored = os.path.getsize(source) if os.path.isfile(source) else raw
    return {
        "input_bytes": stored,
        "bytes": report.bytes,
        "ratio": stored / report.bytes,
        "bpp": report.bpp,
        "width": header.width,
        "height": header.height,
        "bands": len(header.bands),
        "dtype": header.dtype,
        "scale": _joined(scale.value for scale in report.scales),
        "scale_from": _joined(basis.value for basis in report.scales_from),
        "rmse_db": list(report.rmse_db) or None,
        "quantity": header.quantity.value,
        **corrections.told(report.corrections),
        "model": report.model,
        "level": report.level,
        "reached": report.reached,
        "seconds": report.seconds,
    }
