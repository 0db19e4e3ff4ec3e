"""Every byte layout of the container: magics, structs, codes and LEB128. No offset is written anywhere else.

All integers are little-endian. ``uv`` is an unsigned LEB128 integer in its shortest form.
"""

from __future__ import annotations

import struct
from enum import Enum, IntEnum
from typing import TypeVar

from sarcodec.errors import FormatError, UnsupportedError
from sarcodec.types import Basis, Quantity, Scale

MAGIC = bytes.fromhex(
    "89534152430d0a1a"
)  # not text in any encoding; CR LF and ^Z show transfers in text mode
END_MAGIC = b"SARC"
MAJOR, MINOR = 1, 1
NEWER = "Read the file with a newer sarcodec."

PROLOGUE = struct.Struct("<8sBBI")
"""Magic, major, minor, header length; the CRC that follows covers these bytes and the header."""
CRC = struct.Struct("<I")
MASK_BEFORE = 1
"""Length of a mask segment that is that of the band before; shorter than any that is stored."""
PROLOGUE_BYTES = PROLOGUE.size + CRC.size
FOOTER = struct.Struct("<II4s")
"""CRC of the index, index length, end magic."""

BAND_HEAD = struct.Struct("<fHB")
"""Offset in dB, rate level, flags; unit, where it is stored, and the native values follow."""
UNIT = struct.Struct("<f")
"""dB in one network unit."""
USUAL_UNIT = 4.0
"""dB in one network unit where a flag says so."""
DIGEST_BYTES = 4
"""Of each part of a model."""
SEGMENT_KEY = struct.Struct("<IIIHB")
"""Header CRC, CRC of the record's lengths, tile, band, segment number: prefixed to a body for its CRC."""
LAYER_HEAD = struct.Struct("<I")
"""Digest of the decoded integers, the first field in the body of a layer of latents."""
QUALITY_OFFSET = struct.Struct("<b")

TILE_UNIT = 256  # tile sides are multiples of it: 16 x 16 latents
MAX_CHUNKS = 1024
MAX_CHANNELS = 1024
MAX_MODEL_ID = 64
TILES_CARRY_QUALITY, HAS_USUAL_UNIT, OWN_SCALE, HAS_GAIN, HAS_MASK = 0x01, 0x02, 0x04, 0x08, 0x10
"""Flags of a band."""
GAIN = struct.Struct("<dd")
"""What a stored value is multiplied by, and what is added then."""
GAIN_SIDES = (64, 32, 16)
"""Sides of the cells of a gain grid in pixels, by code: they divide every tile side."""
BASIS_SHIFT = 4
"""How a scale is known stands in the upper half of its byte."""
SKIPPABLE_LAYER = 0x80
SHORT_LAYER = 0x40
"""A base or enhancement layer in one byte: this, 16 for an enhancement, and log2 of its channels."""
FIRST_SKIPPABLE_CHUNK = 128


MAX_PARTS = 64
PART_KEY = struct.Struct("<IB")
"""Header CRC and kind of a part: prefixed to a body for its CRC."""


class PartKind(IntEnum):
    """Parts behind the tiles that this version names. No pixel depends on any, so none is critical."""

    PRODUCT_FILES = 1
    """Files of a SAFE beside its pixels."""
    CERTIFICATE = 2
    """What was measured on the decoded file."""


class Chunk(IntEnum):
    """Chunks of the header that this version knows; below 128 they are critical."""

    IMAGE = 1
    BAND = 2
    MODEL = 3
    GEO = 128
    TEXT = 129
    KEY = 130


class LayerKind(IntEnum):
    """What the symbols of a layer are."""

    BASE = 0
    ENHANCEMENT = 1
    MAX_ERROR = 2
    BRIGHT_TARGETS = 3
    GAIN_GRID = 4
    TEXTURE = 5
    OVERVIEW = 6


class Meaning(str, Enum):
    """What a decoded pixel estimates."""

    LOG_MEAN = "log-mean"
    UNBIASED = "unbiased"
    TEXTURED = "textured"


class Quantiser(str, Enum):
    """How symbols become latents."""

    SCALAR = "scalar"
    TRELLIS = "trellis"


SCALES = {0: Scale.DN, 1: Scale.AMPLITUDE, 2: Scale.POWER, 3: Scale.DB}
BASES = dict(enumerate(Basis))
QUANTITIES = {0: Quantity.UNKNOWN, 1: Quantity.DN, 2: Quantity.SIGMA0, 3: Quantity.GAMMA0, 4: Quantity.BETA0}
MEANINGS = {0: Meaning.LOG_MEAN, 1: Meaning.UNBIASED, 2: Meaning.TEXTURED}
QUANTISERS = {0: Quantiser.SCALAR, 1: Quantiser.TRELLIS}
DTYPES = {
    0: "uint8",
    1: "int8",
    2: "uint16",
    3: "int16",
    4: "uint32",
    5: "int32",
    6: "float32",
    7: "float64",
}
_NATIVE = dict(zip(DTYPES.values(), "BbHhIifd", strict=True))

V = TypeVar("V")


def native(dtype: str) -> struct.Struct:
    """Layout of one pixel value of `dtype`."""
    return struct.Struct("<" + _NATIVE[dtype])


def code_of(table: dict[int, V], value: V) -> int:
    """The code that stands for `value`; `UnsupportedError` where there is none."""
    for code, known in table.items():
        if known == value:
            return code
    raise UnsupportedError(f"{value!r} has no code in format {MAJOR}.{MINOR}")


def value_of(table: dict[int, V], code: int, name: str) -> V:
    """What `code` stands for; `UnsupportedError` where it is not known."""
    if code not in table:
        raise UnsupportedError(f"{name} code {code} is not known to format {MAJOR}.{MINOR}", hint=NEWER)
    return table[code]


def pack_scale(scale: Scale, basis: Basis) -> int:
    """The byte of a scale and of how it is known."""
    return code_of(SCALES, scale) | code_of(BASES, basis) << BASIS_SHIFT


def unpack_scale(code: int) -> tuple[Scale, Basis]:
    """Inverse of :func:`pack_scale`; `UnsupportedError` if a half of the byte is not known."""
    low, high = code & ((1 << BASIS_SHIFT) - 1), code >> BASIS_SHIFT
    return value_of(SCALES, low, "scale"), value_of(BASES, high, "scale evidence")


def pack_uv(value: int, *, bits: int = 32) -> bytes:
    """`value` as LEB128; `FormatError` where it does not fit `bits`."""
    if value < 0 or value >> bits:
        raise FormatError(f"{value} does not fit an unsigned field of {bits} bits")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
