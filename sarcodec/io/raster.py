"""A raster as a source of pixels and metadata, and as a place to write them."""

from __future__ import annotations

from typing import Any

from rasterio.crs import CRS
from rasterio.transform import Affine

from sarcodec.io.sink import RasterSink
from sarcodec.io.source import RasterSource
from sarcodec.metadata import RasterMeta

__all__ = ["RasterSink", "RasterSource", "profile"]


def profile(meta: RasterMeta) -> dict[str, Any]:
    """What rasterio calls a profile, ready for ``rasterio.open(path, "w", **profile)``."""
    return {
        "driver": "GTiff",
        "dtype": meta.dtype,
        "nodata": meta.nodata,
        "width": meta.width,
        "height": meta.height,
        "count": meta.count,
        "crs": None if meta.crs is None else CRS.from_user_input(meta.crs),
        "transform": Affine.identity() if meta.transform is None else Affine(*meta.transform),
    }
