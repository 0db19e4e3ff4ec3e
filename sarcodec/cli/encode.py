"""``sarcodec encode``: a raster to a `.sarc` file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sarcodec.cli import console, streams
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
    from sarcodec.bitstream.header import Header
    from sarcodec.encoding import EncodeReport
    from sarcodec.limits import Limits

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
    radiometry: Annotated[
        bool,
        typer.Option(
            "--radiometry",
            help="Store the gains that decode --unbiased brings mean power back with.",
            rich_help_panel=RASTER,
        ),
    ] = False,
    gain_cell: Annotated[
        Literal["auto", "64", "32", "16"],
        typer.Option(
            help="Pixels a side of the cells of --radiometry; smaller ones take more bytes. auto: 64 or 32.",
            rich_help_panel=RASTER,
        ),
    ] = "auto",
    targets: Annotated[
        bool,
        typer.Option(
            "--targets",
            help="Store by how much bright point targets come back too low; decode raises them.",
            rich_help_panel=RASTER,
        ),
    ] = False,
    texture: Annotated[
        bool,
        typer.Option(
            "--texture",
            help="Store what decode --texture speckle makes noise like the lost speckle of.",
            rich_help_panel=RASTER,
        ),
    ] = False,
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
) -> None:
    """Encode a raster to a .sarc file. Choose at most one of -q, --bpp and --rmse-db."""
    check_targets(quality, bpp, rmse_db)
    gains, chosen_bands = _gains(gain_cell, radiometry=radiometry), _bands(bands)
    from sarcodec.endings import SARC

    out = output_for(source, output, SARC, as_json=as_json)
    check_resources(model, jobs)
    from sarcodec import api
    from sarcodec.limits import limits_from

    limits = limits_from(limit or [])
    with streams.read_from(source) as path, streams.written_to(out, SARC) as target:
        with console.progress(quiet=quiet) as tick:
            report = api.encode(
                path,
                target,
                quality=quality,
                bpp=bpp,
                rmse_db=rmse_db,
                scale=scale,
                quantity=quantity,
                radiometry=gains,
                targets=targets,
                texture=texture,
                model=model,
                device=device,
                jobs=jobs,
                overwrite=overwrite,
                progress=tick,
                limits=limits,
                bands=chosen_bands,
            )
        facts = _facts(path, target, report, limits) | {"input": source, "output": out}
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


def _gains(cell: str, *, radiometry: bool) -> bool | int:
    """What `api.encode` calls `radiometry`."""
    if cell == "auto":
        return radiometry
    from sarcodec.errors import UsageError

    if not radiometry:
        raise UsageError(f"--gain-cell {cell} is of no use without --radiometry", hint="Give both.")
    return int(cell)


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


def _facts(source: str, out: str, report: EncodeReport, limits: Limits) -> dict[str, Any]:
    """What ``--json`` prints."""
    from sarcodec.bitstream.layout import LayerKind

    header, targets_bpp = _stored(out, limits)
    raw = header.width * header.height * len(header.bands) * _item_bytes(header.dtype)
    stored = os.path.getsize(source) if os.path.isfile(source) else raw
    return {
        "input": source,
        "output": out,
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
        "radiometry": header.side_layer(LayerKind.GAIN_GRID) is not None,
        "targets_bpp": targets_bpp,
        "texture": header.side_layer(LayerKind.TEXTURE) is not None,
        "model": report.model,
        "level": report.level,
        "reached": report.reached,
        "seconds": report.seconds,
    }


def _stored(path: str, limits: Limits) -> tuple[Header, float | None]:
    """Header of the file, and bits per pixel and band that its bright targets take; None without any."""
    from sarcodec.bitstream.layout import LayerKind
    from sarcodec.bitstream.reader import Reader
    from sarcodec.dataset import open_file

    with open_file(path) as file:
        reader = Reader(file, limits=limits)
        header, layer = reader.header, reader.header.side_layer(LayerKind.BRIGHT_TARGETS)
        if layer is None:
            return header, None
        pixels = header.width * header.height * len(header.bands)
        return header, 8 * reader.layer_size(layer) / pixels


def _item_bytes(dtype: str) -> int:
    from sarcodec.bitstream.layout import native

    return native(dtype).size
