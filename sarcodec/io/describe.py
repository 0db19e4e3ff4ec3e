"""An open rasterio dataset's metadata as :class:`RasterMeta`."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

from sarcodec.errors import InputError
from sarcodec.georef import Transform
from sarcodec.io import residue
from sarcodec.io.crs import crs_text
from sarcodec.io.gdal import Complaints
from sarcodec.metadata import BandMeta, Gcp, RasterMeta, Tags

log = logging.getLogger(__name__)

_STRUCTURAL = {"IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "SUBDATASETS", "RPC", residue.NAMESPACE}
"""Namespaces that GDAL makes up from the file, or that other fields hold."""


def describe(dataset: Any, bands: Sequence[int] | None = None) -> RasterMeta:
    """Metadata of `dataset`, with what an earlier sink put aside for want of a place in GeoTIFF.

    Nodata is that of `bands` (from 1), which are all of them if None.

    Raises
    ------
    InputError
        The bands differ in nodata, or a tag is not UTF-8.
    """
    return residue.restore(native(dataset, bands), dataset.tags(ns=residue.NAMESPACE).get(residue.KEY, ""))


def native(dataset: Any, bands: Sequence[int] | None = None) -> RasterMeta:
    """Metadata as GDAL gives it, the nodata that of `bands`.

    Raises
    ------
    InputError
        The bands differ in nodata, or a tag is not UTF-8.
    """
    hint = "Rewrite or remove it first; it could not be given back as it is."
    try:
        with Complaints() as complaints:
            meta = _native(dataset, bands or dataset.indexes)
    except UnicodeDecodeError as error:
        raise InputError(f"{dataset.name}: a text is not UTF-8: {error.object!r:.60}", hint=hint) from error
    for text in complaints.texts:
        if "Failed to decode" in text:  # rasterio leaves such a tag out
            raise InputError(f"{dataset.name}: a tag is not UTF-8: {text:.120}", hint=hint)
    return meta


def _native(dataset: Any, bands: Sequence[int]) -> RasterMeta:
    gcps, gcp_crs = dataset.gcps
    return RasterMeta(
        width=dataset.width,
        height=dataset.height,
        count=dataset.count,
        dtype=dataset.dtypes[0],
        nodata=_common_nodata(dataset, bands),
        crs=crs_text(dataset.crs),
        transform=_transform(dataset),
        gcps=tuple(Gcp(g.row, g.col, g.x, g.y, g.z or 0.0, g.id or "", g.info or "") for g in gcps),
        gcp_crs=crs_text(gcp_crs),
        rpcs=dataset.tags(ns="RPC") or None,
        tags=_tags(dataset, 0),
        bands=tuple(
            BandMeta(
                description=dataset.descriptions[band - 1],
                unit=dataset.units[band - 1] or None,
                scale=dataset.scales[band - 1],
                offset=dataset.offsets[band - 1],
                colorinterp=dataset.colorinterp[band - 1].name,
                tags=_tags(dataset, band),
            )
            for band in dataset.indexes
        ),
    )


def _common_nodata(dataset: Any, bands: Sequence[int]) -> float | None:
    values = [(band, dataset.nodatavals[band - 1]) for band in bands]
    declared = [(band, value) for band, value in values if value is not None]
    if not declared:
        return None
    (first_band, first), *others = declared
    for band, value in others:
        if value != first and not (math.isnan(value) and math.isnan(first)):
            raise InputError(
                f"{dataset.name}: nodata is {first} in band {first_band}, {value} in band {band}",
                hint="Give all bands one nodata value, or code them as files of their own with --bands.",
            )
    if len(declared) < len(bands):
        log.warning(
            "nodata %g is declared for band %s only; it is taken for the nodata of all bands",
            first,
            ", ".join(str(band) for band, _ in declared),
        )
    return float(first)


def _transform(dataset: Any) -> Transform | None:
    a, b, c, d, e, f = tuple(dataset.transform)[:6]
    # GDAL says identity where there is none, and does not tell the two apart.
    return None if (a, b, c, d, e, f) == (1, 0, 0, 0, 1, 0) else (a, b, c, d, e, f)


def _tags(dataset: Any, band: int) -> Tags:
    # What an earlier decode says of a band is about its pixels, not about this file.
    structural = _STRUCTURAL - {residue.NAMESPACE} if band else _STRUCTURAL
    namespaces = {"", *dataset.tag_namespaces(band)} - structural
    tags = {name: dict(dataset.tags(band, ns=name or None)) for name in sorted(namespaces)}
    return {name: items for name, items in tags.items() if items}
