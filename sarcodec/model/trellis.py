"""Trellis-coded quantisation: two quantisers, and a state machine that the parity of each symbol drives.

The symbols of a chain of latent positions are a path through a trellis of 128 states, position by position
and channel by channel. A state says which of two interleaved quantisers comes next; together they are twice
as fine as either, and the encoder takes the path that costs least (Viterbi). That wins back a part of what
scalar quantisers lose to the rate-distortion bound: Marcellin and Fischer, IEEE Trans. Commun. 38(1), 1990;
Fischer and Wang, IEEE Trans. Inf. Theory 38(2), 1992. A path starts in one state and has little choice at
first: hence chains. The trellis is Ungerboeck's (IEEE Trans. Inf. Theory 28(1), 1982; parity checks 235 and
126, octal). The loops are in :mod:`sarcodec.model.loops`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.model import loops
from sarcodec.model.rans import StreamDecoder
from sarcodec.model.tables import WIDEST, Tables

STEP_LOG2 = 0.8
"""Octaves by which a step is finer than that of a scalar quantiser at the same rate."""
RATE_WEIGHT = 0.27
"""Squared steps that a bit is worth; tuned on validation scenes."""

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def finer(quantiser: str) -> float:
    """Octaves by which the steps of a model file are finer than those its network was trained with."""
    return STEP_LOG2 if quantiser == "trellis" else 0.0


class Trellis:
    """The rule between latents, symbols and tables; see :class:`sarcodec.model.quantise.Rule`.

    Parameters
    ----------
    tables : Tables
        Of 128 rows: those of quantiser 0 for each scale, then those of quantiser 1.
    shrink : int array, shape (2, SHRUNK)
        Sixteenths of a step by which a magnitude lies nearer to zero than the quantiser's point.
    """

    def __init__(self, tables: Tables, shrink: npt.NDArray[Any]) -> None:
        self.tables, self.shrink = tables, shrink.astype(np.int64)
        self._prices = np.float32(RATE_WEIGHT) * tables.bits[:, WIDEST + 1 :]

    def choose(self, residual: Floats, index: Integers, coded: Mask) -> Integers:
        """Symbols on the paths of least squared error + RATE_WEIGHT * bits."""
        given = _compact(residual, index, coded)
        return loops.choose(*given, self.shrink, self._prices)

    def in_order(self, values: npt.NDArray[Any], coded: Mask) -> npt.NDArray[Any]:
        """Step by step of all chains."""
        out = np.empty(np.count_nonzero(coded), values.dtype)
        loops.in_order(values, coded, out)
        return out

    def settle(self, symbols: Integers, index: Integers, coded: Mask) -> tuple[Integers, Integers]:
        """Tables and values, once it is known which quantiser each symbol belongs to."""
        rows, values = np.empty(np.count_nonzero(coded), np.int64), np.zeros(symbols.shape, np.int64)
        loops.follow(*_compact(symbols, index, coded), self.shrink, rows, values)
        return rows, values

    def read(self, stream: StreamDecoder, index: Integers, coded: Mask) -> Integers:
        """Step by step of all chains: a table depends on the symbols before."""
        _, here, where = _compact(index, index, coded)
        values = loops.read(stream.words, stream.state, self.tables.arrays, here, where, self.shrink)
        stream.check()
        return values


def _compact(
    values: npt.NDArray[Any], index: Integers, coded: Mask
) -> tuple[npt.NDArray[Any], Integers, Mask]:
    """The arrays as the compiled loops were made for."""
    return np.ascontiguousarray(values), np.ascontiguousarray(index), np.ascontiguousarray(coded)
