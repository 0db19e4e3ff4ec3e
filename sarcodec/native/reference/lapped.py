"""Twins of lapped.c: the same sums in the same order, one array operation for each of its steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

BLOCK = 16
"""Pixels from one block to the next; a function of a basis has twice as many samples."""


def lapped_synthesis(coefficients: Array, rows: Array, cols: Array) -> Array:
    """Coefficients to an image with its margins, see :func:`sarcodec.native.kernels.lapped_synthesis`."""
    h, w = coefficients.shape[:2]
    left, right = (
        _sum(coefficients[:, :, :, v, None] * part[v] for v in range(BLOCK))
        for part in (cols[:, :BLOCK], cols[:, BLOCK:])
    )
    pieces = np.zeros((h, BLOCK, w + 1, BLOCK), np.float32)
    pieces[:, :, :w] += left.transpose(0, 2, 1, 3)
    pieces[:, :, 1:] += right.transpose(0, 2, 1, 3)
    pieces = pieces.reshape(h, BLOCK, BLOCK * (w + 1))
    upper, lower = (
        _sum(pieces[:, u, None] * part[u][:, None] for u in range(BLOCK))
        for part in (rows[:, :BLOCK], rows[:, BLOCK:])
    )
    image = np.zeros((h + 1, BLOCK, BLOCK * (w + 1)), np.float32)
    image[:h] += upper
    image[1:] += lower
    return image.reshape(BLOCK * (h + 1), BLOCK * (w + 1))


def lapped_analysis(image: Array, rows: Array, cols: Array) -> Array:
    """An image with its margins to coefficients, see :func:`sarcodec.native.kernels.lapped_analysis`."""
    height, wide = image.shape
    h, w = height // BLOCK - 1, wide // BLOCK - 1
    lines = image.reshape(h + 1, BLOCK, wide)
    samples = [(lines[s // BLOCK : h + s // BLOCK, s % BLOCK]) for s in range(2 * BLOCK)]
    bands = _sum(rows[:, s][:, None] * sample[:, None] for s, sample in enumerate(samples))
    blocks = bands.reshape(h, BLOCK, w + 1, BLOCK)
    found = _sum(
        blocks[:, :, s // BLOCK : w + s // BLOCK, s % BLOCK, None] * cols[:, s] for s in range(2 * BLOCK)
    )
    return np.ascontiguousarray(found.transpose(0, 2, 1, 3))


def _sum(products: Any) -> Array:
    """One after the other, from 0; sums of NumPy's own have another order."""
    total: Array | None = None
    for product in products:
        if total is None:
            total = np.zeros(product.shape, np.float32)
        total += product
    assert total is not None
    return total
