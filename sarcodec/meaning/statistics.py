"""What all valid pixels of a band say: decibels, linear values, or neither.

Speckle is multiplicative. In linear images, power or amplitude, the spread within a block of pixels grows in
proportion to the block's mean; in decibels it does not depend on it. So the slope of log(spread) over
log(mean) is near 1 for linear values and near 0 for decibels. The skewness within blocks has a sign: speckle
leans to the right in power and to the left in decibels. Power and amplitude are not told apart: on resampled
and textured scenes their statistics overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.invalid import DB_LIMIT

SIDE = 8
"""Pixels a side of a block."""
KEPT = 1024
"""Blocks of a tile whose mean and spread are kept; they lie evenly over the tile."""
LEAST = 16
"""Blocks below which the pixels say nothing."""
BULK_DB = (-100.0, 100.0)
"""No backscatter in decibels lies outside, calibrated or not."""
SPREAD_DB = 2.5
"""1st to 99th percentile of decibels at least."""
LOCAL_DB = (0.8, 7.0)
"""Spread of decibels within blocks: 30 looks have 0.8 dB, a single one has 5.6 dB."""
LEFT = -0.04
"""Skewness within blocks, for each dB of their spread, up to which values lean to the left as decibels do."""
USUAL_DB = (-30.0, -5.0, 15.0)
"""Least and largest median, and largest 99th percentile, of calibrated backscatter in decibels."""
EVEN = 0.1
"""Skewness up to which values of usual decibels are decibels without leaning: many looks lean to no side."""
DISTINCT = 64
"""Bins that squares of whole numbers occupy at least: codes of classes may be squares, too."""
DB_SLOPE, LINEAR_SLOPE = 0.4, 0.7
"""Slopes up to which values are decibels, and from which they are linear."""
SMOOTH = 0.02
"""Spread within blocks, as a part of the values' own size, below which there is no speckle at all."""
ROUGH = 0.1
"""The same from which values without contrast are linear: 100 looks of power, 27 of amplitude."""
LEANING = 0.3
"""Skewness within blocks from which values lean to the right."""
FEW_LOOKS = 0.45
"""Skewness within blocks above which linear values are power, or amplitudes of few looks."""
STEADY = 2.2
"""Factor by which spreads of dark and bright blocks of decibels differ at most."""
CONTRAST = 1.25
"""Factor between bright and dark blocks from which a slope means something."""

Floats = npt.NDArray[np.float32]


