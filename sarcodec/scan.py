"""First pass over a band: which pixels are data, their range and mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sarcodec.errors import InputError
from sarcodec.metadata import RasterMeta
from sarcodec.parallel import ordered_map
from sarcodec.radiometry import BandRange, InvalidPalette, detect_scale, to_db, valid_mask
from sarcodec.types import Scale, TileGrid, Window

SAMPLE_SIDE = 128
"""Side in pixels of the 25 windows from which the scale is guessed."""
WIDE_DB = 20.0
"""Standard deviation of a band, in dB, above which its network unit grows with it."""


class Source(Protocol):
    """A raster that can be read window by window."""

    @property
    def meta(self) -> RasterMeta:
        """Size, type, georeferencing and tags."""

    def read(self, band: int, window: Window) -> npt.NDArray[Any]:
        """Pixels of a band (counted from 1), native dtype, shape (height, width)."""


@dataclass(frozen=True)
class BandScan:
    """What the encoder must know of a band before it codes the first tile."""

    palette: InvalidPalette
    span: BandRange | None
    mean_db: float
    deviation_db: float
    counts: tuple[int, ...] = ()
    """Valid pixels of each tile, row-major."""

    def unit_db(self, usual: float) -> float:
        """Decibels per network unit: `usual`, or more for a band that varies absurdly."""
        return usual * max(1.0, self.deviation_db / WIDE_DB)


def scale_of(source: Source, wanted: Scale | None) -> Scale:
    """The scale asked for, or the one that tags, dtype and a sample of pixels speak for."""
    if wanted is not None:
        return wanted
    meta = source.meta
    tags = {**meta.tags.get("", {}), **meta.bands[0].tags.get("", {})}
    width, height = min(SAMPLE_SIDE, meta.width), min(SAMPLE_SIDE, meta.height)
    places = {
        ((meta.width - width) * i // 4, (meta.height - height) * j // 4) for i in range(5) for j in range(5)
    }
    parts = [source.read(1, Window(col, row, width, height)).ravel() for col, row in sorted(places)]
    return detect_scale(np.dtype(meta.dtype), tags, np.concatenate(parts), nodata=meta.nodata)


def scan_band(
    source: Source, band: int, scale: Scale, grid: TileGrid, jobs: int, tick: Callable[[], None]
) -> BandScan:
    """Read a band once.

    Parameters
    ----------
    band : int
        Counted from 1.
    tick : callable
        Called after each tile.

    Raises
    ------
    InputError
        The band holds too many distinct invalid values.
    """

    def work(tile: tuple[int, int]) -> tuple[InvalidPalette, BandRange | None, int, float, float]:
        values = source.read(band, grid.window(*tile))
        valid = valid_mask(values, scale, source.meta.nodata)
        try:
            palette = InvalidPalette.of(values, valid)
        except InputError as error:
            raise InputError(f"band {band}: {error.message}", hint=error.hint) from error
        db = to_db(values, scale)
        data = (db if valid.all() else db[valid]).astype(np.float64)
        return palette, BandRange.of(values, valid), data.size, float(data.sum()), float((data**2).sum())

    tiles = [(row, col) for row in range(grid.rows) for col in range(grid.cols)]
    palette, span = InvalidPalette(np.dtype(source.meta.dtype)), None
    counts, total, squares = [], 0.0, 0.0
    for part in ordered_map(work, tiles, jobs):
        palette = palette | part[0]
        span = part[1] if span is None else span if part[1] is None else span | part[1]
        counts.append(part[2])
        total, squares = total + part[3], squares + part[4]
        tick()
    count = sum(counts)
    mean = total / count if count else 0.0
    deviation = max(squares / count - mean**2, 0.0) ** 0.5 if count else 0.0
    return BandScan(palette, span, mean, deviation, tuple(counts))
