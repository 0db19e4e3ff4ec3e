"""A decoder of `.sarc` files written from docs/FORMAT.md and a model file alone.

It shares no code with the package and neither torch nor the compiled entropy coder: Python integers, numpy
and the tensors of a safetensors file. It is slow and reads whole files; it exists to show that the
specification suffices.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
import zlib
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import safe_open
from safetensors.numpy import load_file

Array = npt.NDArray[Any]

DTYPES = ("u1", "i1", "<u2", "<i2", "<u4", "<i4", "<f4", "<f8")
NEPER = (20 / math.log(10), 20 / math.log(10), 10 / math.log(10), None)
"""dB in one unit of the natural logarithm, by scale code; decibels are kept as they are."""
DB = 3
LARGEST_SYMBOL = 32767
CONTEXT_MAX = 127


class RefusedError(Exception):
    """The file or the model is not what the specification allows."""


def require(condition: object, what: str) -> None:
    """Refuse unless `condition` holds."""
    if not condition:
        raise RefusedError(what)


# Conventions and container


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


CRC_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    """CRC-32C of `data`."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


@dataclass
class Cursor:
    """Reads fields one after another."""

    data: bytes
    at: int = 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        require(self.at + count <= len(self.data), "truncated")
        self.at += count
        return self.data[self.at - count : self.at]

    def one(self, form: str) -> Any:
        """One value of a struct form, little-endian."""
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))[0]

    def uv(self, bits: int = 32) -> int:
        """One LEB128 integer in its shortest form."""
        value = shift = 0
        while True:
            byte: int = self.one("B")
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                require(value < 1 << bits and (byte or shift == 7), "LEB128")
                return value

    def end(self) -> None:
        """Refuse bytes that are left."""
        require(self.at == len(self.data), "bytes are left over")


@dataclass
class Band:
    """A BAND chunk."""

    offset: float
    unit: float
    level: int
    tile_quality: bool
    span: Array
    palette: Array
    scale: int | None = None
    gain: float = 1.0
    addend: float = 0.0
    masked: int = 0
    """Last entries of the palette, which a mask band masks."""


