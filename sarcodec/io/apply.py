"""Put a :class:`RasterMeta` into a GeoTIFF that is being written; :mod:`sarcodec.io.describe` read upward."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.dtypes import in_dtype_range
from rasterio.enums import ColorInterp
from rasterio.transform import Affine

from sarcodec.io.crs import crs_from_text
from sarcodec.metadata import RasterMeta, Tags


def profile(meta: RasterMeta) -> dict[str, Any]:
    """Arguments of `rasterio.open` that create a file of this size, type and place."""
    arguments: dict[str, Any] = {
        "width": meta.width,
        "height": meta.height,
        "count": meta.count,
        "dtype": meta.dtype,
    }
    if meta.crs is not None:
        arguments["crs"] = crs_from_text(meta.crs)
    if meta.transform is not None:
        arguments["transform"] = Affine(*meta.transform)
    if meta.nodata is not None and in_dtype_range(meta.nodata, meta.dtype):
        arguments["nodata"] = meta.nodata
    return arguments


def apply(dataset: Any, meta: RasterMeta) -> None:
    """Put in all that :func:`profile` does not hold, as far as GeoTIFF has a place for it."""
    # GDAL drops the transform when GCPs are set.
    if meta.gcps and meta.transform is None:
        points = [GroundControlPoint(g.row, g.col, g.x, g.y, g.z, g.id, g.info) for g in meta.gcps]
        dataset.gcps = (points, crs_from_text(meta.gcp_crs) if meta.gcp_crs else CRS())
    if meta.rpcs:
        dataset.update_tags(ns="RPC", **meta.rpcs)
    _apply_tags(dataset, 0, meta.tags)
    for index, band in enumerate(meta.bands, 1):
        _apply_tags(dataset, index, band.tags)
        if band.description is not None:
            dataset.set_band_description(index, band.description)
        if band.unit is not None:
            dataset.set_band_unit(index, band.unit)
    if any((band.scale, band.offset) != (1, 0) for band in meta.bands):
        dataset.scales = [band.scale for band in meta.bands]
        dataset.offsets = [band.offset for band in meta.bands]
    colors = [band.colorinterp for band in meta.bands]
    known = all(color in ColorInterp.__members__ for color in colors)
    if known and colors != [color.name for color in dataset.colorinterp]:
        dataset.colorinterp = [ColorInterp[color] for color in colors]


def _apply_tags(dataset: Any, band: int, tags: Tags) -> None:
    for namespace, items in tags.items():
        document = namespace.startswith("xml:")
        dataset.update_tags(band, ns=namespace or None, **(_document(items) if document else items))


def _document(items: Mapping[str, str]) -> dict[str, str]:
    """A namespace that is one document has no keys: GDAL is to join what stands before and behind a "="."""
    text = "".join(items.values())
    # GDAL would put a "=" behind a text that has none.
    before, _, behind = (text if "=" in text else f"{text}<!--=-->").partition("=")
    return {before: behind}
