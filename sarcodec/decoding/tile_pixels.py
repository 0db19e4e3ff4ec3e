"""Latents of a tile and of its neighbours to native values, and what damage takes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sarcodec.bitstream.record import Record
from sarcodec.corrections import layers as corrections
from sarcodec.corrections.tiles import DecodedTile
from sarcodec.damage import reached
from sarcodec.decoding.decoder import Decoder, Latents, whole
from sarcodec.decoding.overview import reduced_classes
from sarcodec.errors import FormatError
from sarcodec.model.transforms import STRIDE
from sarcodec.pixels import synthesised
from sarcodec.types import Place, Window


class Piece(NamedTuple):
    """Native values of a band in a window of the raster that is returned."""

    band: int
    """Counted from 0."""
    window: Window
    values: npt.NDArray[Any]


def pixels(
    decoder: Decoder, place: Place, record: Record | FormatError, y_hats: Mapping[Place, Latents | None]
) -> Piece:
    """A tile, given the latents around it; the fill value where damage reaches.

    Class map -> corrections -> halo and g_s -> decibels -> native values -> invalid pixels back.

    Parameters
    ----------
    record : Record
        The tile's, or what is wrong with it.
    y_hats : mapping
        Latents of the tile and of those that touch it, None for one that is damaged.

    Raises
    ------
    FormatError, ChecksumError
        The tile is damaged, and partial decodes are not allowed.
    """
    coded, window, band = decoder.coded, decoder.grid.window(*place.at), decoder.coded.pixels[place.band]
    shape, dtype = (window.height, window.width), decoder.header.dtype
    if y_hats.get(place) is None:
        return Piece(place.band, window, np.full(shape, coded.fill, dtype))
    try:
        classes = decoder.classes(place, record)
        valid = classes == 0
        found = corrections.unpacked(decoder.corrections, decoder.header, whole(record), place, valid)
    except FormatError as error:
        coded.lose(place, error)
        return Piece(place.band, window, np.full(shape, coded.fill, dtype))
    cells = reduced_classes(classes, decoder.factor, band.palette)
    if cells.all():
        values = np.zeros(shape, dtype)
    else:
        x = synthesised(
            decoder.g_s,
            y_hats,
            band.band.level,
            decoder.full,
            place,
            reach=decoder.reach,
            factor=decoder.factor,
        )
        decoded = DecodedTile(x, band, valid, place.band, window, decoder.reader.header_crc)
        values = corrections.corrected(decoded, found).native()
    if cells.any():
        values = band.palette.restore(values, cells)
    for part in damaged_parts(decoder, place, (there for there, y_hat in y_hats.items() if y_hat is None)):
        values[part] = coded.fill
    return Piece(place.band, window, values)


def damaged_parts(decoder: Decoder, place: Place, lost: Iterable[Place]) -> list[Any]:
    """Parts of a tile that need the latents of neighbours among the `lost` ones, as slices."""
    near = set(place.around()).intersection(lost)
    return reached(
        decoder.grid, place.at, sorted(there.at for there in near), STRIDE // decoder.factor * decoder.reach
    )
