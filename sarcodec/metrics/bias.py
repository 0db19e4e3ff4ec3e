"""Whether mean power survives."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sarcodec.speckle.patches import Doubles, Mask, Raster, power


@dataclass(frozen=True)
class Bias:
    """Gain of mean linear power, dB; positive where the decoded image is brighter."""

    global_db: float
    """Over all valid pixels; NaN where there are none."""
    cells: int
    """Number of cells that the percentiles stand for."""
    p5_db: float
    """5th percentile over the cells; NaN without cells, like the two that follow."""
    p95_db: float
    """95th percentile over the cells."""
    abs_p95_db: float
    """95th percentile of the absolute value over the cells."""


def power_bias(db: Raster, decoded_db: Raster, valid: Mask, *, cell: int = 100) -> Bias:
    r"""Bias of mean power, over the whole image and over its square cells.

    .. math:: 10 \log_{10} \frac{\sum_i 10^{\hat x_i / 10}}{\sum_i 10^{x_i / 10}}

    for dB values x and decoded ones over the same valid pixels. A codec that lowers the error of dB values
    returns their mean where it cannot follow the speckle, which lies below the mean of power: for L looks
    by :math:`10 \log_{10} L - (10 / \ln 10)\, \psi(L)`, 0.51 dB at 4.4 looks (H. Xie, L. E. Pierce,
    F. T. Ulaby, "Statistical properties of logarithmically transformed speckle", IEEE Transactions on
    Geoscience and Remote Sensing 40(3), 2002).

    Parameters
    ----------
    db, decoded_db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
    cell : int
        Side in pixels of a cell; cells start at the upper left corner and count where at least half of
        cell * cell pixels are valid, at the right and lower border too.
    """
    rows, columns = (np.arange(0, side, cell) for side in valid.shape)
    if not valid.any():
        return Bias(math.nan, 0, math.nan, math.nan, math.nan)
    original, decoded, count = (np.zeros((rows.size, columns.size)) for _ in range(3))
    for k, top in enumerate(rows):
        strip = slice(top, top + cell)
        data = valid[strip]
        original[k] = _sums(power(db[strip], data), columns)
        decoded[k] = _sums(power(decoded_db[strip], data), columns)
        count[k] = _sums(data.astype(np.float64), columns)
    whole = 10 * math.log10(decoded.sum() / original.sum())
    full = 2 * count >= cell * cell
    if not full.any():
        return Bias(whole, 0, math.nan, math.nan, math.nan)
    bias = 10 * np.log10(decoded[full] / original[full])
    p5, p95 = (float(value) for value in np.percentile(bias, (5, 95)))
    return Bias(whole, bias.size, p5, p95, float(np.percentile(np.abs(bias), 95)))


def _sums(strip: Doubles, columns: npt.NDArray[np.int_]) -> Doubles:
    return np.asarray(np.add.reduceat(strip.sum(0), columns))
