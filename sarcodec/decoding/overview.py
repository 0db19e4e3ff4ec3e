"""Overviews: a raster a whole factor smaller, decoded from what the means of its pixels need.

A reduced pixel is the mean of the decibels of `factor` x `factor` pixels. It is data where at least half of
the pixels that it stands for, as far as the raster goes, are; else it has the most frequent of their invalid
values. In a block that is data in part, the mean is over the smooth surface that was coded, mask or not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.errors import UsageError
from sarcodec.invalid import InvalidPalette
from sarcodec.model.transforms import FACTORS
from sarcodec.types import TileGrid, Window

Classes = npt.NDArray[np.uint8]


def check_factor(factor: int) -> None:
    """`UsageError` if a raster cannot be reduced by this factor."""
    if factor not in FACTORS:
        raise UsageError(
            f"a raster cannot be reduced by {factor}", hint=f"Give one of {', '.join(map(str, FACTORS))}."
        )


def reduced_grid(full: TileGrid, factor: int) -> TileGrid:
    """The same tiles in reduced pixels."""
    return TileGrid(-(-full.width // factor), -(-full.height // factor), full.side // factor)


def reduced_window(window: Window, factor: int, width: int, height: int) -> Window:
    """A window of a raster of this size in reduced pixels.

    Raises
    ------
    UsageError
        Its edges do not lie between reduced pixels.
    """
    left, top = window.col // factor, window.row // factor
    right, bottom = -(-window.right // factor), -(-window.bottom // factor)
    reduced = Window(left, top, right - left, bottom - top)
    covered = covered_window(reduced, factor, width, height)
    if covered != window:
        raise UsageError(
            f"window {window.col},{window.row},{window.width},{window.height} cuts blocks of {factor} pixels",
            hint=f"Give {covered.col},{covered.row},{covered.width},{covered.height}.",
        )
    return reduced


def covered_window(reduced: Window, factor: int, width: int, height: int) -> Window:
    """The pixels of a raster of this size that a window of reduced ones stands for."""
    col, row = reduced.col * factor, reduced.row * factor
    right, bottom = min(reduced.right * factor, width), min(reduced.bottom * factor, height)
    return Window(col, row, right - col, bottom - row)


def reduced_classes(classes: Classes, factor: int, palette: InvalidPalette) -> Classes:
    """Class map of the reduced pixels of a tile.

    Parameters
    ----------
    classes : uint8 array, shape (h, w)

    Returns
    -------
    uint8 array, shape (h / factor, w / factor), rounded up
        0 where at least half of the pixels are valid, else the most frequent other class, the first of
        several.
    """
    if factor == 1 or not classes.any():
        return classes[::factor, ::factor]
    counts = [_sums(classes == k, factor) for k in range(len(palette) + 1)]
    often = 1 + np.argmax(counts[1:], axis=0)
    return np.where(2 * counts[0] >= sum(counts), 0, often).astype(np.uint8)


def _sums(where: npt.NDArray[np.bool_], factor: int) -> npt.NDArray[Any]:
    """Pixels of each block, those at the right and bottom edge cut."""
    rows, cols = (np.arange(0, side, factor) for side in where.shape)
    strips = np.add.reduceat(where, cols, axis=1, dtype=np.int64)
    return np.asarray(np.add.reduceat(strips, rows, axis=0))
