r"""Equivalent number of looks.

.. math:: L = \frac{(\mathrm{E} I)^2}{\mathrm{var}\, I}

for linear power I over constant ground (C. Oliver, S. Quegan, *Understanding Synthetic Aperture Radar
Images*, section 4.3).

Small samples. With :math:`v` the variance of a block's mean over that of a pixel, which correlation makes
larger than 1/n (:func:`sarcodec.speckle.correlation.shared`), a block's sample variance :math:`s^2` (divisor
n) has the mean :math:`(1 - v)\sigma^2` and its squared mean :math:`m^2` that of :math:`\mu^2 + v \sigma^2`.
With :math:`c = s^2 / ((1 - v) m^2)` a block's squared coefficient of variation is :math:`c / (1 - v c)`.

Pooling. Reciprocals of small samples are biased, so the coefficients are pooled, not the looks: the mean of
those whose logarithm lies within three robust standard deviations (1.4826 times the median absolute
deviation) of the median.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sarcodec.speckle.correlation import correlation, shared
from sarcodec.speckle.patches import CONSTANT, Doubles, Mask, Patches, Raster, cut
from sarcodec.types import Window

_LAGS = 8
_NEAR = 3.0  # robust standard deviations


def enl(db: Raster, valid: Mask, blocks: Sequence[Window]) -> float:
    """Equivalent number of looks, a robust mean over homogeneous blocks, by the formulas of this module.

    Parameters
    ----------
    db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
    blocks : sequence of Window
        From :func:`sarcodec.speckle.homogeneous_blocks` of the original, also for a decoded image.

    Returns
    -------
    float
        Infinite where the blocks are constant; NaN without a block of at least two valid pixels.
    """
    groups = cut(db, valid, blocks)
    if not groups:
        return math.nan
    rho = correlation(groups, _LAGS)
    squared = _robust_mean(np.concatenate([_squared_variation(group, rho) for group in groups]))
    return 1 / squared if squared > CONSTANT else math.inf


def _squared_variation(group: Patches, rho: Doubles) -> Doubles:
    """Squared coefficient of variation of each patch, shape (n,)."""
    v = 0.0 if np.isnan(rho).all() else shared(rho, group.valid.shape[1:])
    ratio = np.square(group.relative).sum((1, 2)) / group.count / (1 - v)
    return np.asarray(ratio / (1 - v * ratio))


def _robust_mean(values: Doubles) -> float:
    """Mean of those near the median by their logarithm; zeros count only where they are the majority."""
    middle = float(np.median(values))
    if middle <= CONSTANT:
        return 0.0
    log = np.log(np.maximum(values, middle * 1e-9) / middle)
    near = np.abs(log) <= max(_NEAR * 1.4826 * float(np.median(np.abs(log))), 1e-9)
    return float(values[near].mean())
