r"""Blocks of an image that hold speckle over constant ground.

A block of `side` pixels is laid out in k x k cells for k = 8, 4 and 2. Over constant ground the means m of
its cells differ by speckle alone. If a cell's mean is gamma distributed with N effective looks, the variance
of its logarithm is :math:`\psi_1(N)` (trigamma: H. Xie, L. E. Pierce, F. T. Ulaby, IEEE Transactions on
Geoscience and Remote Sensing 40(3), 2002), and

.. math:: F_k = \frac{\mathrm{var}(\ln m)}{\psi_1(1 / (a_k C)) \, (1 - \bar a_k / a_k) \, k^2 / (k^2 - 1)}

is about 1. C is the squared coefficient of variation of a pixel by the block's own variance *within* the
cells of k = 4, or the scene's typical one where that is lower; a_k is the variance of a cell's mean over that
of a pixel and :math:`\bar a_k` the mean covariance of all pairs of cells, both from the speckle's
correlation in the scene. An edge, a gradient, a road or texture wider than the speckle's resolution raises
F. Its chance p_k under homogeneity is that of an F distribution, with degrees of freedom from the same
correlation (Satterthwaite) and from the kurtosis of log-gamma and gamma variables. The three levels are
nested, and :math:`p = 1 - (1 - \min p_k)^2` comes out nearly uniform on simulated clutter.

This is the one-way analysis of variance as a test for homogeneity. Variance between cells and within them
are nearly independent, so homogeneous blocks pass *whatever their variance*; taking the smoothest, as plots
of local deviation over mean (J. S. Lee, E. Pottier, *Polarimetric Radar Imaging*) tempt one to,
would bias the equivalent number of looks upward. A block counts where p is above a level chosen per scene:
homogeneous blocks have uniform p, so twice those with p > 1/2 estimates their number (J. D. Storey, Journal
of the Royal Statistical Society B 64(3), 2002), and the level is the lowest from 0.01 to 0.5 that lets pass
at most 1.2 times the homogeneous ones expected above it. It is low on plain clutter (0.01 to 0.3 on simulated
ones) and higher the more ground there is that is nearly homogeneous. The rest of the contamination is for the
robust mean over blocks (:mod:`sarcodec.speckle.enl`), as S. N. Anfinsen, A. P. Doulgeris, T. Eltoft (IEEE
Transactions on Geoscience and Remote Sensing 47(11), 2009) take the mode of small-sample estimates over a
whole scene.

Point targets: the largest pixel, over the block's level, must stay below what the largest of side^2 gamma
variables of the scene's number of looks exceeds with probability 0.001. The level is the median of the cell
means, which a few targets do not move.

The scene's correlation and its typical C are those of the blocks with p > 0.3, found in four rounds that
begin with the quarter of the blocks whose cells differ least. A correlation that is left at three quarters
to all of the longest lag is texture and taken off. The scene should have one number of looks. Texture finer
than the speckle's resolution cannot be told from speckle.
"""

from __future__ import annotations

import numpy as np

from sarcodec.errors import UsageError
from sarcodec.speckle.cells import CELLS, Candidates, Indices
from sarcodec.speckle.correlation import correlation, main_lobe, toeplitz
from sarcodec.speckle.patches import Doubles, Mask, Raster, cut
from sarcodec.types import Window

_LEVELS = np.arange(1, 51) / 100
_IMPURITY = 1.2  # set on simulated scenes with fields and relief, not on real ones
_TARGET_LEVEL = 0.001
_ROUNDS = 4
_SURE = 0.3  # chance of blocks that tell what the scene's speckle is
_FEWEST = 8  # of them, or a twentieth
_SAMPLE = 256  # blocks that the correlation is measured on
_LEAST = 0.05  # keeps divisors off zero where nothing looks like speckle
_LONGEST = 0.2  # correlation at a quarter of the side; more is no speckle


