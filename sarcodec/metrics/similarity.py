r"""Structural similarity at one scale and at five.

For a Gaussian window of sigma 1.5 in 11x11 pixels, with window means :math:`\mu`, variances
:math:`\sigma^2` and covariance :math:`\sigma_{ab}` in dB,

.. math:: l = \frac{2\mu_a\mu_b + C_1}{\mu_a^2 + \mu_b^2 + C_1}, \qquad
          s = \frac{2\sigma_{ab} + C_2}{\sigma_a^2 + \sigma_b^2 + C_2}

with :math:`C_1 = (0.01 \cdot 30)^2` and :math:`C_2 = (0.03 \cdot 30)^2` dB squared.
"""

from __future__ import annotations

import math

import numpy as np

from sarcodec.metrics.error import PEAK_DB
from sarcodec.speckle.patches import Doubles, Mask, Raster

_SIGMA, _RADIUS = 1.5, 5  # window of the original SSIM: 11 x 11
_STRIP = 256  # rows at a time, so that memory does not grow with the raster
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def ssim(a_db: Raster, b_db: Raster, valid: Mask) -> float:
    """Mean structural similarity ``l s`` of two dB images, for a range of 30 dB.

    Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error visibility
    to structural similarity", IEEE Transactions on Image Processing 13(4), 2004. Only windows that lie
    inside the raster and hold valid pixels alone count; NaN where there is no such window.

    Parameters
    ----------
    a_db, b_db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
    """
    return _means(a_db, b_db, valid)[0]


def ms_ssim(a_db: Raster, b_db: Raster, valid: Mask) -> float:
    r"""Structural similarity over five scales, for a range of 30 dB.

    .. math:: \overline{l_5 s_5}^{\,0.1333} \prod_{k=1}^{4} \overline{s_k}^{\,w_k}, \qquad
              w = 0.0448, 0.2856, 0.3001, 0.2363

    with means over the windows of scale k, negative ones taken as 0 (Z. Wang, E. P. Simoncelli,
    A. C. Bovik, "Multiscale structural similarity for image quality assessment", Asilomar 2003). Between
    scales 2x2 dB pixels are averaged, a last odd row or column is dropped, and a mean is valid where all
    four pixels are. At each scale only windows that lie inside and hold valid pixels alone count.

    Parameters
    ----------
    a_db, b_db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool

    Returns
    -------
    float
        Within 0 .. 1; NaN where a scale has no window, so always with a side below 176 pixels.
    """
    a, b = _filled(a_db, valid), _filled(b_db, valid)
    product = 1.0
    for scale, weight in enumerate(_SCALE_WEIGHTS):
        if scale:
            a, b, valid = _pooled(a), _pooled(b), _pooled(valid.astype(np.float64)) == 1
            a, b = _filled(a, valid), _filled(b, valid)
        whole, structure = _means(a, b, valid)
        last = scale == len(_SCALE_WEIGHTS) - 1
        product *= max(whole if last else structure, 0.0) ** weight if not math.isnan(whole) else math.nan
    return product


def _means(a_db: Raster, b_db: Raster, valid: Mask) -> tuple[float, float]:
    """Means of l*s and of s over whole windows; NaN where there are none."""
    total, structures, count = 0.0, 0.0, 0
    for top in range(0, max(0, valid.shape[0] - 2 * _RADIUS), _STRIP):
        rows = slice(top, top + _STRIP + 2 * _RADIUS)
        whole = _smooth((~valid[rows]).astype(np.float64)) == 0
        a, b = _filled(a_db[rows], valid[rows]), _filled(b_db[rows], valid[rows])
        luminance, structure = _terms(a, b)
        total += float((luminance * structure)[whole].sum())
        structures += float(structure[whole].sum())
        count += int(whole.sum())
    return (total / count, structures / count) if count else (math.nan, math.nan)


def _filled(db: Raster, valid: Mask) -> Doubles:
    return np.where(valid, db.astype(np.float64), 0.0)


def _pooled(image: Doubles) -> Doubles:
    height, width = (side - side % 2 for side in image.shape)
    even = image[:height, :width]
    return np.asarray((even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4)


def _terms(a: Doubles, b: Doubles) -> tuple[Doubles, Doubles]:
    """Luminance and structure at the positions where the window lies inside the image."""
    c1, c2 = (0.01 * PEAK_DB) ** 2, (0.03 * PEAK_DB) ** 2
    mean_a, mean_b = _smooth(a), _smooth(b)
    var_a = _smooth(a * a) - mean_a**2
    var_b = _smooth(b * b) - mean_b**2
    covariance = _smooth(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * covariance + c2) / (var_a + var_b + c2)
    return luminance, structure


def _smooth(image: Doubles) -> Doubles:
    """Gaussian window means at the positions where the window lies inside the image."""
    taps = np.exp(-0.5 * (np.arange(-_RADIUS, _RADIUS + 1) / _SIGMA) ** 2)
    taps /= taps.sum()
    height, width = (max(0, side - 2 * _RADIUS) for side in image.shape)
    rows = sum((tap * image[k : k + height] for k, tap in enumerate(taps)), start=np.zeros(()))
    return sum((tap * rows[:, k : k + width] for k, tap in enumerate(taps)), start=np.zeros(()))
