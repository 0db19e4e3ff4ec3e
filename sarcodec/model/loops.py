"""The compiled loops: symbols from a stream, and the path that the latents of a group take through a trellis.

In a stream a symbol depends on those before it, so no array operation does it. Arrays of latents hold those
of one group that are in the stream, in its order, if nothing else is said.

One file has all of them: what the compiler keeps of a function is made anew when its own file changes, and
not when another does.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sarcodec.limits import DEFAULT
from sarcodec.model.compiled import compiled
from sarcodec.model.tables import MEAN_STEPS, SCALES, WIDEST

STATES: Final = 256
"""State s has quantiser s mod 2: 0 has even multiples of a step, 1 odd ones and zero."""
ODD_STATE, ODD_SYMBOL = 0o515 >> 1, 0o362 >> 1
"""What flips where the state, and where the symbol is odd."""
PIECE: Final = 4096
"""Steps of a path that are found together; what the encoder holds grows with them."""
AHEAD: Final = 256
"""Steps beyond a piece that are looked at, so that a path is as good as one found in one piece: cheapest
paths to all states have come from one long before."""
SHRUNK: Final = 3
"""Magnitudes with a reconstruction of their own: 1, 2, and all beyond."""

FINE, ENDED, TOO_LARGE = 0, 1, 2
"""What may have become of a stream that is read."""

_LARGEST = DEFAULT.symbol
_GROUPS = 8
"""Groups of four bits in the longest escape."""
_HALF = STATES // 2

Array = npt.NDArray[Any]
Coding = tuple[Array, Array, Array]
"""See :attr:`sarcodec.model.tables.Tables.arrays`."""


def parities(taps: int) -> Array:
    """Whether the number of bits that a register's contents, 0 .. STATES - 1, share with `taps` is odd."""
    return np.array([(register & taps).bit_count() % 2 == 1 for register in range(STATES)])


REGISTER_QUANTISER: Final = parities(0o236)
"""Of a search for a path, which has states in other order: as the contents of a shift register, into whose
highest bit goes whether the symbol is odd, plus a parity of the contents. The bits of both taps are those of
the check polynomials from the other end. A step then is :func:`_cheapest`'s butterfly."""
REGISTER_PARITY: Final = parities(0o145)
"""See :data:`REGISTER_QUANTISER`."""
_QUANTISER, _PARITY = REGISTER_QUANTISER[::2].copy(), REGISTER_PARITY[::2].copy()


@compiled
def next_symbol(words: Array, state: Array, tables: Coding, table: int) -> int:
    """The next symbol of a stream, 0 once something was wrong with it; see docs/FORMAT.md, "The streams".

    Parameters
    ----------
    words : uint32 array, shape (n,)
        The whole stream.
    state : uint64 array, shape (3,)
        Of :class:`sarcodec.model.rans.StreamDecoder`; changed.
    tables : tuple of int32 arrays
        See :attr:`sarcodec.model.tables.Tables.arrays`.
    table : int
        One that exists: nothing is checked.
    """
    cdf, size, offset = tables
    row: Any = cdf[table]
    escape: Any = np.int64(size[table]) - 2
    x = state[0]
    rest = np.int64(x & np.uint64(0xFFFF))
    low, high = 0, escape + 1
    zero = min(max(-np.int64(offset[table]), 0), escape)  # the likeliest first
    if row[zero] > rest:
        high = zero
    else:
        low = zero
        if row[zero + 1] > rest:
            high = zero + 1
    while high - low > 1:
        middle = (low + high) >> 1
        if row[middle] <= rest:
            low = middle
        else:
            high = middle
    count, rest = np.uint64(row[low + 1] - row[low]), rest - row[low]
    state[0] = count * (x >> np.uint64(16)) + np.uint64(rest)
    _fill(words, state)
    symbol: Any = low + np.int64(offset[table])
    if low == escape:
        symbol = _beyond(words, state, symbol, symbol - escape)
        if abs(symbol) > _LARGEST:
            _fail(state, TOO_LARGE)
    return symbol if state[2] == FINE else 0


