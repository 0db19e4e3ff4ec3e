"""A raster as a source of pixels and metadata, and as a place to write them."""

from __future__ import annotations

from typing import Any

from rasterio.crs import CRS
from rasterio.transform import Affine

from sarcodec.errors import FormatError
from sarcodec.io import gdal
from sarcodec.io.crs import crs_from_text
from sarcodec.io.sink import RasterSink
from sarcodec.io.source import RasterSource
from sarcodec.metadata import RasterMeta

__all__ = ["RasterSink", "RasterSource", "profile"]


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
        "transform": Affine.identity() if meta.transform is None else Affine(*meta.transform),
    }


def _crs(text: str) -> CRS:
    try:
        with gdal.reading():
            return crs_from_text(text)
    except gdal.GdalErrors as error:
        raise FormatError(
            f"the CRS {text[:80]!r} is neither an EPSG code nor WKT that PROJ knows: {gdal.reason(error)}",
            hint="meta has all that the profile would; sarcodec decode writes the raster without this CRS.",
        ) from error
