"""Latents of one tile to the layers of its bands: quantise and entropy-code, each band beside its first."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from sarcodec.bitstream.tile import BandRecord
from sarcodec.encoding.analysis import Analysed
from sarcodec.encoding.spool import Spool
from sarcodec.model.entropy import Coded, LatentCoder
from sarcodec.model.runtime import one_thread
from sarcodec.parallel import ordered_map
from sarcodec.types import Place, first_of


@dataclass(frozen=True)
class CodedBand:
    """One band of a tile as the model codes it."""

    place: Place
    record: BandRecord
    """Mask and layers of latents; corrections follow."""
    y_hat: npt.NDArray[np.int32] | None
    """Its latents as a decoder will have them; None if no pixel depends on them, or nobody asked for them."""


def code_tiles(spool: Spool, coder: LatentCoder, jobs: int) -> Generator[list[CodedBand], None, None]:
    """All bands of each tile, row-major; with decoded latents if corrections are to be measured on them."""
    work = partial(_code_tile, spool, coder, decoded=bool(spool.scene.wishes))
    return ordered_map(work, spool.scene.grid.tiles, jobs, one_thread)


def _code_tile(spool: Spool, coder: LatentCoder, at: tuple[int, int], *, decoded: bool) -> list[CodedBand]:
    """All bands of a tile; `decoded` asks for their decoded latents."""
    layers, known = len(coder.model.layers), dict[int, Coded | None]()
    out = []
    for place in (Place(band, *at) for band in range(len(spool.scene.scans))):
        tile = spool.fetch(place)
        coded = code(spool, coder, place, known, tile=tile)
        bodies = (b"",) * layers if coded is None else coded.layers
        y_hat = coded.y_hat.astype(np.int32) if decoded and coded is not None else None
        out.append(CodedBand(place, BandRecord(tile.mask, bodies), y_hat))
    return out


def code(
    spool: Spool,
    coder: LatentCoder,
    place: Place,
    known: dict[int, Coded | None] | None = None,
    *,
    tile: Analysed | None = None,
    dry: bool = False,
) -> Coded | None:
    """Code a band of a tile, predicted from the band that its group starts with; None if it has no data.

    Parameters
    ----------
    known : dict, optional
        What bands of this tile were coded as; gets this one too.
    tile : Analysed, optional
        That of the place, if it is at hand.
    dry : bool
        See :meth:`LatentCoder.encode`.
    """
    known = {} if known is None else known
    tile = tile or spool.fetch(place)
    first, beside = first_of(spool.scene.groups, place.band), None
    if not tile.y.size:
        known[place.band] = None
        return None
    if first != place.band:
        base = known[first] if first in known else code(spool, coder, place.of(first), known, dry=True)
        beside = np.zeros(tile.y.shape, np.int64) if base is None else base.y_hat
    coded = known[place.band] = coder.encode(tile.y, beside=beside, dry=dry)
    return coded
