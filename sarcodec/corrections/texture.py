"""Texture: noise in place of the speckle that the code left out, measured by the encoder, added on demand.

What the noise is stands in :mod:`sarcodec.corrections.texture_noise`, how it is measured in
:mod:`sarcodec.corrections.texture_fit`.
"""

from __future__ import annotations

from functools import partial

from sarcodec.bitstream.texturegrid import SIDE, Texture, pack, unpack
from sarcodec.corrections.texture_noise import Floats, added
from sarcodec.corrections.tiles import DecodedTile, SourceTile

__all__ = ["apply", "estimated_bytes", "measure", "pack", "unpack"]


def measure(truth: SourceTile, decoded: DecodedTile, _wish: bool) -> Texture | None:  # noqa: FBT001
    """Texture of a tile, None if nothing is missing."""
    from sarcodec.corrections import texture_fit  # only if it is asked for

    db = decoded.decibels()
    add = partial(_noise, db=db, decoded=decoded)
    return texture_fit.measure(truth.decibels(), db, truth.valid, add)


def apply(found: Texture | None, decoded: DecodedTile) -> Floats | None:
    """dB to add to each pixel of a tile."""
    return None if found is None else _noise(found, decoded.decibels(), decoded)


def _noise(found: Texture, db: Floats, decoded: DecodedTile) -> Floats:
    return added(found, db, decoded.valid, decoded.seed, decoded.band, decoded.window)


def estimated_bytes(counts: tuple[int, ...], _wish: bool) -> int:  # noqa: FBT001
    """About what a band's textures will take; `counts` are the valid pixels of each tile."""
    cells = [-(-count // SIDE**2) for count in counts if count]
    return 3 * sum(cells) // 8 + 28 * len(cells)
