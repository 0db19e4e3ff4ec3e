"""``sarcodec decode``: a `.sarc` file to a GeoTIFF."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sarcodec.cli import console, corrections, streams
from sarcodec.cli.corrections import with_uses
from sarcodec.cli.guard import PARTIAL
from sarcodec.cli.options import (
    OUTPUT,
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
from sarcodec.cli.told import naming

if TYPE_CHECKING:
    from sarcodec.types import Window

EPILOG = epilog(
    "sarcodec decode scene.sarc -o back.tif",
    "sarcodec decode scene.sarc -o corner.tif --window 0,0,512,512 --co COMPRESS=ZSTD",
    "sarcodec decode scene.sarc -o power.tif --unbiased",
    "sarcodec decode scene.sarc -o overview.tif --reduce 8",
    "sarcodec decode scene.sarc -o view.tif --texture speckle",
    codes=(2, 3, 4, 5, 6, 7, 8, 9, PARTIAL),
)
NAMED = 20
"""Damaged tiles that are named on stderr at most; all stand in the output's tag and in --json."""


@with_uses(before="creation_options")
def decode(
    source: Annotated[str, typer.Argument(metavar="FILE", help="A .sarc file; - is standard input.")],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT.tif",
            help="GeoTIFF to write, a folder, or - (standard output). Left out: the input's name, .tif.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            metavar="C,R,W,H", help="Only this part: column, row, width, height.", rich_help_panel=RASTER
        ),
    ] = None,
    base_only: Annotated[
        bool,
        typer.Option("--base-only", help="Only the base layer: smoother and faster.", rich_help_panel=RASTER),
    ] = False,
    allow_partial: Annotated[
        bool,
        typer.Option(
            "--allow-partial",
            help="Go on where tiles are damaged: they, and what lies near them, become nodata.",
            rich_help_panel=RASTER,
        ),
    ] = False,
    reduce: Annotated[
        Literal["1", "2", "4", "8", "16"],
        typer.Option(
            help="One pixel for N x N, the mean of their decibels: an overview, decoded faster.",
            rich_help_panel=RASTER,
        ),
    ] = "1",
    creation_options: Annotated[
        list[str] | None,
        typer.Option(
            "--co",
            metavar="NAME=VALUE",
            help="A GDAL creation option of the GeoTIFF; may be repeated.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    jobs: JobsOption = None,
    limit: LimitOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    **flags: Any,
) -> None:
    """Decode a .sarc file to a GeoTIFF with all of the source's metadata."""
    part, creation = _window(window), _pairs(creation_options or [])
    from sarcodec.endings import GEOTIFF

    out = output_for(source, output, GEOTIFF, as_json=as_json)
    check_resources(model, jobs)
    from sarcodec import api
    from sarcodec.limits import limits_from
    from sarcodec.options import DecodeOptions

    wanted = corrections.uses(flags)
    options = DecodeOptions(
        base_only=base_only,
        allow_partial=allow_partial,
        model=model,
        device=device,
        jobs=jobs,
        limits=limits_from(limit or []),
        **wanted,
    )
    began = time.monotonic()
    with (
        streams.read_from(source) as path,
        streams.written_to(out, GEOTIFF) as target,
    ):
        with naming(source, path), console.progress(quiet=quiet) as tick:
            report = api.decode(
                path,
                target,
                window=part,
                reduce=int(reduce),
                overwrite=overwrite,
                creation_options=creation,
                progress=tick,
                options=options,
            )
        sizes = os.path.getsize(path), os.path.getsize(target)
    meta, damaged = report.meta, report.damaged
    seconds = time.monotonic() - began
    if as_json:
        console.say_json(
            {
                "input": source,
                "output": out,
                "input_bytes": sizes[0],
                "bytes": sizes[1],
                "width": meta.width,
                "height": meta.height,
                "bands": meta.count,
                "dtype": meta.dtype,
                "base_only": base_only,
                "reduce": int(reduce),
                **wanted,
                "targets": report.targets,
                "texture": flags["texture"],
                "damaged": [asdict(tile) for tile in damaged],
                "seconds": seconds,
            }
        )
    elif not quiet:
        streams.say(
            out,
            f"{source}  {console.size_text(sizes[0])} -> {out}  {console.size_text(sizes[1])}  "
            f"{meta.width}x{meta.height}x{meta.count} {meta.dtype}  {seconds:.1f} s",
        )
    if damaged:
        for tile in damaged[:NAMED]:
            console.warn(tile.told)
        more = f", {len(damaged) - NAMED} more than named" if len(damaged) > NAMED else ""
        many = "1 damaged tile is" if len(damaged) == 1 else f"{len(damaged)} damaged tiles are"
        console.complain(
            f"{source}: {many}{more}, with what the loss reaches, nodata",
            f"Nodata is {meta.nodata} in {out}; its tag SARCODEC:DAMAGED_TILES names them all.",
        )
        raise typer.Exit(PARTIAL)


def _window(text: str | None) -> Window | None:
    """``col,row,width,height`` as a window."""
    if text is None:
        return None
    from sarcodec.errors import UsageError
    from sarcodec.types import Window

    try:
        col, row, width, height = (int(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(
            f"--window {text} is not four whole numbers", hint="Give col,row,width,height: 0,0,512,512"
        ) from error
    return Window(col, row, width, height)


def _pairs(texts: list[str]) -> dict[str, str]:
    """``NAME=VALUE`` texts as a mapping."""
    from sarcodec.errors import UsageError

    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise UsageError(f"--co {text} is not NAME=VALUE", hint="For example: --co COMPRESS=ZSTD")
        pairs[name] = value
    return pairs
