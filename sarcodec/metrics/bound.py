r"""The Gaussian rate-distortion bound of an image's measured spectrum.

For a stationary Gaussian field of power spectral density :math:`S(f)` no codec needs less than

.. math:: D(\theta) = \int \min(\theta, S) \, df, \quad
          R(\theta) = \int \max\left(0, \tfrac12 \log_2 \frac{S}{\theta}\right) df

bits per pixel for a mean square error :math:`D`: reverse water-filling (Berger, *Rate Distortion Theory*,
1971; Cover and Thomas, *Elements of Information Theory*, section 10.3.3). Here S is that of the
dB image, so errors are dB.

What it is not. A scene is no stationary Gaussian field: a codec that adapts to fields, water and towns may
stay below the curve, and among all images of this spectrum the Gaussian ones are the hardest. Over speckle
alone it is close.

Which way the estimate errs. Only the mean of the whole image is removed, and slow trends stay in the lowest
bins, so they are paid for. Windows of 64 pixels spread each line over a bin and a half, and a smoother
spectrum is harder to code: the curve lies too high where the image has structure beyond 64 pixels or spectral
zeros (windows of 128 lower the RMSE of real scenes by 1 to 2 %). The scatter of the estimate does the
opposite: K independent blocks lower the rate at a given error by up to 0.36 / K bits per pixel, which is
0.002 for 512 x 512 pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Raster = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]

BLOCK = 64


@dataclass(frozen=True)
class Spectrum:
    """A power spectral density and the bound that follows from it."""

    density: Doubles
    """dB^2, shape (block, block), zero frequency first; its mean is the variance about the image's mean."""
    blocks: int
    """Periodograms averaged."""

    @cached_property
    def _levels(self) -> Doubles:
        """The positive densities, ascending: the water levels at which a frequency drops out."""
        return np.sort(self.density[self.density > 0])

    @cached_property
    def _rates(self) -> Doubles:
        """Rate at each of the levels, bpp: linear in the logarithm of the level between two of them."""
        logs = np.log2(self._levels)
        above = np.cumsum(logs[::-1])[::-1] - logs * np.arange(logs.size, 0, -1)
        return np.asarray(0.5 * above / self.density.size)

    @cached_property
    def _errors(self) -> Doubles:
        """Mean square error at each of the levels, dB^2: linear in the level between two of them."""
        below = np.cumsum(self._levels) - self._levels
        drowned = below + self._levels * np.arange(self._levels.size, 0, -1)
        return np.asarray(drowned / self.density.size)

    def rmse_db(self, bpp: float) -> float:
        """Least RMSE at a rate, dB.

        Parameters
        ----------
        bpp : float
            Bits per pixel, 0 or more; 0 gives the standard deviation.
        """
        if not self._levels.size:
            return 0.0
        share = self._levels.size / self.density.size
        beyond = max(0.0, bpp - self._rates[0]) * 2 / share  # every frequency above the water
        log = np.interp(bpp, self._rates[::-1], np.log2(self._levels[::-1])) - beyond
        return math.sqrt(float(np.mean(np.minimum(self.density, 2.0**log))))

    def bpp(self, rmse_db: float) -> float:
        """Least rate for an RMSE, bits per pixel.

        Parameters
        ----------
        rmse_db : float
            dB; 0 at the standard deviation and above it, infinite for 0 unless the image is constant.
        """
        if not self._levels.size or rmse_db**2 >= self._errors[-1]:
            return 0.0
        if rmse_db <= 0:
            return math.inf
        share = self._levels.size / self.density.size
        if rmse_db**2 < self._errors[0]:
            deeper = math.log2(float(self._errors[0])) - 2 * math.log2(rmse_db)
            return float(self._rates[0] + 0.5 * share * deeper)
        level = np.interp(rmse_db**2, self._errors, self._levels)
        return float(np.sum(np.log2(np.maximum(self._levels / level, 1.0))) / 2 / self.density.size)

    def curve(self, rates: Iterable[float]) -> tuple[tuple[float, float], ...]:
        """(bpp, RMSE in dB) at each of `rates`, in their order."""
        return tuple((float(rate), self.rmse_db(rate)) for rate in rates)


def spectrum(db: Raster, valid: Mask, *, block: int = BLOCK) -> Spectrum | None:
    """Power spectral density by averaged periodograms of square, half-overlapping Hann windows.

    Welch's method (IEEE Trans. Audio Electroacoust. 15(2), 1967) in two dimensions, scaled so that white
    noise of variance v has density v at every frequency.

    Parameters
    ----------
    db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
        A block with an invalid pixel is left out.
    block : int
        Side of a block, pixels; the last block of a row or column ends at the edge of the image.

    Returns
    -------
    Spectrum or None
        None where no block is wholly valid.
    """
    taper = np.sin(np.pi * (np.arange(block) + 0.5) / block) ** 2
    window = np.outer(taper, taper)
    window /= np.sqrt(np.sum(window**2))
    mean = float(np.mean(db[valid], dtype=np.float64)) if valid.any() else 0.0
    total, count = np.zeros((block, block)), 0
    for top in _starts(db.shape[0], block):
        strip, whole = db[top : top + block], valid[top : top + block]
        starts = [k for k in _starts(db.shape[1], block) if whole[:, k : k + block].all()]
        if starts:
            blocks = np.stack([strip[:, k : k + block] for k in starts]).astype(np.float64) - mean
            total += np.sum(np.abs(np.fft.fft2(blocks * window)) ** 2, axis=0)
            count += len(starts)
    return Spectrum(total / count, count) if count else None


def _starts(size: int, block: int) -> list[int]:
    """First pixel of each block along an axis."""
    last = size - block
    return [] if last < 0 else [*range(0, last, block // 2), last]
