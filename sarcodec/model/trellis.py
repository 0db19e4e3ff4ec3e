"""Trellis-coded quantisation: two quantisers, and a state machine that the parity of each symbol drives.

The symbols of a group of channels are a path through a trellis of 256 states, position by position and
channel by channel. A state says which of two interleaved quantisers comes next; together they are twice
as fine as either, and the encoder takes the path that costs least (Viterbi). That wins back a part of what
scalar quantisers lose to the rate-distortion bound: Marcellin and Fischer, IEEE Trans. Commun. 38(1), 1990;
Fischer and Wang, IEEE Trans. Inf. Theory 38(2), 1992. The code is in :mod:`sarcodec.native.trellis_code`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.model.quantise import Choice, Integers, Mask
from sarcodec.model.rans import StreamDecoder
from sarcodec.model.tables import WIDEST, Tables
from sarcodec.native import kernels
from sarcodec.native.reference import order
from sarcodec.native.trellis_code import paired

STEP_LOG2 = 0.8
"""Octaves by which a step is finer than that of a scalar quantiser at the same rate."""
RATE_WEIGHT = 0.27
"""Squared steps that a bit is worth; tuned on validation scenes."""


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
        self.tables, self.shrink = tables, np.ascontiguousarray(shrink, np.int32)
        self._prices = paired(np.float32(RATE_WEIGHT) * tables.bits[:, WIDEST + 1 :])

    def choose(self, residual: npt.NDArray[np.float32], index: Integers, coded: Mask) -> Choice:
        """Symbols on the path of least squared error + RATE_WEIGHT * bits."""
        coded = np.ascontiguousarray(coded)
        scale, values = kernels.gather(_scale(index), coded, np.ascontiguousarray(residual))
        assert values is not None
        symbols, rows, points = kernels.trellis_search(values, scale, self.shrink, self._prices)
        return symbols, rows, kernels.scatter(points, coded)

    def in_order(self, values: npt.NDArray[Any], coded: Mask) -> npt.NDArray[Any]:
        """Position by position, all channels of one before the next."""
        return order.gather(values, coded)

    def read(self, stream: StreamDecoder, index: Integers, coded: Mask) -> Integers:
        """One after the other: a table depends on the symbols before."""
        coded = np.ascontiguousarray(coded)
        scale, _ = kernels.gather(_scale(index), coded)
        points = kernels.trellis_read(stream.source, self.tables.coding, scale, self.shrink)
        stream.check()
        return kernels.scatter(points, coded)


def _scale(index: Integers) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(index, np.uint8)
