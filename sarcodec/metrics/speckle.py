"""Statistics of speckle on homogeneous blocks: correlation and distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sarcodec.metrics.patches import Doubles, Mask, Patches, Raster, correlation, cut
from sarcodec.types import Window


def autocorrelation(db: Raster, valid: Mask, blocks: Sequence[Window], *, lags: int = 8) -> Doubles:
    r"""Normalised autocorrelation of linear power within blocks.

    .. math:: \rho_k = \frac{\langle (I_i - m) (I_{i+k} - m) / m^2 \rangle}{\langle (I_i - m)^2 / m^2 \rangle}

    over all pairs of valid pixels of all blocks, m the mean of the pair's block. Taking off a block's own
    mean instead of the true one lowers every lag; that is corrected
    (:func:`sarcodec.metrics.patches.correlation`), taking the correlation as separable and negligible from
    the first lag on where it falls below 0.02. For circular Gaussian fields it is the squared magnitude of
    the complex correlation (C. Oliver, S. Quegan, *Understanding Synthetic Aperture Radar Images*).

    Parameters
    ----------
    db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
    blocks : sequence of Window
    lags : int
        The largest, pixels.

    Returns
    -------
    ndarray, shape (2, lags + 1), float64
        Along rows, from one column to the next (0), and along columns (1). NaN at lags that no block
        reaches, everywhere without blocks or variance.
    """
    return correlation(cut(db, valid, blocks), lags)


def ks_ratio(db: Raster, decoded_db: Raster, valid: Mask, blocks: Sequence[Window], enl: float) -> float:
    r"""Kolmogorov-Smirnov distance of the ratio image to pure speckle.

    .. math:: \sup_r | F_n(r) - \Gamma_{L, 1/L}(r) |, \qquad
              r = \frac{I / \hat I}{\langle I / \hat I \rangle_{\mathrm{block}}}

    for linear power I of the original and of the decoded image and L = `enl` (the ratio image of Oliver and
    Quegan, *Understanding Synthetic Aperture Radar Images*, as a test of despeckling). About 0
    where what the codec took away is pure speckle and all of it; near the largest value, for identity,
    where it took nothing away.

    Parameters
    ----------
    db, decoded_db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
    blocks : sequence of Window
        Homogeneous blocks of the original.
    enl : float
        Equivalent number of looks of the original.

    Returns
    -------
    float
        Within 0 .. 1; NaN without blocks or where `enl` is not a positive number.
    """
    from scipy import stats

    if not (math.isfinite(enl) and enl > 0):
        return math.nan
    # The ratio in dB is a difference, and any constant in it drops out with the mean of the block.
    ratio = _over_mean(cut(np.where(valid, db, 0) - np.where(valid, decoded_db, 0), valid, blocks))
    if not ratio.size:
        return math.nan
    return float(stats.kstest(ratio, stats.gamma(enl, scale=1 / enl).cdf, method="asymp").statistic)


def ks_speckle(db: Raster, decoded_db: Raster, valid: Mask, blocks: Sequence[Window]) -> float:
    r"""Kolmogorov-Smirnov distance between the speckle of two images.

    .. math:: \sup_s | F_n(s) - \hat F_n(s) |, \qquad s = I / \langle I \rangle_{\mathrm{block}}

    with the distributions of linear power over its block's mean, of the original and of the decoded image,
    pooled over blocks. 0 where speckle statistics are kept, whether or not the speckle is.

    Parameters
    ----------
    db, decoded_db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
    blocks : sequence of Window
        Homogeneous blocks of the original.

    Returns
    -------
    float
        Within 0 .. 1; NaN without blocks.
    """
    from scipy import stats

    original, decoded = (_over_mean(cut(image, valid, blocks)) for image in (db, decoded_db))
    if not original.size:
        return math.nan
    return float(stats.ks_2samp(original, decoded, method="asymp").statistic)


def _over_mean(groups: Sequence[Patches]) -> Doubles:
    """Valid pixels over the mean of their block, all blocks one after another."""
    return np.concatenate([np.zeros(0), *((group.relative + 1)[group.valid] for group in groups)])
