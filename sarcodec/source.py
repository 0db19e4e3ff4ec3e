"""A raster that pixels come from, and which of them its mask or alpha band leaves valid."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sarcodec.invalid import InvalidPalette
from sarcodec.metadata import RasterMeta
from sarcodec.types import Window


class Source(Protocol):
    """A raster that can be read window by window."""

    @property
    def name(self) -> str:
        """Name of the file, empty if there is none."""

    @property
    def meta(self) -> RasterMeta:
        """Size, type, georeferencing and tags."""

    @property
    def numbers(self) -> tuple[int, ...]:
        """The number, from 1, that each band has for the user."""

    @property
    def without_nodata(self) -> tuple[int, ...]:
        """Bands, counted from 0, that declare no nodata while others do."""

    @property
    def has_mask(self) -> bool:
        """Whether a mask band, and no alpha band, says which pixels are valid."""

    def mask(self, window: Window) -> npt.NDArray[np.bool_]:
        """True where the mask band leaves a pixel valid, shape (height, width)."""

    def read(self, band: int, window: Window) -> npt.NDArray[Any]:
        """Pixels of a band (counted from 0), native dtype, shape (height, width)."""


def alpha_band(meta: RasterMeta) -> int | None:
    """The band (from 0) that is an alpha band, None if there is none."""
    colors = [band.colorinterp for band in meta.bands]
    return colors.index("alpha") if "alpha" in colors else None


def shown(source: Source, window: Window) -> npt.NDArray[np.bool_] | None:
    """True where a mask band, or an alpha band above 0, leaves a pixel valid; None if there is neither.

    As for GDAL, a nodata value outranks an alpha band.
    """
    alpha = alpha_band(source.meta)
    if alpha is not None and source.meta.nodata is None:
        return np.asarray(source.read(alpha, window) != 0)
    return source.mask(window) if source.has_mask else None


def classes_of(
    source: Source, values: npt.NDArray[Any], window: Window, palette: InvalidPalette
) -> npt.NDArray[np.uint8]:
    """Class map of the `values` of a band in a window, as :meth:`InvalidPalette.class_map` gives it."""
    return palette.class_map(values, shown(source, window) if palette.hidden else None)