class Verdict(str, Enum):
    """What the statistics say."""

    DB = "decibels"
    LINEAR = "linear"
    SIGNED = "signed"
    """Linear values of both signs, such as power after subtraction of noise."""
    NEITHER = "neither"
    """No scale has such statistics: smooth fields, stretched decibels."""
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class Statistics:
    """Sums over tiles; they do not depend on the order of tiles."""

    counts: npt.NDArray[np.int64]
    """Pixels by the upper 16 bits of their float32, in ascending order of the values."""
    valid: int
    """Valid pixels, those of blocks of one value among them."""
    blocks: Floats
    """Mean, variance and third central moment of blocks, shape (n, 3)."""
    whole: bool = True
    """Whether all values are whole numbers."""
    square: bool = True
    """Whether all values are squares of whole numbers."""
    span: tuple[float, float] = (float("inf"), float("-inf"))
    """Smallest and largest value."""

    def __or__(self, other: Statistics) -> Statistics:
        return Statistics(
            self.counts + other.counts,
            self.valid + other.valid,
            np.concatenate([self.blocks, other.blocks]),
            self.whole and other.whole,
            self.square and other.square,
            (min(self.span[0], other.span[0]), max(self.span[1], other.span[1])),
        )

    @classmethod
    def empty(cls) -> Statistics:
        """Those of no pixel."""
        return cls(np.zeros(2**16, np.int64), 0, np.empty((0, 3), np.float32))

    @classmethod
    def of(cls, numbers: npt.NDArray[np.float64], valid: npt.NDArray[np.bool_]) -> Statistics:
        """Statistics of a tile.

        Parameters
        ----------
        numbers : ndarray, shape (h, w), float64
            What stored values stand for.
        valid : ndarray, shape (h, w), bool
            Blocks of one value only are left out in any case: they are masks that nobody declared.
        """
        h, w = (side - side % SIDE for side in numbers.shape)
        if not (h and w):  # thinner than a block
            return cls._of_pixels(numbers, valid, valid, np.empty((0, 3), np.float32))
        cells = (h // SIDE, SIDE, w // SIDE, SIDE)
        values = numbers[:h, :w].reshape(cells).swapaxes(1, 2).reshape(-1, SIDE * SIDE)
        good = valid[:h, :w].reshape(cells).swapaxes(1, 2).reshape(-1, SIDE * SIDE)
        varied = values.min(axis=1) != values.max(axis=1)
        whole_blocks = np.flatnonzero(good.all(axis=1) & varied)
        chosen = whole_blocks[:: max(1, -(-whole_blocks.size // KEPT))]
        inner = values[chosen]
        mean = inner.mean(axis=1, keepdims=True)
        apart = inner - mean
        with np.errstate(over="ignore"):
            blocks = np.stack([mean[:, 0], (apart**2).mean(axis=1), (apart**3).mean(axis=1)], axis=1)
        seen = valid.copy()
        seen[:h, :w] &= np.kron(varied.reshape(h // SIDE, w // SIDE), np.ones((SIDE, SIDE), bool))
        return cls._of_pixels(numbers, valid, seen, blocks.astype(np.float32))

    @classmethod
    def _of_pixels(
        cls,
        numbers: npt.NDArray[np.float64],
        valid: npt.NDArray[np.bool_],
        seen: npt.NDArray[np.bool_],
        blocks: Floats,
    ) -> Statistics:
        total = int(np.count_nonzero(valid))
        pixels = numbers[seen]
        bits = pixels.astype(np.float32).view(np.uint32) >> 16
        ordered = np.where(bits < 2**15, bits + 2**15, 2**16 - 1 - bits)
        counts = np.bincount(ordered, minlength=2**16).astype(np.int64)
        whole = bool((pixels == np.rint(pixels)).all())
        square = whole and bool((pixels >= 0).all()) and bool((np.sqrt(pixels) % 1 == 0).all())
        span = (float(pixels.min()), float(pixels.max())) if pixels.size else cls.empty().span
        return cls(counts, total, blocks[np.isfinite(blocks).all(axis=1)], whole, square, span)

    def percentile(self, share: float) -> float:
        """The value below which `share` percent of the pixels lie, to 1 %; NaN without pixels."""
        total = np.cumsum(self.counts)
        if not total[-1]:
            return float("nan")
        ordered = int(np.searchsorted(total, share / 100 * total[-1]))
        bits = ordered - 2**15 if ordered >= 2**15 else 2**16 - 1 - ordered
        value = float(np.array([bits << 16 | 1 << 15], np.uint32).view(np.float32)[0])
        return min(max(value, self.span[0]), self.span[1])

    def verdict(self) -> Verdict:
        """What these pixels are."""
        if len(self.blocks) < LEAST:
            return self._verdict_of_range()
        return self._of_both_signs() if self.percentile(1) < 0 else self._of_positive()

    def _of_both_signs(self) -> Verdict:
        low, median, high = (self.percentile(share) for share in (1, 50, 99))
        skew = self._skew()
        if self._looks_like_db:
            usual = USUAL_DB[0] <= median <= USUAL_DB[1] and high <= USUAL_DB[2] and skew < EVEN
            if usual or skew <= LEFT * self._local:
                return Verdict.DB
        if self._local < SMOOTH * (high - low):
            return Verdict.NEITHER
        (_, dark), (_, bright) = self._quarters()
        steady = max(dark, bright) <= STEADY * max(min(dark, bright), 1e-30)
        return Verdict.SIGNED if skew > LEANING and not (steady and self.may_be_db) else Verdict.UNCLEAR

    def _of_positive(self) -> Verdict:
        median, skew = self.percentile(50), self._skew()
        if self._local < SMOOTH * median:
            return Verdict.NEITHER
        slope = self._slope(*self._quarters())
        if slope is None or slope <= DB_SLOPE:
            if self._looks_like_db and skew <= LEFT * self._local:
                return Verdict.DB
            if slope is not None:
                return Verdict.UNCLEAR if self.may_be_db else Verdict.NEITHER
            return Verdict.LINEAR if skew > LEANING and self._local > ROUGH * median else Verdict.UNCLEAR
        return Verdict.LINEAR if slope >= LINEAR_SLOPE else Verdict.UNCLEAR

    @property
    def _looks_like_db(self) -> bool:
        """Whether values lie and spread as decibels do, all together and within blocks."""
        return self.may_be_db and LOCAL_DB[0] <= self._local <= LOCAL_DB[1]

    @property
    def squares(self) -> bool:
        """Whether the values are squares of whole numbers, and enough different ones."""
        return self.square and int(np.count_nonzero(self.counts)) >= DISTINCT

    @property
    def rough(self) -> bool:
        """Whether speckle leans so far to the right that it is that of power, or of a single look."""
        return len(self.blocks) >= LEAST and self._skew() > FEW_LOOKS

    @property
    def _local(self) -> float:
        """Median spread within blocks."""
        return float(np.sqrt(np.median(self.blocks[:, 1])))

    @property
    def may_be_db(self) -> bool:
        """Whether the values lie and spread as decibels can."""
        low, high = self.percentile(1), self.percentile(99)
        return BULK_DB[0] <= low and high <= BULK_DB[1] and high - low >= SPREAD_DB

    def _verdict_of_range(self) -> Verdict:
        """Of too few pixels only the range is known."""
        low, high = self.percentile(1), self.percentile(99)
        if not self.counts.any():
            return Verdict.UNCLEAR
        return Verdict.DB if BULK_DB[0] <= low and high < -1 and high - low >= SPREAD_DB else Verdict.UNCLEAR

    def _quarters(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Median mean and median spread of the darkest and of the brightest quarter of the blocks."""
        order = np.argsort(self.blocks[:, 0], kind="stable")
        part = max(1, len(order) // 4)
        means, variances = self.blocks[:, 0], self.blocks[:, 1]
        dark, bright = (
            (float(np.median(means[rows])), float(np.sqrt(np.median(variances[rows]))))
            for rows in (order[:part], order[-part:])
        )
        return dark, bright

    @staticmethod
    def _slope(dark: tuple[float, float], bright: tuple[float, float]) -> float | None:
        """d log(spread) / d log(mean); None if means differ too little."""
        if dark[0] <= 0 or bright[0] < CONTRAST * dark[0] or min(dark[1], bright[1]) <= 0:
            return None
        return float(np.log(bright[1] / dark[1]) / np.log(bright[0] / dark[0]))

    def _skew(self) -> float:
        """Median skewness within blocks."""
        _, variance, third = self.blocks.T.astype(np.float64)
        with np.errstate(all="ignore"):
            return float(np.nanmedian(third / variance**1.5))


def usable(numbers: npt.NDArray[Any], valid: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Valid pixels that statistics are made of: finite, not 0, no sentinel such as -9999."""
    with np.errstate(invalid="ignore"):
        return np.asarray(valid & np.isfinite(numbers) & (numbers != 0) & (numbers > -DB_LIMIT))
