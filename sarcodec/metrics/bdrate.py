"""Bjontegaard difference of rate between two codecs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sarcodec.errors import InputError
from sarcodec.speckle.patches import Doubles


@dataclass(frozen=True)
class BdRate:
    """Mean difference of rate between two codecs at equal error."""

    percent: float
    """Rate of the tested codec against the reference; negative is better."""
    low_db: float
    """Lower end of the common RMSE interval, dB."""
    high_db: float
    """Upper end of the common RMSE interval, dB."""
    overlap: float
    """Common interval / the longer of the two curves' own RMSE intervals, above 0 to 1; a difference that
    rests on a small overlap says little."""


def bd_rate(
    reference_rate: Sequence[float],
    reference_rmse: Sequence[float],
    test_rate: Sequence[float],
    test_rmse: Sequence[float],
) -> BdRate:
    """Bjontegaard difference of rate over the common RMSE interval.

    Each codec's log rate is interpolated over its RMSE by monotone piecewise cubics (PCHIP: F. N. Fritsch,
    R. E. Carlson, SIAM Journal on Numerical Analysis 17(2), 1980) and the mean difference ``d`` of the two
    becomes ``100 (exp(d) - 1)`` percent (G. Bjontegaard, VCEG-M33, 2001, which fits one cubic instead).

    Parameters
    ----------
    reference_rate, test_rate : sequence of float
        Rates of at least two points, all in one unit, such as bpp.
    reference_rmse, test_rmse : sequence of float
        Their RMSE, dB.

    Raises
    ------
    InputError
        A curve has fewer than two points, two of the same RMSE or a rate that is not positive, or the
        curves share no RMSE interval.
    """
    reference = _Curve.through(reference_rmse, reference_rate)
    test = _Curve.through(test_rmse, test_rate)
    low, high = max(reference.x[0], test.x[0]), min(reference.x[-1], test.x[-1])
    if not low < high:
        raise InputError(
            f"no common RMSE: {reference.x[0]:.3f}..{reference.x[-1]:.3f} dB "
            f"against {test.x[0]:.3f}..{test.x[-1]:.3f} dB",
            hint="Measure both codecs at rates whose errors overlap.",
        )
    mean = (test.integral(low, high) - reference.integral(low, high)) / (high - low)
    longer = max(reference.x[-1] - reference.x[0], test.x[-1] - test.x[0])
    return BdRate(100 * math.expm1(mean), float(low), float(high), float((high - low) / longer))


@dataclass(frozen=True)
class _Curve:
    """Monotone piecewise cubic (Fritsch and Carlson's slopes) of log rate over RMSE."""

    x: Doubles
    y: Doubles
    slope: Doubles

    @classmethod
    def through(cls, rmse: Sequence[float], rate: Sequence[float]) -> _Curve:
        x, rates = np.asarray(rmse, np.float64), np.asarray(rate, np.float64)
        order = np.argsort(x)
        x, rates = x[order], rates[order]
        sound = x.size > 1 and np.isfinite(x).all() and (np.diff(x) > 0).all() and (rates > 0).all()
        if x.shape != rates.shape or not sound:
            raise InputError(
                f"no curve through rates {list(rate)} at RMSE {list(rmse)}",
                hint="Give at least two points of different RMSE and positive rates.",
            )
        y = np.log(rates)
        return cls(x, y, _slopes(np.diff(x), np.diff(y) / np.diff(x)))

    def integral(self, low: float, high: float) -> float:
        """Integral from `low` to `high`, both within the curve."""
        total = 0.0
        for k, width in enumerate(np.diff(self.x)):
            begin = min(max((low - self.x[k]) / width, 0.0), 1.0)
            end = min(max((high - self.x[k]) / width, 0.0), 1.0)
            total += width * (self._antiderivative(k, width, end) - self._antiderivative(k, width, begin))
        return float(total)

    def _antiderivative(self, k: int, width: float, t: float) -> float:
        """Of the Hermite cubic on segment `k`, over its unit parameter."""
        m0, m1 = width * self.slope[k], width * self.slope[k + 1]
        rise = self.y[k + 1] - self.y[k]
        cubic, square = m0 + m1 - 2 * rise, 3 * rise - 2 * m0 - m1
        return float(t * (self.y[k] + t * (m0 / 2 + t * (square / 3 + t * cubic / 4))))


def _slopes(width: Doubles, secant: Doubles) -> Doubles:
    if secant.size == 1:
        return np.array([secant[0], secant[0]])
    slope = np.zeros(secant.size + 1)
    for k in range(1, secant.size):
        if secant[k - 1] * secant[k] > 0:
            before, after = 2 * width[k] + width[k - 1], width[k] + 2 * width[k - 1]
            slope[k] = (before + after) / (before / secant[k - 1] + after / secant[k])
    slope[0] = _end_slope(width[0], width[1], secant[0], secant[1])
    slope[-1] = _end_slope(width[-1], width[-2], secant[-1], secant[-2])
    return slope


def _end_slope(width: float, next_width: float, secant: float, next_secant: float) -> float:
    """Three-point slope, held so that the end segment stays monotone."""
    slope = ((2 * width + next_width) * secant - width * next_secant) / (width + next_width)
    if slope * secant <= 0:
        return 0.0
    if secant * next_secant <= 0 and abs(slope) > 3 * abs(secant):
        return 3 * secant
    return slope
