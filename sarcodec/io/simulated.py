"""Simulated scenes as GeoTIFF, written row block by row block."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from enum import Enum
from pathlib import Path
from typing import Any

import rasterio
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.windows import Window as GdalWindow

from sarcodec.atomic import replacing
from sarcodec.errors import UsageError, WriteError
from sarcodec.io.complete import complete
from sarcodec.io.gdal import GdalErrors, opening, reason, writing
from sarcodec.simulate import Scene, SceneSpec
from sarcodec.types import Scale

BLOCK = (
    256  # side of GeoTIFF's tiles, and the rows written at a time: every tile is compressed once, in order
)
_HINT = "Check the free space, quota and permissions of its folder. Nothing was left behind."

SPACING = 10.0  # metres, as Sentinel-1 IW GRD at high resolution
_GCP_LINES, _GCP_COLS = 10, 21  # the geolocation grid of a Sentinel-1 IW GRD slice


class Georef(str, Enum):
    """How a simulated scene is tied to the ground."""

    UTM = "utm"
    """EPSG:32632 and a north-up transform."""
    GCPS = "gcps"
    """Longitude, latitude and height of a grid of pixels, as in a Sentinel-1 GRD product."""


def write_scene(
    path: str | os.PathLike[str],
    spec: SceneSpec,
    *,
    georef: Georef = Georef.UTM,
    truth: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the scene that `spec` describes, and its speckle-free truth where asked for.

    The same arguments give the same bytes. Memory is bounded by a row block.

    Parameters
    ----------
    path : path-like
        GeoTIFF to write: uint16 DN or float32 power or dB, nodata 0 (NaN for dB).
    truth : path-like, optional
        Second GeoTIFF, float32: mean power over all speckle (DN squared for DN) or its dB.
    overwrite : bool
        Whether existing files may be replaced.
    progress : callable, optional
        Called with (rows done, rows in all).

    Raises
    ------
    UsageError
        `truth` is the same file as `path`.
    OutputExistsError
        A file exists and `overwrite` is false.
    WriteError
        A file could not be written completely.
    """
    if truth is not None and os.path.realpath(truth) == os.path.realpath(path):
        raise UsageError(
            f"the truth would overwrite the scene {Path(path)}", hint="Give the truth a name of its own."
        )
    with ExitStack() as stack:
        # Closed before `replacing` renames: the stack unwinds in reverse.
        partials = [stack.enter_context(replacing(path, overwrite=overwrite))]
        if truth is not None:
            partials.append(stack.enter_context(replacing(truth, overwrite=overwrite)))
        try:
            with writing(), ExitStack() as datasets:
                scene_file = datasets.enter_context(_create(partials[0], spec, georef, truth=False))
                truth_file = (
                    datasets.enter_context(_create(partials[1], spec, georef, truth=True)) if truth else None
                )
                for block in Scene(spec).blocks(BLOCK, truth=truth is not None):
                    rows = block.values.shape[1]
                    window = GdalWindow(0, block.row, spec.width, rows)
                    scene_file.write(block.values, window=window)
                    if truth_file is not None:
                        truth_file.write(block.truth, window=window)
                    if progress is not None:
                        progress(block.row + rows, spec.height)
            for partial, truth_too in zip(partials, (False, True), strict=False):
                if not complete(partial, _tags(spec, truth=truth_too)):
                    raise WriteError(f"{path} could not be written: parts of it are missing", hint=_HINT)
        except GdalErrors as error:
            raise WriteError(
                f"{Path(path)} could not be written: {reason(error)}",
                hint=_HINT,
            ) from error


def _create(path: Path, spec: SceneSpec, georef: Georef, *, truth: bool) -> Any:
    """Open a GeoTIFF with all its metadata set; the caller closes it."""
    dtype = "float32" if truth else spec.dtype
    place: dict[str, Any] = (
        {"crs": CRS.from_epsg(32632), "transform": Affine(SPACING, 0, 600_000, 0, -SPACING, 5_400_000)}
        if georef is Georef.UTM
        else {}
    )
    with opening():
        dataset = rasterio.open(
            path, "w", driver="GTiff", width=spec.width, height=spec.height, count=len(spec.bands),
            dtype=dtype, nodata=spec.nodata, tiled=True, blockxsize=BLOCK, blockysize=BLOCK,
            interleave="band", compress="deflate", zlevel=1, predictor=2 if dtype == "uint16" else 3,
            BIGTIFF="IF_SAFER", **place,
        )  # fmt: skip
    if georef is Georef.GCPS:
        dataset.gcps = (_gcps(spec.width, spec.height), CRS.from_epsg(4326))
    dataset.update_tags(**_tags(spec, truth=truth))
    for index, band in enumerate(spec.bands, start=1):
        dataset.set_band_description(index, band)
    return dataset


def _tags(spec: SceneSpec, *, truth: bool) -> dict[str, str]:
    """Tags in the default namespace."""
    scale = Scale.POWER if truth and spec.scale is Scale.DN else spec.scale
    return {
        "SCALE": scale.value,
        "SENSOR": "simulated Sentinel-1 IW GRD",
        "SOURCE": "sarcodec simulate",
        "SIMULATION_SEED": str(spec.seed),
        "SIMULATION_DATE": str(spec.date),
        "SIMULATION_ENL": "inf" if truth else f"{spec.enl:g}",
        "SIMULATION_OVERSAMPLING": f"{spec.oversampling:g}",
    }


def _gcps(width: int, height: int) -> list[GroundControlPoint]:
    """Grid of ground control points of a descending pass near 47 N, 11 E, on rolling terrain."""
    points: list[GroundControlPoint] = []
    lines = sorted({round(k * (height - 1) / (_GCP_LINES - 1)) for k in range(_GCP_LINES)})
    pixels = sorted({round(k * (width - 1) / (_GCP_COLS - 1)) for k in range(_GCP_COLS)})
    for line in lines:
        for pixel in pixels:
            east, south = SPACING * pixel / 75_900, SPACING * line / 111_200  # metres per degree at 47 N
            # 12 degrees of heading; the small quadratic term is what no affine transform can follow.
            points.append(
                GroundControlPoint(
                    row=float(line),
                    col=float(pixel),
                    x=11.0 + 0.978 * east + 0.310 * south + 0.004 * east * east,
                    y=47.0 + 0.142 * east - 0.978 * south - 0.003 * east * south,
                    z=400.0 + 40.0 * ((pixel // 97 + line // 131) % 7),
                    id=str(len(points) + 1),
                )
            )
    return points
