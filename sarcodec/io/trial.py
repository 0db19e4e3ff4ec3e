"""What GDAL makes of metadata and creation options, tried on a small GeoTIFF in memory."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from rasterio.io import MemoryFile

from sarcodec.errors import UsageError
from sarcodec.io import beside, gdal, residue
from sarcodec.io.apply import apply, profile
from sarcodec.io.crs import crs_from_text, same
from sarcodec.io.describe import native
from sarcodec.io.options import not_accepted
from sarcodec.metadata import RasterMeta

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trial:
    """What a trial found out."""

    given: RasterMeta
    """What to give GDAL so that it reads back what is wanted."""
    found: RasterMeta
    """What it reads back, which may still differ."""
    beside: str
    """Text of an .aux.xml with the CRS that GeoTIFF cannot hold, "" if none is needed."""


def tried(meta: RasterMeta, options: Mapping[str, str]) -> Trial:
    """Try `meta` and `options`; a CRS that GDAL cannot write is left out, with a warning.

    Raises
    ------
    UsageError
        GDAL does not accept `options`, or pixels or metadata would be lost by them.
    InputError
        PROJ finds no data, and so knows no CRS.
    """
    wanted = _understood(meta)
    given, found, reason = _writable(wanted, options)
    if given.gcps and found.gcps:
        # Where pixels stand for points, GDAL moves GCPs by half a pixel each time it writes or reads.
        rows, cols = (getattr(found.gcps[0], name) - getattr(given.gcps[0], name) for name in ("row", "col"))
        if rows or cols:
            moved = tuple(replace(g, row=g.row - rows, col=g.col - cols) for g in given.gcps)
            given = replace(given, gcps=moved)
            found = _read_back(given, options)
    profile_kept = options.get("PROFILE", "GDALGEOTIFF") == "GDALGEOTIFF"
    if not profile_kept and residue.record(meta, found):
        raise not_accepted(f"PROFILE={options['PROFILE']} would lose metadata")
    return Trial(given, found, _beside(wanted, given, found, options, reason))


def retried(trial: Trial, meta: RasterMeta, options: Mapping[str, str]) -> Trial:
    """The same for a raster with the nodata value and the tags of `meta`; what was told is not told again.

    Raises
    ------
    UsageError
        GDAL does not accept `options` together with them.
    """
    given = replace(trial.given, nodata=meta.nodata, tags=meta.tags)
    return replace(trial, given=given, found=_read_back(given, options))


def _understood(meta: RasterMeta) -> RasterMeta:
    """`meta` without a CRS that PROJ refuses, or that PROJ may not be asked for."""
    for name, text in _systems(meta).items():
        try:
            with gdal.writing():  # GDAL's own lines would go to standard error
                crs_from_text(text)
        except gdal.GdalErrors as error:
            _warn(text, None, f"it is refused: {gdal.reason(error)}")
            meta = _without(meta, [name])
    return meta


def _writable(meta: RasterMeta, options: Mapping[str, str]) -> tuple[RasterMeta, RasterMeta, str]:
    """As much of `meta` as GDAL writes, all but a CRS at the least, what it reads back, and why not more."""
    try:
        return meta, _read_back(meta, options), "GeoTIFF has no place for it"
    except UsageError as error:
        names = list(_systems(meta))
        for each in [*([name] for name in names), names]:
            with suppress(UsageError):
                less = _without(meta, each)
                return less, _read_back(less, options), error.message
        raise


def _systems(meta: RasterMeta) -> dict[str, str]:
    """The CRSs of raster and ground control points, as far as there are any, by their field."""
    return {name: text for name in ("crs", "gcp_crs") if (text := getattr(meta, name)) is not None}


def _without(meta: RasterMeta, names: list[str]) -> RasterMeta:
    left = {name: text for name, text in _systems(meta).items() if name not in names}
    return replace(meta, crs=left.get("crs"), gcp_crs=left.get("gcp_crs"))


def _beside(
    wanted: RasterMeta, given: RasterMeta, found: RasterMeta, options: Mapping[str, str], reason: str
) -> str:
    """Text of the .aux.xml with which GDAL reads the CRS `wanted`; warns of a CRS that is lost even so."""
    with gdal.reading():
        if wanted.gcp_crs and found.gcps and not same(wanted.gcp_crs, found.gcp_crs):
            _warn(wanted.gcp_crs, found.gcp_crs, reason)
        if not wanted.crs or same(wanted.crs, found.crs):
            return ""
        for text in beside.texts(wanted.crs, found.tags.get("", {}).get("AREA_OR_POINT")):
            with suppress(UsageError):
                again = _read_back(given, options, text)
                if same(wanted.crs, again.crs) and replace(again, crs=found.crs) == found:
                    return text
        _warn(wanted.crs, found.crs, reason)
    return ""


def _warn(crs: str, found: str | None, reason: str) -> None:
    written = "without its CRS" if found is None else "with a CRS that is only like its own,"
    log.warning(
        "the GeoTIFF is written %s %s: %s; its tag %s of the namespace %s has the text",
        written,
        f"{crs[:80]!r}",
        reason,
        residue.KEY,
        residue.NAMESPACE,
    )


def _read_back(meta: RasterMeta, options: Mapping[str, str], aside: str = "") -> RasterMeta:
    """What GDAL reads of a file with `meta`, and with `aside` as the .aux.xml beside it."""
    noise = _noise(meta)
    _, height, width = noise.shape
    try:
        with ExitStack() as stack, gdal.Complaints() as complaints:
            stack.enter_context(gdal.reading())
            stack.enter_context(gdal.opening())
            memory = stack.enter_context(MemoryFile())
            arguments = {**profile(meta), "width": width, "height": height, **options}
            with gdal.writing(), memory.open(driver="GTiff", **arguments) as dataset:
                apply(dataset, meta)
                dataset.write(noise)
            if aside:
                folder, _, name = memory.name.removeprefix("/vsimem/").rpartition("/")
                stack.enter_context(MemoryFile(aside.encode(), folder, f"{name}{beside.ENDING}"))
            with gdal.reading() if aside else gdal.writing(), memory.open() as dataset:
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


def _noise(meta: RasterMeta) -> np.ndarray[Any, np.dtype[Any]]:
    """Pixels that a lossy option would not give back, shape (count, 16, 16)."""
    dtype, shape, rng = np.dtype(meta.dtype), (meta.count, 16, 16), np.random.default_rng(0)
    if dtype.kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    return np.frombuffer(rng.bytes(meta.count * 256 * dtype.itemsize), dtype).reshape(shape)
