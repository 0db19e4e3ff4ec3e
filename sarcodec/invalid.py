"""Pixels that are not data: which they are, and their values, kept bit by bit."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec import limits
from sarcodec.bitstream.parts import Band
from sarcodec.errors import FormatError, InputError
from sarcodec.types import PixelScale, Scale

Values = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

DB_LIMIT = 450.0  # float32 power spans -449 to +385 dB: beyond it stand sentinels such as -9999


def native_nodata(nodata: float | None, dtype: np.dtype[Any]) -> Any:
    """`nodata` as a pixel can hold it, or None where no pixel can equal it."""
    if nodata is None or math.isnan(nodata):
        return None
    if dtype.kind == "f":
        with np.errstate(over="ignore", under="ignore"):
            return dtype.type(nodata)
    info = np.iinfo(dtype)
    fits = info.min <= nodata <= info.max and nodata == int(nodata)
    return dtype.type(int(nodata)) if fits else None


def stands_for(values: Values, pixel: PixelScale) -> npt.NDArray[np.float64]:
    """The numbers that stored values stand for, float64; not finite if a value stands for none."""
    with np.errstate(all="ignore"):
        return values.astype(np.float64) * pixel.gain + pixel.addend


def valid_mask(values: Values, scale: Scale | PixelScale, nodata: float | None) -> Mask:
    """True where a pixel is data.

    Not data are `nodata`, NaN and infinities on every scale, values of zero or less on linear scales, and
    floats beyond +-450 on the dB scale: no float32 power is that far from 0 dB, undeclared sentinels are.

    Parameters
    ----------
    values : ndarray, any shape, native dtype
    scale : Scale or PixelScale
        With a gain, what is said above holds for ``value * gain + addend``.
    nodata : float or None
        A stored value.

    Returns
    -------
    ndarray, same shape, bool
    """
    native = native_nodata(nodata, values.dtype)
    pixel = PixelScale.of(scale)
    if not pixel.plain:
        valid = valid_mask(stands_for(values, pixel), pixel.scale, None)
        return valid if native is None else valid & (values != native)
    scale = pixel.scale
    with np.errstate(invalid="ignore"):  # signalling NaN
        if values.dtype.kind == "f":
            # NaN fails every comparison, so it needs no test of its own.
            valid = np.abs(values) <= DB_LIMIT if scale is Scale.DB else (values > 0) & (values < np.inf)
        else:
            valid = np.ones(values.shape, dtype=bool) if scale is Scale.DB else values > 0
        if native is not None:
            valid &= values != native
    return np.asarray(valid, dtype=bool)


def _bits(values: Values) -> npt.NDArray[np.unsignedinteger[Any]]:
    """The same memory as unsigned integers, so that NaN payloads and -0.0 can be told apart."""
    return values.view(np.dtype(f"u{values.dtype.itemsize}"))


@dataclass(frozen=True)
class InvalidPalette:
    """The distinct invalid values of a band, ordered by bit pattern.

    The order depends on the values alone, so palettes of windows can be joined with ``|`` in any order.
    """

    dtype: np.dtype[Any]
    """Native dtype of the band."""
    bits: tuple[int, ...] = ()
    """Bit patterns, ascending; class k of the class map is ``bits[k - 1]``."""
    hidden: tuple[int, ...] = ()
    """Bit patterns under a mask band, whose classes follow; the last one stands for all others there."""

    @classmethod
    def of(cls, values: Values, valid: Mask, *, limit: int | None = None) -> InvalidPalette:
        """Collect the values of the pixels that are not valid.

        Parameters
        ----------
        values : ndarray, shape (h, w), native dtype
        valid : ndarray, shape (h, w), bool
            True where the pixel is data.
        limit : int, optional
            Most distinct values; `limits.DEFAULT.invalid_values` unless given.

        Raises
        ------
        InputError
            More distinct values than `limit`.
        """
        limit = limits.DEFAULT.invalid_values if limit is None else limit
        rest = _bits(np.ascontiguousarray(values[~valid]))
        found: list[int] = []
        # A pass per distinct value is linear; sorting a nodata border of megapixels is not.
        while rest.size and len(found) <= limit:
            found.append(int(rest[0]))
            rest = rest[rest != rest[0]]
        return cls(values.dtype, tuple(sorted(found)))._within(limit)  # noqa: SLF001

    @classmethod
    def from_values(cls, values: Values) -> InvalidPalette:
        """Palette of an array of invalid values, shape (n,), such as :attr:`values` returns."""
        return cls(values.dtype, tuple(sorted({int(b) for b in _bits(np.ascontiguousarray(values))})))

    @classmethod
    def of_band(cls, band: Band, dtype: str) -> InvalidPalette:
        """The palette that a header has of a band."""
        return cls(np.dtype(dtype), band.palette[: band.unmasked], band.palette[band.unmasked :])

    @property
    def values(self) -> Values:
        """The invalid values, shape (n,), native dtype, exact bits; without those under a mask band."""
        return np.array(self.bits, dtype=f"u{self.dtype.itemsize}").view(self.dtype)

    def __len__(self) -> int:
        return len(self.bits) + len(self.hidden)

    def __or__(self, other: InvalidPalette) -> InvalidPalette:
        return self.union((other,))

    def union(self, others: Iterable[InvalidPalette], *, limit: int | None = None) -> InvalidPalette:
        """All values of this palette and of `others`; `InputError` above `limit`."""
        bits = set(self.bits).union(*(other.bits for other in others))
        return replace(self, bits=tuple(sorted(bits)))._within(limit)  # noqa: SLF001

    def class_map(self, values: Values, seen: Mask | None = None) -> npt.NDArray[np.uint8]:
        """Class of every pixel: 0 if it is valid, k if it holds the k-th value of the palette.

        Parameters
        ----------
        values : ndarray, shape (h, w), native dtype
        seen : ndarray, shape (h, w), bool, optional
            False where a mask band masks the pixel.

        Returns
        -------
        ndarray, shape (h, w), uint8
        """
        classes = np.zeros(values.shape, dtype=np.uint8)
        bits = _bits(values)
        for k, pattern in enumerate(self.bits, start=1):
            classes[bits == bits.dtype.type(pattern)] = k
        if seen is not None and self.hidden:
            classes[~seen] = len(self)
            for k, pattern in enumerate(self.hidden, start=len(self.bits) + 1):
                classes[~seen & (bits == bits.dtype.type(pattern))] = k
        return classes

    def masked(self, class_map: npt.NDArray[np.uint8]) -> Mask:
        """True where a class map says that a mask band masks the pixel."""
        return np.asarray(class_map > len(self.bits))

    def restore(self, decoded: Values, class_map: npt.NDArray[np.uint8]) -> Values:
        """Copy of `decoded` with the invalid values put back where `class_map` is not 0.

        Raises
        ------
        FormatError
            `class_map` names a class that the palette lacks.
        """
        highest = int(class_map.max(initial=0))
        if highest > len(self):
            raise FormatError(f"the mask names invalid value {highest}, the band has {len(self)}")
        out = decoded.copy()
        bits = _bits(out)
        for k, pattern in enumerate((self.bits + self.hidden)[:highest], start=1):
            bits[class_map == k] = pattern
        return out

    def _within(self, limit: int | None) -> InvalidPalette:
        limit = limits.DEFAULT.invalid_values if limit is None else limit
        if len(self.bits) > limit:
            some = ", ".join(f"{value:.6g}" for value in self.values[:4])
            raise InputError(
                f"the band has more than {limit} distinct values that its scale cannot hold, such as {some}",
                hint="Values below zero have no logarithm. If they are decibels, use --scale db. If they are "
                "power after subtraction of noise, add the noise floor. If they mark invalid pixels, set "
                "these to one nodata value.",
            )
        return self
