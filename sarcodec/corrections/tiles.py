"""What corrections are given: one band of a tile, as the source has it and as a decoder has it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.invalid import InvalidPalette, Values
from sarcodec.pixels import BandPixels
from sarcodec.radiometry import to_db
from sarcodec.source import Source, classes_of
from sarcodec.types import PixelScale, Window

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class DecodedTile:
    """Pixels that a decoder has before it rounds them, and what corrections have added so far."""

    x: Floats
    """Network units, shape (h, w)."""
    pixels: BandPixels
    valid: Mask
    """Shape (h, w)."""
    band: int
    """Counted from 0."""
    window: Window
    """Place of the tile in the raster."""
    seed: int
    """Checksum of the file's header: what noise starts from."""
    added: Floats | None = None
    """dB, shape (h, w); None for nothing."""

    def decibels(self) -> Floats:
        """dB of power, neither rounded nor clamped."""
        return self.pixels.decibels(self.x, self.added)

    def native(self, more: Floats | None = None) -> npt.NDArray[Any]:
        """Native values as a decoder returns them with `more` dB added, shape (h, w)."""
        return self.pixels.native(self.x, self.added if more is None else self.plus(more).added)

    def plus(self, more: Floats | None) -> DecodedTile:
        """The same with `more` dB added."""
        if more is None:
            return self
        return replace(self, added=more if self.added is None else more + self.added)


@dataclass(frozen=True)
class SourceTile:
    """The same tile in the raster that is encoded."""

    source: Source
    band: int
    """Counted from 0."""
    window: Window
    scale: PixelScale
    palette: InvalidPalette
    values: Values
    """Native values, shape (h, w)."""
    valid: Mask
    """Shape (h, w)."""

    @staticmethod
    def read(source: Source, band: int, window: Window, pixels: BandPixels) -> SourceTile:
        """The tile in this window."""
        values = source.read(band, window)
        valid = classes_of(source, values, window, pixels.palette) == 0
        return SourceTile(source, band, window, pixels.scale, pixels.palette, values, valid)

    def decibels(self) -> Floats:
        """dB of power, NaN where a value has none."""
        return to_db(self.values, self.scale)

    def widened(self, margin: int) -> SourceTile:
        """The tile and up to `margin` pixels more on each side, as far as the raster goes."""
        tile, meta = self.window, self.source.meta
        left, top = max(0, tile.col - margin), max(0, tile.row - margin)
        right, bottom = min(meta.width, tile.right + margin), min(meta.height, tile.bottom + margin)
        window = Window(left, top, right - left, bottom - top)
        values = self.source.read(self.band, window)
        valid = classes_of(self.source, values, window, self.palette) == 0
        return replace(self, window=window, values=values, valid=valid)
