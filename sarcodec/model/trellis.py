"""Trellis-coded quantisation: two quantisers, and a state machine that the parity of each symbol drives.

The symbols of a chain of latent positions are a path through a trellis of 128 states, position by position
and channel by channel. A state says which of two interleaved quantisers comes next; together they are twice
as fine as either, and the encoder takes the path that costs least (Viterbi). That wins back a part of what
scalar quantisers lose to the rate-distortion bound: Marcellin and Fischer, IEEE Trans. Commun. 38(1), 1990;
Fischer and Wang, IEEE Trans. Inf. Theory 38(2), 1992. A path starts in one state and has little choice at
first: hence chains. The trellis is Ungerboeck's (IEEE Trans. Inf. Theory 28(1), 1982; parity checks 235 and
126, octal).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sarcodec.model.quantise import MEAN_STEPS
from sarcodec.model.rans import StreamDecoder, check_symbols
from sarcodec.model.tables import SCALES, WIDEST, Tables

CHAIN: Final = 16
"""Positions of the latents' grid, in raster order, that one path goes through."""
STATES: Final = 128
"""State s has quantiser s mod 2: 0 has even multiples of a step, 1 odd ones and zero."""
ODD_STATE, ODD_SYMBOL = 0o235 >> 1, 0o126 >> 1
"""What flips where the state, and where the symbol is odd."""
STEP_LOG2 = 0.8
"""Octaves by which a step is finer than that of a scalar quantiser at the same rate."""
SHRUNK = 3
"""Magnitudes with a reconstruction of their own: 1, 2, and all beyond."""
RATE_WEIGHT = 0.27
"""Squared steps that a bit is worth; tuned on validation scenes."""

