"""The gain grid of a tile: one gain for each square cell of pixels that holds data. Values <-> bytes.

Codes are predicted from those to the left and above and their differences stored in Rice's code, all in
integers; a cell without data takes no bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sarcodec.bitstream import rice
from sarcodec.bitstream.layout import GAIN_SIDES
from sarcodec.errors import FormatError

SIDES = GAIN_SIDES
SHIFTS = range(4)
STEP_DB = 1 / 16
"""dB in a code of shift 0; each further shift doubles it."""
LARGEST = 256
"""Largest magnitude of a code."""
MOST_LOW_BITS = 9
"""Most low bits of a difference that are stored as they are."""
_LONGEST = 4 * LARGEST + 2 + MOST_LOW_BITS  # bits that any difference can take

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class GainGrid:
    """Gains of the cells of a tile."""

    codes: npt.NDArray[np.int16]
    """Shape (rows, cols), -LARGEST to LARGEST; 0 where a cell holds no data."""
    side: int = SIDES[0]
    """Pixels; one of SIDES."""
    shift: int = 0
    """One of SHIFTS."""

    @property
    def step_db(self) -> float:
        """dB in one code."""
        return STEP_DB * (1 << self.shift)


def with_data(valid: Mask, side: int) -> Mask:
    """Which cells hold a valid pixel, bool, shape (h, w) -> (rows, cols)."""
    rows, cols = (np.arange(0, length, side) for length in valid.shape)
    strips = np.logical_or.reduceat(valid, cols, axis=1)
    return np.asarray(np.logical_or.reduceat(strips, rows, axis=0), np.bool_)


def pack(grid: GainGrid, valid: Mask) -> bytes:
    """Body of the layer of a tile.

    Parameters
    ----------
    valid : bool array, shape (h, w)
        Pixels of the tile that are data.

    Returns
    -------
    bytes
        Empty where no gain is other than 0.
    """
    coded = with_data(valid, grid.side)
    if not grid.codes[coded].any():
        return b""
    if int(np.abs(grid.codes[coded].astype(np.int64)).max()) > LARGEST:
        raise FormatError(f"a gain is beyond {LARGEST} steps")
    found = np.array(folded(grid, coded), np.int64)
    low = rice.fewest(found, MOST_LOW_BITS)
    head = low | SIDES.index(grid.side) << 4 | grid.shift << 6
    return bytes([head]) + rice.write(found[:, None], (low,), fill=0)


def unpack(body: bytes, valid: Mask) -> GainGrid:
    """The grid that `pack` was given.

    Raises
    ------
    FormatError
        `body` is no gain grid of a tile with these pixels.
    """
    if not body:
        return GainGrid(np.zeros(with_data(valid, SIDES[0]).shape, np.int16))
    low, kind, shift = body[0] & 15, body[0] >> 4 & 3, body[0] >> 6
    if low > MOST_LOW_BITS or kind >= len(SIDES):
        raise FormatError(f"gain grid: a first byte of {body[0]:#04x} has no meaning")
    coded = with_data(valid, SIDES[kind])
    count = int(coded.sum())
    if len(body) < 2 or 8 * (len(body) - 2) > count * _LONGEST:
        raise FormatError(f"gain grid: {len(body)} bytes cannot be {count} cells")
    found, rest = rice.read(body[1:], (low,), count)
    codes, which = np.zeros(coded.shape, np.int64).tolist(), coded.tolist()
    last = 0
    for (row, col), e in zip(np.argwhere(coded).tolist(), found.tolist(), strict=False):
        difference = -(e + 1 >> 1) if e & 1 else e >> 1
        last = codes[row][col] = _predicted(codes, which, row, col, last) + difference
        if abs(last) > LARGEST:
            raise FormatError(f"gain grid: a gain of {last} steps, beyond {LARGEST}")
    if found.size < count:
        raise FormatError("gain grid: it ends within a cell")
    if rest.size > 7 or rest.any():
        raise FormatError(f"gain grid: {rest.size} bits are left over, or are not 0")
    return GainGrid(np.array(codes, np.int16).reshape(coded.shape), SIDES[kind], shift)


def folded(grid: GainGrid, coded: Mask) -> list[int]:
    """Differences of coded cells from their predictions, row by row: 0, -1, 1, -2, ... as 0, 1, 2, 3, ..."""
    codes, which, last, out = grid.codes.tolist(), coded.tolist(), 0, []
    for row, col in np.argwhere(coded).tolist():
        difference = codes[row][col] - _predicted(codes, which, row, col, last)
        out.append(2 * difference if difference >= 0 else -2 * difference - 1)
        last = codes[row][col]
    return out


def _predicted(codes: list[list[int]], coded: list[list[bool]], row: int, col: int, last: int) -> int:
    """Mean of the coded ones of left and upper neighbour, rounded down; without any the one coded `last`."""
    left = col > 0 and coded[row][col - 1]
    above = row > 0 and coded[row - 1][col]
    if left and above:
        return (codes[row][col - 1] + codes[row - 1][col]) >> 1
    if left:
        return codes[row][col - 1]
    return codes[row - 1][col] if above else last
