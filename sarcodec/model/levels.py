"""Rate levels: gain vectors on a logarithmic scale, interpolated in integers.

A level is an integer; anchor `a` of the model sits at level 256 * a. Gains are kept as log2 in steps of
1/256, so that the decoder reaches them with integer additions and one table of 2^(i/256).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

STEPS = 256
"""Fine levels between two anchors, and steps of an octave in the logarithmic tables."""
FRACTION = 16
"""Fraction bits of the table of powers of two."""


def interpolate(table: Tensor, position: Tensor) -> Tensor:
    """Rows of `table` at fractional positions, linearly interpolated; differentiable.

    Parameters
    ----------
    table : Tensor, shape (anchors, n)
    position : Tensor, shape (B,), 0 .. anchors - 1

    Returns
    -------
    Tensor, shape (B, n)
    """
    low = position.floor().long().clamp(0, max(table.shape[0] - 2, 0))
    high = (low + 1).clamp(max=table.shape[0] - 1)
    part = (position - low)[:, None].to(table.dtype)
    return table[low] * (1 - part) + table[high] * part


def integer_row(table: npt.NDArray[Any], level: int) -> npt.NDArray[Any]:
    """Row of an integer (anchors, n) table at `level`: (a (256 - f) + b f + 128) >> 8, int64."""
    low = min(level // STEPS, table.shape[0] - 2)
    part = level - low * STEPS
    a, b = table[low].astype(np.int64), table[low + 1].astype(np.int64)
    row: npt.NDArray[Any] = (a * (STEPS - part) + b * part + STEPS // 2) >> 8
    return row


def power_table() -> npt.NDArray[Any]:
    """round(2^(16 + i/256)) for i in 0..255, int64: data of the format, stored in the model file."""
    powers: npt.NDArray[Any] = np.round(2.0 ** (FRACTION + np.arange(STEPS) / STEPS)).astype(np.int64)
    return powers


def times_power(
    x: Tensor, log2: npt.NDArray[Any], powers: npt.NDArray[Any], *, extra_bits: int = 0
) -> Tensor:
    """round(x * 2^(log2 / 256 + extra_bits)) in integers.

    Parameters
    ----------
    x : Tensor, shape (B, C, H, W), int64
        At most 2^31 in magnitude.
    log2 : int array, shape (C,)
        Exponents in steps of 1/256; the whole exponent is at most 15, as in every model that loads.
    powers : int array, shape (256,)
        :func:`power_table`.

    Returns
    -------
    Tensor, int64
        floor(x * powers[log2 & 255] / 2^(16 - exponent) + 1/2), halves upward.
    """
    shift = FRACTION - (log2 >> 8) - extra_bits
    if shift.size and int(shift.min()) < 1:
        raise ValueError("an exponent is beyond 15")
    half = torch.from_numpy(np.left_shift(1, shift - 1))[:, None, None]
    product = x * torch.from_numpy(powers[log2 & 255])[:, None, None]
    product += half
    product >>= torch.from_numpy(shift)[:, None, None]
    return product
