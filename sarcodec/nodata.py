"""A nodata value for masked arrays: one that the pixel type holds and no other pixel has."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.errors import UsageError
from sarcodec.invalid import Mask, Values, native_nodata

SENTINEL = -9999.0
"""Where the search for a free value of a float type begins, if NaN is in use."""


def filled(array: npt.NDArray[Any], wanted: float | None, name: str) -> tuple[Values, float | int | None]:
    """The pixels of a masked array with one value in every masked pixel, and that value.

    Parameters
    ----------
    array : masked array, any shape, of a type that can be coded
    wanted : float, optional
        The value to take. If it is left out, the array's fill value is taken, or another one if that cannot
        serve.
    name : str
        What messages call `wanted`.

    Returns
    -------
    pixels : ndarray, same shape and dtype
    nodata : float, int or None
        A value of the dtype that no unmasked pixel has. None if no pixel is masked, and no value was asked
        for that could serve.

    Raises
    ------
    UsageError
        `wanted` is no value of the dtype or one of an unmasked pixel, or all values of the dtype are in use.
    """
    given: Any = array
    pixels = np.asarray(given.data)
    mask = np.broadcast_to(given.mask, pixels.shape)
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    hidden = bool(mask.any())
    others = pixels[~mask] if hidden else pixels
    value = _fill_value(array, others) if wanted is None else _given(wanted, others, name)
    if value is None and hidden:
        value = _free(others)
    if value is None:
        return pixels, None
    return np.where(mask, value, pixels) if hidden else pixels, value.item()


def as_masked(values: Values, *nodata: float | None, hidden: Mask | None = None) -> npt.NDArray[Any]:
    """`values` as a masked array: `nodata`, whose first is the fill value, and `hidden` are masked."""
    mask = np.zeros(values.shape, bool) if hidden is None else hidden.copy()
    for value in nodata:
        mask |= _where(values, value)
    made: Any = np.ma.MaskedArray
    masked: npt.NDArray[Any] = made(values, mask, fill_value=_pixel(nodata[0], values.dtype))
    return masked


def _pixel(nodata: float | None, dtype: np.dtype[Any]) -> Any:
    """`nodata` as a pixel has it, None if none can."""
    if nodata is not None and math.isnan(nodata):
        return dtype.type(nodata) if dtype.kind == "f" else None
    return native_nodata(nodata, dtype)


def _where(values: Values, nodata: float | None) -> Mask:
    """True where a pixel is `nodata`, NaN for NaN; nowhere if pixels cannot hold it."""
    value = _pixel(nodata, values.dtype)
    if value is None:
        return np.zeros(values.shape, bool)
    return np.asarray(np.isnan(values) if value != value else values == value)  # noqa: PLR0124


def _held(value: float, dtype: np.dtype[Any]) -> Any:
    """`value` as a pixel has it, rounded to its type; None if the type has nothing like it."""
    native = _pixel(value, dtype)
    if native is None or math.isinf(native) != math.isinf(value) or (native == 0) != (value == 0):
        return None
    return native


def _given(wanted: float, others: Values, name: str) -> Any:
    value = _held(wanted, others.dtype)
    if value is None:
        raise UsageError(
            f"{name} {wanted:g} is no {others.dtype} value, so masked pixels cannot have it",
            hint=f"Give nodata a value that {others.dtype} holds.",
        )
    if _occurs(value, others):
        raise UsageError(
            f"{name} {value} is the value of pixels that are not masked",
            hint="Mask these pixels too, or give nodata a value that no pixel has.",
        )
    return value


def _fill_value(array: Any, others: Values) -> Any:
    """The array's fill value, None if it cannot serve. NumPy's defaults are not made for the type."""
    value = _held(np.asarray(array.fill_value).item(), others.dtype)
    return None if value is None or _occurs(value, others) else value


def _free(others: Values) -> Any:
    """A value that none of the pixels has."""
    dtype = others.dtype
    floats = dtype.kind == "f"
    likely = (np.nan, SENTINEL) if floats else (0, np.iinfo(dtype).max, np.iinfo(dtype).min)
    for value in map(dtype.type, likely):
        if not _occurs(value, others):
            return value
    used = np.unique(others)
    if floats:
        tried = (SENTINEL - np.arange(used.size + 1)).astype(dtype)
        free = tried[~np.isin(tried, used)]
    else:
        # Both ends of the type are in use here, so that every free value lies between two that are.
        wide = used.astype(np.int64)
        free = (wide[1:] - 1)[np.diff(wide) > 1]
    if not free.size:
        raise UsageError(
            f"masked pixels need a value that no other pixel has, and all values of {dtype} are in use",
            hint="Convert the array to a wider type, such as uint16 or float32.",
        )
    return dtype.type(free[0])


def _occurs(value: Any, others: Values) -> bool:
    return bool(_where(others, value).any())