@compiled
def _fail(state: Array, how: int) -> None:
    """Note the first thing that is wrong; what follows from it is not told."""
    if state[2] == FINE:
        state[2] = how


@compiled
def _fill(words: Array, state: Array) -> None:
    """Take a word where the state is short of one."""
    if state[0] < np.uint64(1 << 31):
        at = state[1]
        if at >= np.uint64(len(words)):
            state[0] = np.uint64(1 << 31)
            _fail(state, ENDED)
        else:
            state[0], state[1] = (state[0] << np.uint64(32)) | np.uint64(words[at]), at + np.uint64(1)


@compiled
def _four_bits(words: Array, state: Array) -> int:
    value: int = np.int64(state[0] & np.uint64(15))  # type: ignore[assignment]
    state[0] >>= np.uint64(4)
    _fill(words, state)
    return value


@compiled
def _beyond(words: Array, state: Array, above: int, below: int) -> int:
    """The symbol of an escape: `above` or more, or less than `below`."""
    groups = more = _four_bits(words, state)
    while more == 15 and groups <= _GROUPS:
        more = _four_bits(words, state)
        groups += more
    if groups > _GROUPS:
        _fail(state, TOO_LARGE)
        return 0
    distance = 0
    for group in range(groups):
        distance |= _four_bits(words, state) << (4 * group)
    return above + (distance >> 1) if distance & 1 == 0 else below - ((distance + 1) >> 1)


@compiled
def next_symbols(words: Array, state: Array, tables: Coding, indexes: Array) -> Array:
    """The next symbols of a stream, int64, one for each table; see :func:`next_symbol`."""
    symbols = np.empty(len(indexes), np.int64)
    for at, table in enumerate(indexes):
        symbols[at] = next_symbol(words, state, tables, table)
    return symbols


@compiled
def onward(state: int, symbol: int) -> int:
    """The state after a symbol."""
    return (state >> 1) ^ (ODD_STATE * (state & 1)) ^ (ODD_SYMBOL * (symbol & 1))


@compiled
def point(symbol: int, quantiser: int, shrink: Array) -> int:
    """What a symbol stands for, in sixteenths of a step; `shrink` is of shape (2, SHRUNK)."""
    if symbol == 0:
        return 0
    size = abs(symbol)
    away: int = MEAN_STEPS * (2 * size - quantiser) - shrink[quantiser, min(size, SHRUNK) - 1]
    return away if symbol > 0 else -away


@compiled
def gather(values: Array, coded: Array, out: Array) -> None:
    """Values of coded latents as they follow each other in a stream, to `out`.

    The first two have shape (channels, positions), `out` is of as many as are coded.
    """
    channels, positions = coded.shape
    at = 0
    for position in range(positions):
        for channel in range(channels):
            if coded[channel, position]:
                out[at] = values[channel, position]
                at += 1


@compiled
def scatter(values: Array, coded: Array, out: Array) -> None:
    """The other way; `out` stays as it is where nothing is coded."""
    channels, positions = coded.shape
    at = 0
    for position in range(positions):
        for channel in range(channels):
            if coded[channel, position]:
                out[channel, position] = values[at]
                at += 1


@compiled
def follow(symbols: Array, index: Array, shrink: Array) -> tuple[Array, Array]:
    """Table of each symbol and what it stands for, in sixteenths of a step, both int64."""
    rows, values = np.empty_like(index), np.empty_like(index)
    state = 0
    for at, symbol in enumerate(symbols):
        rows[at] = index[at] + SCALES * (state & 1)
        values[at] = point(symbol, state & 1, shrink)
        state = onward(state, symbol)
    return rows, values


@compiled
def read(words: Array, coder: Array, tables: Coding, index: Array, shrink: Array) -> Array:
    """What the next symbols of a stream stand for, int64, in sixteenths of a step.

    `words`, `coder` and `tables` are those of :func:`next_symbol`.
    """
    values = np.empty(len(index), np.int64)
    state = 0
    for at, scale in enumerate(index):
        symbol = next_symbol(words, coder, tables, scale + SCALES * (state & 1))
        values[at] = point(symbol, state & 1, shrink)
        state = onward(state, symbol)
    return values


