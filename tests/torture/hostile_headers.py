"""Headers that were made to harm: right checksums, wrong fields. Each case from a number alone."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from copy import deepcopy

import numpy as np

from torture.container import DTYPE_BYTES, GEO, IMAG, TEXT, Part, Raw, chunk, floats, uv
from torture.mutations import generator
from torture.subjects import Subject

SIZES = (
    0,
    1,
    2,
    15,
    16,
    17,
    255,
    256,
    257,
    1023,
    2**15,
    2**16,
    2**20,
    2**20 + 1,
    2**31 - 1,
    2**31,
    2**32 - 1,
)
REALS = (0.0, -0.0, 1.0, -1.0, 1e-45, 1e-38, 3.4e38, -3.4e38, 450.0, 1e6, np.nan, np.inf, -np.inf)
MOST_TILES = 3000
"""Tiles for which a hostile header gets as many records as it claims."""

Rng = np.random.Generator
Change = Callable[[Raw, Rng], None]


def _pick(rng: Rng, values: tuple[int, ...]) -> int:
    return values[int(rng.integers(len(values)))]


def _size(raw: Raw, rng: Rng) -> None:
    for name in ("width", "height"):
        if rng.random() < 0.6:
            near = getattr(raw.image, name) + int(rng.integers(-2, 3))
            setattr(raw.image, name, max(0, near) if rng.random() < 0.4 else _pick(rng, SIZES))


def _swap_sides(raw: Raw, rng: Rng) -> None:
    raw.image.width, raw.image.height = raw.image.height, raw.image.width


def _bands(raw: Raw, rng: Rng) -> None:
    count = _pick(rng, (0, 1, 2, 3, 64, 65, 255, 2**16, 2**32 - 1))
    raw.image.bands = count
    if count <= 255 and rng.random() < 0.7:
        raw.image.groups = [1] * count
        raw.bands = [deepcopy(raw.bands[k % len(raw.bands)]) for k in range(count)]


def _groups(raw: Raw, rng: Rng) -> None:
    raw.image.groups = [[], [0], [2], [raw.image.bands], [2**32 - 1] * 3, [1] * 300][int(rng.integers(6))]


def _dtype(raw: Raw, rng: Rng) -> None:
    raw.image.dtype = _pick(rng, (*range(8), 8, 255))
    if raw.image.dtype < 8 and rng.random() < 0.8:
        size = DTYPE_BYTES[raw.image.dtype]
        for band in raw.bands:
            band.vmin, band.vmax = (v.ljust(size, b"\0")[:size] for v in (band.vmin, band.vmax))
            band.palette = [v.ljust(size, b"\0")[:size] for v in band.palette]


def _codes(raw: Raw, rng: Rng) -> None:
    name = ("scale", "quantity", "meaning", "quantiser")[int(rng.integers(4))]
    setattr(raw.image, name, _pick(rng, (0, 1, 2, 3, 4, 5, 128, 255)))


def _tile(raw: Raw, rng: Rng) -> None:
    raw.image.tile_units = _pick(rng, (0, 1, 2, 3, 4, 15, 16, 17, 2**24, 2**32 - 1))


def _layers(raw: Raw, rng: Rng) -> None:
    layers, how = raw.image.layers, int(rng.integers(7))
    if how == 0:
        layers.clear()
    elif how == 1:
        layers[int(rng.integers(len(layers)))] = (int(rng.integers(256)), _pick(rng, (0, 1, 16, 1024, 1025)))
    elif how == 2:
        layers.append((128 | int(rng.integers(128)), _pick(rng, (0, 1, 1024, 2**32 - 1))))
    elif how == 3:
        layers.reverse()
    elif how == 4:
        layers.extend([(129, 1)] * (255 - len(layers)))
    elif how == 5:
        layers.append((int(rng.integers(8)), 8))
    else:
        layers[:] = [(kind, channels + int(rng.integers(-1, 2))) for kind, channels in layers]


def _reals(raw: Raw, rng: Rng) -> None:
    for band in raw.bands:
        if rng.random() < 0.7:
            band.offset = floats(REALS[int(rng.integers(len(REALS)))])
        if rng.random() < 0.7:
            band.unit = floats(REALS[int(rng.integers(len(REALS)))])


def _span(raw: Raw, rng: Rng) -> None:
    band, size = raw.bands[int(rng.integers(len(raw.bands)))], len(raw.bands[0].vmin)
    how = int(rng.integers(5))
    if how == 0:
        band.vmin, band.vmax = band.vmax, band.vmin
    elif how == 1:
        band.vmin, band.vmax = rng.bytes(size), rng.bytes(size)
    elif how == 2 and raw.image.dtype in (6, 7):
        kind, value = "<f" if size == 4 else "<d", REALS[int(rng.integers(len(REALS)))]
        band.vmax = struct.pack(kind, value) if abs(value) != 3.4e38 else band.vmax
    elif how == 3:
        band.vmin = band.vmax = bytes(size)
    else:
        band.vmin = band.vmax = band.palette[0] if band.palette else bytes(size)


def _palette(raw: Raw, rng: Rng) -> None:
    band, size = raw.bands[int(rng.integers(len(raw.bands)))], len(raw.bands[0].vmin)
    how = int(rng.integers(5))
    if how == 0:
        band.palette = [*band.palette, *band.palette]
    elif how == 1:
        band.palette = [rng.bytes(size) for _ in range(_pick(rng, (1, 2, 16, 17, 255)))]
    elif how == 2:
        band.palette = []
    elif how == 3:
        band.count = int(rng.integers(256))
    else:
        band.palette = [*band.palette, band.vmin, band.vmax]


def _level(raw: Raw, rng: Rng) -> None:
    band = raw.bands[int(rng.integers(len(raw.bands)))]
    if rng.random() < 0.7:
        band.level = _pick(rng, (0, 1, 255, 256, 511, 512, 513, 1280, 65535))
    else:
        band.flags = int(rng.integers(256))
        for record in raw.records:
            for part in record if band.flags & 1 else []:
                part.offset = int(rng.integers(-128, 128))


def _model(raw: Raw, rng: Rng) -> None:
    name, digests = raw.model[1 : 1 + raw.model[0]], raw.model[1 + raw.model[0] :]
    names = (
        b"",
        b"a" * 64,
        b"a" * 65,
        b"../../etc/passwd",
        b"/dev/zero",
        b"a\0b",
        b"\xff\xfe",
        b"-x",
        b"lapped16",
    )
    if rng.random() < 0.6:
        name = names[int(rng.integers(len(names)))]
    else:
        digests = rng.bytes(int(rng.choice([0, 8, 15, 16, 17])))
    raw.model = bytes([len(name) if rng.random() < 0.9 else int(rng.integers(256))]) + name + digests


def _chunks(raw: Raw, rng: Rng) -> None:
    chunks, how = raw.chunk_list(), int(rng.integers(9))
    at = int(rng.integers(len(chunks)))
    if how == 0:
        raw.chunks = [chunks[k] for k in rng.permutation(len(chunks))]
    elif how == 1:
        raw.chunks = chunks[:at] + chunks[at + 1 :]
    elif how == 2:
        raw.chunks = [*chunks[: at + 1], *chunks[at:]]
    elif how == 3:
        nested = b"".join(chunk(*one) for one in chunks)
        raw.chunks = [*chunks[:at], (chunks[at][0], nested), *chunks[at + 1 :]]
    elif how == 4:
        raw.chunks = [*chunks, (int(rng.integers(256)), rng.bytes(int(rng.integers(20))))]
    elif how == 5:
        raw.chunks = [*chunks, *[(200, b"")] * _pick(rng, (1000, 1024, 5000))]
    elif how == 6:
        raw.chunks = [*chunks, (GEO, b""), (TEXT, b"")]
    elif how == 7:
        kind, data = chunks[at]
        raw.chunks = [*chunks[:at], (kind, data + rng.bytes(int(rng.integers(1, 9)))), *chunks[at + 1 :]]
    else:
        kind, data = chunks[at]
        raw.chunks = [*chunks[:at], (kind, data[: int(rng.integers(len(data) + 1))]), *chunks[at + 1 :]]


def _body(raw: Raw, rng: Rng) -> None:
    """Any bytes of the header."""
    body = bytearray(raw.header()[18:])
    for _ in range(int(rng.choice([1, 1, 2, 5, 20]))):
        body[int(rng.integers(len(body)))] = _pick(rng, (0, 1, 0x7F, 0x80, 0xFF, int(rng.integers(256))))
    how = rng.random()
    raw.body = bytes(body) if how < 0.8 else bytes(body[: int(rng.integers(len(body)))])
    if how > 0.95:
        raw.body = rng.bytes(int(rng.integers(200)))


def _long_numbers(raw: Raw, rng: Rng) -> None:
    """Integers that are not in their shortest form, or of more bits than there may be."""
    image = raw.image.pack()
    forms = (b"\x80" * 9 + b"\x00", b"\xff\xff\xff\xff\x1f", b"\x81\x00", b"\xff" * 12, uv(2**63))
    raw.chunks = [(IMAG, forms[int(rng.integers(len(forms)))] + image[1:]), *raw.chunk_list()[1:]]


def _side_data(raw: Raw, rng: Rng) -> None:
    raw.geo = rng.bytes(int(rng.integers(1, 60))) if rng.random() < 0.5 else raw.geo
    texts = (b"{}", b"[]", b"null", b"{", b'{"t":{"":{"a":1}}}', b"\xff\xfe", b"[" * 3000, rng.bytes(30))
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(texts[int(rng.integers(len(texts)))]) + packer.flush()
    how = rng.random()
    raw.text = packed if how < 0.7 else packed[: int(rng.integers(1, len(packed) + 1))] + rng.bytes(1)


def _version(raw: Raw, rng: Rng) -> None:
    raw.version = (_pick(rng, (0, 1, 2, 255)), _pick(rng, (0, 1, 255)))


CHANGES: dict[str, Change] = {
    "size": _size,
    "sides swapped": _swap_sides,
    "bands": _bands,
    "groups": _groups,
    "dtype": _dtype,
    "codes": _codes,
    "tile side": _tile,
    "layers": _layers,
    "offset and unit": _reals,
    "range": _span,
    "palette": _palette,
    "level": _level,
    "model": _model,
    "chunks": _chunks,
    "bytes": _body,
    "long numbers": _long_numbers,
    "side data": _side_data,
    "version": _version,
}


def fit_records(raw: Raw) -> None:
    """As many records, bands and layers as the header claims, made of those that are there."""
    tiles, layers = raw.image.tiles, len(raw.image.layers)
    if not 0 < tiles <= MOST_TILES or not raw.records or not raw.bands:
        return
    flags = [band.flags & 1 for band in raw.bands]
    made = []
    for tile in range(tiles):
        parts, record = raw.records[tile % len(raw.records)], []
        for number, flag in enumerate(flags):
            part = parts[number % len(parts)]
            bodies = [*part.layers, *[b""] * layers][:layers]
            record.append(Part(part.mask, bodies, (part.offset or 0) if flag else None))
        made.append(record)
    raw.records = made


def header_case(subject: Subject, number: int) -> bytes:
    """A file with a hostile header, every checksum right."""
    rng = generator("header", subject, number)
    raw = Raw.of(subject.data)
    names = list(CHANGES)
    CHANGES[names[number % len(names)]](raw, rng)
    whole = raw.chunks is None and raw.bands and raw.image.layers
    if rng.random() < 0.3 and whole:
        CHANGES[names[int(rng.integers(len(names)))]](raw, rng)
    if rng.random() < 0.6:
        fit_records(raw)
    return raw.to_bytes()
