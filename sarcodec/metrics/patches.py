"""Patches of linear power cut from a dB image, and the correlation within them.

All metrics of speckle look at such patches; pixels that are not valid are masked in every sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.types import Window

Raster = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]

CONSTANT = 1e-20
"""Squared coefficient of variation of a patch that is constant but for rounding."""

_NEPER = np.log(10) / 10
_NEGLIGIBLE = 0.02  # correlation from which on a lag belongs to no main lobe of speckle
_MOST_OF_MEAN = 0.5  # share of the variance that a patch's mean may take; more is no short correlation


def power(db: Raster, valid: Mask) -> Doubles:
    """Linear power of `db`, 0 where not valid; any shape, float64."""
    filled = np.where(valid, db, -np.inf).astype(np.float64)
    filled *= _NEPER
    return np.asarray(np.exp(filled, out=filled))


@dataclass(frozen=True)
class Patches:
    """Windows of one shape (h, w)."""

    power: Doubles
    """Linear power, shape (n, h, w), 0 where not valid."""
    valid: Mask
    """Shape (n, h, w); every patch has at least two valid pixels."""

    @property
    def count(self) -> Doubles:
        """Valid pixels of each patch, shape (n,)."""
        return np.asarray(self.valid.sum((1, 2)), np.float64)

    @property
    def mean(self) -> Doubles:
        """Mean power of each patch, shape (n,)."""
        return np.asarray(self.power.sum((1, 2)) / self.count)

    @property
    def relative(self) -> Doubles:
        """Power over the patch's mean, minus 1: zero mean, 0 where not valid; shape (n, h, w)."""
        about = self.power / self.mean[:, None, None] - 1
        return np.where(self.valid, about, 0.0)


def cut(db: Raster, valid: Mask, blocks: Sequence[Window]) -> list[Patches]:
    """Patches under `blocks`, those of one shape together, none with less than two valid pixels.

    Parameters
    ----------
    db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
    blocks : sequence of Window
        Cut at the raster's border.
    """
    groups: dict[tuple[int, ...], list[tuple[Doubles, Mask]]] = {}
    for block in blocks:
        at = np.s_[block.row : block.bottom, block.col : block.right]
        data = valid[at]
        if data.sum() > 1:
            groups.setdefault(data.shape, []).append((power(db[at], data), data))
    return [Patches(*(np.stack(part) for part in zip(*group, strict=True))) for group in groups.values()]


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
