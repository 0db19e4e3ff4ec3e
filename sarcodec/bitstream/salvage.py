"""Finding tile records in a file whose index is lost."""

from __future__ import annotations

from collections.abc import Callable

from sarcodec.bitstream.header import Header
from sarcodec.bitstream.tile import head_limit, unpack_head
from sarcodec.errors import ChecksumError, FormatError

Span = tuple[int, int]
"""First byte of a tile record, and the byte behind it."""


def walk(
    read: Callable[[int, int], bytes], header: Header, header_crc: int, start: int, end: int
) -> list[Span | None]:
    """Step from record to record by the lengths that each begins with, as far as they can be trusted.

    A record's lengths are under the checksum of each of its segments, so one whole segment proves them. A
    record without segments proves nothing; it counts once the record behind it stands where it has to.

    Parameters
    ----------
    read : callable
        Gives `count` bytes from byte `at` on.
    start, end : int
        Where the first record starts, and the size of the file.

    Returns
    -------
    list
        One entry a tile, None where the record was not found.
    """
    found: list[Span | None] = [None] * header.grid.count
    unproven: list[tuple[int, Span]] = []
    at = start
    for tile in range(len(found)):
        try:
            head = read(at, min(head_limit(header), end - at))
            segments, size = unpack_head(head, header, header_crc, tile, "")
        except FormatError:
            break
        whole = [s for band in segments for s in band if s.size and at + s.start + s.size <= end]
        if any(s.size for band in segments for s in band):
            if not any(_holds(segment.body, read(at + segment.start, segment.size)) for segment in whole):
                break
            for number, span in unproven:
                found[number] = span
            unproven.clear()
            found[tile] = (at, at + size)
        else:
            unproven.append((tile, (at, at + size)))
        at += size
    return found


def _holds(body: Callable[[bytes, str], bytes], stored: bytes) -> bool:
    try:
        body(stored, "")
    except ChecksumError:
        return False
    return True
