"""Bad files: what is wrong with the whole, its ends and its index."""

from __future__ import annotations

import struct

from gallery.parts import Make, good, raw, with_index
from torture.container import Raw, crc, uv

TIFF = bytes.fromhex("49492a0008000000")


def _changed(at: int, value: bytes, name: str = "uint16_border") -> bytes:
    data = good(name)
    at %= len(data)
    return data[:at] + value + data[at + len(value) :]


def _header_length(length: int) -> bytes:
    """A prologue that claims another length, its checksum right for what is there."""
    data = good()
    start = data[:10] + struct.pack("<I", length)
    return start + struct.pack("<I", crc(start + data[18:])) + data[18:]


def _version(major: int) -> bytes:
    parts: Raw = raw()
    parts.version = (major, 0)
    return parts.to_bytes()


def _foreign_index() -> bytes:
    """The right lengths, bound to another header."""
    data, other = good("two_tiles"), raw("two_tiles")
    other.image.quantity = 2
    return data[:-15] + other.to_bytes()[-15:]


def _index_in_header() -> bytes:
    """Header, then five bytes, then a footer that claims an index of twenty."""
    head = raw("two_tiles").header()
    index = (head + bytes(5))[-20:]
    return head + bytes(5) + struct.pack("<II4s", crc(head[14:18] + index), 20, b"SARC")


FAULTS: dict[str, Make] = {
    "empty": lambda: b"",
    "one-byte": lambda: b"\x89",
    "zeros": lambda: bytes(600),
    "text": lambda: b"This is not the raster you are looking for.\n" * 4,
    "magic-of-a-tiff": lambda: TIFF + good()[8:],
    "magic-without-high-bit": lambda: _changed(0, b"\x09"),
    "line-ends-changed": lambda: good().replace(b"\r\n", b"\n"),
    "byte-in-front": lambda: b"\0" + good(),
    "bytes-behind": lambda: good() + bytes(12),
    "two-files-in-one": lambda: good() + good("uint8"),
    "cut-in-prologue": lambda: good()[:13],
    "cut-in-header": lambda: good()[:60],
    "cut-behind-header": lambda: raw().header(),
    "cut-in-record": lambda: good()[:300],
    "cut-in-index": lambda: good("two_tiles")[:-13],
    "cut-last-byte": lambda: good("two_tiles")[:-1],
    "cut-last-byte-of-one-tile": lambda: good()[:-1],
    "version-0": lambda: _version(0),
    "version-2": lambda: _version(2),
    "header-checksum-wrong": lambda: _changed(14, b"\0\0\0\0"),
    "header-length-beyond-file": lambda: _header_length(100_000),
    "header-length-4-gib": lambda: _header_length(2**32 - 1),
    "header-length-short": lambda: _header_length(40),
    "end-magic-wrong": lambda: _changed(-4, b"sarc", "two_tiles"),
    "index-checksum-wrong": lambda: _changed(-12, b"\0\0\0\0", "two_tiles"),
    "index-length-0": lambda: _changed(-8, b"\0\0\0\0", "two_tiles"),
    "index-length-4-gib": lambda: _changed(-8, b"\xff\xff\xff\xff", "two_tiles"),
    "index-overlaps-header": _index_in_header,
    "index-of-another-header": _foreign_index,
    "index-one-tile-short": with_index(lambda sizes: uv(sum(sizes))),
    "index-one-tile-more": with_index(lambda sizes: b"".join(map(uv, [*sizes, 7]))),
    "index-leaves-a-hole": with_index(lambda sizes: uv(sizes[0]) + uv(sizes[1] - 2)),
    "index-beyond-the-file": with_index(lambda sizes: uv(sizes[0]) + uv(2**40)),
    "index-record-of-2-bytes": with_index(lambda sizes: uv(2) + uv(sum(sizes) - 2)),
    "index-not-shortest-form": with_index(
        lambda sizes: uv(sizes[0]) + bytes([sizes[1] & 127 | 128, 0x81, 0])
    ),
    "index-number-of-70-bits": with_index(lambda sizes: uv(sizes[0]) + b"\xff" * 9 + b"\x7f"),
}
