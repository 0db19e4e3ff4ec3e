"""The tile index and the footer behind it, in files of more than one tile: record lengths <-> bytes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import google_crc32c

from sarcodec import limits as lim
from sarcodec.bitstream import layout
from sarcodec.bitstream.cursor import Cursor
from sarcodec.errors import ChecksumError, FormatError

CUT = "The file was cut, extended or damaged; copy it again from its source."
"""What to do about a file that does not end where it should."""
_LENGTH_BITS = 64


Part = tuple[int, int]
"""Kind and length of a part behind the tiles."""


def pack_index(lengths: Sequence[int], header_crc: int, parts: Sequence[Part] = ()) -> bytes:
    """Index and footer for tile records of these `lengths`, and for the parts behind them."""
    index = b"".join(layout.pack_uv(length, bits=_LENGTH_BITS) for length in lengths)
    index += b"".join(bytes([kind]) + layout.pack_uv(length, bits=_LENGTH_BITS) for kind, length in parts)
    return index + layout.FOOTER.pack(_crc(index, header_crc), len(index), layout.END_MAGIC)


def _crc(index: bytes, header_crc: int) -> int:
    return int(google_crc32c.value(layout.CRC.pack(header_crc) + index))


def index_size(footer: bytes, tiles: int) -> int:
    """Bytes of the index, from the last 12 bytes of a file; `FormatError` where they are no footer."""
    if len(footer) != layout.FOOTER.size or not footer.endswith(layout.END_MAGIC):
        raise FormatError("the file does not end with a footer", hint=CUT)
    size = int(layout.FOOTER.unpack(footer)[1])
    longest = -(-_LENGTH_BITS // 7)
    if not tiles <= size <= tiles * longest + layout.MAX_PARTS * (1 + longest):
        raise FormatError(f"an index of {size} bytes cannot be that of {tiles} tiles", hint=CUT)
    return size


def unpack_index(
    data: bytes, tiles: int, header_crc: int, *, start: int, end: int, floor: int
) -> tuple[list[int], list[Part]]:
    """Where each record starts and the last one ends, and the parts that follow.

    Parameters
    ----------
    data : bytes
        Index and footer.
    tiles : int
        Number of records.
    header_crc : int
        The header's checksum, to which the index is bound.
    start, end : int
        The records and the parts fill the file from `start` to `end`, exactly.
    floor : int
        Fewest bytes of a record.

    Raises
    ------
    FormatError
        The records are not that many, too short, or leave a hole; `ChecksumError` where the CRC differs.
    """
    index, footer = data[: -layout.FOOTER.size], data[-layout.FOOTER.size :]
    stored, computed = layout.FOOTER.unpack(footer)[0], _crc(index, header_crc)
    if stored != computed:
        raise ChecksumError(f"index checksum differs: stored {stored:08x}, computed {computed:08x}", hint=CUT)
    cursor = Cursor(index, "tile index")
    lengths = [cursor.uv(f"length of record {tile}", bits=_LENGTH_BITS) for tile in range(tiles)]
    parts: list[Part] = []
    while cursor.left:
        lim.check("number of parts", len(parts) + 1, layout.MAX_PARTS)
        parts.append((cursor.u8("kind of a part"), cursor.uv("length of a part", bits=_LENGTH_BITS)))
        if parts[-1][1] <= layout.CRC.size:
            raise FormatError(f"part {len(parts)} of {parts[-1][1]} bytes has no body")
    if len({kind for kind, _ in parts}) < len(parts):
        raise FormatError("two parts are of one kind")
    if tiles == 1 and not parts:
        raise FormatError("a file of one tile and no parts has an index")
    if min(lengths) < floor:
        raise FormatError(
            f"tile record {lengths.index(min(lengths))} of {min(lengths)} bytes, fewer than {floor}"
        )
    total = sum(lengths) + sum(length for _, length in parts)
    if total != end - start:
        raise FormatError(f"tile records and parts make {total} bytes, the file has {end - start}", hint=CUT)
    return list(accumulate(lengths, initial=start)), parts
