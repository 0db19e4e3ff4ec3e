"""Tile records: lengths, then checksummed segments (mask and layers of each band). Values <-> bytes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import google_crc32c

from sarcodec.bitstream import layout
from sarcodec.bitstream.cursor import Cursor
from sarcodec.bitstream.header import Header
from sarcodec.errors import ChecksumError, FormatError


@dataclass(frozen=True)
class BandRecord:
    """One band of one tile."""

    mask: bytes = b""
    """Packed class map (`sarcodec.bitstream.mask`), empty where every pixel is valid."""
    layers: tuple[bytes, ...] = ()
    """One body for each layer of the header; an empty one means that all its symbols are zero."""
    quality_offset: int = 0
    """Added to the band's rate level in this tile, -128..127; 0 where the band carries none."""


@dataclass(frozen=True)
class TileRecord:
    """All bands of one tile."""

    bands: tuple[BandRecord, ...]


@dataclass(frozen=True)
class Segment:
    """Where a segment stands and what its checksum is bound to."""

    key: bytes
    """`layout.SEGMENT_KEY`: a body with another header, other lengths or in another place has another CRC."""
    band: int
    number: int
    """0 for the mask, then 1.. for the layers."""
    quality_offset: int
    start: int
    """Bytes from the start of the tile record to the checksum."""
    size: int
    """Bytes of checksum and body; 0 where the segment is empty."""

    def crc(self, body: bytes) -> int:
        """CRC-32C that `body` has to have in this place."""
        return int(google_crc32c.extend(google_crc32c.value(self.key), body))

    def body(self, stored: bytes, where: str) -> bytes:
        """The verified body of the `stored` bytes; `ChecksumError` naming `where`."""
        if not stored:
            return b""
        body = stored[layout.CRC.size :]
        (expected,) = layout.CRC.unpack(stored[: layout.CRC.size])
        computed = self.crc(body)
        if computed != expected:
            part = f"layer {self.number - 1}" if self.number else "mask"
            raise ChecksumError(
                f"{where}, band {self.band + 1}, {part}: stored CRC {expected:08x}, computed {computed:08x}",
                hint="This tile is damaged; with allow_partial, those that are whole are decoded.",
            )
        return body


def stored_size(body: bytes) -> int:
    """Bytes of a segment: checksum and body, or 0 for an empty body."""
    return layout.CRC.size + len(body) if body else 0


def pack_tile(record: TileRecord, header: Header, header_crc: int, tile: int) -> bytes:
    """The record of tile number `tile`; `FormatError` where it does not fit the header."""
    if len(record.bands) != len(header.bands):
        raise FormatError(f"tile {tile} has {len(record.bands)} bands, the header {len(header.bands)}")
    head, segments = bytearray(), []
    before = b""
    for number, (band, meta) in enumerate(zip(record.bands, header.bands, strict=True)):
        if len(band.layers) != len(header.layers):
            raise FormatError(f"tile {tile} has {len(band.layers)} layers, the header {len(header.layers)}")
        parts = (band.mask, *band.layers)
        offset = (
            band.quality_offset if any(parts) else 0
        )  # nothing coded: nothing to offset, nothing to check it by
        if not -128 <= offset <= 127 or (offset and not meta.tile_quality):
            raise FormatError(f"tile {tile}: a quality offset of {offset} does not fit band {number + 1}")
        head += layout.QUALITY_OFFSET.pack(offset) if meta.tile_quality else b""
        for index, part in enumerate(parts):
            if index == 0 and part and part == before:
                head += layout.pack_uv(layout.MASK_BEFORE)
                continue
            head += layout.pack_uv(stored_size(part))
            segments += [(number, index, part)] if part else []
        before = band.mask
    out, seal = bytearray(head), google_crc32c.value(bytes(head))
    for number, index, part in segments:
        key = layout.SEGMENT_KEY.pack(header_crc, seal, tile, number, index)
        out += layout.CRC.pack(google_crc32c.extend(google_crc32c.value(key), part)) + part
    return bytes(out)


def head_limit(header: Header) -> int:
    """Most bytes that the lengths at the start of a record can take."""
    return len(header.bands) * (1 + 5 * (1 + len(header.layers)))


def tile_floor(header: Header) -> int:
    """Fewest bytes of a record: all its segments empty."""
    return sum(band.tile_quality + 1 + len(header.layers) for band in header.bands)


def unpack_head(
    start: bytes, header: Header, header_crc: int, tile: int, where: str
) -> tuple[list[list[Segment]], int]:
    """Segments of a record, [band][segment], and its size, from its first bytes (`head_limit` or all).

    The mask of a band may be the segment of a band before it.

    Raises
    ------
    FormatError
        They are no lengths of segments.
    """
    cursor = Cursor(start, where)
    found: list[tuple[int, int, int, int]] = []
    masked = False
    for number, meta in enumerate(header.bands):
        offset = int(cursor.unpack(layout.QUALITY_OFFSET, "quality offset")[0]) if meta.tile_quality else 0
        lengths = [cursor.uv("segment length") for _ in range(1 + len(header.layers))]
        shared = lengths[0] == layout.MASK_BEFORE and masked
        masked = masked if shared else lengths[0] > 0
        if any(0 < length <= layout.CRC.size for length in lengths[shared:]):
            raise FormatError(
                f"{where}, band {number + 1}: segment lengths {lengths[:8]} are too short for a checksum"
            )
        if offset and not any(lengths):
            raise FormatError(f"{where}, band {number + 1}: quality offset {offset} without a segment")
        found += [(number, index, offset, length) for index, length in enumerate(lengths)]
    out: list[list[Segment]] = [[] for _ in header.bands]
    at, seal = cursor.at, google_crc32c.value(start[: cursor.at])
    for number, index, offset, length in found:
        if length == layout.MASK_BEFORE:
            out[number].append(replace(out[number - 1][0], quality_offset=offset))
            continue
        key = layout.SEGMENT_KEY.pack(header_crc, seal, tile, number, index)
        out[number].append(Segment(key, number, index, offset, at, length))
        at += length
    return out, at


def unpack_tile(data: bytes, header: Header, header_crc: int, tile: int, where: str) -> TileRecord:
    """The verified record in `data`; `FormatError` or `ChecksumError` naming `where`."""
    bands = []
    found, size = unpack_head(data, header, header_crc, tile, where)
    if size != len(data):
        raise FormatError(f"{where}: segments make {size} bytes, the index says {len(data)}")
    for segments in found:
        mask, *layers = (part.body(data[part.start : part.start + part.size], where) for part in segments)
        bands.append(BandRecord(mask, tuple(layers), segments[0].quality_offset))
    return TileRecord(tuple(bands))
