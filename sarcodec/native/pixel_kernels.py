"""One function for each kernel of pixels: decibels and the lapped pair.

As in :mod:`sarcodec.native.kernels`, each gives the same floats in every form of the processor.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sarcodec.native import library
from sarcodec.native.arrays import Array, address, check
from sarcodec.native.reference import decibels, lapped
from sarcodec.native.reference.lapped import BLOCK

_SUFFIXES = {np.dtype(np.float32): "f32", np.dtype(np.float64): "f64"}


def logarithms(values: Array, factor: float) -> Array:
    """factor * log2 of values, correct but for the last digit of float32; the same on every processor.

    Parameters
    ----------
    values : float32 or float64 array, any shape
    factor : float

    Returns
    -------
    float32 array, same shape
        NaN where a value is not positive and finite.
    """
    functions, values = library.chosen().functions, np.ascontiguousarray(values)
    suffix, place = _SUFFIXES[values.dtype], address(values, values.dtype, values.shape)
    if not functions:
        return decibels.logarithms(values, factor)
    out = np.empty(values.shape, np.float32)
    check(functions[f"logarithms_{suffix}"](place, values.size, factor, out.ctypes.data))
    return out


def powers(values: Array, factor: float, dtype: Any) -> Array:
    """2^(factor * value); the same on every processor.

    Parameters
    ----------
    values : float32 array, any shape
    factor : float
    dtype : dtype
        float32 or float64.

    Returns
    -------
    array of `dtype`, same shape
        Beyond its range 0 or infinite.
    """
    functions, values = library.chosen().functions, np.ascontiguousarray(values)
    suffix, place = _SUFFIXES[np.dtype(dtype)], address(values, np.float32, values.shape)
    if not functions:
        return decibels.powers(values, factor, dtype)
    out = np.empty(values.shape, dtype)
    check(functions[f"powers_{suffix}"](place, values.size, factor, out.ctypes.data))
    return out


def lapped_synthesis(coefficients: Array, rows: Array, cols: Array) -> Array:
    """Coefficients to an image with a margin of half a block on each side.

    Parameters
    ----------
    coefficients : float32 array, shape (h, w, 16, 16)
        Of each block, by the functions of rows and of columns.
    rows, cols : float32 arrays, shape (16, 32)
        Bases: functions and their samples.

    Returns
    -------
    float32 array, shape (16 h + 16, 16 w + 16)
    """
    functions, (h, w) = library.chosen().functions, coefficients.shape[:2]
    arrays = address(coefficients, np.float32, (h, w, BLOCK, BLOCK)), h, w
    bases = [address(basis, np.float32, (BLOCK, 2 * BLOCK)) for basis in (rows, cols)]
    if not functions:
        return lapped.lapped_synthesis(coefficients, rows, cols)
    room = np.empty((2, BLOCK, BLOCK * (w + 1)), np.float32)
    image = np.empty((BLOCK * (h + 1), BLOCK * (w + 1)), np.float32)
    check(functions["lapped_synthesis"](*arrays, *bases, room.ctypes.data, image.ctypes.data))
    return image


def lapped_analysis(image: Array, rows: Array, cols: Array) -> Array:
    """An image with its margin to coefficients; arguments and result as in :func:`lapped_synthesis`."""
    functions, (h, w) = library.chosen().functions, (side // BLOCK - 1 for side in image.shape)
    place = address(image, np.float32, (BLOCK * (h + 1), BLOCK * (w + 1)))
    address(cols, np.float32, (BLOCK, 2 * BLOCK))
    samples = np.ascontiguousarray(cols.T)
    bases = address(rows, np.float32, (BLOCK, 2 * BLOCK)), samples.ctypes.data
    if not functions:
        return lapped.lapped_analysis(image, rows, cols)
    room = np.empty((BLOCK, BLOCK * (w + 1)), np.float32)
    coefficients = np.empty((h, w, BLOCK, BLOCK), np.float32)
    check(functions["lapped_analysis"](place, h, w, *bases, room.ctypes.data, coefficients.ctypes.data))
    return coefficients
