"""Tags by which a decoded raster says what it is: its scale, what was done to it, what was lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sarcodec.bitstream.header import Header
from sarcodec.corrections.correction import Correction
from sarcodec.damage import DamagedTile
from sarcodec.metadata import RasterMeta
from sarcodec.types import Basis

NAMESPACE = "SARCODEC"
SCALE, SCALE_FROM = "SCALE", "SCALE_FROM"
"""Tags of a band: what its values are, and how that is known."""
MEANING, REDUCED, DAMAGED = "MEANING", "REDUCED", "DAMAGED_TILES"
"""Tags of the raster."""


def decoded(
    meta: RasterMeta, header: Header, corrections: Sequence[Correction], factor: int = 1
) -> RasterMeta:
    """`meta` of a raster as a decode returns it, with tags that say what its pixels are.

    Parameters
    ----------
    meta : RasterMeta
        Of the part that is decoded, in whole pixels.
    corrections : sequence of Correction
        Those that are applied.
    factor : int
        Pixels a side that one decoded pixel is the mean of.
    """
    if factor != 1:
        meta = _tagged(meta.reduced(factor), REDUCED, f"mean of decibels over {factor} x {factor} pixels")
    for correction in corrections:
        meta = _tagged(meta, MEANING, correction.tag) if correction.tag else meta
    bands = []
    for number, band in enumerate(meta.bands):
        said = {SCALE: header.pixel_scale(number).scale.value, SCALE_FROM: header.scale_basis(number).value}
        bands.append(replace(band, tags={**band.tags, NAMESPACE: {**band.tags.get(NAMESPACE, {}), **said}}))
    return replace(meta, bands=tuple(bands))


def damaged(meta: RasterMeta, fill: Any, tiles: Iterable[DamagedTile]) -> RasterMeta:
    """`meta` with `fill` declared as nodata, and a tag that names the damaged tiles."""
    return replace(_tagged(meta, DAMAGED, "; ".join(map(str, tiles))), nodata=fill.item())


def _tagged(meta: RasterMeta, tag: str, text: str) -> RasterMeta:
    return replace(meta, tags={**meta.tags, NAMESPACE: {**meta.tags.get(NAMESPACE, {}), tag: text}})


def unmarked(meta: RasterMeta) -> RasterMeta:
    """`meta` without the tags of bands: a coded file says the same in its header."""
    bands = []
    for band in meta.bands:
        own = {k: v for k, v in band.tags.get(NAMESPACE, {}).items() if k not in (SCALE, SCALE_FROM)}
        tags = {name: items for name, items in {**band.tags, NAMESPACE: own}.items() if items}
        bands.append(replace(band, tags=tags) if tags != band.tags else band)
    return replace(meta, bands=tuple(bands))


def said(tags: dict[str, dict[str, str]]) -> dict[str, str]:
    """The scale that an earlier decode wrote into tags of a band, as a tag SCALE; {} if it was a guess."""
    own = tags.get(NAMESPACE, {})
    sure = own.get(SCALE_FROM) not in (None, Basis.ASSUMED.value, Basis.UNRECORDED.value)
    return {SCALE: own[SCALE]} if sure and SCALE in own else {}
