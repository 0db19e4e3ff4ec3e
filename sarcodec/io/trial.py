"""What GDAL makes of metadata and creation options, tried on a small GeoTIFF in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from rasterio.io import MemoryFile

from sarcodec.errors import FormatError
from sarcodec.io import gdal, residue
from sarcodec.io.apply import apply, profile
from sarcodec.io.describe import crs_from_text, native
from sarcodec.io.options import not_accepted
from sarcodec.metadata import RasterMeta


def tried(meta: RasterMeta, options: Mapping[str, str]) -> tuple[RasterMeta, RasterMeta]:
    """What to give GDAL so that it reads back `meta`, and what it reads back, which may still differ.

    Raises
    ------
    UsageError
        GDAL does not accept `options`, or pixels or metadata would be lost by them.
    FormatError
        A CRS is none that PROJ knows.
    """
    _check_crs(meta)
    given, found = meta, _read_back(meta, options)
    if meta.gcps and found.gcps:
        # Where pixels stand for points, GDAL moves GCPs by half a pixel each time it writes or reads.
        rows, cols = (getattr(found.gcps[0], name) - getattr(meta.gcps[0], name) for name in ("row", "col"))
        if rows or cols:
            moved = tuple(replace(g, row=g.row - rows, col=g.col - cols) for g in meta.gcps)
            given = replace(meta, gcps=moved)
            found = _read_back(given, options)
    profile_kept = options.get("PROFILE", "GDALGEOTIFF") == "GDALGEOTIFF"
    if not profile_kept and residue.record(meta, found):
        raise not_accepted(f"PROFILE={options['PROFILE']} would lose metadata")
    return given, found


def _read_back(meta: RasterMeta, options: Mapping[str, str]) -> RasterMeta:
    noise = _noise(meta)
    _, height, width = noise.shape
    try:
        with gdal.writing(), gdal.opening(), gdal.Complaints() as complaints, MemoryFile() as memory:
            arguments = {**profile(meta), "width": width, "height": height, **options}
            with memory.open(driver="GTiff", **arguments) as dataset:
                apply(dataset, meta)
                dataset.write(noise)
            with memory.open() as dataset:
                found = native(dataset)
                exact = np.array_equal(dataset.read(), noise)
    except gdal.GdalErrors as error:
        raise not_accepted(gdal.reason(error)) from error
    for text in complaints.texts:
        if "creation option" in text:
            raise not_accepted(text)
    if not exact:
        named = " ".join(f"{key}={value}" for key, value in options.items())
        raise not_accepted(f"pixels do not survive {named}")
    return replace(found, width=meta.width, height=meta.height)


def _check_crs(meta: RasterMeta) -> None:
    for text in filter(None, (meta.crs, meta.gcp_crs)):
        try:
            with gdal.writing():  # GDAL's own lines would go to standard error
                crs_from_text(text)
        except gdal.GdalErrors as error:
            raise FormatError(
                f"the CRS {text[:80]!r} cannot be understood: {gdal.reason(error)}",
                hint="The file says what no reader of its CRS knows; update PROJ, or report the file.",
            ) from error


def _noise(meta: RasterMeta) -> np.ndarray[Any, np.dtype[Any]]:
    """Pixels that a lossy option would not give back, shape (count, 16, 16)."""
    dtype, shape, rng = np.dtype(meta.dtype), (meta.count, 16, 16), np.random.default_rng(0)
    if dtype.kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    return np.frombuffer(rng.bytes(meta.count * 256 * dtype.itemsize), dtype).reshape(shape)
