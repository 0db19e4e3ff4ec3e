"""Trellis-coded quantisation: two quantisers, and a state machine that the parity of each symbol drives.

The symbols of a group of channels are a path through a trellis of 256 states, position by position and
channel by channel. A state says which of two interleaved quantisers comes next; together they are twice
as fine as either, and the encoder takes the path that costs least (Viterbi). That wins back a part of what
scalar quantisers lose to the rate-distortion bound: Marcellin and Fischer, IEEE Trans. Commun. 38(1), 1990;
Fischer and Wang, IEEE Trans. Inf. Theory 38(2), 1992. The trellis is Ungerboeck's (IEEE Communications
Magazine 25(2), 1987; parity checks 515 and 362, octal). The loops are in :mod:`sarcodec.model.loops`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.model import loops
from sarcodec.model.quantise import Choice
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

    def choose(self, residual: Floats, index: Integers, coded: Mask) -> Choice:
        """Symbols on the path of least squared error + RATE_WEIGHT * bits."""
        scales = self.in_order(index, coded)
        symbols = loops.choose(self.in_order(residual, coded), scales, self.shrink, self._prices)
        rows, values = loops.follow(symbols, scales, self.shrink)
        return symbols, rows, _put(values, coded)

    def in_order(self, values: npt.NDArray[Any], coded: Mask) -> npt.NDArray[Any]:
        """Position by position, all channels of one before the next."""
        out = np.empty(np.count_nonzero(coded), values.dtype)
        loops.gather(np.ascontiguousarray(values), np.ascontiguousarray(coded), out)
        return out

    def read(self, stream: StreamDecoder, index: Integers, coded: Mask) -> Integers:
        """One after the other: a table depends on the symbols before."""
        tables = self.tables.arrays
        values = loops.read(stream.words, stream.state, tables, self.in_order(index, coded), self.shrink)
        stream.check()
        return _put(values, coded)


def _put(values: Integers, coded: Mask) -> Integers:
    """What :meth:`Trellis.in_order` came from, 0 where not coded."""
    out = np.zeros(coded.shape, np.int64)
    loops.scatter(values, np.ascontiguousarray(coded), out)
    return out
