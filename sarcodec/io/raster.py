"""A raster as a source of pixels and metadata, and as a place to write them."""

from __future__ import annotations

import math
from typing import Any

from rasterio.coords import BoundingBox
from rasterio.crs import CRS
from rasterio.transform import Affine

from sarcodec.errors import FormatError
from sarcodec.georef import Transform
from sarcodec.io import gdal
from sarcodec.io.crs import crs_from_text
from sarcodec.io.sink import RasterSink
from sarcodec.io.source import RasterSource
from sarcodec.metadata import RasterMeta

__all__ = ["RasterSink", "RasterSource", "bounds", "pixel_size", "profile"]

NOWHERE: Transform = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
"""Transform of a raster that has none: coordinates are columns and rows."""


def profile(meta: RasterMeta) -> dict[str, Any]:
    """What rasterio calls a profile, ready for ``rasterio.open(path, "w", **profile)``.

    Raises
    ------
    FormatError
        The CRS is neither an EPSG code nor WKT that PROJ knows.
    InputError
        PROJ finds no data, and so knows no CRS.
    """
    return {
        "driver": "GTiff",
        "dtype": meta.dtype,
        "nodata": meta.nodata,
        "width": meta.width,
        "height": meta.height,
        "count": meta.count,
        "crs": None if meta.crs is None else _crs(meta.crs),
        "transform": Affine(*(meta.transform or NOWHERE)),
    }


def bounds(meta: RasterMeta) -> BoundingBox:
    """The rectangle that holds the raster, in coordinates of its CRS; in pixels if it has no transform."""
    a, b, c, d, e, f = meta.transform or NOWHERE
    if b == d == 0:  # as rasterio has it: the bottom of a south-up raster lies above its top
        return BoundingBox(c, f + e * meta.height, c + a * meta.width, f)
    xs = [c + a * col + b * row for col in (0, meta.width) for row in (0, meta.height)]
    ys = [f + d * col + e * row for col in (0, meta.width) for row in (0, meta.height)]
    return BoundingBox(min(xs), min(ys), max(xs), max(ys))


def pixel_size(meta: RasterMeta) -> tuple[float, float]:
    """Width and height of a pixel in units of the CRS, as rasterio's `res`."""
    a, b, _, d, e, _ = meta.transform or NOWHERE
    return math.hypot(a, d), math.hypot(b, e)


def _crs(text: str) -> CRS:
    try:
        with gdal.reading():
            return crs_from_text(text)
    except gdal.GdalErrors as error:
        raise FormatError(
            f"the CRS {text[:80]!r} is neither an EPSG code nor WKT that PROJ knows: {gdal.reason(error)}",
            hint="meta has all that the profile would; sarcodec decode writes the raster without this CRS.",
        ) from error
