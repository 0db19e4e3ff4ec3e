"""How latents become symbols: what the two quantisers have in common, and the scalar one."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sarcodec.model.rans import StreamDecoder
from sarcodec.model.tables import Tables
from sarcodec.native.trellis_code import MEAN_STEPS

RATE_WEIGHT = 0.045
"""Squared quantiser steps that a bit is worth; tuned on validation scenes."""

Integers = npt.NDArray[np.integer[Any]]
Mask = npt.NDArray[np.bool_]


Choice = tuple[Integers, Integers, Integers]
"""Symbols and their tables in the order of the stream, shape (number coded,), and what they stand for in
sixteenths of a step, shape (channels, positions), 0 where not coded."""


class Rule(Protocol):
    """The rule between latents, symbols and probability tables.

    Arrays are those of one group of channels, shape (channels, positions): residuals are latents minus their
    means in quantiser steps, float32; `index` is the scale of each, `coded` says where a latent is in the
    stream.
    """

    tables: Tables

    def choose(self, residual: npt.NDArray[np.float32], index: Integers, coded: Mask) -> Choice:
        """Symbols for residuals."""
        ...

    def in_order(self, values: npt.NDArray[Any], coded: Mask) -> npt.NDArray[Any]:
        """Values of coded latents in the order of the stream, shape (number coded,)."""
        ...

    def read(self, stream: StreamDecoder, index: Integers, coded: Mask) -> Integers:
        """What the symbols of a group stand for, read from a stream; in sixteenths of a step."""
        ...


class Scalar:
    """Every symbol is a multiple of the step, whatever the others are."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables

    def choose(self, residual: npt.NDArray[np.float32], index: Integers, coded: Mask) -> Choice:
        """The cheapest of three for each."""
        rows, values = index[coded], np.zeros(residual.shape, np.int64)
        symbols = choose(residual[coded], rows, self.tables)
        values[coded] = MEAN_STEPS * symbols
        return symbols, rows, values

    def in_order(self, values: npt.NDArray[Any], coded: Mask) -> npt.NDArray[Any]:
        """Channel by channel."""
        return np.asarray(values[coded])

    def read(self, stream: StreamDecoder, index: Integers, coded: Mask) -> Integers:
        """All at once."""
        values = np.zeros(index.shape, np.int64)
        values[coded] = MEAN_STEPS * stream.get(index[coded], self.tables)
        return values


def choose(residual: npt.NDArray[Any], indexes: npt.NDArray[Any], tables: Tables) -> npt.NDArray[Any]:
    """Quantise to whichever of nearest, one toward zero, or zero costs least.

    Parameters
    ----------
    residual : float32 array, shape (n,)
        Latents minus their means, in quantiser steps.
    indexes : int array, shape (n,)
        Table of each.

    Returns
    -------
    int64 array, shape (n,)
        Symbols that minimise squared error + RATE_WEIGHT * bits.
    """
    nearest: npt.NDArray[np.int64] = np.rint(residual).astype(np.int64)
    active = np.flatnonzero(nearest)
    r, t, best = np.abs(residual[active]), indexes[active], np.abs(nearest[active])
    least = np.full(r.shape, np.inf, dtype=np.float32)
    for candidate in (best, best - 1, np.zeros_like(best)):
        cost = (r - candidate) ** 2 + RATE_WEIGHT * tables.cost(candidate, t)
        best = np.where(cost < least, candidate, best)
        least = np.minimum(cost, least)
    nearest[active] = best * np.sign(residual[active]).astype(np.int64)
    return nearest
