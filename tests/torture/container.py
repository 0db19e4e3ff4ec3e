"""A `.sarc` file taken apart and put together again with every checksum right, whatever its fields say.

Nothing is checked on the way out: that is what makes it a tool for hostile files. Layouts are written here
again, from docs/FORMAT.md, and owe nothing to the package.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field

import google_crc32c
import numpy as np

from sarcodec.bitstream.layout import native
from sarcodec.bitstream.reader import Reader

MAGIC = bytes.fromhex("89534152430d0a1a")
IMAG, BAND, MODL, GEO, TEXT = 1, 2, 3, 128, 129
DTYPE_BYTES = (1, 1, 2, 2, 4, 4, 4, 8)


def uv(value: int) -> bytes:
    """LEB128 of any size."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def crc(data: bytes) -> int:
    """CRC-32C."""
    return int(google_crc32c.value(data))


def chunk(kind: int, data: bytes) -> bytes:
    """A header chunk."""
    return bytes([kind]) + uv(len(data)) + data


def layer(kind: int, channels: int) -> bytes:
    """A layer's entry, in its short form where there is one."""
    if kind in {0, 1} and channels in {1 << n for n in range(16)}:
        return bytes([0x40 + 16 * kind + channels.bit_length() - 1])
    return bytes([kind]) + uv(channels)


