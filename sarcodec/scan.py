"""First pass over a band: which pixels are data, their range and mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sarcodec import limits
from sarcodec.errors import InputError
from sarcodec.masked import Levels
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
    """Read a band once, or twice where a masked area turns up that is not declared as nodata.

    The values of such areas are in the palette as if they were nodata, see :mod:`sarcodec.masked`.

    Parameters
    ----------
    band : int
        Counted from 1.
    tick : callable
        Called after each tile, of the first time.

    Raises
    ------
    InputError
        The band holds too many distinct invalid values.
    """
    dtype = np.dtype(source.meta.dtype)
    scan, levels = _read(source, band, scale, grid, jobs, tick, InvalidPalette(dtype))
    room = limits.DEFAULT.invalid_values - len(scan.palette)
    marks = InvalidPalette(dtype, tuple(sorted(levels.masked(room))))
    if marks:
        scan, _ = _read(source, band, scale, grid, jobs, lambda: None, marks)
    return scan


def _read(
    source: Source,
    band: int,
    scale: Scale,
    grid: TileGrid,
    jobs: int,
    tick: Callable[[], None],
    marks: InvalidPalette,
) -> tuple[BandScan, Levels]:
    """Read a band once, taking the values in `marks` for invalid."""

    def work(tile: tuple[int, int]) -> tuple[InvalidPalette, BandRange | None, int, float, float, Levels]:
        values = source.read(band, grid.window(*tile))
        valid = valid_mask(values, scale, source.meta.nodata)
        if marks:
            valid &= marks.class_map(values) == 0
        try:
            palette = InvalidPalette.of(values, valid)
        except InputError as error:
            raise InputError(f"band {band}: {error.message}", hint=error.hint) from error
        db, whole = to_db(values, scale), bool(valid.all())
        kept = db if whole else db[valid]
        levels = Levels() if marks else Levels.of(values.ravel() if whole else values[valid], kept.ravel())
        data = kept.astype(np.float64)
        span, total, squares = BandRange.of(values, valid), float(data.sum()), float((data**2).sum())
        return palette, span, data.size, total, squares, levels

    tiles = [(row, col) for row in range(grid.rows) for col in range(grid.cols)]
    palette, span, levels = InvalidPalette(np.dtype(source.meta.dtype)), None, Levels()
    counts, total, squares = [], 0.0, 0.0
    for part in ordered_map(work, tiles, jobs):
        palette, levels = palette | part[0], levels | part[5]
        span = part[1] if span is None else span if part[1] is None else span | part[1]
        counts.append(part[2])
        total, squares = total + part[3], squares + part[4]
        tick()
    count = sum(counts)
    mean = total / count if count else 0.0
    deviation = max(squares / count - mean**2, 0.0) ** 0.5 if count else 0.0
    return BandScan(palette, span, mean, deviation, tuple(counts)), levels
