"""Probability tables: cumulative counts of 16 bits, data of the model file."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.errors import UnsupportedError
from sarcodec.limits import DEFAULT
from sarcodec.native.streams import MOST_ENTRIES, CodingTables
from sarcodec.native.trellis_code import SCALES

PRECISION = 16
"""Counts of a table sum to 2^16."""
SCALE_STEPS = 5
"""Tables per octave of deviation."""
SCALE_ZERO = 16
"""Index of deviation 1."""
MOST_TABLES = 1 << 16
"""A table's number has 16 bits."""
WIDEST = 120
"""Largest magnitude a table holds; what lies beyond is coded after an escape symbol."""


@dataclass(frozen=True)
class Tables:
    """A set of tables, with the cost of each symbol for the encoder.

    Parameters
    ----------
    cdf : int32 array, shape (tables, longest)
        Cumulative counts from 0 to 65536; the last interval of a row is the escape symbol.
    size : int32 array, shape (tables,)
        Entries used of each row.
    offset : int32 array, shape (tables,)
        Symbol of the first interval of each row.
    """

    cdf: npt.NDArray[Any]
    size: npt.NDArray[Any]
    offset: npt.NDArray[Any]
    bits: npt.NDArray[Any] = field(init=False, repr=False)
    """Cost in bits, float32, shape (tables, 2 * WIDEST + 3), column WIDEST + 1 is symbol 0."""

    def __post_init__(self) -> None:
        rows = self.cdf.shape[0]
        if (
            self.cdf.ndim != 2
            or self.size.shape != (rows,)
            or self.offset.shape != (rows,)
            or int(self.size.min()) < 3
            or int(self.size.max()) > min(self.cdf.shape[1], MOST_ENTRIES)
            or int(self.offset.min()) < -DEFAULT.symbol
            or int((self.offset.astype(np.int64) + self.size).max()) - 3 > DEFAULT.symbol
            or rows > MOST_TABLES
            or any(np.any(np.diff(row[:n]) <= 0) for row, n in zip(self.cdf, self.size, strict=True))
            or np.any(self.cdf[:, 0] != 0)
            or np.any(self.cdf[np.arange(rows), self.size - 1] != 1 << PRECISION)
        ):
            raise UnsupportedError(
                "the model's probability tables are damaged", hint="Install the model again."
            )
        object.__setattr__(self, "bits", self._cost())

    @cached_property
    def coding(self) -> CodingTables:
        """The same for the entropy coder's kernels."""
        return CodingTables(self.cdf, self.size, self.offset)

    def _cost(self) -> npt.NDArray[Any]:
        wide = np.arange(-WIDEST - 1, WIDEST + 2)
        bits = np.empty((self.cdf.shape[0], wide.size), dtype=np.float32)
        for row, (cdf, size, offset) in enumerate(zip(self.cdf, self.size, self.offset, strict=True)):
            counts = np.diff(cdf[:size])
            inside = (wide >= offset) & (wide < offset + size - 2)
            beyond = np.where(wide < offset, offset - wide, wide - (offset + size - 2) + 1)
            # An escape costs its symbol and about two 4-bit groups for each doubling of what lies beyond.
            escape = PRECISION - np.log2(counts[-1]) + 8 + 8 * np.log2(np.maximum(beyond, 1)) / 4
            known = PRECISION - np.log2(counts[np.clip(wide - offset, 0, size - 3)])
            bits[row] = np.where(inside, known, escape)
        return bits

    def subset(self, rows: slice) -> Tables:
        """The tables of some rows, renumbered from 0."""
        return Tables(self.cdf[rows], self.size[rows], self.offset[rows])

    def cost(self, symbols: npt.NDArray[Any], indexes: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Bits of each symbol under the table of its index, float32; an escape's beyond the widest."""
        column = np.clip(symbols, -WIDEST - 1, WIDEST + 1) + WIDEST + 1
        costs: npt.NDArray[Any] = self.bits[indexes, column]
        return costs


def scale_deviations() -> npt.NDArray[Any]:
    """Standard deviation that each latent table stands for, in quantiser steps, float64, shape (SCALES,)."""
    return np.asarray(2.0 ** ((np.arange(SCALES) - SCALE_ZERO) / SCALE_STEPS))
