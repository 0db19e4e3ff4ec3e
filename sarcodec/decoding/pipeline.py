"""Decoding from end to end: bytes -> latents -> network units -> decibels -> native values."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec import limits as lim
from sarcodec.bitstream.record import Record
from sarcodec.decoding.decoder import Decoder, Latents
from sarcodec.decoding.overview import covered_window
from sarcodec.decoding.plan import Plan, check_memory
from sarcodec.decoding.tile_pixels import Piece, pixels
from sarcodec.errors import FormatError
from sarcodec.model.runtime import one_thread
from sarcodec.parallel import Pool, Task
from sarcodec.progress import Steps, Tick, silent
from sarcodec.types import Place, Window


def decode(decoder: Decoder, window: Window, bands: Sequence[int], tick: Tick) -> Iterator[Piece]:
    """Decode a window tile row by tile row, and a row band by band, holding the latents of three rows.

    plan -> for each tile row: record -> latents, of it and the rows beside it -> pixels (class map, halo,
    g_s, decibels, corrections, native values, invalid pixels back, damage marked) -> the part in the window.

    Parameters
    ----------
    window : Window
        In pixels of `decoder.grid`.
    bands : sequence of int
        Bands to decode, counted from 0.

    Yields
    ------
    Piece
        Parts of tiles inside `window`, row-major.

    Raises
    ------
    FormatError
        A tile is damaged, and partial decodes are not allowed.
    LimitError, OutOfMemoryError
        It would take too much memory.
    """
    coded, grid = decoder.coded, decoder.full
    covered = covered_window(window, decoder.factor, grid.width, grid.height)
    check_memory(grid, covered, len(bands), coded.jobs, coded.limits)
    plan = Plan.of(grid, covered, bands, decoder.reach)
    records: dict[tuple[int, int], Task[Record | FormatError]] = {}
    y_hats: dict[Place, Task[Latents | None]] = {}
    pieces: deque[Task[Piece]] = deque()
    step = Steps(tick, "decode", plan.pieces)
    with Pool(coded.jobs, one_thread) as pool:
        for row in plan.rows:
            for place in plan.latents_for(row):
                if place not in y_hats:
                    record = records.setdefault(place.at, Task(decoder.record, *place.at))
                    beside = y_hats.get(place.of(decoder.header.first_of(place.band)))
                    y_hats[place] = pool.call(decoder.latents_or_none, place, record, beside)
            for place in plan.tiles_in(row):
                near = {there: y_hats[there] for there in place.around() if there in y_hats}
                pieces.append(pool.call(pixels, decoder, place, records[place.at], near))
                while pieces and pieces[0].done:
                    yield cropped(pieces.popleft().result(), window)
                    step()
            y_hats = {place: y_hat for place, y_hat in y_hats.items() if place.row >= row}
            records = {at: record for at, record in records.items() if at[0] >= row}
        while pieces:
            pool.finish(pieces[0])
            yield cropped(pieces.popleft().result(), window)
            step()


def cropped(piece: Piece, window: Window) -> Piece:
    """The part of a piece that lies inside a window, which it touches."""
    part = piece.window.intersect(window)
    assert part is not None
    return Piece(piece.band, part, piece.values[part.inside(piece.window)])


def read(decoder: Decoder, window: Window, bands: Sequence[int]) -> npt.NDArray[Any]:
    """Bands (from 0) of a window as an array, shape (bands, height, width), native dtype."""
    size = len(bands) * window.pixels * np.dtype(decoder.header.dtype).itemsize
    lim.check("array to return in bytes", size, decoder.coded.limits.memory, limit="memory")
    out = np.empty((len(bands), window.height, window.width), decoder.header.dtype)
    slots = {band: index for index, band in enumerate(bands)}
    for piece in decode(decoder, window, bands, silent):
        out[(slots[piece.band], *piece.window.inside(window))] = piece.values
    return out
