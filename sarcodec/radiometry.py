"""Pixel values to decibels of power and back, and which pixels are data at all.

Decibels are those of power on every scale: 20*log10 of DN and amplitude, 10*log10 of power.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.errors import FormatError
from sarcodec.invalid import InvalidPalette, Mask, Values, native_nodata, stands_for, valid_mask
from sarcodec.scale import DTYPES, check_dtype
from sarcodec.types import PixelScale, Scale

__all__ = [
    "DTYPES",
    "BandRange",
    "InvalidPalette",
    "check_dtype",
    "finish",
    "from_db",
    "to_db",
    "valid_mask",
]

Floats = npt.NDArray[np.float32]

_NEPER = {Scale.DN: 20 / math.log(10), Scale.AMPLITUDE: 20 / math.log(10), Scale.POWER: 10 / math.log(10)}


def to_db(values: Values, scale: Scale | PixelScale) -> Floats:
    """Decibels of power; NaN where the value has no logarithm or is not finite.

    Parameters
    ----------
    values : ndarray, any shape, native dtype
    scale : Scale or PixelScale

    Returns
    -------
    ndarray, same shape, float32, dB
    """
    scale = PixelScale.of(scale)
    if values.dtype.kind in "iu" and values.dtype.itemsize <= 2:
        return _table(values.dtype, scale).take(values.view(f"u{values.dtype.itemsize}"))
    return _logarithm(values, scale)


def from_db(db: Floats, scale: Scale | PixelScale, dtype: npt.DTypeLike) -> Values:
    """Native values of decibels; integers are rounded and held within the range of their type.

    Parameters
    ----------
    db : ndarray, any shape, float32, dB of power
    scale : Scale
    dtype : dtype
        Native dtype of the result.
    """
    native, scale = np.dtype(dtype), PixelScale.of(scale)
    if native.kind == "f":
        return _exponential(db, scale, native).astype(native, copy=False)
    info = np.iinfo(native)
    return _clip(_exponential(db, scale, native), int(info.min), int(info.max), native)


@dataclass(frozen=True)
class BandRange:
    """Smallest and largest valid value of a band, in the native dtype's precision."""

    vmin: float
    vmax: float

    @classmethod
    def of(cls, values: Values, valid: Mask) -> BandRange | None:
        """Range of the valid pixels, or None where there are none."""
        if not valid.any():
            return None
        data = values if valid.all() else values[valid]
        return cls(data.min().item(), data.max().item())

    def __or__(self, other: BandRange) -> BandRange:
        return BandRange(min(self.vmin, other.vmin), max(self.vmax, other.vmax))


def finish(
    db: Floats,
    band: BandRange,
    scale: Scale | PixelScale,
    palette: InvalidPalette,
    nodata: float | None = None,
) -> Values:
    """Native values of decoded valid pixels.

    Every value lies in ``[vmin, vmax]``; integers are rounded; a value that would read as `nodata` or as
    an invalid one becomes the nearest value that does not. NaN becomes `vmin`. Invalid pixels are put back
    afterwards, by :meth:`InvalidPalette.restore`.

    Parameters
    ----------
    db : ndarray, any shape, float32, dB of power
    band : BandRange
    scale : Scale or PixelScale
    palette : InvalidPalette
        Also names the native dtype.
    nodata : float or None

    Returns
    -------
    ndarray, same shape, native dtype

    Raises
    ------
    FormatError
        `band` is empty or ends in a value that is not valid on this scale.
    """
    native, scale = palette.dtype, PixelScale.of(scale)
    ends = np.array([band.vmin, band.vmax], dtype=native)
    forbidden = {value for value in palette.values.tolist() if not math.isnan(value)}
    declared = native_nodata(nodata, native)
    if declared is not None:
        forbidden.add(declared.item())
    if not valid_mask(ends, scale, nodata).all() or forbidden & set(ends.tolist()) or ends[0] > ends[1]:
        span = f"{band.vmin} to {band.vmax}"
        raise FormatError(f"valid values cannot range from {span} on the {scale.scale.value} scale")
    out = _clip(_exponential(db, scale, native), band.vmin, band.vmax, native)
    for value in sorted(forbidden):
        if band.vmin < value < band.vmax:
            near = out == value
            if native.kind == "f":  # GDAL takes what is within 2 ulp of nodata for nodata
                near = np.abs(out - native.type(value)) <= 4 * np.spacing(native.type(abs(value)))
            out[near] = _neighbour(value, ends, forbidden)
    return out


def _neighbour(value: float, ends: Values, forbidden: set[float]) -> Any:
    """The allowed value nearest to a forbidden one that lies between the (allowed) ends."""
    found = []
    for end in ends:
        if ends.dtype.kind in "iu":
            step = 1 if end > value else -1
            other = value + step
            while other in forbidden:
                other += step
        else:
            # GDAL takes floats within 2 ulp of nodata for nodata, and others flush subnormals to zero.
            gap = max(16 * float(np.spacing(ends.dtype.type(abs(value)))), float(np.finfo(ends.dtype).tiny))
            near = ends.dtype.type(value + math.copysign(gap, float(end) - value))
            near = min(near, end) if end > value else max(near, end)
            while near.item() in forbidden:
                near = np.nextafter(near, end)
            other = near.item()
        found.append(other)
    return min(found, key=lambda other: abs(other - value))


def _work(dtype: np.dtype[Any]) -> type[np.float32 | np.float64]:
    """Float type that carries every value of `dtype` closely enough to round it back."""
    exact = dtype.itemsize <= 2 or dtype == np.float32
    return np.float32 if exact else np.float64


@lru_cache(maxsize=32)
def _table(dtype: np.dtype[Any], scale: PixelScale) -> Floats:
    unsigned = np.arange(2 ** (8 * dtype.itemsize), dtype=f"u{dtype.itemsize}")
    table = _logarithm(unsigned.view(dtype).astype(np.float64), scale)
    table.flags.writeable = False
    return table


def _logarithm(values: Values, scale: PixelScale) -> Floats:
    if not scale.plain:
        values = stands_for(values, scale)
    with np.errstate(all="ignore"):
        if scale.scale is Scale.DB:
            db = values.astype(np.float32)
        else:
            # np.log is vectorised where np.log10 is not.
            logs = np.log(values.astype(_work(values.dtype), copy=False))
            db = np.multiply(logs, _NEPER[scale.scale], out=logs).astype(np.float32, copy=False)
    db[~np.isfinite(db)] = np.nan
    return db


def _exponential(db: Floats, scale: PixelScale, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Stored values as floats, not rounded; overflow is infinite. Always a new array."""
    floats = np.array(db, dtype=_work(dtype) if scale.plain else np.float64)
    if scale.scale is not Scale.DB:
        np.multiply(floats, 1 / _NEPER[scale.scale], out=floats)
        with np.errstate(over="ignore", under="ignore"):
            np.exp(floats, out=floats)
    if not scale.plain:
        with np.errstate(over="ignore", invalid="ignore"):
            floats = (floats.astype(np.float64, copy=False) - scale.addend) / scale.gain
    return floats


def _clip(floats: npt.NDArray[Any], low: float, high: float, dtype: np.dtype[Any]) -> Values:
    """Round where `dtype` is an integer, hold within [low, high] (NaN becomes `low`), cast."""
    if dtype.kind in "iu":
        np.rint(floats, out=floats)
    # fmax and fmin, unlike clip, do not let NaN through.
    np.fmax(floats, low, out=floats)
    np.fmin(floats, high, out=floats)
    return floats.astype(dtype, copy=False)
