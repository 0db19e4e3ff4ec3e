"""First pass over a band: which pixels are data, their range and mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from sarcodec import limits
from sarcodec.constant_areas import Constants
from sarcodec.errors import InputError, UsageError
from sarcodec.invalid import Mask, Values, native_nodata
from sarcodec.masked import Levels
from sarcodec.parallel import ordered_map
from sarcodec.radiometry import BandRange, InvalidPalette, to_db, valid_mask
from sarcodec.source import Source, alpha_band, shown
from sarcodec.types import PixelScale, Scale, TileGrid, Window

WIDE_DB = 20.0
"""Standard deviation of a band, in dB, above which its network unit grows with it."""


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


HIDDEN = 8
"""Distinct values under a mask band that are kept; if there are more, one stands for all."""


def scan_band(
    source: Source, band: int, scale: Scale | PixelScale, grid: TileGrid, jobs: int, tick: Callable[[], None]
) -> BandScan:
    """Read a band once, or twice if an area turns up that is constant and not declared as nodata.

    The values of such areas are in the palette as if they were nodata, see :mod:`sarcodec.constant_areas`
    and :mod:`sarcodec.masked`. Of an alpha band all values are, so that it comes back exactly.

    Parameters
    ----------
    band : int
        Counted from 0.
    tick : callable
        Called after each tile, of the first time.

    Raises
    ------
    InputError
        The band holds too many distinct invalid values.
    UsageError
        It is an alpha band of more values than can be kept exactly.
    """
    dtype, room = np.dtype(source.meta.dtype), limits.DEFAULT.invalid_values
    work = _Scan(source, band, PixelScale.of(scale), InvalidPalette(dtype))
    scan, levels, constants = work.over(grid, jobs, tick)
    room -= len(scan.palette.bits)
    found = dict.fromkeys((*constants.found(room, dtype), *levels.masked(room)))
    if found:
        marks = InvalidPalette(dtype, tuple(sorted(list(found)[:room])))
        scan, _, _ = replace(work, marks=marks).over(grid, jobs, lambda: None)
    return scan


@dataclass(frozen=True)
class _Part:
    """What is kept of a tile."""

    palette: InvalidPalette
    span: BandRange | None
    count: int
    total: float
    squares: float
    levels: Levels
    constants: Constants
    hidden: frozenset[int]
    """Values under the mask band, at most one more than are kept."""


@dataclass(frozen=True)
class _Scan:
    """One reading of a band, with the values in `marks` taken for invalid."""

    source: Source
    band: int
    scale: PixelScale
    marks: InvalidPalette

    def over(self, grid: TileGrid, jobs: int, tick: Callable[[], None]) -> tuple[BandScan, Levels, Constants]:
        """All tiles together."""
        dtype = np.dtype(self.source.meta.dtype)
        tiles = [grid.window(row, col) for row in range(grid.rows) for col in range(grid.cols)]
        palette, span, levels, constants = InvalidPalette(dtype), None, Levels(), Constants()
        counts, total, squares, hidden = [], 0.0, 0.0, frozenset[int]()
        for part in ordered_map(self._tile, tiles, jobs):
            palette = self._naming(partial(palette.union, (part.palette,)))
            levels, constants = levels | part.levels, constants | part.constants
            span = part.span if span is None else span if part.span is None else span | part.span
            counts.append(part.count)
            total, squares = total + part.total, squares + part.squares
            hidden = hidden if len(hidden) > HIDDEN else hidden | part.hidden
            tick()
        count = sum(counts)
        mean = total / count if count else 0.0
        deviation = max(squares / count - mean**2, 0.0) ** 0.5 if count else 0.0
        palette = replace(palette, hidden=self._hidden(hidden))
        return BandScan(palette, span, mean, deviation, tuple(counts)), levels, constants

    def _tile(self, window: Window) -> _Part:
        source, marks = self.source, self.marks
        values, seen = source.read(self.band, window), shown(source, window)
        valid, hidden = valid_mask(values, self.scale, source.meta.nodata), frozenset[int]()
        self._check_nodata(values, seen)
        if self.alpha:
            valid[...], seen = False, None
        if marks:
            valid &= marks.class_map(values) == 0
        masked = np.zeros(values.shape, bool) if seen is None else ~seen
        if masked.any():
            hidden = frozenset(np.unique(values[masked].view(f"u{values.itemsize}"))[: HIDDEN + 1].tolist())
            valid &= ~masked
        palette = self._naming(lambda: InvalidPalette.of(values, valid | masked))
        db, whole = to_db(values, self.scale), bool(valid.all())
        kept = db if whole else db[valid]
        levels, constants = Levels(), Constants()
        if not marks:
            levels = Levels.of(values.ravel() if whole else values[valid], kept.ravel())
            meta = source.meta
            edges = (
                window.row == 0,
                window.bottom == meta.height,
                window.col == 0,
                window.right == meta.width,
            )
            constants = Constants.of(values, valid, decibels=self.scale.scale is Scale.DB, edges=edges)
        data = kept.astype(np.float64)
        span, total, squares = BandRange.of(values, valid), float(data.sum()), float((data**2).sum())
        return _Part(palette, span, data.size, total, squares, levels, constants, hidden)

    def _check_nodata(self, values: Values, seen: Mask | None) -> None:
        """Refuse the nodata value of other bands as data of this one, which declares none."""
        native = native_nodata(self.source.meta.nodata, values.dtype)
        if self.band not in self.source.without_nodata or native is None or self.alpha:
            return
        taken = (values == native) & valid_mask(values, self.scale, None)
        count = int(np.count_nonzero(taken if seen is None else taken & seen))
        if count:
            number = self.source.numbers[self.band]
            raise UsageError(
                f"band {number} declares no nodata, and {count} or more of its pixels have the value "
                f"{native:g}, which is nodata of another band",
                hint=f"Declare nodata for all bands, or code it as a file of its own: --bands {number}.",
            )

    @property
    def alpha(self) -> bool:
        """Whether the band is the alpha band."""
        return alpha_band(self.source.meta) == self.band

    def _hidden(self, found: frozenset[int]) -> tuple[int, ...]:
        """The palette's entries of masked pixels."""
        dtype = np.dtype(self.source.meta.dtype)
        if not found or len(found) <= HIDDEN:
            return tuple(sorted(found))
        fill = native_nodata(self.source.meta.nodata, dtype)
        filled = np.array([np.nan if dtype.kind == "f" else 0] if fill is None else [fill], dtype)
        return (int(filled.view(f"u{dtype.itemsize}")[0]),)

    def _naming(self, make: Callable[[], InvalidPalette]) -> InvalidPalette:
        """What `make` gives; errors name the band."""
        number = self.source.numbers[self.band]
        try:
            return make()
        except InputError as error:
            if self.alpha:
                others = ",".join(str(n) for n in self.source.numbers if n != number)
                raise UsageError(
                    f"band {number} is an alpha band of more than {limits.DEFAULT.invalid_values} values: "
                    "a soft edge is not carried",
                    hint=f"Leave it out: --bands {others}. An alpha band of 0 and 255 is kept exactly.",
                ) from error
            raise InputError(f"band {number}: {error.message}", hint=error.hint) from error
