"""Twins of decibels.c: the same operations of doubles, of which each rounds once."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

LOG2_SERIES: Final = tuple(1.0 / odd for odd in range(19, 0, -2))
"""Of 2 atanh t / (2 t), in powers of t^2, the highest first."""
EXP_SERIES: Final = tuple(
    1.0 / factorial
    for factorial in (
        *(6227020800.0, 479001600.0, 39916800.0, 3628800.0, 362880.0, 40320.0, 5040.0, 720.0),
        *(120.0, 24.0, 6.0, 2.0, 1.0, 1.0),
    )
)
FARTHEST: Final = 1200.0
"""Powers of two beyond this exponent are 0 or infinite."""


def logarithms(values: Array, factor: float) -> Array:
    """factor * log2 of values, see :func:`sarcodec.native.kernels.logarithms`."""
    x = values.astype(np.float64)
    known = (x > 0) & (x < np.inf)
    rest, exponent = np.frexp(np.where(known, x, 1.0))
    rest, exponent = 2 * rest, exponent - 1
    large = rest > np.sqrt(2.0)
    rest = np.where(large, 0.5 * rest, rest)
    t = (rest - 1) / (rest + 1)
    logs = (exponent + large) + _series(LOG2_SERIES, t * t) * t * 2.8853900817779268
    with np.errstate(over="ignore", under="ignore"):
        return np.where(known, factor * logs, np.nan).astype(np.float32)


def powers(values: Array, factor: float, dtype: Any) -> Array:
    """2^(factor * value), see :func:`sarcodec.native.kernels.powers`."""
    with np.errstate(all="ignore"):
        x = np.clip(factor * values.astype(np.float64), -FARTHEST, FARTHEST)
        whole = np.rint(x)
        sums = _series(EXP_SERIES, (x - whole) * 0.6931471805599453)
        half = np.rint(0.5 * whole)
        for part in (half, whole - half):
            sums = sums * np.ldexp(1.0, np.nan_to_num(part).astype(np.int32))
        return sums.astype(dtype)


def _series(terms: tuple[float, ...], x: Array) -> Array:
    """By Horner's rule."""
    total = np.full(x.shape, terms[0])
    for term in terms[1:]:
        total *= x
        total += term
    return total