@dataclass
class Header:
    """What the chunks say, as far as decoding needs it."""

    crc: int = 0
    width: int = 0
    height: int = 0
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype("u1"))
    scale: int = 0
    side: int = 256
    quantiser: int = 0
    layers: list[tuple[int, int]] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    """Of each band, the first one of its group."""
    bands: list[Band] = field(default_factory=list)
    entropy_digest: bytes = b""
    synthesis_digest: bytes = b""
    nodata: Any = None

    @property
    def tiles(self) -> tuple[int, int]:
        """Tile rows and columns."""
        return -(-self.height // self.side), -(-self.width // self.side)

    def window(self, row: int, col: int) -> tuple[slice, slice]:
        """Pixels of a tile."""
        top, left = row * self.side, col * self.side
        return (
            slice(top, min(top + self.side, self.height)),
            slice(left, min(left + self.side, self.width)),
        )


def vocabulary() -> bytes:
    """The preset dictionary of the TEXT chunk, from the specification's own lines."""
    text = (Path(__file__).parents[2] / "docs" / "FORMAT.md").read_text(encoding="utf-8")
    return "".join(text.split("```vocabulary\n")[1].split("\n```")[0].split("\n")).encode("ascii")


def read_header(cursor: Cursor) -> Header:
    """Prologue and header."""
    start = cursor.take(14)
    magic, major, _minor, length = struct.unpack("<8sBBI", start)
    require(magic == bytes.fromhex("89534152430d0a1a") and major == 1, "magic or version")
    crc, body = cursor.one("I"), cursor.take(length)
    require(crc32c(start + body) == crc, "header checksum")
    header, chunks, count = Header(crc=crc), Cursor(body), 0
    while chunks.at < len(body):
        kind, data = chunks.one("B"), Cursor(chunks.take(chunks.uv()))
        if kind == 1:
            count = _image(data, header)
        elif kind == 2:
            header.bands.append(_band(data, header.dtype))
        elif kind == 3:
            data.take(data.one("B"))
            header.entropy_digest, header.synthesis_digest = data.take(4), data.take(4)
        elif kind == 129:
            inflater = zlib.decompressobj(-15, zdict=vocabulary())
            nodata = json.loads(inflater.decompress(data.take(len(data.data)))).get("n")
            header.nodata = float(nodata) if isinstance(nodata, str) else nodata
        elif kind == 128:
            data.take(len(data.data))
        else:
            require(kind >= 128, f"critical chunk {kind}")
            continue
        data.end()
    require(count and len(header.bands) == count and header.entropy_digest, "chunks are missing")
    return header


def _image(data: Cursor, header: Header) -> int:
    header.width, header.height, bands = data.uv(), data.uv(), data.uv()
    dtype, scale, quantity, meaning = (data.one("B") for _ in range(4))
    header.scale = scale % 16
    require(dtype < 8 and header.scale < 4 and scale // 16 < 7 and quantity < 5 and meaning < 3, "codes")
    header.dtype = np.dtype(DTYPES[dtype])
    header.side = 256 * data.uv()
    header.quantiser = data.one("B")
    require(header.side and header.quantiser < 2, "quantiser")
    groups = [data.uv() for _ in range(data.uv())]
    require(all(groups) and sum(groups) == bands, "band groups")
    header.first = [sum(groups[:n]) for n, size in enumerate(groups) for _ in range(size)]
    header.layers = [_layer(data) for _ in range(data.one("B"))]
    require(header.layers and header.layers[0][0] == 0, "base layer")
    require(all(kind & 128 or kind in {0, 1} for kind, _ in header.layers), "critical layer")
    return bands


def _layer(data: Cursor) -> tuple[int, int]:
    """Kind, with bit 7, and channels."""
    code = data.one("B")
    if code // 32 == 2:
        return code // 16 % 2, 2 ** (code % 16)
    channels = data.uv()
    require(code > 1 or channels.bit_count() != 1, "a layer's short form")
    return code, channels


def _band(data: Cursor, dtype: np.dtype[Any]) -> Band:
    offset, level, flags = (data.one(form) for form in "fHB")
    require(flags & 0xE1 == 0, "quality offsets")
    unit = 4.0 if flags & 2 else data.one("f")
    require(flags & 2 or unit != 4, "the usual unit")
    scale = data.one("B") if flags & 4 else None
    require(scale is None or (scale % 16 < 4 and scale // 16 < 7), "scale")
    gain, addend = (data.one("d"), data.one("d")) if flags & 8 else (1.0, 0.0)
    require(bool(math.isfinite(gain) and math.isfinite(addend) and gain), "gain")
    span = np.frombuffer(data.take(2 * dtype.itemsize), dtype)
    palette = np.frombuffer(data.take(data.one("B") * dtype.itemsize), dtype)
    masked = data.one("B") if flags & 16 else 0
    require(masked <= len(palette), "masked values")
    own = None if scale is None else scale % 16
    return Band(offset, unit, level, bool(flags & 1), span, palette, own, gain, addend, masked)


def read_records(data: bytes, header: Header, start: int) -> list[list[list[bytes]]]:
    """Verified segment bodies, [tile][band][segment]."""
    if header.tiles == (1, 1):
        only = Cursor(data[start:])
        first = _record(only, header, 0)
        if only.at == len(only.data):
            return [first]
    crc, length, magic = struct.unpack("<II4s", data[-12:])
    require(magic == b"SARC" and start + length + 12 <= len(data), "footer")
    index = data[len(data) - 12 - length : -12]
    require(crc32c(struct.pack("<I", header.crc) + index) == crc, "index checksum")
    sizes, records = Cursor(index), Cursor(data[: len(data) - 12 - length], start)
    rows, cols = header.tiles
    tiles = []
    for number in range(rows * cols):
        record = Cursor(records.take(sizes.uv(64)))
        tiles.append(_record(record, header, number))
        record.end()
    while sizes.at < len(index):
        kind = sizes.one("B")
        part = Cursor(records.take(sizes.uv(64)))
        seal = part.one("I")
        body = part.data[part.at :]
        require(crc32c(struct.pack("<IB", header.crc, kind) + body) == seal, f"part {kind}")
    records.end()
    return tiles


def _record(record: Cursor, header: Header, tile: int) -> list[list[bytes]]:
    lengths = [[record.uv() for _ in range(1 + len(header.layers))] for _ in header.bands]
    seal = crc32c(record.data[: record.at])
    bodies: list[list[bytes]] = []
    for band, row in enumerate(lengths):
        parts = []
        for number, length in enumerate(row):
            body = b""
            if length == 1 and number == 0 and band and bodies[-1][0]:
                body = bodies[-1][0]
            elif length:
                require(length > 4, "segment length")
                crc, body = record.one("I"), record.take(length - 4)
                key = struct.pack("<IIIHB", header.crc, seal, tile, band, number)
                require(crc32c(key + body) == crc, f"tile {tile}, band {band}, segment {number}")
            parts.append(body)
        bodies.append(parts)
    return bodies


# Masks


def read_mask(body: bytes, shape: tuple[int, int], classes: int) -> Array:
    """Class of each pixel of a tile, uint8."""
    if not body:
        return np.zeros(shape, np.uint8)
    cursor = Cursor(body)
    mode, first = cursor.one("B"), cursor.one("B")
    if mode == 1:
        cursor.end()
        flat = np.full(shape[0] * shape[1], first, np.uint8)
        require(first, "class 0 everywhere")
    else:
        listed = list(cursor.take(first))
        require(mode in {2, 3}, f"mask mode {mode}")
        flat = (_runs if mode == 2 else _planes)(cursor, listed, shape)
    require(flat.max() <= classes, "class beyond the palette")
    return flat.reshape(shape)


def _inflate(cursor: Cursor) -> Cursor:
    stream = zlib.decompressobj(wbits=-15)
    data = stream.decompress(cursor.data[cursor.at :])
    require(stream.eof and not stream.unused_data, "deflate")
    return Cursor(data)


def _runs(cursor: Cursor, listed: list[int], shape: tuple[int, int]) -> Array:
    count, (height, width) = cursor.uv(), shape
    inner = _inflate(cursor)
    residuals = [0] * count
    for i in [*range(0, count, 2), *range(1, count, 2)]:
        residuals[i] = inner.uv()
    which = list(inner.take(count)) if len(listed) > 2 else [(i + 1) % 2 for i in range(count)]
    inner.end()
    places = [-width, -width]
    for r in residuals:
        places.append(places[-2] + width + (-(r + 1) // 2 if r & 1 else r // 2))
    bounds = [0, *places[2:], height * width]
    require(count and all(a < b for a, b in pairwise(bounds)), "runs out of order")
    runs = [listed[0], *(listed[i] for i in which)]
    require(all(a != b for a, b in pairwise(runs)), "a run that changes nothing")
    require(list(dict.fromkeys(runs)) == listed, "classes not in order of appearance")
    return np.repeat(np.array(runs, np.uint8), np.diff(bounds))


def _planes(cursor: Cursor, listed: list[int], shape: tuple[int, int]) -> Array:
    (height, width), inner = shape, _inflate(cursor)
    stride = -(-width // 8)
    out = np.zeros(shape, np.uint8)
    for k in listed:
        rows = np.frombuffer(inner.take(height * stride), np.uint8).reshape(height, stride)
        bits = np.unpackbits(rows, axis=1).astype(bool)
        require(bits.any() and not bits[:, width:].any() and not out[bits[:, :width]].any(), "planes")
        out[bits[:, :width]] = k
    inner.end()
    return out.ravel()


# Bright targets


def read_targets(body: bytes, valid: Array) -> Array:
    """What bright targets add to each pixel of a tile in dB, shape of `valid`, from their body."""
    height, width = valid.shape
    out = np.zeros((height + 2, width + 2))
    if not body:
        return out[1:-1, 1:-1]
    require(len(body) > 2, "bright targets of fewer than 3 bytes")
    k, j, s = body[0] % 32, body[0] // 32, body[1]
    require(k <= 24 and j <= 5 and 1 <= s <= 16, "first bytes of bright targets")
    pixels = np.argwhere(valid).tolist()
    bits = "".join(f"{byte:08b}" for byte in body[2:])
    at, number, count = 0, -1, 0

    def rice(low: int) -> int:
        nonlocal at
        ones = 0
        while bits[at : at + 1] == "1":
            at, ones = at + 1, ones + 1
        require(at + 1 + low <= len(bits), "bright targets end early")
        at += 1 + low
        return (ones << low) + int("0" + bits[at - low : at], 2)

    while "0" in bits[at:]:
        number += rice(k) + 1
        c, count = rice(j) + 1, count + 1
        require(number < len(pixels) and c <= 64, "a bright target")
        require(count <= -(-len(pixels) // 16), "too many bright targets")
        row, col = pixels[number]
        out[row : row + 3, col : col + 3] += c * s * np.array([[4, 5, 4], [5, 8, 5], [4, 5, 4]]) / 32
    require(count and len(bits) - at < 8, "bits are left over")
    return out[1:-1, 1:-1]


# Gain grids


def read_gains(body: bytes, valid: Array) -> Array:
    """Gain of each pixel of a tile in dB, shape of `valid`, from the body of its gain grid."""
    if not body:
        return np.zeros(valid.shape)
    low, kind, shift = body[0] % 16, body[0] // 16 % 4, body[0] // 64
    require(low <= 9 and kind < 3 and len(body) > 1, "first byte of a gain grid")
    side = 64 >> kind
    rows, cols = (-(-length // side) for length in valid.shape)
    gains = np.zeros((rows, cols))
    known: dict[tuple[int, int], int] = {}
    bits = "".join(f"{byte:08b}" for byte in body[1:])
    at = last = 0
    for r in range(rows):
        for c in range(cols):
            if not valid[r * side : (r + 1) * side, c * side : (c + 1) * side].any():
                continue
            ones = bits[at:].find("0")
            end = at + ones + 1 + low
            require(ones >= 0 and end <= len(bits), "gain grid ends early")
            e = (ones << low) + int(bits[at + ones : end], 2)
            beside = [known[place] for place in ((r, c - 1), (r - 1, c)) if place in known]
            last = (sum(beside) // len(beside) if beside else last) + (-(e + 1) // 2 if e & 1 else e // 2)
            require(abs(last) <= 256, "gain")
            known[r, c], gains[r, c], at = last, last * 2**shift / 16, end
    require(len(bits) - at < 8 and "1" not in bits[at:], "bits are left over")
    wide: Array = np.kron(gains, np.ones((side, side)))
    return wide[: valid.shape[0], : valid.shape[1]]


# Textures


def hash_of(*words: Array | int) -> Array:
    """Hash of words that broadcast against each other, int64 within 0 .. 2^32 - 1."""
    x = np.zeros((), np.uint64)

    def times(x: Array, factor: int) -> Array:
        product: Array = (x * np.uint64(factor)) % np.uint64(2**32)
        return product

    for word in words:
        x = times(x ^ np.asarray(np.asarray(word) % 2**32, np.uint64), 0x9E3779B1)
        x = x ^ (x // np.uint64(2**15))
        x = times(x, 0x85EBCA6B)
        x = x ^ (x // np.uint64(2**13))
    x = times(x, 0xC2B2AE35)
    x = x ^ (x // np.uint64(2**16))
    return x.astype(np.int64)


def between_cells(sums: Array, counts: Array, side: int, shape: tuple[int, ...]) -> Array:
    """Sums over counts, both bilinear between the centres of cells."""
    axes = []
    for length, cells in zip(shape, sums.shape, strict=True):
        weights = np.zeros((length, cells))
        for y in range(length):
            p = min(max((y + 0.5) / side - 0.5, 0), cells - 1)
            low = int(p)
            weights[y, low] += 1 - (p - low)
            if low + 1 < cells:
                weights[y, low + 1] += p - low
        axes.append(weights)
    total, count = (axes[0] @ cells @ axes[1].T for cells in (sums, counts))
    wide: Array = np.where(count > 0, total / np.where(count > 0, count, 1), 0)
    return wide


def cell_sums(values: Array, side: int) -> Array:
    """Sums of cells of side x side pixels."""
    rows, cols = (-(-length // side) for length in values.shape)
    out = np.zeros((rows, cols))
    for r in range(rows):
        for c in range(cols):
            out[r, c] = values[r * side : (r + 1) * side, c * side : (c + 1) * side].sum()
    return out


def normal_noise(kernel: Array, seed: int, band: int, at: tuple[int, int], shape: tuple[int, ...]) -> Array:
    """z of the pixels of a window whose upper left one is `at`; `kernel` is one quadrant."""
    reach = len(kernel) - 1
    rows = np.arange(at[0] - reach, at[0] + shape[0] + reach)[:, None]
    cols = np.arange(at[1] - reach, at[1] + shape[1] + reach)
    found = hash_of(seed, band, rows, cols)
    e = sum(found // 256**n % 256 for n in range(4)) - 510
    m, squares = np.zeros(shape, np.int64), 0
    for i in range(-reach, reach + 1):
        for j in range(-reach, reach + 1):
            k = int(kernel[abs(i), abs(j)])
            squares += k * k
            m += k * e[reach + i : reach + i + shape[0], reach + j : reach + j + shape[1]]
    z: Array = m / math.sqrt(21845 * squares)
    return z


def read_texture(body: bytes, db: Array, valid: Array, seed: int, band: int, at: tuple[int, int]) -> Array:
    """dB that a texture adds to each pixel of a tile, given the decoded ones and where the tile begins."""
    if not body:
        return np.zeros(valid.shape)
    require(len(body) >= 7, "texture")
    unit, h0, h2, s, b, reach = struct.unpack("<HbbbbB", body[:7])
    end = 7 + (reach + 1) ** 2 - 1
    require(reach <= 3 and len(body) >= end, "kernel of a texture")
    kernel = np.frombuffer(b"\x7f" + body[7:end], np.int8).reshape(reach + 1, reach + 1)
    side = 64 >> (body[end] // 16 % 4) if body[end:] else 64
    levels = read_gains(body[end:], valid)[::side, ::side]
    near = between_cells(cell_sums(np.where(valid, db, 0), 16), cell_sums(valid, 16), 16, valid.shape)
    t, f = (db - near).clip(-12, 12), ((16 - (db - near)) / 4).clip(0, 1)
    coded = (cell_sums(valid, side) > 0).astype(float)
    sigma = between_cells(coded * unit / 2048 * 10 ** (levels / 20), coded, side, valid.shape)
    z, b = normal_noise(kernel, seed, band, at, valid.shape), b / 256
    q = (z + b * (z * z - 1)) / math.sqrt(1 + 2 * b * b)
    added: Array = f * (h0 / 64 + h2 / 4096 * t * t + sigma * (1 - s / 512 * t).clip(1 / 8, 2) * q)
    return added


# The model file


@dataclass
class Model:
    """Tensors and settings of a model file."""

    family: str
    tensors: dict[str, Array]
    layers: list[int]
    groups: list[int]
    hyper: int
    first_coded: int
    trellis: bool
    blocks: tuple[int, int]
    anchors: int
    entropy_digest: bytes
    synthesis_digest: bytes


def read_model(path: Path) -> Model:
    """A model file."""
    with safe_open(path, "np") as file:
        metadata = file.metadata()
    require(metadata["format"] == "sarcodec-model-1", "model format")
    tensors = load_file(path)
    settings = json.loads(metadata["config"])
    shape = settings
    family = settings.get("family", "lapped")
    require(family in SYNTHESES, "family")
    keys: dict[str, tuple[str, ...]] = dict(SETTINGS)
    if family != "lapped":
        keys["synthesis/"] = tuple(sorted((*keys["synthesis/"], "base", "family")))
    if settings.get("quantiser", "scalar") != "scalar":
        keys["entropy/"] = (*keys["entropy/"], "quantiser")
    digests = [part_digest(tensors, part, {name: settings[name] for name in keys[part]}) for part in keys]
    return Model(
        family,
        tensors,
        settings["layers"],
        shape["groups"],
        shape["hyper"],
        settings["first_coded"],
        settings.get("quantiser", "scalar") == "trellis",
        (shape["deep_blocks"], shape["wide_blocks"]),
        shape["anchors"],
        *digests,
    )


SETTINGS = {
    "entropy/": ("anchors", "first_coded", "groups", "hidden", "hyper", "layers"),
    "synthesis/": ("anchors", "deep", "deep_blocks", "groups", "wide", "wide_blocks"),
}


def part_digest(tensors: dict[str, Array], part: str, settings: dict[str, Any]) -> bytes:
    """Digest of a part's settings and of the tensors whose names start with `part`."""
    own = json.dumps(settings, separators=(",", ":"))
    sha = hashlib.sha256(own.encode("ascii") + b"\n")
    for name in sorted(tensors):
        if name.startswith(part):
            tensor = tensors[name]
            sha.update(f"{name} {tensor.dtype.str} {list(tensor.shape)}\n".encode() + tensor.tobytes())
    return sha.digest()[:4]


# Symbols


class RansDecoder:
    """Reads symbols from one stream."""

    def __init__(self, stream: bytes) -> None:
        require(len(stream) >= 8 and len(stream) % 4 == 0, "stream length")
        self.words: list[int] = np.frombuffer(stream, "<u4").tolist()
        self.state: int = self.words[0] | self.words[1] << 32
        self.at = 2

    def _fill(self) -> None:
        if self.state < 1 << 31:
            require(self.at < len(self.words), "stream ends early")
            self.state = self.state << 32 | self.words[self.at]
            self.at += 1

    def _bits(self) -> int:
        value = self.state & 15
        self.state >>= 4
        self._fill()
        return value

    def symbol(self, cdf: list[int], offset: int) -> int:
        """The next symbol under one table."""
        low = self.state & 0xFFFF
        interval = bisect_right(cdf, low) - 1
        self.state = (cdf[interval + 1] - cdf[interval]) * (self.state >> 16) + low - cdf[interval]
        self._fill()
        value: int = interval
        escape = len(cdf) - 2
        if interval == escape:
            groups = part = self._bits()
            while part == 15:
                part = self._bits()
                groups += part
            require(groups <= 8, "escape")
            raw = sum(self._bits() << 4 * i for i in range(groups))
            value = -(raw >> 1) - 1 if raw & 1 else (raw >> 1) + escape
        require(abs(value + offset) <= LARGEST_SYMBOL, "symbol")
        return value + offset

    def end(self) -> None:
        """Refuse a stream that was not read exactly to its end."""
        require(self.state == 1 << 31 and self.at == len(self.words), "stream does not end here")


@dataclass
class Tables:
    """Probability tables."""

    cdfs: list[list[int]]
    offsets: list[int]

    @classmethod
    def of(cls, model: Model, which: str) -> Tables:
        """The tables of latents ("y") or hyper-latents ("z")."""
        cdf, size, offset = (model.tensors[f"entropy/{which}_{part}"] for part in ("cdf", "size", "offset"))
        cdfs = [row[:n].tolist() for row, n in zip(cdf, size, strict=True)]
        for row in cdfs:
            require(row[0] == 0 and row[-1] == 65536 and all(a < b for a, b in pairwise(row)), "table")
        return cls(cdfs, offset.tolist())

    def read(self, stream: RansDecoder, indexes: Array) -> list[int]:
        """One symbol for each index."""
        return [stream.symbol(self.cdfs[i], self.offsets[i]) for i in indexes.ravel().tolist()]


def level_row(table: Array, level: int) -> Array:
    """Row of an integer table at a rate level."""
    low = min(level // 256, len(table) - 2)
    f = level - 256 * low
    row: Array = (table[low].astype(np.int64) * (256 - f) + table[low + 1].astype(np.int64) * f + 128) >> 8
    return row


def times_power(x: Array, log2: Array, extra: int, powers: Array) -> Array:
    """Integers times 2^(log2/256 + extra), rounded, a factor for each channel."""
    out = np.empty_like(x)
    for channel, exponent in enumerate(log2.tolist()):
        shift = 16 - ((exponent >> 8) + extra)
        require(shift > 0, "exponent")
        out[channel] = (x[channel] * int(powers[exponent & 255]) + (1 << (shift - 1))) >> shift
    return out


def convolve(x: Array, weight: Array, bias: Array | None, pad: int = 0) -> Array:
    """Cross-correlation with zero padding, (inputs, h, w) -> (outputs, h', w')."""
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    view: Any = np.lib.stride_tricks.sliding_window_view  # its stub knows one axis only
    windows = view(x, weight.shape[2:], axis=(1, 2))
    out: Array = np.tensordot(weight, windows, ((1, 2, 3), (0, 3, 4)))
    return out if bias is None else out + bias[:, None, None]


def shuffle(x: Array) -> Array:
    """Four channels to 2 x 2 positions of one."""
    channels, height, width = x.shape
    x = x.reshape(channels // 4, 2, 2, height, width).transpose(0, 3, 1, 4, 2)
    return x.reshape(channels // 4, 2 * height, 2 * width)


def integer_layer(model: Model, name: str, x: Array, shift: int = 9, *, clamp: bool = True) -> Array:
    """One integer convolution."""
    weight = model.tensors[f"entropy/nets.{name}.weight"].astype(np.int64)
    bias = model.tensors[f"entropy/nets.{name}.bias"].astype(np.int64)
    y: Array = (convolve(x, weight, bias, weight.shape[2] // 2) + (1 << (shift - 1))) >> shift
    return y.clip(0, 255) if clamp else y


def read_trellis(stream: RansDecoder, tables: Tables, index: Array, active: Array, shrink: Array) -> Array:
    """Decoded residuals of a group, in sixteenths of a step."""
    channels, height, width = index.shape
    values = np.zeros_like(index)
    s = 0
    for at in ((c, i, j) for i in range(height) for j in range(width) for c in range(channels)):
        if not active[at]:
            continue
        t = s % 2
        (q,) = tables.read(stream, index[at] + 64 * t)
        if q:
            size = abs(q)
            value = 16 * (2 * size - t) - int(shrink[t, min(size, 3) - 1])
            values[at] = value if q > 0 else -value
        s = (s >> 1) ^ (166 if t else 0) ^ (121 if q % 2 else 0)
    return values


def read_weights(body: bytes) -> tuple[Array, bytes]:
    """Weights of the group's first band, and the body of layer 0 without them."""
    count, end = body[4], 5 + (body[4] + 1) // 2
    weights = np.array([half for byte in body[5:end] for half in (byte % 16, byte // 16)], np.int64)
    require(len(body) >= end and count <= 128 and not weights[count:].any(), "weights")
    require(not count or weights[count - 1], "a last weight of 0")
    return weights[:count], body[:4] + body[end:]


def read_latents(
    model: Model, level: int, layers: list[bytes], size: tuple[int, int], predicted: Array
) -> Array:
    """Decoded latents of one tile, (channels, h, w), in sixteenths of a quantiser step.

    `predicted` is what the group's first band gives to the first channels.
    """
    height, width = size
    tables, t = Tables.of(model, "y"), model.tensors
    streams = [RansDecoder(body[4:]) if body else None for body in layers]
    counts = [0] * len(layers)
    hyper_log2 = level_row(t["entropy/hyper_log2"], level)
    mean_log2 = level_row(t["entropy/mean_log2"], level)
    scale_offset = level_row(t["entropy/scale_offset"], level)
    powers = t["entropy/powers"]

    anchor = (level + 128) >> 8
    coded = np.flatnonzero(t["entropy/z_coded"][anchor])
    z = np.zeros((model.hyper, -(-height // 4), -(-width // 4)), np.int64)
    if streams[0] is not None:
        index = np.broadcast_to((anchor * model.hyper + coded)[:, None, None], (len(coded), *z.shape[1:]))
        z[coded] = np.array(Tables.of(model, "z").read(streams[0], index), np.int64).reshape(index.shape)
        counts[0] += index.size

    x = times_power(z, -hyper_log2, 4, powers).clip(-CONTEXT_MAX, CONTEXT_MAX)
    x = shuffle(integer_layer(model, "h_s.up1", integer_layer(model, "h_s.first", x)))
    x = shuffle(integer_layer(model, "h_s.up2", integer_layer(model, "h_s.middle", x)))
    features = integer_layer(model, "h_s.last", x)[:, :height, :width]

    bounds = np.cumsum(model.layers)
    start, y_hat = 0, np.zeros((sum(model.groups), height, width), np.int64)
    seen = np.zeros_like(y_hat)
    for group, channels in enumerate(model.groups):
        part, layer = slice(start, start + channels), int(np.searchsorted(bounds, start, side="right"))
        if layer and streams[layer] is None and model.trellis:
            start += channels
            continue
        first = max(0, start - 64)
        context = np.concatenate((features, seen[first:start]))
        hidden = integer_layer(model, f"heads.{group}.mix", context)
        codes = integer_layer(model, f"heads.{group}.out", hidden, 8, clamp=False)
        mean = times_power(codes[:channels], mean_log2[part], -1, powers)
        log2 = codes[channels:] + scale_offset[part, None, None]
        index = (((5 * log2 + 16) >> 5) + 16).clip(0, 63)
        values = np.zeros_like(mean)
        stream = streams[layer]
        if stream is not None:
            active = index >= model.first_coded
            counts[layer] += int(active.sum())
            if model.trellis:
                values = read_trellis(stream, tables, index, active, t["entropy/y_shrink"].astype(int))
            else:
                values[active] = 16 * np.array(tables.read(stream, index[active]), np.int64)
        y_hat[part] = values + mean
        seen[part] = times_power(y_hat[part], -mean_log2[part], 0, powers).clip(-CONTEXT_MAX, CONTEXT_MAX)
        start += channels

    y_hat[: len(predicted)] += predicted
    for layer, (body, stream) in enumerate(zip(layers, streams, strict=True)):
        if stream is None:
            continue
        padding = max(0, 4 - counts[layer])
        require(tables.read(stream, np.zeros(padding, int)) == [0] * padding, "padding")
        stream.end()
        stored = y_hat[bounds[layer] - model.layers[layer] : bounds[layer]].astype("<i4").tobytes()
        stored = z.astype("<i2").tobytes() + stored if layer == 0 else stored
        require(struct.pack("<I", crc32c(stored)) == body[:4], f"digest of layer {layer}")
    return y_hat


# Synthesis


def blocks_to_image(blocks: Array, side: int) -> Array:
    """(side * side, rows, cols) -> (side * rows, side * cols) without the outer half blocks."""
    rows, cols = blocks.shape[1:]
    image = blocks.reshape(side, side, rows, cols).transpose(2, 0, 3, 1).reshape(side * rows, side * cols)
    half = side // 2
    return image[half:-half, half:-half]


def row_at(table: Array, level: int) -> Array:
    """Row of a table of floats at a rate level."""
    low = min(level // 256, len(table) - 2)
    f = np.float32((level - 256 * low) / 256)
    row: Array = table[low].astype(np.float32) * (1 - f) + table[low + 1].astype(np.float32) * f
    return row


def weight(model: Model, name: str) -> Array:
    """A tensor of g_s."""
    return model.tensors[f"synthesis/g_s.{name}"].astype(np.float32)


def conv(model: Model, name: str, x: Array, pad: int = 0) -> Array:
    """A convolution of g_s with its bias."""
    return convolve(x, weight(model, f"{name}.weight"), weight(model, f"{name}.bias"), pad)


def relu(x: Array) -> Array:
    """The positive part."""
    out: Array = np.maximum(x, 0)
    return out


def synthesise(model: Model, y_hat: Array, level: int) -> Array:
    """Latents of the whole raster to its pixels in network units, (16 h, 16 w) float32."""
    step = np.exp2(row_at(model.tensors["synthesis/inverse_log2"], level).astype(np.float64)).astype(
        np.float32
    )
    v = y_hat.astype(np.float32) * (step / 16)[:, None, None]
    return SYNTHESES[model.family](model, v, level)


def signed(x: Array, step: float) -> Array:
    """Bytes about 128, less 128."""
    return np.asarray(np.floor((x / step + 128.5).astype(np.float32)).clip(0, 255) - 128.0)


def unsigned(x: Array, step: float) -> Array:
    """Bytes."""
    return np.asarray(np.floor((x / step + 0.5).astype(np.float32)).clip(0, 255.0))


def of_bytes(x: Array, step: float, kernels: Array, bias: Array | None, pad: int = 0) -> Array:
    """A convolution in bytes, in 64-bit floats."""
    kernels = kernels.astype(np.float64)
    flat = np.abs(kernels).reshape(len(kernels), -1)
    least = np.maximum(np.maximum(flat.max(1) / 127, flat.sum(1) / 2**16), 2.0**-18 / step)
    powers = 2.0 ** np.arange(-40, 20)
    d = powers[np.searchsorted(powers, least)][:, None, None]
    out: Array = convolve(x, np.rint(kernels / d[..., None]), None, pad) * (step * d)
    if bias is not None:
        out += np.rint(bias.astype(np.float64) * 2**18)[:, None, None] / 2**18
    return out


def features_in_bytes(model: Model, v: Array, level: int) -> Array:
    """Steps 1 to 4 of the nonlinear part."""
    steps = iter(2.0 ** model.tensors["synthesis/steps_log2"].astype(np.float64))

    def layer(name: str, x: Array, step: float, pad: int = 0) -> Array:
        return of_bytes(x, step, weight(model, f"{name}.weight"), weight(model, f"{name}.bias"), pad)

    def residual(name: str, t: Array) -> Array:
        outer, inner = next(steps), next(steps)
        inside = layer(f"{name}.conv3", signed(t, outer), outer, 1)
        return t + layer(f"{name}.conv1", np.rint(inside / inner).clip(0, 255), inner)

    u = np.floor(256 * v + np.float32(32768.5)).clip(0, 65535).astype(np.float64)
    scale, shift = row_at(weight(model, "modulate"), level).reshape(2, -1)
    kernels = weight(model, "join.weight") * (1 + scale)[:, None, None, None]
    bias = weight(model, "join.bias") * (1 + scale) + shift
    t = of_bytes(u // 256 - 128, 1, kernels, bias) + of_bytes(u % 256, 2.0**-8, kernels, None)
    for block in range(model.blocks[0]):
        t = residual(f"deep.{block}", t)
    step = next(steps)
    t = relu(shuffle(layer("up", unsigned(t, step), step)))
    for block in range(model.blocks[1]):
        t = residual(f"wide.{block}", t)
    return t


def lapped(model: Model, v: Array, level: int) -> Array:
    """The lapped family."""

    def residual(name: str, x: Array) -> Array:
        return x + conv(model, f"{name}.conv1", relu(conv(model, f"{name}.conv3", x, 1)))

    image = blocks_to_image(convolve(v, weight(model, "lapped.weight"), None, 1), 16)
    gain = (1 / np.sin((np.arange(8) + 8.5) * math.pi / 32)).astype(np.float32)
    for axis in (image, image.T):
        axis[:8] *= gain[:, None]
        axis[-8:] *= gain[::-1, None]
    if "synthesis/steps_log2" in model.tensors:
        image = image + blocks_to_image(conv(model, "out", features_in_bytes(model, v, level), 1), 8)
    elif "synthesis/g_s.join.weight" in model.tensors:
        scale, shift = row_at(weight(model, "modulate"), level).reshape(2, -1, 1, 1)
        h = conv(model, "join", v) * (1 + scale) + shift
        for block in range(model.blocks[0]):
            h = residual(f"deep.{block}", h)
        h = relu(shuffle(conv(model, "up", relu(h))))
        for block in range(model.blocks[1]):
            h = residual(f"wide.{block}", h)
        image = image + blocks_to_image(conv(model, "out", h, 1), 8)
    return image


def doubled(model: Model, name: str, x: Array) -> Array:
    """A transposed convolution of stride 2 with its bias, (inputs, h, w) -> (outputs, 2 h, 2 w)."""
    kernels = weight(model, f"{name}.weight")
    size, (height, width) = kernels.shape[2], x.shape[1:]
    out = np.zeros((kernels.shape[1], 2 * height + size, 2 * width + size), np.float32)
    for u in range(size):
        for v in range(size):
            part = np.tensordot(kernels[:, :, u, v], x, (0, 0))
            out[:, u : u + 2 * height : 2, v : v + 2 * width : 2] += part
    margin = (size - 1) // 2
    inner: Array = out[:, margin : margin + 2 * height, margin : margin + 2 * width]
    inner += weight(model, f"{name}.bias")[:, None, None]
    return inner


def plain(model: Model, v: Array, _level: int) -> Array:
    """The plain family."""
    t = v
    for n in (0, 2, 4):
        t = relu(doubled(model, f"net.{n}", t))
    image: Array = doubled(model, "net.6", t)[0]
    return image


def residual(model: Model, v: Array, _level: int) -> Array:
    """The residual family."""
    t = conv(model, "net.0", v)
    for n in (1, 3, 5, 7):
        block, up = f"net.{n}", f"net.{n + 1}"
        t = t + conv(model, f"{block}.second", relu(conv(model, f"{block}.first", relu(t), 1)), 1)
        beside = conv(model, f"{up}.skip", t).repeat(2, axis=1).repeat(2, axis=2)
        t = beside + doubled(model, f"{up}.second", relu(conv(model, f"{up}.first", relu(t), 1)))
    image: Array = conv(model, "net.9", t, 1)[0]
    return image


SYNTHESES = {"lapped": lapped, "plain": plain, "residual": residual}


# Pixels


def native_values(x: Array, added: Array | float, band: Band, header: Header) -> Array:
    """Network units, and what is added to them in dB, to native values that are valid."""
    dtype, (vmin, vmax) = header.dtype, band.span
    db = x.astype(np.float64) * band.unit + band.offset + added
    scale = header.scale if band.scale is None else band.scale
    neper, scaled = NEPER[scale], (band.gain, band.addend) != (1, 0)
    values = db if neper is None else np.exp(db / neper)
    if scaled:
        values = (values - band.addend) / band.gain
    plain = band.palette[: len(band.palette) - band.masked].tolist()
    forbidden = {v for v in plain if not math.isnan(v)} | _declared(header)
    for end in (float(v) * band.gain + band.addend for v in (vmin, vmax)):
        positive = end > 0 if scale != DB else abs(end) <= 450 or (dtype.kind != "f" and not scaled)
        require(positive, "range of valid values")
    for end in (vmin, vmax):
        require(end.item() not in forbidden, "range of valid values")
    if dtype.kind in "iu":
        values = np.rint(values)
    out = values.clip(float(vmin), float(vmax)).astype(dtype)
    for value in forbidden:
        if vmin < value < vmax:
            near = 4 * np.spacing(dtype.type(abs(value))) if dtype.kind == "f" else 0
            taken = np.abs(out - dtype.type(value)) <= near if near else out == value
            out[taken] = _nearest_allowed(value, forbidden, band.span)
    return out


def _declared(header: Header) -> set[Any]:
    """The nodata value as a pixel can hold it."""
    nodata, dtype = header.nodata, header.dtype
    if nodata is None or math.isnan(nodata):
        return set()
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return {dtype.type(nodata).item()}
    info = np.iinfo(dtype)
    return {int(nodata)} if info.min <= nodata <= info.max and nodata == int(nodata) else set()


def _nearest_allowed(value: Any, forbidden: set[Any], span: Array) -> Any:
    """The allowed value nearest to a forbidden one; the smaller of two."""
    kind, found = span.dtype.type, []
    for sign, end in zip((-1, 1), span.tolist(), strict=True):
        if span.dtype.kind in "iu":
            near = value + sign
            while near in forbidden:
                near += sign
        else:
            gap = max(16 * float(np.spacing(kind(abs(value)))), float(np.finfo(kind).tiny))
            near = kind(value + sign * gap).item()
            near = max(near, end) if sign < 0 else min(near, end)
            while near in forbidden:
                near = np.nextafter(kind(near), kind(end)).item()
        found.append(near)
    return min(found, key=lambda near: abs(near - value))


@dataclass
class Decoded:
    """A whole file, decoded."""

    pixels: Array
    """Native values, (bands, height, width)."""
    latents: dict[tuple[int, int, int], Array]
    """Latents by band, tile row and tile column."""
    classes: Array
    """Mask classes, (bands, height, width), uint8."""


def decode(
    data: bytes,
    model: Model,
    *,
    base_only: bool = False,
    unbiased: bool = False,
    targets: bool = True,
    textured: bool = False,
) -> Decoded:
    """Decode a `.sarc` file.

    Parameters
    ----------
    data : bytes
        The whole file.
    base_only : bool
        Take the layers after the first as empty.
    unbiased : bool
        Apply the gain grid.
    targets : bool
        Raise bright targets.
    textured : bool
        Add the texture's noise.

    Raises
    ------
    RefusedError
        Something is not as the specification wants it.
    """
    cursor = Cursor(data)
    header = read_header(cursor)
    require(header.entropy_digest == model.entropy_digest, "entropy digest")
    require(header.synthesis_digest == model.synthesis_digest, "synthesis digest")
    critical = [n for n, (kind, _) in enumerate(header.layers) if kind < 128]
    channels = [header.layers[n][1] for n in critical]
    require(channels == model.layers[: len(channels)], "layers are not the model's")
    require(header.quantiser == model.trellis, "quantiser is not the model's")
    grid = header.layers.index((128 + 4, 0)) if (128 + 4, 0) in header.layers else None
    require(grid is not None or not unbiased, "there is no gain grid")
    bright = header.layers.index((128 + 3, 0)) if (128 + 3, 0) in header.layers else None
    texture = header.layers.index((128 + 5, 0)) if (128 + 5, 0) in header.layers else None
    require(texture is not None or not textured, "there is no texture")
    records = read_records(data, header, cursor.at)
    shape = (len(header.bands), header.height, header.width)
    out = Decoded(np.empty(shape, header.dtype), {}, np.empty(shape, np.uint8))
    for number, band in enumerate(header.bands):
        require(band.level <= 256 * (model.anchors - 1), "rate level")
        rows, cols = -(-header.height // 16), -(-header.width // 16)
        y_hat = np.zeros((sum(model.groups), rows, cols), np.int64)
        added = np.zeros((header.height, header.width))
        for tile, record in enumerate(records):
            row, col = divmod(tile, header.tiles[1])
            window = header.window(row, col)
            extent = (window[0].stop - window[0].start, window[1].stop - window[1].start)
            bodies = [record[number][1 + n] for n in critical]
            bodies += [b"" for _ in model.layers[len(bodies) :]]
            bodies = [bodies[0], *(b"" for _ in bodies[1:])] if base_only else bodies
            first, weights = header.first[number], np.zeros(0, np.int64)
            require(band.level == header.bands[first].level, "rate levels of a group")
            if first != number and bodies[0]:
                weights, bodies[0] = read_weights(bodies[0])
            size = (-(-extent[0] // 16), -(-extent[1] // 16))
            beside = (
                out.latents[first, row, col][: len(weights)]
                if len(weights)
                else np.zeros((0, *size), np.int64)
            )
            predicted = (weights[:, None, None] * beside + 8) >> 4
            part = read_latents(model, band.level, bodies, size, predicted)
            out.latents[number, row, col] = part
            top, left = window[0].start // 16, window[1].start // 16
            y_hat[:, top : top + part.shape[1], left : left + part.shape[2]] = part
            classes = read_mask(record[number][0], extent, len(band.palette))
            out.classes[(number, *window)] = classes
            if targets and not base_only and bright is not None:
                added[window] += read_targets(record[number][1 + bright], classes == 0)
            if unbiased and grid is not None:
                added[window] += read_gains(record[number][1 + grid], classes == 0)
        x = synthesise(model, y_hat, band.level)[: header.height, : header.width]
        classes, pixels = out.classes[number], out.pixels[number]
        for tile, record in enumerate(records if textured and texture is not None else ()):
            window = header.window(*divmod(tile, header.tiles[1]))
            db = x[window].astype(np.float64) * band.unit + band.offset + added[window]
            at = (window[0].start, window[1].start)
            body = record[number][1 + (texture or 0)]
            added[window] += read_texture(body, db, classes[window] == 0, header.crc, number, at)
        if (classes == 0).any():
            pixels[:] = native_values(x, added, band, header)
        bits = pixels.view(f"u{header.dtype.itemsize}")
        for k, value in enumerate(band.palette.view(bits.dtype), start=1):
            bits[classes == k] = value
    return out
