"""Borders and areas of one value that nobody declared, found by their runs, whatever the scene around them.

Speckle does not repeat a value eight times in a row. If most pixels of a value stand in such runs, the value
is a border, a masked area or a fill. Pictures without speckle are full of runs of many values; in them only
the values that stand out from the others count. On the dB scale single zeros count as well: next to other
values that hardly repeat, an exact zero that does is a fill.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

RUN = 8
"""Equal pixels in a row or column that speckle does not make."""
MOSTLY = 0.5
"""Part of a value's pixels that stand in runs at least."""
LEAST = 64
"""Pixels of a value in runs at least."""
EDGE_RUN, ON_EDGE = 32, 0.15
"""Equal pixels along an edge of the raster that make a border, and the part of its value's pixels that stand
in runs then at least: the scene inside may have the value too."""
SMOOTH = 8
"""Values with runs above which edges of the raster say nothing."""
MANY = 2
"""Values with runs above which a band may have no speckle; then `SHARE` and `OUTSTANDING` decide."""
SHARE = 0.002
"""Part of the pixels that a value fills at least in a band without speckle."""
OUTSTANDING = 20.0
"""Times the median of all values with runs that a value's pixels make at least in such a band."""
KEPT = 64
"""Values of a tile that are counted at most, the most frequent."""
BODY = 8
"""Distinct values that are left at least: drawings of a few values have no data to tell a border from."""
ZERO_NEAR = 0.25
"""dB around 0 in which exact zeros are compared with other values."""
CLIPPED = 0.02
"""Pixels just beside zero, on the only side that has pixels, from which zeros are clipped values: a part of
the zeros."""
SELDOM = 1.05
"""Times that a value near zero occurs, on average, up to which values do not repeat."""
ZERO_TIMES = 4.0
"""Times that zero occurs more often than another value near it, at least, to be a fill."""

Values = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Edges = tuple[bool, bool, bool, bool]
"""Something of the first row, the last row, the first column and the last column."""


@dataclass(frozen=True)
class Constants:
    """What is kept of the pixels of a tile, or of many; sums do not depend on their order."""

    pixels: int = 0
    in_runs: Counter[int] = field(default_factory=Counter)
    """Pixels in runs of each value that has any, by bit pattern."""
    in_all: Counter[int] = field(default_factory=Counter)
    """All pixels of the same values, in the tiles where these have runs."""
    others: frozenset[int] = frozenset()
    """Some values without runs, by bit pattern; `BODY` of them are enough."""
    zeros: int = 0
    """Exact zeros, if the scale is dB."""
    expected: float = 0.0
    """How many there would be if zero were a value like others, in the tiles that have some."""
    clipped: int = 0
    """Pixels just on one side of zero, in tiles in which no pixel is on the other side."""
    on_edges: frozenset[int] = frozenset()
    """Values of long runs along the edges of the raster, by bit pattern."""

    @classmethod
    def of(
        cls,
        values: Values,
        valid: Mask,
        *,
        decibels: bool,
        edges: Edges = (False,) * 4,
    ) -> Constants:
        """Count the runs of a tile.

        Parameters
        ----------
        values : ndarray, shape (h, w), native dtype
        valid : ndarray, shape (h, w), bool
        decibels : bool
            Whether they are floats on the dB scale, on which zero is a value like others.
        edges : tuple of bool
            Whether the tile's first row, last row, first column and last column are edges of the raster.
        """
        bits = values.view(f"u{values.itemsize}")
        along = [_runs(bits, valid, axis) for axis in (0, 1)]
        found: Counter[int] = Counter()
        for starts, cells in zip(along, (bits[: 1 - RUN], bits[:, : 1 - RUN]), strict=True):
            if starts.any():
                kinds, counts = np.unique(cells[starts], return_counts=True)
                found.update(dict(zip(kinds.tolist(), counts.tolist(), strict=True)))
        in_runs, in_all = Counter[int](), Counter[int]()
        rest = valid
        for value, _ in found.most_common(KEPT):
            same = valid & (bits == bits.dtype.type(value))
            in_all[value] = int(np.count_nonzero(same))
            in_runs[value] = _covered(
                bits.shape, [starts & _cut(same, axis) for axis, starts in enumerate(along)]
            )
            rest = rest & ~same
        some = bits[rest][: 4 * BODY] if len(found) <= KEPT else bits[:0]
        return cls(
            int(np.count_nonzero(valid)),
            in_runs,
            in_all,
            frozenset(some.tolist()[: 4 * BODY]),
            *(_zeros(values[valid]) if decibels and values.dtype.kind == "f" else (0, 0.0, 0)),
            _on_edges(bits, along, edges),
        )

    def __or__(self, other: Constants) -> Constants:
        others = self.others if len(self.others) >= BODY else self.others | other.others
        return Constants(
            self.pixels + other.pixels,
            self.in_runs + other.in_runs,
            self.in_all + other.in_all,
            others,
            self.zeros + other.zeros,
            self.expected + other.expected,
            self.clipped + other.clipped,
            self.on_edges | other.on_edges,
        )

    def found(self, room: int, dtype: np.dtype[Any]) -> tuple[int, ...]:
        """Bit patterns of the values that make constant areas, at most `room`, the most frequent first."""
        clear = [
            (count, value)
            for value, count in self.in_runs.items()
            if count >= LEAST and count >= MOSTLY * self.in_all[value]
        ]
        borders = [
            (count, value)
            for value, count in self.in_runs.items()
            if value in self.on_edges and count >= ON_EDGE * self.in_all[value]
        ]
        if len(self.in_runs) > MANY:
            usual = OUTSTANDING * float(np.median(list(self.in_runs.values())))
            clear = [(n, value) for n, value in clear if n >= max(SHARE * self.pixels, usual)]
            clear = clear if len(clear) <= MANY else []  # many looks in few steps
        if len(borders) <= MANY and len(self.in_runs) <= SMOOTH:  # else the picture has no speckle
            clear = list(dict.fromkeys((*clear, *borders)))
        left = self.others | (self.in_runs.keys() - {value for _, value in clear})
        if len(left) < BODY:
            return ()
        chosen = [value for _, value in sorted(clear, key=lambda item: (-item[0], item[1]))]
        fill = self.zeros > max(1.0, ZERO_TIMES * self.expected) and self.clipped < CLIPPED * self.zeros
        if fill and 0 not in chosen:
            chosen.insert(0, int(np.zeros(1, dtype).view(f"u{dtype.itemsize}")[0]))
        return tuple(chosen[:room])


