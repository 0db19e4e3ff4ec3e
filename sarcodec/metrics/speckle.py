"""What coding does to speckle on homogeneous blocks: its contrast and its distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sarcodec import speckle
from sarcodec.speckle.patches import Doubles, Mask, Patches, Raster, cut
from sarcodec.types import Window


def enl_ratio(db: Raster, decoded_db: Raster, valid: Mask, blocks: Sequence[Window]) -> float:
    """ENL of the decoded over that of the original image on the same blocks.

    1 where the codec keeps the contrast of speckle, above 1 where it smooths.

    Parameters
    ----------
    db, decoded_db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
    blocks : sequence of Window
        From :func:`sarcodec.speckle.homogeneous_blocks` of the original.

    Returns
    -------
    float
        Infinite where the decoded blocks are constant; NaN without blocks or where those of the original are
        constant.
    """
    original, decoded = speckle.enl(db, valid, blocks), speckle.enl(decoded_db, valid, blocks)
    return decoded / original if math.isfinite(original) else math.nan


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