@dataclass
class Image:
    """Fields of an IMAG chunk, as integers."""

    width: int
    height: int
    bands: int
    dtype: int
    scale: int
    quantity: int = 0
    meaning: int = 0
    tile_units: int = 1
    quantiser: int = 0
    groups: list[int] = field(default_factory=lambda: [1])
    layers: list[tuple[int, int]] = field(default_factory=list)
    """Kind and channels."""

    def pack(self) -> bytes:
        """The chunk's data."""
        out = uv(self.width) + uv(self.height) + uv(self.bands)
        out += bytes([self.dtype, self.scale, self.quantity, self.meaning]) + uv(self.tile_units)
        out += bytes([self.quantiser]) + uv(len(self.groups)) + b"".join(map(uv, self.groups))
        return out + bytes([len(self.layers) % 256]) + b"".join(layer(k, n) for k, n in self.layers)

    @property
    def tiles(self) -> int:
        """Tiles of the raster that the fields claim."""
        side = max(1, 256 * self.tile_units)
        return -(-self.width // side) * -(-self.height // side)


@dataclass
class BandPart:
    """Fields of a BAND chunk; floats and native values as the bytes they are stored in."""

    offset: bytes
    unit: bytes
    """Empty where a flag says that it is 4 dB."""
    level: int
    flags: int
    vmin: bytes
    vmax: bytes
    palette: list[bytes] = field(default_factory=list)
    count: int | None = None
    """What the count of the palette says, where it is a lie."""

    def pack(self) -> bytes:
        """The chunk's data."""
        count = len(self.palette) if self.count is None else self.count
        head = self.offset + struct.pack("<HB", self.level, self.flags) + self.unit
        return head + self.vmin + self.vmax + bytes([count]) + b"".join(self.palette)


@dataclass
class Part:
    """One band of a tile record: bodies without their checksums."""

    mask: bytes
    layers: list[bytes]
    offset: int | None = None
    """Quality offset, where the band carries one."""


@dataclass
class Raw:
    """All parts of a file."""

    image: Image
    bands: list[BandPart]
    model: bytes
    """MODL chunk."""
    geo: bytes = b""
    text: bytes = b""
    records: list[list[Part]] = field(default_factory=list)
    magic: bytes = MAGIC
    version: tuple[int, int] = (1, 0)
    chunks: list[tuple[int, bytes]] | None = None
    """All chunks, in place of those that the fields above make."""
    body: bytes | None = None
    """The whole header behind the prologue, in place of the chunks."""

    @classmethod
    def of(cls, data: bytes) -> Raw:
        """The parts of a whole file."""
        reader = Reader(io.BytesIO(data))
        head, pixel = reader.header, native(reader.header.dtype)
        codes = {"uint8": 0, "int8": 1, "uint16": 2, "int16": 3, "uint32": 4, "int32": 5, "float32": 6}
        scales = {"dn": 0, "amplitude": 1, "power": 2, "db": 3}
        quantities = {"unknown": 0, "dn": 1, "sigma0": 2, "gamma0": 3, "beta0": 4}
        image = Image(
            head.width,
            head.height,
            len(head.bands),
            codes.get(head.dtype, 7),
            scales[head.scale.value],
            quantities[head.quantity.value],
            tile_units=head.tile_side // 256,
            groups=list(head.groups) or [1] * len(head.bands),
            layers=[(layer.kind + 128 * layer.skippable, layer.channels) for layer in head.layers],
        )
        bands = [
            BandPart(
                struct.pack("<f", band.offset),
                b"" if band.unit == 4 else struct.pack("<f", band.unit),
                band.level,
                int(band.tile_quality) + 2 * (band.unit == 4),
                pixel.pack(band.vmin),
                pixel.pack(band.vmax),
                [value.to_bytes(pixel.size, "little") for value in band.palette],
            )
            for band in head.bands
        ]
        records = []
        for row in range(reader.grid.rows):
            for col in range(reader.grid.cols):
                parts = zip(reader.tile(row, col).bands, head.bands, strict=True)
                records.append(
                    [
                        Part(p.mask, list(p.layers), p.quality_offset if b.tile_quality else None)
                        for p, b in parts
                    ]
                )
        return cls(image, bands, head.model.to_bytes(), head.geo, head.text, records)

    def chunk_list(self) -> list[tuple[int, bytes]]:
        """Types and data of the chunks, in order."""
        if self.chunks is not None:
            return self.chunks
        out = [(IMAG, self.image.pack()), *((BAND, band.pack()) for band in self.bands), (MODL, self.model)]
        return out + [(kind, data) for kind, data in ((GEO, self.geo), (TEXT, self.text)) if data]

    def header(self) -> bytes:
        """Prologue and header."""
        chunks = b"".join(chunk(kind, data) for kind, data in self.chunk_list())
        body = chunks if self.body is None else self.body
        start = self.magic + bytes(self.version) + struct.pack("<I", len(body))
        return start + struct.pack("<I", crc(start + body)) + body

    def to_bytes(self) -> bytes:
        """The file, with every checksum right."""
        head = self.header()
        made = [record(parts, head, number) for number, parts in enumerate(self.records)]
        return sealed(head, made)


def record(parts: list[Part], head: bytes, tile: int) -> bytes:
    """A tile record of a file that begins with `head`."""
    lengths, bodies = b"", []
    for band, part in enumerate(parts):
        lengths += b"" if part.offset is None else struct.pack("<b", part.offset)
        for number, body in enumerate((part.mask, *part.layers)):
            lengths += uv(len(body) + 4 if body else 0)
            if body:
                bodies.append((band, number, body))
    return lengths + segments(head, lengths, tile, bodies)


def segments(head: bytes, lengths: bytes, tile: int, bodies: list[tuple[int, int, bytes]]) -> bytes:
    """The segments of a record with these `lengths`."""
    out = b""
    for band, number, body in bodies:
        key = head[14:18] + struct.pack("<IIHB", crc(lengths), tile, band, number)
        out += struct.pack("<I", crc(key + body)) + body
    return out


def sealed(head: bytes, records: list[bytes], index: bytes | None = None) -> bytes:
    """A file of these records: `index` in place of the right one where given."""
    if index is None and len(records) == 1:
        return head + records[0]
    index = b"".join(uv(len(one)) for one in records) if index is None else index
    footer = struct.pack("<II4s", crc(head[14:18] + index), len(index), b"SARC")
    return head + b"".join(records) + index + footer


def floats(value: float) -> bytes:
    """binary32 of any value, infinite where it is too large."""
    with np.errstate(over="ignore"):
        return bytes(np.float32(value).astype("<f4").tobytes())
