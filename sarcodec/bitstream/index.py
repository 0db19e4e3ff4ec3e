"""The tile index and the footer behind it, in files of more than one tile: record lengths <-> bytes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import google_crc32c

from sarcodec.bitstream import layout
from sarcodec.bitstream.cursor import Cursor
from sarcodec.errors import ChecksumError, FormatError

CUT = "The file was cut, extended or damaged; copy it again from its source."
"""What to do about a file that does not end where it should."""
_LENGTH_BITS = 64


def pack_index(lengths: Sequence[int], header_crc: int) -> bytes:
    """Index and footer for tile records of these `lengths`."""
    index = b"".join(layout.pack_uv(length, bits=_LENGTH_BITS) for length in lengths)
    return index + layout.FOOTER.pack(_crc(index, header_crc), len(index), layout.END_MAGIC)


def _crc(index: bytes, header_crc: int) -> int:
    return int(google_crc32c.value(layout.CRC.pack(header_crc) + index))


def index_size(footer: bytes, tiles: int) -> int:
    """Bytes of the index, from the last 12 bytes of a file; `FormatError` where they are no footer."""
    if len(footer) != layout.FOOTER.size or not footer.endswith(layout.END_MAGIC):
        raise FormatError("the file does not end with a footer", hint=CUT)
    size = int(layout.FOOTER.unpack(footer)[1])
    if not tiles <= size <= tiles * -(-_LENGTH_BITS // 7):
        raise FormatError(f"an index of {size} bytes cannot be that of {tiles} tiles", hint=CUT)
    return size


def unpack_index(data: bytes, tiles: int, header_crc: int, *, start: int, end: int, floor: int) -> list[int]:
    """Where each record starts, and where the last one ends.

    Parameters
    ----------
    data : bytes
        Index and footer.
    tiles : int
        Number of records.
    header_crc : int
        The header's checksum, to which the index is bound.
    start, end : int
        The records fill the file from `start` to `end`, exactly.
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
    cursor.end()
    if min(lengths) < floor:
        raise FormatError(
            f"tile record {lengths.index(min(lengths))} of {min(lengths)} bytes, fewer than {floor}"
        )
    if sum(lengths) != end - start:
        raise FormatError(
            f"tile records make {sum(lengths)} bytes, the file has {end - start} for them", hint=CUT
        )
    return list(accumulate(lengths, initial=start))