def homogeneous_blocks(db: Raster, valid: Mask, *, side: int = 32, most: int = 400) -> list[Window]:
    """Find blocks of speckle over constant ground, by the criterion of this module.

    Parameters
    ----------
    db : ndarray, shape (h, w), float, dB of power
        The original, not a decoded image.
    valid : ndarray, shape (h, w), bool
    side : int
        Of a block in pixels, a multiple of 8, at least 16; the speckle's correlation must die out within a
        quarter of it.
    most : int
        Blocks to return at most; of more, some are taken evenly spaced in row-major order.

    Returns
    -------
    list of Window
        Disjoint, all valid, row-major; empty where there are none. Where few fit into the raster, chance may
        leave none: a homogeneous block on its own passes with probability 1/2.

    Raises
    ------
    UsageError
        For another side.
    """
    if side % CELLS or side < 2 * CELLS:
        raise UsageError(f"side is {side}", hint=f"Give a multiple of {CELLS}, at least {2 * CELLS}.")
    if min(valid.shape) < side:
        return []
    found = Candidates.of(db, valid, side // CELLS)
    if not found.row.size:
        return []
    spread = found.spread[4]
    chance, longest = -spread, 0.0
    sure = spread <= np.quantile(spread, 0.25)
    for _ in range(_ROUNDS):
        rho = correlation(cut(db, valid, found.windows(_evenly(sure, _SAMPLE))), side // 4)
        longest = float(rho[:, -1].max())
        chance = _chance(found, _short(rho), sure)
        sure = chance > _SURE
        if sure.sum() < _FEWEST:
            sure = chance >= np.sort(chance)[-min(chance.size, max(_FEWEST, chance.size // 20))]
    if longest > _LONGEST:
        return []
    return found.windows(_evenly(found.apart(chance > _level(chance)), most))


def _short(rho: Doubles) -> Doubles:
    """Correlation of speckle alone: without what is left at long lags, and its main lobe only."""
    left = rho[:, 3 * (rho.shape[1] - 1) // 4 :].mean(1, keepdims=True)
    speckle = (rho - left) / np.maximum(1 - left, _LEAST)
    speckle[:, 0] = 1
    return main_lobe(speckle)


def _chance(found: Candidates, rho: Doubles, sure: Mask) -> Doubles:
    """Chance under homogeneity of what each candidate shows, 0 with a point target; shape (n,)."""
    from scipy import special

    own, _ = _cell_correlation(rho, found.side, 4)
    variation = found.within / np.maximum(1 - own - own * found.within, _LEAST)
    typical = min(float(np.median(variation[sure])), 1.0)
    variation = np.minimum(variation, typical)
    squares = [float(np.square(toeplitz(line, found.side)).mean()) for line in rho]
    own_freedom = 2 / ((2 + 6 * typical) * squares[0] * squares[1])
    lowest = np.ones(found.row.size)
    for k in (8, 4, 2):
        own, across = _cell_correlation(rho, found.side, k)
        expected = special.polygamma(1, 1 / (own * variation))
        expected *= (1 - across.mean() / own) * k**2 / (k**2 - 1)
        looks = 1 / (own * typical)
        kurtosis = float(special.polygamma(3, looks) / special.polygamma(1, looks) ** 2)
        freedom = (k**2 - 1) / k**2 * own**2 / float(np.square(across).mean()) / (1 + kurtosis / 2)
        lowest = np.minimum(lowest, special.fdtrc(freedom, own_freedom, found.spread[k] / expected))
    highest = special.gammainccinv(1 / typical, _TARGET_LEVEL / found.side**2) * typical
    return np.where(found.peak < highest * found.level, 1 - (1 - lowest) ** 2, 0.0)


def _level(chance: Doubles) -> float:
    """Lowest chance to accept."""
    homogeneous = 2 * np.count_nonzero(chance > _LEVELS[-1])
    for level in _LEVELS:
        if np.count_nonzero(chance > level) <= _IMPURITY * homogeneous * (1 - level):
            return float(level)
    return float(_LEVELS[-1])


def _cell_correlation(rho: Doubles, side: int, k: int) -> tuple[float, Doubles]:
    """Variance of a cell's mean over that of a pixel, and the same for all pairs of cells, (k^2, k^2)."""
    size = side // k
    lines = [toeplitz(line, side).reshape(k, size, k, size).mean((1, 3)) for line in rho]
    return float(lines[0][0, 0] * lines[1][0, 0]), np.asarray(np.kron(lines[1], lines[0]), np.float64)


def _evenly(chosen: Mask, most: int) -> Indices:
    """Indices of the chosen, at most `most`."""
    every = np.flatnonzero(chosen)
    if every.size <= most:
        return every
    return np.asarray(every[(np.arange(most) * every.size) // most])
