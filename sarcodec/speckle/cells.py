"""Candidates for homogeneous blocks and the moments of their cells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.speckle.patches import Doubles, Mask, Raster, power
from sarcodec.types import Window

Indices = npt.NDArray[np.intp]

CELLS = 8  # per side of a block; blocks are tried at every half side
_SMOOTHEST = 1e-6  # squared coefficient of variation; less is no speckle
_ROWS = 64  # of cells at a time, so that memory does not grow with the raster


@dataclass(frozen=True)
class Candidates:
    """Blocks that are all valid and not constant."""

    side: int
    row: Indices
    """Upper row, shape (n,), pixels."""
    col: Indices
    """Left column, shape (n,), pixels."""
    cells: Doubles
    """Mean power of each cell, shape (n, 8, 8)."""
    within: Doubles
    """Mean variance within 4x4 cells over their mean square, shape (n,)."""
    peak: Doubles
    """Largest pixel, shape (n,)."""

    @classmethod
    def of(cls, db: Raster, valid: Mask, pixels: int) -> Candidates:
        """With cells of `pixels` x `pixels`."""
        mean, square, peak = _cell_moments(db, valid, pixels)
        step = CELLS // 2
        views = [
            np.lib.stride_tricks.sliding_window_view(part, (CELLS, CELLS))[::step, ::step]
            for part in (mean, square, peak)
        ]
        row, col = np.nonzero((views[0] > 0).all((2, 3)))
        cells, squares, peaks = (view[row, col] for view in views)
        wide = _coarse(cells, 4)
        within = (_coarse(squares, 4) - wide**2).mean((1, 2)) / np.square(wide).mean((1, 2))
        kept = within > _SMOOTHEST
        at = step * pixels
        return cls(
            CELLS * pixels, at * row[kept], at * col[kept], cells[kept], within[kept],
            peaks.max((1, 2))[kept],
        )  # fmt: skip

    @cached_property
    def spread(self) -> dict[int, Doubles]:
        """Variance of the logarithm of the means of k x k cells, each of shape (n,), by k = 8, 4 and 2."""
        return {k: np.log(_coarse(self.cells, k)).var((1, 2), ddof=1) for k in (8, 4, 2)}

    @cached_property
    def level(self) -> Doubles:
        """Median of the cell means, shape (n,)."""
        return np.asarray(np.median(self.cells.reshape(self.row.size, -1), axis=1))

    def windows(self, chosen: Indices) -> list[Window]:
        """Blocks of these indices."""
        return [Window(int(self.col[k]), int(self.row[k]), self.side, self.side) for k in chosen]

    def apart(self, chosen: Mask) -> Mask:
        """Those of the chosen that overlap no earlier one, row-major; both of shape (n,)."""
        half = self.side // 2
        taken = np.zeros((self.row.max() // half + 2, self.col.max() // half + 2), bool)
        found = np.zeros_like(chosen)
        for k in np.flatnonzero(chosen):
            row, col = self.row[k] // half, self.col[k] // half
            spot = taken[row : row + 2, col : col + 2]
            if not spot.any():
                spot[:] = True
                found[k] = True
        return found


def _cell_moments(db: Raster, valid: Mask, pixels: int) -> tuple[Doubles, Doubles, Doubles]:
    """Mean, mean square and maximum of power over cells; zero where not all is valid."""
    height, width = (side // pixels for side in valid.shape)
    out = tuple(np.zeros((height, width)) for _ in range(3))
    for top in range(0, height, _ROWS):
        rows = slice(top, min(top + _ROWS, height))
        at = np.s_[rows.start * pixels : rows.stop * pixels, : width * pixels]
        strip = power(db[at], valid[at])
        whole = _per_cell(valid[at], np.logical_and, pixels)
        for part, values, join in (
            (out[2], strip, np.maximum), (out[0], strip, np.add), (out[1], strip * strip, np.add)
        ):  # fmt: skip
            part[rows] = np.where(whole, _per_cell(values, join, pixels), 0)
    return out[0] / pixels**2, out[1] / pixels**2, out[2]


def _per_cell(values: npt.NDArray[Any], join: np.ufunc, pixels: int) -> npt.NDArray[Any]:
    height, width = values.shape
    lines = join.reduce(values.reshape(height // pixels, pixels, width), axis=1)
    return np.asarray(join.reduce(lines.reshape(height // pixels, width // pixels, pixels), axis=2))


def _coarse(cells: Doubles, k: int) -> Doubles:
    """Means over k x k cells, shape (n, k, k), from those over 8 x 8."""
    size = CELLS // k
    return np.asarray(cells.reshape(-1, k, size, k, size).mean((2, 4)))
