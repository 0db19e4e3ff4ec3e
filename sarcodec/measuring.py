"""Bright targets, gains and textures of all tiles, measured on what a decoder returns, tile row by row."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np
import numpy.typing as npt

from sarcodec import gain, targets
from sarcodec.bitstream import gaingrid, targetlist, texturegrid
from sarcodec.bitstream.header import Header
from sarcodec.bitstream.layout import LayerKind
from sarcodec.bitstream.tile import BandRecord
from sarcodec.invalid import InvalidPalette, Values
from sarcodec.model.modelfile import Model
from sarcodec.model.runtime import one_thread
from sarcodec.parallel import ordered_map
from sarcodec.radiometry import to_db
from sarcodec.source import Source, classes_of
from sarcodec.tile import Latents, decibels, native_values, synthesise_tile
from sarcodec.types import TileGrid, Window

Place = tuple[int, tuple[int, int]]
"""Band (from 0), and row and column of a tile."""
Coded = tuple[Place, BandRecord, Latents | None]
"""A tile's record as the model codes it and its decoded latents, None where no pixel depends on them."""


def with_measured(
    coded: Iterator[Coded],
    source: Source,
    model: Model,
    header: Header,
    side: int | None,
    seed: int,
    jobs: int,
) -> Generator[BandRecord, None, None]:
    """Add the layers that the header has for them to records, in the order of the file.

    A tile is synthesised as the decoder will, its neighbours' latents with it, so the latents of three tile
    rows are held: 2 bytes a pixel and band. Gains and textures are measured on pixels with targets raised.

    Parameters
    ----------
    side : int or None
        Of a cell of gains in pixels; see :func:`sarcodec.gain.measure`.
    seed : int
        Of the noise of textures: the checksum of the header.
    """
    grid, meta, in_row = header.grid, source.meta, header.grid.cols * len(header.bands)
    palettes = [InvalidPalette.of_band(band, header.dtype) for band in header.bands]
    sides = (LayerKind.BRIGHT_TARGETS, LayerKind.GAIN_GRID, LayerKind.TEXTURE)
    raises, gains, textures = (header.side_layer(kind) is not None for kind in sides)
    waiting: list[tuple[Place, BandRecord]] = []
    known: dict[Place, Latents | None] = {}

    def work(item: tuple[Place, BandRecord]) -> BandRecord:
        (number, at), record = item
        band, palette = header.bands[number], palettes[number]
        window, scale = grid.window(*at), header.pixel_scale(number)
        values = source.read(number, window)
        valid = classes_of(source, values, window, palette) == 0
        if not valid.any():
            return replace(record, layers=(*record.layers, *(b"",) * (raises + gains + textures)))
        x = synthesise_tile(lambda *near: known[number, near], model, band.level, grid, at)
        bodies: list[bytes] = []
        raised = np.zeros(valid.shape, np.float32)

        def decode(added: npt.NDArray[np.float32]) -> Values:
            return native_values(x, band, scale, palette, meta.nodata, raised + added)

        if raises:
            around, part = _surroundings(grid, at)
            near = source.read(number, around)
            db, data = to_db(near, scale), classes_of(source, near, around, palette) == 0
            listed = targets.measure(db, data, part, to_db(decode(raised), scale))
            bodies.append(targetlist.pack(listed, valid))
            raised = targets.spread(listed, valid.shape)
        if gains:
            found = gain.measure(values, valid, scale, side, decode)
            bodies.append(gaingrid.pack(found, valid))
        if textures:
            bodies.append(_texture(values, valid, decibels(x, band, raised), header, (number, at), seed))
        return replace(record, layers=(*record.layers, *bodies))

    for row in range(grid.rows):
        for place, record, latents in islice(coded, 2 * in_row - len(waiting)):
            known[place] = latents
            waiting.append((place, record))
        yield from ordered_map(work, waiting[:in_row], jobs, one_thread)
        del waiting[:in_row]
        known = {place: latents for place, latents in known.items() if place[1][0] >= row}


def _surroundings(grid: TileGrid, at: tuple[int, int]) -> tuple[Window, Window]:
    """The pixels that decide what is a target in a tile, and the tile among them."""
    tile, reach = grid.window(*at), targets.REACH
    left, top = max(0, tile.col - reach), max(0, tile.row - reach)
    right, bottom = min(grid.width, tile.right + reach), min(grid.height, tile.bottom + reach)
    part = Window(tile.col - left, tile.row - top, tile.width, tile.height)
    return Window(left, top, right - left, bottom - top), part


def _texture(
    values: Values, valid: gaingrid.Mask, db: npt.NDArray[np.float32], header: Header, place: Place, seed: int
) -> bytes:
    """Body of the texture of a tile that was decoded to `db`."""
    from sarcodec import texture, texturing  # for those alone who ask for it

    number, at = place
    add = partial(texture.added, db=db, valid=valid, seed=seed, band=number, window=header.grid.window(*at))
    return texturegrid.pack(
        texturing.measure(to_db(values, header.pixel_scale(number)), db, valid, add), valid
    )
