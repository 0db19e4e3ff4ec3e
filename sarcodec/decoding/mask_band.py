"""The mask band of a raster that has one, from the class maps of its bands."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sarcodec.decoding.decoder import Decoder
from sarcodec.decoding.overview import reduced_classes
from sarcodec.decoding.tile_pixels import damaged_parts
from sarcodec.types import Place, Window


def shown_in_tile(decoder: Decoder, row: int, col: int) -> npt.NDArray[np.bool_]:
    """True where the mask band leaves a pixel of a tile valid; False where damage reaches in any band.

    What damage reaches is known once the pixels of the tile were decoded.
    """
    window, record = decoder.grid.window(row, col), decoder.record(row, col)
    seen = np.ones((window.height, window.width), bool)
    for place in (Place(band, row, col) for band in range(len(decoder.header.bands))):
        if place in decoder.lost or place in decoder.coded.damaged:
            seen[...] = False
            break
        palette = decoder.coded.pixels[place.band].palette
        seen &= ~palette.masked(reduced_classes(decoder.classes(place, record), decoder.factor, palette))
        for part in damaged_parts(decoder, place, decoder.lost):
            seen[part] = False
    return seen


def shown(decoder: Decoder, window: Window) -> npt.NDArray[np.bool_]:
    """:func:`shown_in_tile` of a window, shape (height, width); all True without a mask band."""
    out = np.ones((window.height, window.width), bool)
    for at in decoder.grid.touching(window) if decoder.coded.has_mask else ():
        tile = decoder.grid.window(*at)
        part = tile.intersect(window)
        assert part is not None
        out[part.inside(window)] = shown_in_tile(decoder, *at)[part.inside(tile)]
    return out
