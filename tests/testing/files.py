"""Raster files of every kind, made with rasterio or by hand, and the command line on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.transform import Affine

from conftest import TOY
from sarcodec.cli import main
from sarcodec.types import Scale
from testing.rasters import is_data

Array = npt.NDArray[Any]
Setup = Callable[[Any], object]

UTM = {"crs": "EPSG:32633", "transform": Affine(10, 0, 399960, 0, -10, 5000040)}
ROTATED = {"crs": "EPSG:32633", "transform": Affine(8.5, -2.25, 399960.125, 1.75, -9, 5000040.5)}
RPCS = {
    f"{axis}_{kind}": "1.5" for axis in ("LINE", "SAMP", "LAT", "LONG", "HEIGHT") for kind in ("OFF", "SCALE")
} | {
    f"{axis}_{part}_COEFF": " ".join(f"{n}.25" for n in range(20))
    for axis in ("LINE", "SAMP")
    for part in ("NUM", "DEN")
}


def tiff(path: Path, values: Array, setup: Setup | None = None, **profile: Any) -> Path:
    """Write `values`, shape (height, width) or (bands, height, width), as GeoTIFF or as `driver` says."""
    cube = values if values.ndim == 3 else values[None]
    count, height, width = cube.shape
    shape = {"count": count, "height": height, "width": width, "dtype": str(cube.dtype)}
    with rasterio.open(path, "w", **{"driver": "GTiff"} | shape | profile) as dataset:
        if setup:
            setup(dataset)
        dataset.write(cube)
    return path


def vrt(
    source: str, *, size: tuple[int, int] = (40, 30), relative: int = 1, band: str = "", extra: str = ""
) -> str:
    """A VRT of one band that names `source`; `band` are the band's attributes, `extra` comes before it."""
    return (
        f'<VRTDataset rasterXSize="{size[0]}" rasterYSize="{size[1]}">{extra}'
        f'<VRTRasterBand dataType="UInt16" band="1" {band}><SimpleSource>'
        f'<SourceFilename relativeToVRT="{relative}">{source}</SourceFilename>'
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )


def control_points(dataset: Any) -> None:
    """Four control points with heights, in degrees."""
    dataset.gcps = (
        [
            GroundControlPoint(row, col, 10 + col / 7, 50 - row / 9, 5.5 * n, str(n))
            for n, (row, col) in enumerate([(0, 0), (0, 40), (30, 0), (30, 40)], 1)
        ],
        CRS.from_epsg(4326),
    )


def encode(source: object, out: object, *options: object) -> int:
    """``sarcodec encode`` with the toy model; its exit code."""
    arguments = ["encode", source, "-o", out, "--model", TOY, "-j", 1, "--quiet", *options]
    return main([str(argument) for argument in arguments])


def decode(source: object, out: object, *options: object) -> int:
    """``sarcodec decode`` with the toy model; its exit code."""
    arguments = ["decode", source, "-o", out, "--model", TOY, "-j", 1, "--quiet", *options]
    return main([str(argument) for argument in arguments])


def assert_pixels_come_back(source: Path | str, back: Path | str, scale: Scale) -> None:
    """Shape, type and invalid pixels are as before, valid ones valid and within the range of their band."""
    with rasterio.open(source) as old_file, rasterio.open(back) as new_file:
        before, after, nodata = old_file.read(), new_file.read(), old_file.nodata
    assert (after.dtype, after.shape) == (before.dtype, before.shape)
    for old, new in zip(before, after, strict=True):
        data = is_data(old, scale, nodata)
        bits = f"u{old.dtype.itemsize}"
        np.testing.assert_array_equal(new[~data].view(bits), old[~data].view(bits))
        assert is_data(new, scale, nodata)[data].all()
        if data.any():
            assert old[data].min() <= new[data].min() <= new[data].max() <= old[data].max()
