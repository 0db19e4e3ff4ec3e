"""Correlation of speckle within patches, and what follows from it for their means."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sarcodec.speckle.patches import CONSTANT, Doubles, Mask, Patches, Raster, cut
from sarcodec.types import Window

_NEGLIGIBLE = 0.02  # correlation from which on a lag belongs to no main lobe of speckle
_MOST_OF_MEAN = 0.5  # share of the variance that a patch's mean may take; more is no short correlation


def autocorrelation(db: Raster, valid: Mask, blocks: Sequence[Window], *, lags: int = 8) -> Doubles:
    r"""Normalised autocorrelation of linear power within blocks.

    .. math:: \rho_k = \frac{\langle (I_i - m) (I_{i+k} - m) / m^2 \rangle}{\langle (I_i - m)^2 / m^2 \rangle}

    over all pairs of valid pixels of all blocks, m the mean of the pair's block. Taking off a block's own
    mean instead of the true one lowers every lag; that is corrected (:func:`correlation`), taking the
    correlation as separable and negligible from the first lag on where it falls below 0.02. For circular
    Gaussian fields it is the squared magnitude of the complex correlation (C. Oliver, S. Quegan,
    *Understanding Synthetic Aperture Radar Images*).

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


def correlation(groups: Sequence[Patches], lags: int) -> Doubles:
    r"""Autocorrelation of power along rows (0) and columns (1), shape (2, lags + 1), float64.

    The sums run over all pairs of valid pixels of all patches, each patch over its mean. Taking a patch's
    own mean off lowers every covariance by that mean's variance :math:`v \sigma^2`, which is put back:
    :math:`\rho_k = (1 - v) c_k / c_0 + v` with :math:`v = \bar\rho` the mean correlation of all pairs of a
    patch's pixels (:func:`shared`), a fixed point that is found by iteration. NaN at lags that no patch
    reaches; all NaN without variance.
    """
    covariance, pairs = np.zeros((2, lags + 1)), np.zeros((2, lags + 1))
    for group in groups:
        about = group.relative
        for axis in range(2):
            along = 2 - axis
            size = about.shape[along]
            for lag in range(min(lags + 1, size)):
                first = tuple(slice(size - lag if a == along else None) for a in range(3))
                second = tuple(slice(lag if a == along else 0, None) for a in range(3))
                covariance[axis, lag] += np.einsum("ijk,ijk->", about[first], about[second])
                pairs[axis, lag] += np.count_nonzero(group.valid[first] & group.valid[second])
    covariance = np.divide(covariance, pairs, out=np.full_like(covariance, np.nan), where=pairs > 0)
    if not covariance[0, 0] > CONSTANT:
        return np.full_like(covariance, np.nan)
    raw = covariance / covariance[:, :1]
    weights = [float(group.valid.sum()) for group in groups]
    found = raw
    for _ in range(20):
        v = float(np.average([shared(found, group.valid.shape[1:]) for group in groups], weights=weights))
        found = (1 - v) * raw + v
        found[:, 0] = 1
    return found


def main_lobe(rho: Doubles) -> Doubles:
    """Set a correlation to zero from the first lag on where it is negligible; shape (2, lags + 1)."""
    gone = ~(rho > _NEGLIGIBLE)
    gone[:, 0] = False
    return np.where(np.logical_or.accumulate(gone, axis=1), 0.0, rho)


def toeplitz(rho: Doubles, size: int) -> Doubles:
    """Correlation of the pixels of a line, shape (size, size), from that at lags 0, 1, ..."""
    padded = np.zeros(max(size, rho.size))
    padded[: rho.size] = rho
    return np.asarray(padded[np.abs(np.arange(size)[:, None] - np.arange(size))])


def shared(rho: Doubles, shape: tuple[int, ...]) -> float:
    """Mean correlation of all pairs of pixels in a patch: variance of its mean over that of a pixel.

    The correlation is taken as separable, as that of the detected signal of a separable filter is.
    """
    lobe = main_lobe(rho)
    rows, columns = (float(toeplitz(lobe[a], shape[1 - a]).mean()) for a in range(2))
    return min(rows * columns, _MOST_OF_MEAN)
