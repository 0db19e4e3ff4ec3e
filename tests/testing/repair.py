"""Right checksums for damaged files, so that damage reaches what stands behind the checksums.

Everything works in place and on a best effort: what is too broken to be found is left as it is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import google_crc32c

from sarcodec.bitstream import layout
from sarcodec.bitstream.cursor import Cursor
from sarcodec.bitstream.header import Header
from sarcodec.bitstream.index import pack_index
from sarcodec.bitstream.tile import Segment, head_limit, unpack_head
from sarcodec.errors import FormatError, SarcError

if TYPE_CHECKING:
    from sarcodec.model.modelfile import Model

CRC_AT = layout.PROLOGUE.size
MOST_TILES = 4096
"""Tiles that are looked at: a header may claim millions of them."""


@dataclass(frozen=True)
class Place:
    """A segment and where it stands in the file."""

    tile: int
    segment: Segment
    at: int
    """First byte of its checksum."""


def sealed_header(body: bytes, *, major: int = 1, minor: int = 0) -> bytes:
    """A right prologue in front of header chunks, whatever they are."""
    start = layout.PROLOGUE.pack(layout.MAGIC, major, minor, len(body))
    return start + layout.CRC.pack(google_crc32c.value(start + body)) + body


def repaired(data: bytes, model: Model | None = None) -> bytes:
    """The file with right checksums of header, index and segments; with a `model` right digests too."""
    data = with_header_crc(data)
    if model is not None:
        from testing.digests import with_digests  # imports torch

        data = with_digests(data, model)
    return with_index_crc(with_segment_crcs(data))


def sealed(data: bytes, model: Model | None = None) -> bytes:
    """A right file of prologue, header and tile records *without* index; records may have any length.

    What the last record leaves over belongs to it.
    """
    data = with_header_crc(data)
    found = header_of(data)
    if found is None:
        return data
    header, crc, start = found
    if header.grid.count == 1:
        return repaired(data, model)
    ends = [end for _, end in _walk(data, header, crc, start)]
    ends += [ends[-1] if ends else start] * (min(header.grid.count, MOST_TILES) - len(ends))
    bounds = [start, *ends[:-1], len(data)]
    lengths = [max(0, after - before) for before, after in pairwise(bounds)]
    return repaired(data + pack_index(lengths, crc), model)


def with_header_crc(data: bytes) -> bytes:
    """The file with a right header checksum."""
    length = header_length(data)
    if length is None:
        return data
    end = layout.PROLOGUE_BYTES + length
    crc = google_crc32c.value(data[:CRC_AT] + data[layout.PROLOGUE_BYTES : end])
    return data[:CRC_AT] + layout.CRC.pack(crc) + data[layout.PROLOGUE_BYTES :]


def header_length(data: bytes) -> int | None:
    """Bytes of the header as the prologue says, None where the file is shorter."""
    if len(data) < layout.PROLOGUE_BYTES:
        return None
    length = int(layout.PROLOGUE.unpack(data[:CRC_AT])[3])
    return length if layout.PROLOGUE_BYTES + length <= len(data) else None


def index_start(data: bytes) -> int | None:
    """First byte of the index as the footer says, None where it does not fit the file.

    The end of a file of one tile, which has none.
    """
    found = header_of(data)
    if found is not None and found[0].grid.count == 1:
        return len(data)
    if len(data) < layout.FOOTER.size:
        return None
    at = len(data) - layout.FOOTER.size - int(layout.FOOTER.unpack(data[-layout.FOOTER.size :])[1])
    return at if at >= 0 else None


def with_index_crc(data: bytes) -> bytes:
    """The file with a right index checksum."""
    at = index_start(data)
    if at is None or at == len(data) or len(data) < layout.PROLOGUE_BYTES:
        return data
    footer = len(data) - layout.FOOTER.size
    crc = google_crc32c.value(data[CRC_AT : layout.PROLOGUE_BYTES] + data[at:footer])
    return data[:footer] + layout.CRC.pack(crc) + data[footer + layout.CRC.size :]


def with_index(data: bytes, lengths: list[int]) -> bytes:
    """The file with an index that says these lengths of records, true or not."""
    at = index_start(data)
    return data if at in {None, len(data)} else with_index_crc(data[:at] + pack_index(lengths, 0))


def with_segment_crcs(data: bytes) -> bytes:
    """The file with right checksums of all segments that are found."""
    out = bytearray(data)
    for place in segments(data):
        body = data[place.at + layout.CRC.size : place.at + place.segment.size]
        layout.CRC.pack_into(out, place.at, place.segment.crc(body))
    return bytes(out)


def segments(data: bytes) -> Iterator[Place]:
    """Every segment that is not empty and lies in the file, as the index and the records' lengths say."""
    found = header_of(data)
    if found is None:
        return
    header, crc, start = found
    for tile, at in enumerate(_record_starts(data, header, start)):
        try:
            bands, _ = unpack_head(data[at : at + head_limit(header)], header, crc, tile, "")
        except FormatError:
            continue
        for segment in (s for band in bands for s in band if s.size):
            if at + segment.start + segment.size <= len(data):
                yield Place(tile, segment, at + segment.start)


def header_of(data: bytes) -> tuple[Header, int, int] | None:
    """Header, its checksum, first byte behind it; None where it cannot be read."""
    length = header_length(data)
    if length is None:
        return None
    end = layout.PROLOGUE_BYTES + length
    try:
        header = Header.from_bytes(with_header_crc(data[:end]))
    except SarcError:
        return None
    return header, int(struct.unpack_from("<I", data, CRC_AT)[0]), end


def _record_starts(data: bytes, header: Header, start: int) -> list[int]:
    """Where records start: as the index says, or one after another where it says nothing that fits."""
    at = index_start(data)
    if at is None or at < start:
        return []
    if at == len(data):
        return [start]
    cursor, starts = Cursor(data[at : -layout.FOOTER.size], "index"), [start]
    try:
        for _ in range(min(header.grid.count, MOST_TILES) - 1):
            starts.append(starts[-1] + cursor.uv("length", bits=64))
    except FormatError:
        return starts
    return starts


def _walk(data: bytes, header: Header, crc: int, start: int) -> Iterator[tuple[int, int]]:
    """First byte of each record and the byte behind it, by the records' own lengths."""
    for tile in range(min(header.grid.count, MOST_TILES)):
        try:
            _, size = unpack_head(data[start : start + head_limit(header)], header, crc, tile, "")
        except FormatError:
            return
        end = min(len(data), start + size)
        yield start, end
        start = end
