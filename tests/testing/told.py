"""What rasterio says of a file: the oracle for metadata, which shares no code with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rasterio

MADE_UP = ("IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "SARCODEC")
"""Namespaces that describe the file, not the raster, and the one for what GeoTIFF has no place for."""


def told_by_rasterio(path: Path | str) -> dict[str, Any]:
    """Every field of a raster's metadata but its pixels."""
    with rasterio.open(path) as src:
        gcps, gcp_crs = src.gcps
        return {
            "shape": (src.count, *src.shape),
            "dtypes": src.dtypes,
            "nodata": [repr(v) for v in src.nodatavals],
            "crs": src.crs,
            "wkt": src.crs and src.crs.to_wkt(),
            "transform": src.transform,
            "gcps": [g.asdict() for g in gcps],
            "gcp_crs": gcp_crs and gcp_crs.to_wkt(),
            "rpcs": src.tags(ns="RPC"),
            "tags": [src.tags(band) for band in range(src.count + 1)],
            "namespaces": [
                {name: src.tags(band, ns=name) for name in src.tag_namespaces(band) if name not in MADE_UP}
                for band in range(src.count + 1)
            ],
            "descriptions": src.descriptions,
            "units": src.units,
            "scales": [repr(v) for v in src.scales],
            "offsets": [repr(v) for v in src.offsets],
            "colours": src.colorinterp,
        }
