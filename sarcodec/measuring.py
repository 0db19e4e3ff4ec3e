"""Gains of all tiles, measured on what a decoder will see, tile row by tile row."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import numpy.typing as npt

from sarcodec import gain
from sarcodec.bitstream import gaingrid
from sarcodec.bitstream.header import Header
from sarcodec.bitstream.tile import BandRecord
from sarcodec.invalid import InvalidPalette, Values
from sarcodec.model.modelfile import Model
from sarcodec.model.runtime import one_thread
from sarcodec.parallel import ordered_map
from sarcodec.scan import Source
from sarcodec.tile import Latents, native_values, synthesise_tile

Place = tuple[int, tuple[int, int]]
"""Band (from 0), and row and column of a tile."""
Coded = tuple[Place, BandRecord, Latents | None]
"""A tile's record without gains and its decoded latents, None where no pixel depends on them."""


def with_gains(
    coded: Iterator[Coded], source: Source, model: Model, header: Header, side: int | None, jobs: int
) -> Generator[BandRecord, None, None]:
    """Add gains to the records of tiles, in the order of the file: row-major tiles, bands within.

    A tile is synthesised as the decoder will, its neighbours' latents with it, so the latents of three tile
    rows are held: 2 bytes a pixel and band.

    Parameters
    ----------
    side : int or None
        Of a cell in pixels; see :func:`sarcodec.gain.measure`.
    """
    grid, meta, in_row = header.grid, source.meta, header.grid.cols * len(header.bands)
    palettes = [InvalidPalette(np.dtype(header.dtype), tuple(band.palette)) for band in header.bands]
    waiting: list[tuple[Place, BandRecord]] = []
    known: dict[Place, Latents | None] = {}

    def work(item: tuple[Place, BandRecord]) -> BandRecord:
        (number, at), record = item
        band, palette = header.bands[number], palettes[number]
        values = source.read(number + 1, grid.window(*at))
        valid, body = palette.class_map(values) == 0, b""
        if valid.any():
            x = synthesise_tile(lambda *near: known[number, near], model, band.level, grid, at)

            def decode(gains: npt.NDArray[np.float32]) -> Values:
                return native_values(x, band, header.scale, palette, meta.nodata, gains)

            found = gain.measure(values, valid, header.scale, side, decode)
            body = gaingrid.pack(found, valid)
        return replace(record, layers=(*record.layers, body))

    for row in range(grid.rows):
        for place, record, latents in islice(coded, 2 * in_row - len(waiting)):
            known[place] = latents
            waiting.append((place, record))
        yield from ordered_map(work, waiting[:in_row], jobs, one_thread)
        del waiting[:in_row]
        known = {place: latents for place, latents in known.items() if place[1][0] >= row}
