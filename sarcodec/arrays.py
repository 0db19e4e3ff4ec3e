"""A numpy array as a source of pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.errors import InputError, UsageError
from sarcodec.metadata import RasterMeta
from sarcodec.scale import check_dtype
from sarcodec.types import Window


@dataclass(frozen=True)
class ArraySource:
    """A numpy array of shape (bands, height, width) as a source."""

    array: npt.NDArray[Any]
    meta: RasterMeta
    name: str = ""
    has_mask: bool = False

    @property
    def numbers(self) -> tuple[int, ...]:
        """Bands are counted from 1."""
        return tuple(range(1, self.meta.count + 1))

    def mask(self, window: Window) -> npt.NDArray[np.bool_]:
        """All True: an array has no mask band."""
        return np.ones((window.height, window.width), bool)

    def read(self, band: int, window: Window) -> npt.NDArray[Any]:
        """Pixels of a band (from 1)."""
        part: npt.NDArray[Any] = self.array[band - 1, window.row : window.bottom, window.col : window.right]
        return np.ascontiguousarray(part)


def source_of(
    array: npt.NDArray[Any], nodata: float | None = None, meta: RasterMeta | None = None
) -> ArraySource:
    """An array of shape (height, width) or (bands, height, width), masked or not, as a source.

    Parameters
    ----------
    nodata : float, optional
        What masked pixels become; the array's fill value where left out.
    meta : RasterMeta, optional
        Of this very array. Its nodata is `nodata` where that is given.

    Raises
    ------
    InputError
        The array is no raster, or its pixels are of a type that cannot be coded.
    UsageError
        `nodata` is no number, or `meta` that of another array.
    """
    if isinstance(array, np.ma.MaskedArray):
        nodata = float(array.fill_value) if nodata is None else nodata
        cube = np.where(array.mask, np.array(nodata, array.dtype), array.data)
    else:
        cube = np.asarray(array)
    if cube.ndim == 2:
        cube = cube[None]
    if cube.ndim != 3 or 0 in cube.shape:
        raise InputError(
            f"an array of shape {np.shape(array)} is no raster", hint="Give (bands, height, width)."
        )
    check_dtype(cube.dtype)
    if nodata is not None and not isinstance(nodata, int | float | np.number):
        raise UsageError(f"nodata {nodata!r} is not a number")
    cube = cube.astype(cube.dtype.newbyteorder("="), copy=False)
    bare = RasterMeta(cube.shape[2], cube.shape[1], cube.shape[0], cube.dtype.name, nodata=nodata)
    return ArraySource(cube, bare if meta is None else _matching(meta, bare))


def _matching(meta: RasterMeta, bare: RasterMeta) -> RasterMeta:
    """`meta`, made sure to describe the array that `bare` was made of."""
    for name in ("width", "height", "count", "dtype"):
        if getattr(meta, name) != getattr(bare, name):
            raise UsageError(
                f"meta says {name} {getattr(meta, name)}, the array has {getattr(bare, name)}",
                hint="Give the metadata of this very array.",
            )
    return meta if bare.nodata is None else replace(meta, nodata=bare.nodata)
