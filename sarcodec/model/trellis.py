"""Trellis-coded quantisation: two quantisers, and a state machine that the parity of each symbol drives.

The symbols of one latent position are a path through a trellis of eight states, channel by channel. A state
says which of two interleaved quantisers comes next; together they are twice as fine as either, and the
encoder takes the path that costs least (Viterbi). That wins back a part of what scalar quantisers lose to the
rate-distortion bound: Marcellin and Fischer, IEEE Trans. Commun. 38(1), 1990; Fischer and Wang, IEEE Trans.
Inf. Theory 38(2), 1992. The trellis is Ungerboeck's (parity checks 13 and 04, octal).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sarcodec.model.quantise import MEAN_STEPS
from sarcodec.model.rans import StreamDecoder
from sarcodec.model.tables import SCALES, WIDEST, Tables

NEXT: Final = np.array(((0, 2), (5, 7), (1, 3), (4, 6), (2, 0), (7, 5), (3, 1), (6, 4)))
"""State after a symbol that is even or odd, shape (8, 2)."""
QUANTISER: Final = np.arange(8) & 1
"""Quantiser of each state: 0 has even multiples of a step, 1 odd ones and zero."""
STEP_LOG2 = 0.8
"""Octaves by which a step is finer than that of a scalar quantiser at the same rate."""
SHRUNK = 3
"""Magnitudes with a reconstruction of their own: 1, 2, and all beyond."""
RATE_WEIGHT = 0.3
"""Squared steps that a bit is worth; tuned on validation scenes."""

_FROM = np.array([[(s, p) for s in range(8) for p in (0, 1) if NEXT[s, p] == t] for t in range(8)])
_BEFORE, _PARITY = _FROM[..., 0], _FROM[..., 1]  # the two ways into each state, shape (8, 2)
_BRANCH = 2 * QUANTISER[_BEFORE] + _PARITY

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def finer(quantiser: str) -> float:
    """Octaves by which the steps of a model file are finer than those its network was trained with."""
    return STEP_LOG2 if quantiser == "trellis" else 0.0


def reconstruct(symbols: Integers, quantisers: Integers, shrink: npt.NDArray[Any]) -> Integers:
    """What symbols stand for, in sixteenths of a step.

    Parameters
    ----------
    symbols, quantisers : int64 arrays of one shape
        A quantiser is 0 or 1.
    shrink : int array, shape (2, SHRUNK)
        Sixteenths of a step by which a magnitude lies nearer to zero than the quantiser's point.
    """
    size = np.abs(symbols)
    points = MEAN_STEPS * (2 * size - quantisers) - shrink[quantisers, np.clip(size, 1, SHRUNK) - 1]
    return np.asarray(np.sign(symbols) * points)


def quantisers_of(symbols: Integers, coded: Mask) -> Integers:
    """Which quantiser each coded symbol of a group belongs to, shape of both: (channels, positions)."""
    state = np.zeros(symbols.shape[1], np.int64)
    out = np.zeros(symbols.shape, np.int64)
    for row, (channel, here) in enumerate(zip(symbols, coded, strict=True)):
        place = np.flatnonzero(here)
        now = state[place]
        out[row, place] = now & 1
        state[place] = NEXT[now, channel[place] & 1]
    return out


class Trellis:
    """The rule between latents, symbols and tables; see :class:`sarcodec.model.quantise.Rule`.

    Parameters
    ----------
    tables : Tables
        Of 128 rows: those of quantiser 0 for each scale, then those of quantiser 1.
    shrink : int array, shape (2, SHRUNK)
        See :func:`reconstruct`.
    """

    def __init__(self, tables: Tables, shrink: npt.NDArray[Any]) -> None:
        self.tables, self.shrink = tables, shrink.astype(np.int64)

    def choose(self, residual: Floats, index: Integers, coded: Mask) -> Integers:
        """Symbols on the cheapest paths."""
        return choose(residual, index, coded, self.tables, self.shrink)

    def settle(self, symbols: Integers, index: Integers, coded: Mask) -> tuple[Integers, Integers]:
        """Tables and values, once it is known which quantiser each symbol belongs to."""
        quantisers = quantisers_of(symbols, coded)
        rows = index[coded] + SCALES * quantisers[coded]
        values, some = np.zeros_like(symbols), np.nonzero(symbols)
        values[some] = reconstruct(symbols[some], quantisers[some], self.shrink)
        return rows, values

    def read(self, stream: StreamDecoder, index: Integers, coded: Mask) -> Integers:
        """Channel by channel: a table depends on the symbols before."""
        state = np.zeros(index.shape[1], np.int64)
        values = np.zeros(index.shape, np.int64)
        for channel, here in enumerate(coded):
            place = np.flatnonzero(here)
            now = state[place]
            found = stream.get(index[channel, place] + SCALES * (now & 1), self.tables)
            some = np.flatnonzero(found)
            values[channel, place[some]] = reconstruct(found[some], now[some] & 1, self.shrink)
            state[place] = NEXT[now, found & 1]
        return values


def choose(
    residual: Floats,
    index: Integers,
    coded: Mask,
    tables: Tables,
    shrink: npt.NDArray[Any],
    rate_weight: float = RATE_WEIGHT,
) -> Integers:
    """Symbols of a group of channels on the cheapest path of each position.

    Parameters
    ----------
    residual : float32 array, shape (channels, positions)
        Latents minus their means, in quantiser steps.
    index : int64 array, same shape
        Scale of each latent, 0..63.
    coded : bool array, same shape
        Where a latent is in the stream; the others take no part.
    tables : Tables
        Of 128 rows.

    Returns
    -------
    int64 array, same shape
        Symbols that minimise squared error + `rate_weight` * bits; 0 where not coded.
    """
    channels, positions = residual.shape
    signs = np.where(residual < 0, -1, 1)
    costs, sizes = _branches(np.abs(residual[coded]), index[coded], tables, shrink, rate_weight)
    ends = np.cumsum(coded.sum(1))
    total = np.full((8, positions), np.inf, np.float32)
    total[0] = 0
    ways: list[npt.NDArray[np.bool_]] = []
    places = [np.flatnonzero(row) for row in coded]
    for channel, place in enumerate(places):
        branch = costs[:, ends[channel] - place.size : ends[channel]]
        here = total if place.size == positions else total[:, place]
        first = here[_BEFORE[:, 0]] + branch[_BRANCH[:, 0]]
        second = here[_BEFORE[:, 1]] + branch[_BRANCH[:, 1]]
        ways.append(second < first)
        best = np.minimum(first, second)
        if place.size == positions:
            total = best
        else:
            total[:, place] = best
    symbols = np.zeros(residual.shape, np.int64)
    state = total.argmin(0)
    for channel in range(channels - 1, -1, -1):
        place = places[channel]
        own = np.arange(place.size)
        end = state[place]
        way = ways[channel][end, own].astype(np.int64)
        size = sizes[_BRANCH[end, way], ends[channel] - place.size + own]
        symbols[channel, place] = size * signs[channel, place]
        state[place] = _BEFORE[end, way]
    return symbols


def _branches(
    size: Floats, index: Integers, tables: Tables, shrink: npt.NDArray[Any], rate_weight: float
) -> tuple[Floats, npt.NDArray[np.int32]]:
    """Cost and magnitude of the best symbol of each quantiser and parity: both of shape (4, n)."""
    costs = np.empty((4, size.size), np.float32)
    best = np.empty((4, size.size), np.int32)
    largest = int(size.max(initial=0)) // 2 + 3
    prices = np.float32(rate_weight) * tables.bits[:, WIDEST + 1 :]
    for quantiser in (0, 1):
        points = _points(quantiser, largest, shrink)
        table = index + SCALES * quantiser
        for parity in (0, 1):
            # Points of this parity are 4 steps apart, from 0, 2, 3 or 1 steps on.
            shift, branch = 2 * parity - quantiser, 2 * quantiser + parity
            near = np.maximum(2 * np.rint((size - shift) / 4).astype(np.int32) + parity, parity)
            cost = (size - points[near]) ** 2 + prices[table, np.minimum(near, WIDEST + 1)]
            some = np.flatnonzero(near > parity)  # the next point toward zero may be cheaper
            lower = near[some] - 2
            cheaper = (size[some] - points[lower]) ** 2 + prices[table[some], np.minimum(lower, WIDEST + 1)]
            better = cheaper < cost[some]
            cost[some[better]], near[some[better]] = cheaper[better], lower[better]
            costs[branch], best[branch] = cost, near
    return costs, best


def _points(quantiser: int, largest: int, shrink: npt.NDArray[Any]) -> Floats:
    """What magnitudes up to `largest` stand for, in steps."""
    sizes = np.arange(largest + 1)
    return (reconstruct(sizes, np.full_like(sizes, quantiser), shrink) / MEAN_STEPS).astype(np.float32)