def _runs(bits: npt.NDArray[Any], valid: Mask, axis: int) -> Mask:
    """True where `RUN` equal valid pixels begin along `axis`; shorter by RUN - 1 there."""
    a, v = np.moveaxis(bits, axis, 0), np.moveaxis(valid, axis, 0)
    if len(a) < RUN:
        return np.zeros(bits[: 1 - RUN].shape if axis == 0 else bits[:, : 1 - RUN].shape, bool)
    two = (a[1:] == a[:-1]) & v[1:] & v[:-1]  # links
    four = two[:-1] & two[1:]
    eight = four[:-2] & four[2:]  # 4 links
    runs = eight[: len(a) - RUN + 1] & eight[3 : len(a) - RUN + 4]  # 7 links
    return np.moveaxis(runs, 0, axis)


def _cut(mask: Mask, axis: int) -> Mask:
    return mask[: 1 - RUN] if axis == 0 else mask[:, : 1 - RUN]


def _covered(shape: tuple[int, ...], starts: list[Mask]) -> int:
    """Pixels that the runs with these starts cover."""
    covered = np.zeros(shape, bool)
    for axis, begin in enumerate(starts):
        lines, first = np.moveaxis(covered, axis, 0), np.moveaxis(begin, axis, 0)
        if not first.any():
            continue
        for step in range(RUN):
            lines[step : step + len(first)] |= first
    return int(np.count_nonzero(covered))


def _zeros(pixels: Values) -> tuple[int, float, int]:
    """Exact zeros; how many another value near zero has, less than one if values hardly repeat; `clipped`."""
    zeros = int(np.count_nonzero(pixels == 0))
    if not zeros:
        return 0, 0.0, 0
    near = pixels[(np.abs(pixels) < ZERO_NEAR) & (pixels != 0)]
    repeats = near.size / max(np.unique(near).size, 1)
    one_sided = bool((pixels <= 0).all() or (pixels >= 0).all())
    expected = repeats if repeats > SELDOM else 1 / (ZERO_TIMES + 1)
    return zeros, expected, near.size if one_sided else 0


def _on_edges(bits: npt.NDArray[Any], along: list[Mask], edges: Edges) -> frozenset[int]:
    """Values of runs of at least `EDGE_RUN` along the edges of the raster."""
    columns, rows = along
    across = [(bits[k], rows[k]) for k in (0, -1)]
    down = [(bits[:, k], columns[:, k]) for k in (0, -1)]
    found: set[int] = set()
    for (line, starts), edge in zip(across + down, edges, strict=True):
        if edge and starts.any():
            values, counts = np.unique(line[: len(starts)][starts], return_counts=True)
            found.update(values[counts >= EDGE_RUN - RUN + 1].tolist())
    return frozenset(found)
