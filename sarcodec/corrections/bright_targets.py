"""Bright targets: found and measured by the encoder, raised by the decoder.

What stands out of its surroundings by more than 10 dB, a ship or a mast, is what smoothing lowers most and
what users look for. The encoder decodes a tile as a decoder will and says by how much the peaks that came
back too low are to be raised, with their flanks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.bitstream.targetlist import LARGEST, Mask, TargetList, most, pack, unpack
from sarcodec.corrections.tiles import DecodedTile, SourceTile
from sarcodec.radiometry import to_db
from sarcodec.types import Window

__all__ = ["apply", "estimated_bytes", "measure", "pack", "unpack"]

REACH = 10
"""Pixels to each side that decide whether a pixel is a target."""
CONTRAST_DB = 9.5
"""Contrast from which a peak counts: users' detectors count from 10, on decoded pixels too."""
LOW_DB = 0.4
"""What a peak may lack."""
QUARTERS = 6
"""Size of a step, in quarters of a dB: the error that it leaves has a standard deviation of 0.43 dB."""
FLANKS = ((4, 5, 4), (5, 8, 5), (4, 5, 4))
"""Eighths of a target's steps by which its neighbours are raised: they lack nearly as much as it does."""
_RING, _GUARD = 2 * REACH + 1, 9  # as the benchmark's detector has them
_UNIT = 1 / 32  # dB: an eighth of a quarter

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]


def spread(targets: TargetList, shape: tuple[int, ...]) -> Floats:
    """dB to add to each pixel of a tile of this shape, float32: flanks end at the tile's edge."""
    units = np.zeros((shape[0] + 2, shape[1] + 2), np.int64)
    rows, cols = np.unravel_index(targets.places, shape)
    for down, line in enumerate(FLANKS):
        for right, weight in enumerate(line):
            units[rows + down, cols + right] += weight * targets.quarters * targets.codes
    return units[1:-1, 1:-1].astype(np.float32) * np.float32(_UNIT)


def measure(truth: SourceTile, decoded: DecodedTile, _wish: bool) -> TargetList:  # noqa: FBT001
    """Targets of a tile, see :func:`find`."""
    near, whole = truth.widened(REACH), truth.window
    part = Window(whole.col - near.window.col, whole.row - near.window.row, whole.width, whole.height)
    return find(near.decibels(), near.valid, part, to_db(decoded.native(), truth.scale))


def apply(found: TargetList, decoded: DecodedTile) -> Floats:
    """dB to add to each pixel: targets and their flanks are raised."""
    return spread(found, decoded.valid.shape)


def find(db: Floats, valid: Mask, part: Window, decoded: Floats) -> TargetList:
    r"""Targets of a tile that come back too low, and by how much.

    A target is the brightest of 5 x 5 pixels and exceeds the mean power of a ring around it by `CONTRAST_DB`.
    Its error is that of the brightest decoded pixel among those 25. Where that lacks more than `LOW_DB`, the
    number of steps is the one whose error is nearest to

    .. math:: \text{step} / 2 - \text{LOW\_DB},

    so that none lacks more: what a detector needs to find it again.

    Parameters
    ----------
    db : float32 array, shape (h, w), dB of power
        The source, the tile and up to `REACH` pixels around it.
    valid : bool array, same shape
    part : Window
        The tile in `db`.
    decoded : float32 array, shape of the tile, dB of power
        What a decoder returns without targets.
    """
    inside = part.inside(Window(0, 0, db.shape[1], db.shape[0]))
    rows, cols = _peaks(db, valid, inside)
    wanted = db[inside][rows, cols].astype(np.float64)
    near = _around(np.where(valid[inside], decoded, -np.inf).astype(np.float64), rows, cols)
    short = near.max(axis=(1, 2)) < wanted - LOW_DB
    codes = _codes(near[short], wanted[short])
    places, kept = rows[short] * part.width + cols[short], codes > 0
    strongest = np.argsort(-codes[kept], kind="stable")[: most(valid[inside])]
    chosen = np.sort(np.flatnonzero(kept)[strongest])
    return TargetList(places[chosen], codes[chosen], QUARTERS)


def _codes(near: Doubles, wanted: Doubles) -> npt.NDArray[np.int64]:
    """Steps after which the brightest of 5 x 5 pixels is nearest to what is aimed at.

    Parameters
    ----------
    near : float64 array, shape (n, 5, 5), dB
        Decoded pixels around each target.
    wanted : float64 array, shape (n,), dB
    """
    flanks = np.pad(np.array(FLANKS) * (QUARTERS * _UNIT), 1)
    aim = wanted + QUARTERS / 8 - LOW_DB
    codes, best = np.zeros(wanted.size, np.int64), np.full(wanted.size, np.inf)
    for code in range(LARGEST + 1):
        error = (near + code * flanks).max(axis=(1, 2)) - aim
        nearer = np.abs(error) < best
        codes[nearer], best[nearer] = code, np.abs(error[nearer])
        if not (error < 0).any():
            break
    return codes


def _peaks(db: Floats, valid: Mask, inside: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows and columns, in the tile, of the targets of the source."""
    known = np.where(valid, db, -np.inf).astype(np.float64)
    power = 10 ** ((known - known.max()) / 10)  # of the brightest, so that none overflows
    total, count = (_box_sum(image, _RING) - _box_sum(image, _GUARD) for image in (power, valid))
    enough = valid & (4 * count >= _RING**2 - _GUARD**2)
    bright = enough & (power * count > 10 ** (CONTRAST_DB / 10) * total)
    rows, cols = np.nonzero(bright[inside])
    top, left = inside[0].start, inside[1].start
    # The first of equal ones: two targets are never within 5 x 5 pixels of each other.
    first = _around(power, rows + top, cols + left).reshape(-1, 25).argmax(axis=1) == 12
    return rows[first], cols[first]


def _around(image: Doubles, rows: npt.NDArray[np.int64], cols: npt.NDArray[np.int64]) -> Doubles:
    """The 5 x 5 pixels around each place, shape (n, 5, 5); -inf beyond the image."""
    padded = np.pad(image, 2, constant_values=-np.inf)
    steps = np.arange(5)
    return np.asarray(padded[rows[:, None, None] + steps[:, None], cols[:, None, None] + steps])


def _box_sum(image: npt.NDArray[Any], side: int) -> Doubles:
    """Sum over a square of odd `side` around each pixel; pixels beyond the image count as 0.

    Squares are put together of such of 1, 2, 4, ... lines: running sums would carry the rounding of a bright
    target along its line.
    """
    out = np.pad(image.astype(np.float64), side // 2)
    for axis in (0, 1):
        lines = np.moveaxis(out, axis, 0)
        count = len(lines) - side + 1
        total, start, size = np.zeros((count, *lines.shape[1:])), 0, 1
        while size <= side:
            if side & size:
                total += lines[start : start + count]
                start += size
            lines, size = lines[:-size] + lines[size:], 2 * size
        out = np.moveaxis(total, 0, axis)
    return out


def estimated_bytes(counts: tuple[int, ...], _wish: bool) -> int:  # noqa: FBT001
    """About what a band's targets will take: towns take thrice as much, the country next to nothing.

    Parameters
    ----------
    counts : tuple of int
        Valid pixels of each tile, row-major.
    """
    return sum(6 + count // 3000 for count in counts if count)
