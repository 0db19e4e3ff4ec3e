"""A numpy array as a source of pixels."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.arguments import maybe, number, shown
from sarcodec.errors import FormatError, InputError, LimitError, UsageError
from sarcodec.limits import DEFAULT, Limits, check
from sarcodec.metadata import RasterMeta, from_chunks, pack_geo, pack_text
from sarcodec.nodata import filled
from sarcodec.scale import check_dtype
from sarcodec.types import Window


@dataclass(frozen=True)
class ArraySource:
    """A numpy array of shape (bands, height, width) as a source."""

    array: npt.NDArray[Any]
    meta: RasterMeta
    name: str = ""
    has_mask: bool = False
    without_nodata: tuple[int, ...] = ()

    @property
    def numbers(self) -> tuple[int, ...]:
        """Bands are counted from 1."""
        return tuple(range(1, self.meta.count + 1))

    def mask(self, window: Window) -> npt.NDArray[np.bool_]:
        """All True: an array has no mask band."""
        return np.ones((window.height, window.width), bool)

    def read(self, band: int, window: Window) -> npt.NDArray[Any]:
        """Pixels of a band (from 0)."""
        part: npt.NDArray[Any] = self.array[band, window.row : window.bottom, window.col : window.right]
        return np.ascontiguousarray(part)


def source_of(
    array: npt.ArrayLike,
    nodata: float | None = None,
    meta: RasterMeta | None = None,
    limits: Limits = DEFAULT,
) -> ArraySource:
    """An array of shape (height, width) or (bands, height, width), masked or not, as a source.

    Parameters
    ----------
    nodata : float, optional
        What masked pixels become; see :func:`sarcodec.nodata.filled`.
    meta : RasterMeta, optional
        Of this very array. Its nodata is `nodata` where that is given.
    limits : Limits
        Largest sizes to accept.

    Raises
    ------
    InputError
        The array is no raster, or its pixels are of a type that cannot be coded.
    UsageError
        `nodata` is no number, or cannot tell masked pixels from others, or `meta` is that of another array.
    LimitError
        The array is larger than `limits`.
    """
    cube, declared = _array_of(array), maybe(number, "nodata", nodata)
    check_dtype(cube.dtype)
    if cube.ndim == 2:
        cube = cube[None]
    if cube.ndim != 3 or 0 in cube.shape:
        raise InputError(
            f"an array of shape {np.shape(cube)} is no raster", hint="Give (bands, height, width)."
        )
    if meta is not None and not isinstance(meta, RasterMeta):
        raise UsageError(
            f"meta={shown(meta)} is no metadata", hint="Give a RasterMeta, such as the meta of an open file."
        )
    _check_size(cube.shape, limits)
    if isinstance(cube, np.ma.MaskedArray):
        said = meta.nodata if meta is not None and declared is None else declared
        cube, declared = filled(cube, said, "nodata" if said is declared else "the nodata value of meta,")
    cube = cube.astype(cube.dtype.newbyteorder("="), copy=False)
    bare = RasterMeta(cube.shape[2], cube.shape[1], cube.shape[0], cube.dtype.name, nodata=declared)
    return ArraySource(cube, bare if meta is None else _matching(meta, bare, limits))


def _array_of(given: Any) -> npt.NDArray[Any]:
    """An array from anything that NumPy makes one of; masks are kept, also those of a list of bands."""
    if isinstance(given, np.ma.MaskedArray):
        return given
    try:
        if isinstance(given, list | tuple) and any(isinstance(part, np.ma.MaskedArray) for part in given):
            stacked: npt.NDArray[Any] = np.ma.stack(given)
            return stacked
        return np.asarray(given)
    except Exception as error:  # whatever the object of a caller raises
        raise UsageError(
            f"array={shown(given)} cannot be made a NumPy array: {error}", hint="Give a NumPy array."
        ) from error


def _check_size(shape: tuple[int, ...], limits: Limits) -> None:
    count, height, width = shape
    if count > limits.bands >= width:
        raise LimitError(
            f"an array of shape {shape} has {count} bands, above the limit of {limits.bands}",
            hint="Bands come first. If they come last in this array, give numpy.moveaxis(array, -1, 0).",
        )
    check("number of bands", count, limits.bands, limit="bands")
    check("width", width, limits.side, limit="side")
    check("height", height, limits.side, limit="side")
    check("number of pixels per band", width * height, limits.pixels, limit="pixels")


def _matching(meta: RasterMeta, bare: RasterMeta, limits: Limits) -> RasterMeta:
    """`meta`, made sure to describe the array that `bare` was made of, and to fit into a file."""
    for name in ("width", "height", "count", "dtype"):
        if getattr(meta, name) != getattr(bare, name):
            raise UsageError(
                f"meta says {name} {getattr(meta, name)}, the array has {getattr(bare, name)}",
                hint="Give the metadata of this very array.",
            )
    try:
        size = (bare.width, bare.height, bare.count, bare.dtype)
        from_chunks(*size, pack_geo(meta), pack_text(meta, limits), limits=limits)
    except (
        FormatError,
        TypeError,
        ValueError,
        LookupError,
        AttributeError,
        OverflowError,
        struct.error,
    ) as e:
        raise UsageError(
            f"meta cannot be stored: {e}", hint="Give the meta of an open file, or a RasterMeta like it."
        ) from e
    return meta if bare.nodata is None else replace(meta, nodata=bare.nodata)