@compiled
def choose(residual: Array, index: Array, shrink: Array, prices: Array) -> Array:
    """Symbols on the cheapest path, int64.

    Parameters
    ----------
    residual : float32 array, shape (n,)
        Latents minus their means, in quantiser steps.
    index : int64 array, shape (n,)
        Scale of each latent, 0..63.
    shrink : int64 array, shape (2, SHRUNK)
        See :func:`point`.
    prices : float32 array, shape (2 * SCALES, WIDEST + 2)
        Squared steps that a magnitude under a table costs; the last are escapes.
    """
    steps = len(residual)
    longest = min(steps, PIECE + AHEAD)
    costs, sizes = np.empty((longest, 4), np.float32), np.empty((longest, 4), np.int64)
    ways, symbols = np.empty((longest, STATES), np.uint8), np.empty(steps, np.int64)
    start = 0
    for first in range(0, steps, PIECE):
        piece, length = min(PIECE, steps - first), min(longest, steps - first)
        for step in range(length):
            at = first + step
            _branches(abs(residual[at]), index[at], shrink, prices, costs[step], sizes[step])
        register = _cheapest(costs[:length], start, ways)
        for step in range(length - 1, -1, -1):
            if step == piece - 1:
                start = register
            before = 2 * (register % _HALF) + ways[step, register]
            odd = (register >= _HALF) != REGISTER_PARITY[before]
            size = sizes[step, 2 * REGISTER_QUANTISER[before] + odd]
            symbols[first + step] = size if residual[first + step] >= 0 else -size
            register = before
    return symbols


@compiled
def _branches(value: float, scale: int, shrink: Array, prices: Array, costs: Array, sizes: Array) -> None:
    """Cost and magnitude of the best symbol of each quantiser and parity, for a magnitude in steps."""
    for quantiser in range(2):
        price = prices[scale + SCALES * quantiser]
        for parity in range(2):
            # Points of this parity are 4 steps apart, from 0, 2, 3 or 1 steps on.
            apart = (value - np.float32(2 * parity - quantiser)) / np.float32(4)
            near: int = max(2 * int(np.rint(apart)) + parity, parity)
            off = value - np.float32(point(near, quantiser, shrink) / MEAN_STEPS)
            cost = off * off + price[min(near, WIDEST + 1)]
            if near > parity:  # the next point toward zero may be cheaper
                off = value - np.float32(point(near - 2, quantiser, shrink) / MEAN_STEPS)
                lower = off * off + price[min(near - 2, WIDEST + 1)]
                if lower < cost:
                    cost, near = lower, near - 2
            costs[2 * quantiser + parity], sizes[2 * quantiser + parity] = cost, near


@compiled
def _cheapest(costs: Array, start: int, ways: Array) -> int:
    """Viterbi's algorithm: the register's contents where the cheapest path from `start` ends.

    Contents 2 n and 2 n + 1 go on to n and n + _HALF, each by an odd symbol to one of them and by an even one
    to the other, and have the same quantiser: so two costs are all that four branches have.

    Parameters
    ----------
    costs : float32 array, shape (steps, 4)
        Of the best symbol of each quantiser and parity.
    ways : uint8 array, shape (steps or more, STATES)
        Gets whether contents came from an odd number.
    """
    total = np.full(STATES, np.inf, np.float32)
    total[start] = 0
    even, odd = np.empty(_HALF, np.float32), np.empty(_HALF, np.float32)
    for step in range(len(costs)):
        for low in range(_HALF):
            even[low], odd[low] = total[2 * low], total[2 * low + 1]
        first, first_odd, second, second_odd = costs[step]
        for low in range(_HALF):
            if_even = second if _QUANTISER[low] else first
            if_odd = second_odd if _QUANTISER[low] else first_odd
            same = if_odd if _PARITY[low] else if_even  # to n from 2 n
            other = if_even if _PARITY[low] else if_odd
            ways[step, low] = odd[low] + other < even[low] + same
            total[low] = min(even[low] + same, odd[low] + other)
            ways[step, _HALF + low] = odd[low] + same < even[low] + other
            total[_HALF + low] = min(even[low] + other, odd[low] + same)
    return int(np.argmin(total))