_ALL = np.arange(STATES)
NEXT: Final = (_ALL[:, None] >> 1) ^ ODD_STATE * (_ALL[:, None] & 1) ^ ODD_SYMBOL * np.arange(2)
"""State after a symbol that is even or odd, shape (STATES, 2)."""
_FROM = NEXT.T.argsort(axis=1)
"""State before each state where the symbol was even or odd, shape (2, STATES)."""
assert not (_FROM[:, : STATES // 2] & 1).any()  # so the first half of the states comes from quantiser 0,
assert (_FROM[:, STATES // 2 :] & 1).all()  # the second half from quantiser 1

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


def chained(group: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(channels, positions) as (CHAIN * channels, chains): a row is a step of all paths; zeros fill up."""
    channels, positions = group.shape
    chains = -(-positions // CHAIN)
    padded = np.pad(group, ((0, 0), (0, chains * CHAIN - positions)))
    return padded.reshape(channels, chains, CHAIN).transpose(2, 0, 1).reshape(CHAIN * channels, chains)


def unchained(rows: npt.NDArray[Any], positions: int) -> npt.NDArray[Any]:
    """Undo :func:`chained`."""
    chains = rows.shape[1]
    group = rows.reshape(CHAIN, -1, chains).transpose(1, 2, 0)
    return np.ascontiguousarray(group.reshape(-1, chains * CHAIN)[:, :positions])


def quantisers_of(symbols: Integers, coded: Mask) -> Integers:
    """Which quantiser each coded symbol belongs to, shape of both: (rows, chains)."""
    state = np.zeros(symbols.shape[1], np.int64)
    out = np.zeros(symbols.shape, np.int64)
    for row in np.flatnonzero(coded.any(1)):
        out[row] = state & 1
        state = np.where(coded[row], NEXT[state, symbols[row] & 1], state)
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
        self._pairs = tables.interleaved()  # so that the few tables of a row lie together

    def choose(self, residual: Floats, index: Integers, coded: Mask) -> Integers:
        """Symbols on the cheapest paths."""
        symbols = choose(chained(residual), chained(index), chained(coded), self.tables, self.shrink)
        return unchained(symbols, residual.shape[1])

    def in_order(self, values: npt.NDArray[Any], coded: Mask) -> npt.NDArray[Any]:
        """Row by row of the chains."""
        return np.asarray(chained(values)[chained(coded)])

    def settle(self, symbols: Integers, index: Integers, coded: Mask) -> tuple[Integers, Integers]:
        """Tables and values, once it is known which quantiser each symbol belongs to."""
        here, path = chained(coded), chained(symbols)
        quantisers = quantisers_of(path, here)
        rows = chained(index)[here] + SCALES * quantisers[here]
        values = reconstruct(path, quantisers, self.shrink)
        return rows, unchained(values, symbols.shape[1])

    def read(self, stream: StreamDecoder, index: Integers, coded: Mask) -> Integers:
        """Row by row of the chains: a table depends on the symbols before."""
        here, tables = chained(coded), 2 * chained(index)
        low, end = np.where(here, tables, 2 * SCALES).min(1), np.where(here, tables, -2).max(1) + 2
        state = np.zeros(here.shape[1], np.int64)
        symbols, quantisers = np.zeros((2, *here.shape), np.int64)
        onward = NEXT.ravel()
        counts = here.sum(1)
        for row in np.flatnonzero(counts).tolist():
            place = slice(None) if counts[row] == state.size else np.flatnonzero(here[row])
            now = state[place]
            quantiser = now & 1
            symbols[row, place] = stream.some(tables[row, place] + quantiser, low[row], end[row], self._pairs)
            quantisers[row, place] = quantiser
            state[place] = onward.take(2 * now + (symbols[row, place] & 1))
        check_symbols(symbols)
        return unchained(reconstruct(symbols, quantisers, self.shrink), index.shape[1])


def choose(
    residual: Floats,
    index: Integers,
    coded: Mask,
    tables: Tables,
    shrink: npt.NDArray[Any],
    rate_weight: float = RATE_WEIGHT,
) -> Integers:
    """Symbols on the cheapest path of each chain.

    Parameters
    ----------
    residual : float32 array, shape (rows, chains)
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
    # A step is the next coded latent of every chain that has one left, the chain with the most of them first.
    lengths = coded.sum(0)
    order = np.argsort(-lengths, kind="stable")
    widths = (lengths[order] > np.arange(lengths.max(initial=0))[:, None]).sum(1)
    ends = np.cumsum(widths)
    row, rank = np.nonzero(coded[:, order])
    step = coded.cumsum(0)[row, order[rank]] - 1
    found = np.empty((2, row.size), np.int64)
    found[:, (ends - widths)[step] + rank] = row, order[rank]
    where = found[0], found[1]
    values = residual[where]
    costs, sizes = _branches(np.abs(values), index[where], tables, shrink, rate_weight)
    size = sizes[_cheapest(costs, widths, ends, lengths.size), np.arange(values.size)]
    symbols = np.zeros(residual.shape, np.int64)
    symbols[where] = np.where(values < 0, -size, size)
    return symbols


def _cheapest(costs: Floats, widths: Integers, ends: Integers, chains: int) -> Integers:
    """Viterbi's algorithm: the branch, 0..3, of every latent on the cheapest path of its chain, shape (n,).

    Parameters
    ----------
    costs : float32 array, shape (4, n)
        Of the best symbol of each quantiser and parity, step after step.
    widths, ends : int64 arrays, shape (steps,)
        Chains that take part in a step: the first so many. Where its latents end in `costs`.
    """
    total = np.full((STATES, chains), np.inf, np.float32)
    total[0] = 0
    state = np.zeros(chains, np.int64)
    odd: list[npt.NDArray[np.uint8]] = []
    for width, end in zip(widths.tolist(), ends.tolist(), strict=True):
        state[width : total.shape[1]] = total[:, width:].argmin(0)
        total, way = _step(total[:, :width], costs[:, end - width : end])
        odd.append(way)
    state[: total.shape[1]] = total.argmin(0)
    branches: Integers = np.empty(costs.shape[1], np.int64)
    byte, bit = np.arange(chains) >> 3, np.arange(chains, dtype=np.uint8) & 7
    for width, end, way in zip(widths[::-1].tolist(), ends[::-1].tolist(), odd[::-1], strict=True):
        now = state[:width]
        parity = (way[now, byte[:width]] >> bit[:width]) & 1
        state[:width] = before = _FROM[parity, now]
        branches[end - width : end] = 2 * (before & 1) + parity
    return branches


def _step(total: Floats, branch: Floats) -> tuple[Floats, npt.NDArray[np.uint8]]:
    """Least costs after a step, shape (STATES, n), from those before and of the (4, n) branches.

    Second are bits, packed along n: whether each state was reached by an odd symbol.
    """
    even, odd = (total.take(came, axis=0, mode="clip") for came in _FROM)
    half = STATES // 2
    for parity, onward in enumerate((even, odd)):
        onward[:half] += branch[parity]
        onward[half:] += branch[2 + parity]
    way = np.packbits(odd < even, axis=1, bitorder="little")
    return np.minimum(even, odd, out=even), way


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
