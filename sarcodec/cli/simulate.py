"""``sarcodec simulate``: make a Sentinel-1 GRD-like scene."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sarcodec.cli import console
from sarcodec.cli.options import OUTPUT, JsonOption, OverwriteOption, QuietOption, epilog

EPILOG = epilog(
    "sarcodec simulate scene.tif --size 4096",
    "sarcodec simulate pair.tif --bands VV,VH --scale power --georef gcps --truth truth.tif",
    codes=(2, 8, 9),
)

_SCENE, _SPECKLE = "Scene", "Speckle"


def _size(text: str) -> tuple[int, int]:
    """``N`` or ``WIDTHxHEIGHT`` as (width, height)."""
    parts = text.lower().split("x")
    if len(parts) in (1, 2) and all(part.isascii() and part.isdigit() for part in parts):
        return int(parts[0]), int(parts[-1])
    from sarcodec.errors import UsageError

    raise UsageError(
        f"size {text!r} is not a number of pixels", hint="Write 4096 or 4096x2048 (width x height)."
    )


def _scale(dtype: str | None, scale: str | None) -> str:
    """Find the scale that `--dtype` and `--scale` agree on."""
    chosen = scale or ("power" if dtype == "float32" else "dn")
    if dtype is not None and (dtype == "uint16") != (chosen == "dn"):
        from sarcodec.errors import UsageError

        raise UsageError(
            f"--dtype {dtype} does not hold --scale {chosen}", hint="dn is uint16, power and db are float32."
        )
    return chosen


def simulate(
    out: Annotated[Path, typer.Argument(metavar="OUT.tif", help="GeoTIFF to write.")],
    size: Annotated[
        str, typer.Option(help="Pixels: N or WIDTHxHEIGHT.", metavar="N", rich_help_panel=_SCENE)
    ] = "1024",
    bands: Annotated[str, typer.Option(help="VV, VH or VV,VH.", rich_help_panel=_SCENE)] = "VV",
    dtype: Annotated[
        Literal["uint16", "float32"] | None,
        typer.Option(help="Sample type; follows the scale.", rich_help_panel=_SCENE),
    ] = None,
    scale: Annotated[
        Literal["dn", "power", "db"] | None,
        typer.Option(help="Amplitude DN (the default), linear power or dB.", rich_help_panel=_SCENE),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed is another place.", rich_help_panel=_SCENE)] = 0,
    date: Annotated[
        int,
        typer.Option(help="Another date is the same place under other speckle.", rich_help_panel=_SCENE),
    ] = 0,
    border: Annotated[
        int | None,
        typer.Option(
            help="Nodata border in pixels; 0 for none. [default: 1/64 of a side]", rich_help_panel=_SCENE
        ),
    ] = None,
    enl: Annotated[float, typer.Option(help="Equivalent number of looks.", rich_help_panel=_SPECKLE)] = 4.4,
    oversampling: Annotated[
        float, typer.Option(help="Of the detected image; 0.5 is white speckle.", rich_help_panel=_SPECKLE)
    ] = 1.3,
    georef: Annotated[
        Literal["utm", "gcps"], typer.Option(help="UTM transform or control points.", rich_help_panel=OUTPUT)
    ] = "utm",
    truth: Annotated[
        Path | None, typer.Option(help="Also write the scene without speckle here.", rich_help_panel=OUTPUT)
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make a Sentinel-1 GRD-like scene of any size: fields, water, towns, speckle and a nodata border."""
    from sarcodec.io.simulated import Georef, write_scene
    from sarcodec.simulate import SceneSpec
    from sarcodec.types import Scale

    width, height = _size(size)
    spec = SceneSpec(
        width,
        height,
        bands=tuple(bands.upper().split(",")),
        scale=Scale(_scale(dtype, scale)),
        enl=enl,
        oversampling=oversampling,
        seed=seed,
        date=date,
        border=border,
    )
    with console.progress(quiet=quiet) as tick:
        write_scene(
            out, spec, georef=Georef(georef), truth=truth, overwrite=overwrite,
            progress=lambda done, total: tick("simulate", done, total),
        )  # fmt: skip
    count = out.stat().st_size
    if as_json:
        console.say_json(
            {
                "output": out,
                "truth": truth,
                "bytes": count,
                "width": width,
                "height": height,
                "bands": spec.bands,
                "scale": spec.scale.value,
                "dtype": spec.dtype,
                "seed": seed,
                "date": date,
            }
        )
    elif not quiet:
        size_text = console.size_text(count)
        console.say(f"{out}  {width}x{height}  {','.join(spec.bands)}  {spec.scale.value}  {size_text}")
