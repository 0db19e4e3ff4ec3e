"""Masked areas that nobody declared: one value, repeated exactly, far from every other pixel of a band.

Mosaics mark sea, layover and shadow with a constant such as DN 1. As data it would be a cliff of 60 dB.
Speckle leaves no gaps: where two values of dense data lie apart, there are others between them. So what is
looked for is a value that fills much of the band and has almost nothing within `GAP_DB` of it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

GAP_DB = 12.0
"""dB around a masked value that are all but empty: a factor of four in DN, so 1, 2 and 3 are neighbours."""
SHARE = 0.01
"""Part of a band's valid pixels that a masked value fills at least; what is rarer costs little as data."""
STRAY = 0.01
"""Other pixels within the gap at most, as a part of the masked ones: the deepest tail of speckle."""
LEAST = 64
"""Pixels of a value in a tile, and in a band, below which it is not counted."""
BODY = 8
"""Levels that the rest occupies at least: drawings of a few values have no data to tell a mask from."""

_PER_DB = 4
_LOWEST_DB = -450.0
_LEVELS = 2 * 450 * _PER_DB
_REACH = int(GAP_DB * _PER_DB)

Integers = npt.NDArray[np.int64]


def _no_pixels() -> Integers:
    return np.zeros(_LEVELS, np.int64)


@dataclass(frozen=True)
class Levels:
    """What is kept of the pixels of a tile, or of many; sums do not depend on their order."""

    counts: Integers = field(default_factory=_no_pixels)
    """Pixels in each quarter of a dB, from -450 to 450 dB; the outermost hold what is beyond."""
    alone: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Pixels of each value that has its surroundings to itself, by level and bit pattern."""

    @classmethod
    def of(cls, values: npt.NDArray[Any], db: npt.NDArray[np.floating[Any]]) -> Levels:
        """Sort the valid pixels of a tile.

        Parameters
        ----------
        values : ndarray, shape (n,), native dtype
        db : ndarray, shape (n,), float
            The same in dB of power, all finite.
        """
        level = np.clip((db - _LOWEST_DB) * _PER_DB, 0, _LEVELS - 1).astype(np.int32)
        counts = np.bincount(level, minlength=_LEVELS).astype(np.int64)
        alone: Counter[tuple[int, int]] = Counter()
        # Values that are alone in the band may have more strays than this in a tile that has few of them.
        for k in np.flatnonzero((counts >= LEAST) & (_near(counts) <= 2 * counts)).tolist():
            bits = values[level == k].view(f"u{values.itemsize}")
            middle = np.partition(bits, bits.size // 2)[bits.size // 2]
            alone[k, int(middle)] = int(np.count_nonzero(bits == middle))
        return cls(counts, alone)

    def __or__(self, other: Levels) -> Levels:
        return Levels(self.counts + other.counts, self.alone + other.alone)

    def masked(self, room: int) -> tuple[int, ...]:
        """Bit patterns of the values that mark masked areas, at most `room`, the most frequent first."""
        least, near = max(LEAST, SHARE * int(self.counts.sum())), _near(self.counts)
        found = [
            ((level, bits), count)
            for (level, bits), count in sorted(self.alone.items(), key=lambda item: (-item[1], item[0]))
            if count >= least and near[level] - count <= STRAY * count
        ]
        body = reduce(_without, found, self.counts)
        if np.count_nonzero(body) < BODY:
            return ()
        return tuple(bits for (_, bits), _ in found[:room])


def _near(counts: Integers) -> Integers:
    """Pixels within the gap around each level, its own among them."""
    total = np.concatenate(([0], np.cumsum(np.pad(counts, _REACH))))
    near: Integers = total[2 * _REACH + 1 :] - total[: -2 * _REACH - 1]
    return near


def _without(counts: Integers, found: tuple[tuple[int, int], int]) -> Integers:
    (level, _), count = found
    rest = counts.copy()
    rest[level] -= count
    return rest
