"""The tags by which a decoded raster says what its values are, and how that is known."""

from __future__ import annotations

from dataclasses import replace

from sarcodec.bitstream.header import Header
from sarcodec.metadata import RasterMeta
from sarcodec.types import Basis

NAMESPACE = "SARCODEC"
SCALE, SCALE_FROM = "SCALE", "SCALE_FROM"


def marked(meta: RasterMeta, header: Header) -> RasterMeta:
    """`meta` of the decoded raster, with the scale of each band and how it is known as tags of the band."""
    bands = []
    for number, band in enumerate(meta.bands):
        said = {SCALE: header.pixel_scale(number).scale.value, SCALE_FROM: header.scale_basis(number).value}
        bands.append(replace(band, tags={**band.tags, NAMESPACE: {**band.tags.get(NAMESPACE, {}), **said}}))
    return replace(meta, bands=tuple(bands))


def unmarked(meta: RasterMeta) -> RasterMeta:
    """`meta` without those tags: a file says the same in its header."""
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
