"""The bright targets of a tile: where they are, and by how many steps each is raised. Values <-> bytes.

Targets are few, so places are stored as the gaps between them in Rice's code: the invalid pixels take part
in no gap. Everything is integers; a tile without targets takes no bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sarcodec.bitstream import rice
from sarcodec.errors import FormatError

STEPS = range(1, 17)
"""Sizes that a step can have, in quarters of a dB."""
LARGEST = 64
"""Most steps by which a target is raised."""
MOST_GAP_BITS, MOST_CODE_BITS = 24, 5
"""Most low bits of a gap and of a code that are stored as they are."""
SPARSE = 16
"""Valid pixels to each target where there are most: what is denser is no list of targets."""
_HEAD_BYTES = 2
_LONGEST = 1 + MOST_GAP_BITS + LARGEST + MOST_CODE_BITS  # bits of a target, the ones of its gap not counted

Mask = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TargetList:
    """Targets of a tile."""

    places: Integers
    """Flat index of each target's pixel in the tile, row-major and ascending, shape (n,)."""
    codes: Integers
    """Steps by which each is raised, 1 to LARGEST, shape (n,)."""
    quarters: int = 6
    """Size of a step in quarters of a dB; one of STEPS."""


def most(valid: Mask) -> int:
    """Targets that a tile with these valid pixels can have, shape (h, w)."""
    return -(-int(np.count_nonzero(valid)) // SPARSE)


def pack(targets: TargetList, valid: Mask) -> bytes:
    """Body of the layer of a tile.

    Parameters
    ----------
    valid : bool array, shape (h, w)
        Pixels of the tile that are data.

    Returns
    -------
    bytes
        Empty where there are no targets.

    Raises
    ------
    FormatError
        Too many targets, one on a pixel that is no data, or a code out of range.
    """
    codes = targets.codes.tolist()
    if not codes:
        return b""
    if len(codes) > most(valid) or targets.quarters not in STEPS:
        raise FormatError(f"{len(codes)} targets in steps of {targets.quarters} quarters of a dB")
    if not 1 <= min(codes) <= max(codes) <= LARGEST:
        raise FormatError(f"a target is raised by {min(codes)} or {max(codes)} steps, not 1 to {LARGEST}")
    numbers = np.searchsorted(np.flatnonzero(valid), targets.places)
    gaps = np.diff(numbers, prepend=-1) - 1
    if not valid.ravel()[targets.places].all() or gaps.min() < 0:
        raise FormatError("targets are out of order or on pixels that are no data")
    rows = np.stack((gaps, targets.codes.astype(np.int64) - 1), axis=1)
    low, code_low = rice.fewest(rows[:, 0], MOST_GAP_BITS), rice.fewest(rows[:, 1], MOST_CODE_BITS)
    return bytes([low | code_low << 5, targets.quarters]) + rice.write(rows, (low, code_low), fill=1)


def unpack(body: bytes, valid: Mask) -> TargetList:
    """The targets that `pack` was given.

    Raises
    ------
    FormatError
        `body` is no list of targets of a tile with these pixels.
    """
    if not body:
        return TargetList(np.zeros(0, np.int64), np.zeros(0, np.int64))
    places, fewest = np.flatnonzero(valid), _HEAD_BYTES + 1
    if len(body) < fewest or 8 * (len(body) - fewest) > places.size + most(valid) * _LONGEST:
        raise FormatError(f"bright targets: {len(body)} bytes cannot be those of {places.size} pixels")
    low, code_low, quarters = body[0] & 31, body[0] >> 5, body[1]
    if low > MOST_GAP_BITS or code_low > MOST_CODE_BITS or quarters not in STEPS:
        raise FormatError(f"bright targets: first bytes of {body[:_HEAD_BYTES].hex()} have no meaning")
    found, rest = rice.read(body[_HEAD_BYTES:], (low, code_low), 2 * (1 + places.size))
    count = found.size // 2
    numbers, codes = np.cumsum(found[: 2 * count : 2] + 1) - 1, found[1::2] + 1
    for n in np.flatnonzero((numbers >= places.size) | (codes > LARGEST))[:1]:
        raise FormatError(f"bright targets: pixel {numbers[n]} of {places.size} raised by {codes[n]} steps")
    if found.size % 2 or not rest.all():
        raise FormatError("bright targets: they end within a target")
    if rest.size > 7 or not 0 < count <= most(valid):
        raise FormatError(f"bright targets: {count} targets, and {rest.size} bits left over")
    return TargetList(places[numbers], codes, quarters)
