"""The texture of a tile: what the noise is like that stands in for speckle left out. Values <-> bytes.

A few small integers say what holds for the whole tile; how strong the noise is, cell by cell, has the form of
a gain grid.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sarcodec.bitstream import gaingrid
from sarcodec.bitstream.gaingrid import GainGrid, Mask
from sarcodec.errors import FormatError

UNIT_DB = 1 / 2048
LIFT_DB = 1 / 64
BEND = 1 / 4096
SLOPE = 1 / 512
SKEW = 1 / 256
PEAK = 127
"""Coefficient of the kernel at its centre, which is not stored."""
LARGEST_REACH = 3
SIDE = gaingrid.SIDES[0]
"""Pixels of a cell of levels that an encoder writes."""
SHIFT = 3
"""Its coarseness of levels: half a dB."""
_HEAD = struct.Struct("<HbbbbB")

Kernel = npt.NDArray[np.int8]


def white() -> Kernel:
    """The kernel of noise without correlation."""
    return np.full((1, 1), PEAK, np.int8)


@dataclass(frozen=True)
class Texture:
    """Noise of one band of one tile; the fields are integers in the unit of the same name."""

    levels: GainGrid
    """dB of amplitude over `unit` by cell."""
    unit: int = 0
    """Standard deviation of the noise in a cell of level 0, 0..65535 times UNIT_DB."""
    lift: int = 0
    """Added to every pixel, -128..127 times LIFT_DB."""
    bend: int = 0
    """Added times the square of a pixel's contrast, -128..127 times BEND per dB."""
    slope: int = 0
    """What noise loses with contrast, -128..127 times SLOPE per dB."""
    skew: int = 0
    """Weight of the square of normal noise, -128..127 times SKEW."""
    kernel: Kernel = field(default_factory=white)
    """One quadrant of the filter, shape (n, n) with n - 1 the reach, from the centre on, which is PEAK."""


def pack(texture: Texture | None, valid: Mask) -> bytes:
    """Body of the layer of a tile, empty for None: nothing is added.

    Parameters
    ----------
    valid : bool array, shape (h, w)
        Pixels of the tile that are data.
    """
    if texture is None:
        return b""
    kernel = texture.kernel
    if not 1 <= kernel.shape[0] == kernel.shape[1] <= LARGEST_REACH + 1 or kernel[0, 0] != PEAK:
        raise FormatError(f"no kernel of a texture: shape {kernel.shape}, centre {kernel[0, 0]}")
    numbers = (texture.lift, texture.bend, texture.slope, texture.skew)
    try:
        head = _HEAD.pack(texture.unit, *numbers, kernel.shape[0] - 1)
    except struct.error as error:
        raise FormatError(f"texture: {error}") from error
    return head + kernel.tobytes()[1:] + gaingrid.pack(texture.levels, valid)


def unpack(body: bytes, valid: Mask) -> Texture | None:
    """The texture that `pack` was given.

    Raises
    ------
    FormatError
        `body` is no texture of a tile with these pixels.
    """
    if not body:
        return None
    if len(body) < _HEAD.size:
        raise FormatError(f"texture: {len(body)} bytes are fewer than {_HEAD.size}")
    unit, lift, bend, slope, skew, reach = _HEAD.unpack(body[: _HEAD.size])
    if reach > LARGEST_REACH:
        raise FormatError(f"texture: a reach of {reach} pixels, beyond {LARGEST_REACH}")
    start, count = _HEAD.size, (reach + 1) ** 2 - 1
    end = start + count
    if len(body) < end:
        raise FormatError("texture: it ends within its kernel")
    kernel = np.frombuffer(bytes([PEAK]) + body[start:end], np.int8).reshape(reach + 1, reach + 1)
    return Texture(gaingrid.unpack(body[end:], valid), unit, lift, bend, slope, skew, kernel)
