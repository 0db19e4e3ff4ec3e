"""Twins of trellis_search.c and trellis_reader.c."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.native.reference.rans import next_symbol
from sarcodec.native.streams import FINE, CodingTables, Source
from sarcodec.native.trellis_code import (
    FARTHEST,
    MEAN_STEPS,
    REGISTER_PARITY,
    REGISTER_QUANTISER,
    SCALES,
    STATES,
    onward,
    points,
)

Array = npt.NDArray[Any]

_MOST_SHRINK = 1 << 16
_HALF = STATES // 2
_STAY = (2 * REGISTER_QUANTISER + REGISTER_PARITY)[::2]
"""Of contents 2 n: the branch, 2 * quantiser + parity of the symbol, that leads to n."""


def trellis_read(source: Source, tables: CodingTables, scale: Array, shrink: Array) -> Array:
    """What the next symbols of a stream stand for, int32; 0 once its status is not FINE.

    Raises
    ------
    ValueError
        There is no such table.
    """
    if len(tables.size) < 2 * SCALES:
        raise ValueError(f"{len(tables.size)} tables are not {2 * SCALES}")
    _check(scale, shrink)
    symbols, quantisers = np.zeros(len(scale), np.int32), np.zeros(len(scale), np.int32)
    state = 0
    for at, own in enumerate(scale.tolist()):
        quantisers[at] = state & 1
        symbols[at] = next_symbol(source, tables, own + SCALES * (state & 1))
        if source.struct.status != FINE:
            break
        state = onward(state, int(symbols[at]))
    return points(symbols, quantisers, shrink).astype(np.int32)


def trellis_search(
    residual: Array, scale: Array, shrink: Array, prices: Array, piece: int, ahead: int
) -> tuple[Array, Array, Array]:
    """Symbols on the cheapest path, the table of each, and what it stands for.

    Raises
    ------
    ValueError
        There is no such table.
    """
    _check(scale, shrink)
    n = len(residual)
    symbols, quantisers = np.empty(n, np.int32), np.empty(n, np.int32)
    start = 0
    for first in range(0, n, piece):
        part = slice(first, first + piece + ahead)
        costs, sizes = _branches(residual[part], scale[part], shrink, prices)
        ways, contents = _cheapest(costs, start)
        decided = min(piece, n - first)
        for step in range(len(costs) - 1, -1, -1):
            if step == decided - 1:
                start = contents
            before = 2 * (contents % _HALF) + int(ways[step, contents])
            if step < decided:
                odd = (contents >= _HALF) != REGISTER_PARITY[before]
                quantisers[first + step] = REGISTER_QUANTISER[before]
                symbols[first + step] = sizes[step, 2 * REGISTER_QUANTISER[before] + odd]
            contents = before
    symbols = np.where(residual >= 0, symbols, -symbols)
    rows = (scale + SCALES * quantisers).astype(np.uint16)
    return symbols, rows, points(symbols, quantisers, shrink).astype(np.int32)


def _check(scale: Array, shrink: Array) -> None:
    if int(np.abs(shrink.astype(np.int64)).max()) > _MOST_SHRINK:
        raise ValueError(f"no point is more than {_MOST_SHRINK} sixteenths of a step away")
    if scale.size and int(scale.max()) >= SCALES:
        raise ValueError(f"there is no table for the scale {scale.max()}")


def _branches(residual: Array, scale: Array, shrink: Array, prices: Array) -> tuple[Array, Array]:
    """Cost and magnitude of the best symbol of each quantiser and parity, shape (steps, 4)."""
    costs, sizes = np.empty((len(residual), 4), np.float32), np.empty((len(residual), 4), np.int32)
    value = np.minimum(np.abs(residual), np.float32(FARTHEST))
    for branch in range(4):
        quantiser, odd = divmod(branch, 2)
        # Points of this parity are 4 steps apart, from 0, 2, 3 or 1 steps on.
        apart = (value - np.float32(2 * odd - quantiser)) / np.float32(4)
        place = np.maximum(np.rint(apart).astype(np.int32), 0)
        near = 2 * place + odd
        below = np.maximum(near - 2, odd)  # toward zero, and perhaps cheaper
        table = scale.astype(np.intp) + SCALES * quantiser
        price = prices[table, odd, np.minimum(place, prices.shape[2] - 1)]
        at_below, at_near = (
            _squared_error(value, size, quantiser, shrink) + price[:, which]
            for which, size in enumerate((below, near))
        )
        costs[:, branch] = np.minimum(at_below, at_near)
        sizes[:, branch] = np.where(at_below < at_near, below, near)
    return costs, sizes


def _squared_error(value: Array, size: Array, quantiser: int, shrink: Array) -> Array:
    point = points(size.astype(np.int64), np.full(len(size), quantiser), shrink) / MEAN_STEPS
    off: Array = value - point.astype(np.float32)
    return np.asarray(off * off)


def _cheapest(costs: Array, start: int) -> tuple[Array, int]:
    """Viterbi's algorithm: whether contents came from odd ones, shape (steps, STATES), and where it ends."""
    ways = np.empty((len(costs), STATES), bool)
    total = np.full(STATES, np.inf, np.float32)
    total[start] = 0
    stays, leaves = costs[:, _STAY], costs[:, _STAY ^ 1]
    for step, (stay, leave) in enumerate(zip(stays, leaves, strict=True)):
        even, odd = total[::2], total[1::2]
        if_even = np.concatenate((even + stay, even + leave))
        if_odd = np.concatenate((odd + leave, odd + stay))
        np.less(if_odd, if_even, out=ways[step])
        total = np.minimum(if_odd, if_even)
    return ways, int(np.argmin(total))
