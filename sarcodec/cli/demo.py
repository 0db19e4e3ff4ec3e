"""``sarcodec demo``: a simulated scene through encode and decode, and what became of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from sarcodec.cli import console
from sarcodec.cli.options import (
    OUTPUT,
    QUALITY,
    RASTER,
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
    "sarcodec demo",
    "sarcodec demo -o trial --size 2048 --bpp 0.1 -f",
    codes=(2, 6, 8, 9),
)


def demo(
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Gets scene.tif, scene.sarc, decoded.tif and comparison.png.",
            rich_help_panel=OUTPUT,
        ),
    ] = Path("sarcodec-demo"),
    size: Annotated[
        int, typer.Option(min=64, max=16384, help="Pixels a side.", rich_help_panel=RASTER)
    ] = 1024,
    bpp: Annotated[
        float, typer.Option(metavar="BITS", help="Bits per pixel, whole file.", rich_help_panel=QUALITY)
    ] = 0.2,
    model: ModelOption = None,
    device: DeviceOption = "auto",
    jobs: JobsOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Simulate a scene, encode and decode it, and show sizes, errors and a side-by-side picture."""
    from sarcodec.cli.encode import check_targets

    check_targets(None, bpp, None)
    make_folder(output)
    names = ("scene.tif", "scene.sarc", "decoded.tif", "comparison.png")
    scene, coded, decoded, picture = (output / name for name in names)
    from sarcodec import api, atomic
    from sarcodec.io.simulated import write_scene
    from sarcodec.quicklook import side_by_side
    from sarcodec.simulate import SceneSpec

    for path in (scene, coded, decoded, picture):
        atomic.check_target(path, overwrite=overwrite)
    with console.progress(quiet=quiet) as tick:
        write_scene(
            scene,
            SceneSpec(size, size),
            overwrite=overwrite,
            progress=lambda done, total: tick("simulate", done, total),
        )
        report = api.encode(
            scene, coded, bpp=bpp, model=model, device=device, jobs=jobs, overwrite=overwrite, progress=tick
        )
        api.decode(coded, decoded, model=model, device=device, jobs=jobs, overwrite=overwrite, progress=tick)
        before, after, valid = _decibels(scene, decoded)
        side_by_side(before, after, valid, picture, title=f"{size}x{size}, {report.bpp:.3f} bits per pixel")
    if not report.reached:
        console.warn(f"{bpp:g} bpp is out of reach of model {report.model} here; took the nearest")
    facts = {
        "scene": scene,
        "coded": coded,
        "decoded": decoded,
        "picture": picture,
        "scene_bytes": scene.stat().st_size,
        "raw_bytes": 2 * size * size,
        "bytes": report.bytes,
        "bpp": report.bpp,
        "reached": report.reached,
        **_errors(before, after, valid),
        "encode_seconds": report.seconds,
    }
    if as_json:
        console.say_json(facts)
    elif not quiet:
        console.say("\n".join(_lines(facts, size)))


def _decibels(scene: Path, decoded: Path) -> tuple[Any, Any, Any]:
    """Decibels of both files, and which pixels are data; each of shape (h, w)."""
    from sarcodec.io.raster import RasterSource
    from sarcodec.radiometry import to_db, valid_mask
    from sarcodec.types import Scale, Window

    rasters = []
    for path in (scene, decoded):
        with RasterSource(path) as source:
            rasters.append(source.read(0, Window(0, 0, source.meta.width, source.meta.height)))
            nodata = source.meta.nodata
    before, after = (to_db(raster, Scale.DN) for raster in rasters)
    return before, after, valid_mask(rasters[0], Scale.DN, nodata)


def _errors(before: Any, after: Any, valid: Any) -> dict[str, float]:
    """RMSE in dB, and by how much the mean power moved, in dB."""
    from sarcodec.metrics import rmse_db

    powers = [float((10 ** (image[valid].astype("float64") / 10)).mean()) for image in (before, after)]
    return {
        "rmse_db": rmse_db(before, after, valid),
        "mean_power_bias_db": 10 * math.log10(powers[1] / powers[0]),
    }


def _lines(facts: dict[str, Any], size: int) -> list[str]:
    text = console.size_text
    rows = [
        ("scene", f"{size}x{size} uint16, {text(facts['raw_bytes'])} raw, {facts['scene']}"),
        ("GeoTIFF", f"{text(facts['scene_bytes'])}, losslessly deflated"),
        ("coded", f"{text(facts['bytes'])}, {facts['raw_bytes'] / facts['bytes']:.1f}x, {facts['coded']}"),
        ("rate", f"{facts['bpp']:.4f} bits per pixel, whole file"),
        ("error", f"{facts['rmse_db']:.3f} dB RMSE over valid pixels"),
        ("bias", f"{facts['mean_power_bias_db']:+.3f} dB of mean power"),
        ("encoding", f"{facts['encode_seconds']:.1f} s"),
        ("decoded", str(facts["decoded"])),
        ("picture", str(facts["picture"])),
    ]
    return [f"{name:<9} {value}" for name, value in rows]
