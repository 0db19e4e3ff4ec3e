"""Overviews: a raster a whole factor smaller, decoded from what the means of its pixels need.

A reduced pixel is the mean of the decibels of `factor` x `factor` pixels. It is data where at least half of
the pixels that it stands for, as far as the raster goes, are; else it has the most frequent of their invalid
values. In a block that is data in part, the mean is over the smooth surface that was coded, mask or not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.damage import NAMESPACE, Place, reached
from sarcodec.decoder import Decoder, Latents, around
from sarcodec.errors import UsageError
from sarcodec.invalid import InvalidPalette
from sarcodec.metadata import RasterMeta
from sarcodec.model.reduce import FACTORS, reduction
from sarcodec.model.transforms import STRIDE
from sarcodec.sides import Added
from sarcodec.tile import gathered
from sarcodec.types import TileGrid, Window

TAG = "REDUCED"
"""What a reduced raster says of itself, in the namespace of damaged tiles."""

Classes = npt.NDArray[np.uint8]


class ReducedDecoder(Decoder):
    """Decodes an open file at a fraction of its resolution; windows are in reduced pixels.

    Parameters
    ----------
    whole : Decoder
        Of the same file: its model and options are used, and damage is noted in it as well.
    factor : int
        One of `FACTORS`.

    Raises
    ------
    UsageError
        Another factor, or gains or noise are asked for: they are those of whole pixels.
    """

    def __init__(self, whole: Decoder, factor: int) -> None:
        check_factor(factor, unbiased=whole.sides.unbiased, textured=whole.sides.textured)
        vars(self).update(vars(whole))
        # Fewer layers are read than for whole pixels: other latents, other damage.
        self._quiet: dict[tuple[int, tuple[int, int]], Latents] = {}
        self._mute: set[Place] = set()
        # Targets and noise are a matter of whole pixels, and next to nothing in a mean of decibels.
        self.sides = self.sides.off()  # a target is next to nothing in a mean of decibels
        self.factor, self.full = factor, whole.grid
        width, height = (-(-side // factor) for side in (self.full.width, self.full.height))
        self.grid = TileGrid(width, height, self.full.side // factor)
        self._reduction = reduction(self.model, factor, 1 if self.base_only else self.layers)
        self.layers = self._reduction.layers

    def _pixels(
        self,
        place: Place,
        classes: Classes,
        latents: Callable[[Place], Latents | None],
        added: Added | None,
    ) -> npt.NDArray[Any]:
        number, row, col = place
        palette = self._palettes[number]
        cells = reduced_classes(classes, self.factor, palette) if classes.any() else None
        window = self.grid.window(row, col)
        if cells is not None and cells.all():
            return palette.restore(np.zeros(cells.shape, self.header.dtype), cells)
        y_hat, region = gathered(
            lambda r, c: latents((number, r, c)), self.full, (row, col), self.model.shape.reach
        )
        x = self._reduction.synthesise(y_hat, self.header.bands[number].level)
        step = STRIDE // self.factor
        top, left = window.row - region.row * step, window.col - region.col * step
        x = x[top : top + window.height, left : left + window.width]
        values = self._finish(number, x, None if added is None else added(x))
        return values if cells is None else palette.restore(values, cells)

    def _cells(self, place: Place) -> Classes:
        classes, palette = self.classes(place), self._palettes[place[0]]
        return reduced_classes(classes, self.factor, palette)

    def _reached(self, place: Place) -> list[Any]:
        lost = [near[1:] for near in around(place) if near in self._mute]
        return reached(self.grid, place[1:], lost, STRIDE // self.factor * self.model.shape.reach)

    def _seen_from(self, window: Window) -> Window:
        return super()._seen_from(self.covered(window))

    def _check_memory(self, window: Window, bands: int) -> None:
        super()._check_memory(self.covered(window), bands)

    def covered(self, window: Window) -> Window:
        """The pixels that a window of reduced ones stands for."""
        col, row = window.col * self.factor, window.row * self.factor
        right = min(window.right * self.factor, self.full.width)
        bottom = min(window.bottom * self.factor, self.full.height)
        return Window(col, row, right - col, bottom - row)


def check_factor(factor: int, *, unbiased: bool, textured: bool) -> None:
    """`UsageError` before anything slow begins."""
    if factor not in FACTORS:
        raise UsageError(
            f"a raster cannot be reduced by {factor}", hint=f"Give one of {', '.join(map(str, FACTORS))}."
        )
    if unbiased:
        raise UsageError(
            "gains are those of whole pixels, not of their means in decibels",
            hint="Choose one of unbiased and reduce.",
        )
    if textured:
        raise UsageError(
            "noise is made for whole pixels, not for their means in decibels",
            hint="Choose one of texture and reduce.",
        )


def reduced_window(window: Window, factor: int, width: int, height: int) -> Window:
    """A window of a raster of this size in reduced pixels.

    Raises
    ------
    UsageError
        Its edges do not lie between reduced pixels.
    """
    left, top = window.col // factor, window.row // factor
    right, bottom = -(-window.right // factor), -(-window.bottom // factor)
    covered = Window(
        left * factor,
        top * factor,
        min(right * factor, width) - left * factor,
        min(bottom * factor, height) - top * factor,
    )
    if covered != window:
        raise UsageError(
            f"window {window.col},{window.row},{window.width},{window.height} cuts blocks of {factor} pixels",
            hint=f"Give {covered.col},{covered.row},{covered.width},{covered.height}.",
        )
    return Window(left, top, right - left, bottom - top)


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
    counts = [_sums(classes == k, factor) for k in range(len(palette) + 1)]
    often = 1 + np.argmax(counts[1:], axis=0)
    return np.where(2 * counts[0] >= sum(counts), 0, often).astype(np.uint8)


def _sums(where: npt.NDArray[np.bool_], factor: int) -> npt.NDArray[np.int64]:
    """Pixels of each block, those at the right and bottom edge cut."""
    rows, cols = (np.arange(0, side, factor) for side in where.shape)
    strips = np.add.reduceat(where, cols, axis=1, dtype=np.int64)
    return np.asarray(np.add.reduceat(strips, rows, axis=0))


def marked(meta: RasterMeta, factor: int) -> RasterMeta:
    """`meta` of the reduced raster, with a tag that says what its pixels are."""
    small = meta.reduced(factor)
    text = f"mean of decibels over {factor} x {factor} pixels"
    tags = {**small.tags, NAMESPACE: {**small.tags.get(NAMESPACE, {}), TAG: text}}
    return replace(small, tags=tags)
