"""How far a decoded raster is from the original, and how two codecs compare.

Errors are in dB of power, over valid pixels, without clipping. The peak of PSNR and SSIM is a range of
30 dB, about that of land backscatter in one scene.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.errors import InputError

Raster = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]

PEAK_DB = 30.0

_SIGMA, _RADIUS = 1.5, 5  # window of the original SSIM: 11 x 11
_STRIP = 256  # rows of SSIM at a time, so that memory does not grow with the raster


def rmse_db(a_db: Raster, b_db: Raster, valid: Mask) -> float:
    """Root mean square difference in dB over valid pixels; NaN where there are none.

    Parameters
    ----------
    a_db, b_db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
    """
    if not valid.any():
        return math.nan
    difference = a_db[valid].astype(np.float64) - b_db[valid]
    return math.sqrt(float(np.mean(np.square(difference))))


def psnr_db(a_db: Raster, b_db: Raster, valid: Mask) -> float:
    """Peak signal to noise ratio for a range of 30 dB; infinite where both agree.

    Parameters
    ----------
    a_db, b_db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
    """
    rmse = rmse_db(a_db, b_db, valid)
    return math.inf if rmse == 0 else 20 * math.log10(PEAK_DB / rmse)


def ssim(a_db: Raster, b_db: Raster, valid: Mask) -> float:
    """Mean structural similarity of two dB images, for a range of 30 dB.

    Gaussian window of sigma 1.5 in 11x11 pixels, K1 = 0.01, K2 = 0.03. Only windows that lie inside the
    raster and hold valid pixels alone count; NaN where there is no such window.

    Parameters
    ----------
    a_db, b_db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
    """
    total, count = 0.0, 0
    for top in range(0, max(0, valid.shape[0] - 2 * _RADIUS), _STRIP):
        rows = slice(top, top + _STRIP + 2 * _RADIUS)
        whole = _smooth((~valid[rows]).astype(np.float64)) == 0
        index = _ssim_index(_filled(a_db[rows], valid[rows]), _filled(b_db[rows], valid[rows]))
        total += float(index[whole].sum())
        count += int(whole.sum())
    return total / count if count else math.nan


def _filled(db: Raster, valid: Mask) -> Doubles:
    return np.where(valid, db.astype(np.float64), 0.0)


def _ssim_index(a: Doubles, b: Doubles) -> Doubles:
    c1, c2 = (0.01 * PEAK_DB) ** 2, (0.03 * PEAK_DB) ** 2
    mean_a, mean_b = _smooth(a), _smooth(b)
    var_a = _smooth(a * a) - mean_a**2
    var_b = _smooth(b * b) - mean_b**2
    covariance = _smooth(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * covariance + c2) / (var_a + var_b + c2)
    return np.asarray(luminance * structure)


def _smooth(image: Doubles) -> Doubles:
    """Gaussian window means at the positions where the window lies inside the image."""
    taps = np.exp(-0.5 * (np.arange(-_RADIUS, _RADIUS + 1) / _SIGMA) ** 2)
    taps /= taps.sum()
    height, width = (max(0, side - 2 * _RADIUS) for side in image.shape)
    rows = sum((tap * image[k : k + height] for k, tap in enumerate(taps)), start=np.zeros(()))
    return sum((tap * rows[:, k : k + width] for k, tap in enumerate(taps)), start=np.zeros(()))


@dataclass(frozen=True)
class BdRate:
    """Mean difference of rate between two codecs at equal error."""

    percent: float
    """Rate of the tested codec against the reference; negative is better."""
    low_db: float
    """Lower end of the common RMSE interval, dB."""
    high_db: float
    """Upper end of the common RMSE interval, dB."""


def bd_rate(
    reference_rate: Sequence[float],
    reference_rmse: Sequence[float],
    test_rate: Sequence[float],
    test_rmse: Sequence[float],
) -> BdRate:
    """Bjontegaard difference of rate over the common RMSE interval.

    Each codec's log rate is interpolated over its RMSE by monotone piecewise cubics (PCHIP).

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
    return BdRate(100 * math.expm1(mean), float(low), float(high))


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
