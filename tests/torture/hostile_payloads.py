"""Tile records that were made to harm: right checksums, wrong contents. Each case from a number alone."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt

from sarcodec.errors import SarcError
from sarcodec.latent_grid import latent_window
from sarcodec.model.entropy import LatentCoder
from torture.container import Part, Raw, record, sealed, segments, uv
from torture.mutations import generator
from torture.subjects import Subject, opened

Rng = np.random.Generator
_DECODE, _DIGEST = LatentCoder.decode, LatentCoder.layer_digest

LENGTHS = (0, 1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 15, 16, 20, 64, 100, 256, 1000)


def deflated(data: bytes, level: int = 9) -> bytes:
    """Raw deflate."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def stream(rng: Rng, old: bytes) -> bytes:
    """A stream of entropy-coded symbols that no encoder wrote."""
    how, size = int(rng.integers(9)), int(rng.choice(LENGTHS))
    if how == 0:
        return rng.bytes(size)
    if how == 1:
        return rng.bytes(4 * size)
    if how == 2:
        return bytes([int(rng.choice([0, 1, 0x0F, 0xF0, 0xFF]))]) * (4 * size)
    if how == 3:  # the escape code reads its own length from such words
        words = [b"\x0f\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\0\0", b"\xf0\xff\xff\x7f"]
        return rng.bytes(8) + words[int(rng.integers(4))] * int(rng.choice([1, 10, 100, 30000]))
    if how == 4:
        return old[: int(rng.integers(len(old) + 1))]
    if how == 5:
        return old + rng.bytes(int(rng.integers(1, 40)))
    if how == 6:
        return old[4 * int(rng.integers(1, 5)) :]
    if how == 7:
        return b"\xff\xff" + rng.bytes(6) + b"\xff" * (4 * size)
    data = bytearray(old or bytes(8))
    for _ in range(int(rng.integers(1, 6))):
        data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    return bytes(data)


def _streams(raw: Raw, rng: Rng, tile: int) -> None:
    part = raw.records[tile][int(rng.integers(len(raw.records[tile])))]
    layer = int(rng.integers(len(part.layers)))
    old = part.layers[layer]
    made = stream(rng, old[4:])
    part.layers[layer] = (old[:4].ljust(4, b"\0") + made) if made else b""


def _digests(raw: Raw, rng: Rng, tile: int) -> None:
    """The digest alone."""
    part = raw.records[tile][int(rng.integers(len(raw.records[tile])))]
    for layer, body in enumerate(part.layers):
        if body:
            part.layers[layer] = rng.bytes(4) + body[4:]


def _swapped(raw: Raw, rng: Rng, tile: int) -> None:
    """Layers, bands or tiles in each other's place."""
    how, parts = int(rng.integers(4)), raw.records[tile]
    if how == 0:
        for part in parts:
            part.layers.reverse()
    elif how == 1:
        parts.reverse()
    elif how == 2:
        other = int(rng.integers(len(raw.records)))
        raw.records[tile], raw.records[other] = raw.records[other], raw.records[tile]
    else:
        layer = int(rng.integers(len(parts[0].layers)))
        parts[0].layers[layer] = b""


def mask(rng: Rng, old: bytes, size: int) -> bytes:
    """A packed class map that no encoder wrote, for a tile of `size` pixels."""
    how = int(rng.integers(9))
    count = int(rng.choice([0, 1, 2, size // 2, size - 1, size, 2**20, 2**32 - 1]))
    if how == 0:
        return rng.bytes(int(rng.integers(1, 40)))
    if how == 1:
        return bytes([1, int(rng.integers(256))]) + rng.bytes(int(rng.integers(2)))
    if how == 2:
        residuals = rng.integers(0, 2 ** int(rng.integers(1, 32)), min(count, size) + 1)
        return bytes([2, 2, 0, 1]) + uv(count) + deflated(b"".join(uv(int(r)) for r in residuals))
    if how == 3:
        return bytes([2, 2, 0, 1]) + uv(count) + deflated(bytes(int(rng.choice([count % 2**22, 10**6]))))
    if how == 4:
        return bytes([3, 1, 1]) + deflated(b"\xff" * int(rng.choice([1, size // 8, 10**6])))
    if how == 5:
        classes = sorted(rng.choice(256, int(rng.integers(0, 200)), replace=False).tolist())
        return bytes([int(rng.choice([2, 3])), len(classes), *classes]) + deflated(rng.bytes(50))
    if how == 6:
        return bytes([int(rng.integers(2, 4)), 2, 0, 1]) + uv(5) + rng.bytes(30)
    if how == 7:
        numbers = bytes(rng.integers(0, 4, 20).astype(np.uint8))
        return bytes([2, 3, 0, 1, 2]) + uv(20) + deflated(b"\x02" * 20 + numbers)
    data = bytearray(old or b"\x01\x01")
    data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    return bytes(data)


def _masks(raw: Raw, rng: Rng, tile: int) -> None:
    part = raw.records[tile][int(rng.integers(len(raw.records[tile])))]
    side = 256 * raw.image.tile_units
    part.mask = mask(rng, part.mask, min(raw.image.width, side) * min(raw.image.height, side))


CHANGES: dict[str, Callable[[Raw, Rng, int], None]] = {
    "streams": _streams,
    "more streams": _streams,
    "streams again": _streams,
    "digests": _digests,
    "swapped": _swapped,
    "masks": _masks,
    "more masks": _masks,
}


def payload_case(subject: Subject, number: int) -> bytes:
    """A file with a hostile tile record, every checksum right, its latent digests right as well or not."""
    rng = generator("payload", subject, number)
    raw = Raw.of(subject.data)
    tile = int(rng.integers(len(raw.records)))
    if number % 8 == 7:
        return _lengths(raw, rng, tile)
    CHANGES[list(CHANGES)[number % 8]](raw, rng, tile)
    data = raw.to_bytes()
    if rng.random() < 0.5:
        for band in range(raw.image.bands):
            set_digests(subject, raw, data, (band, tile))
        data = raw.to_bytes()
    return data


def _lengths(raw: Raw, rng: Rng, tile: int) -> bytes:
    """A record whose lengths lie, or an index that does."""
    head = raw.header()
    made = [record(parts, head, number) for number, parts in enumerate(raw.records)]
    if rng.random() < 0.3:
        sizes = [len(one) for one in made]
        sizes[tile] = int(rng.choice([0, 1, 2, sizes[tile] + 1, 2**31, 2**32, 2**63]))
        index = b"".join(uv(size) for size in sizes)
        return sealed(head, made, index + rng.bytes(int(rng.integers(2))))
    wanted = len(raw.bands) * (1 + len(raw.image.layers))
    chosen = rng.choice([0, 1, 4, 5, 6, 9, 20, 100, 2**20, 2**32 - 1], wanted + int(rng.integers(-1, 2)))
    lengths = b"".join(uv(int(length)) for length in chosen)
    bodies = [(0, k, rng.bytes(int(n) - 4)) for k, n in enumerate(chosen) if 4 < n < 1000]
    made[tile] = lengths + segments(head, lengths, tile, bodies) + rng.bytes(int(rng.choice([0, 0, 1, 50])))
    return sealed(head, made)


def set_digests(subject: Subject, raw: Raw, data: bytes, place: tuple[int, int]) -> None:
    """Give the layers of a (band, tile) the digests of what they decode to, where they decode at all."""
    band, tile = place
    found: dict[int, bytes] = {}

    def noted(self: LatentCoder, layer: int, z: npt.NDArray[Any], y: npt.NDArray[Any]) -> Any:
        found[layer] = _DIGEST(self, layer, z, y)
        return mock.ANY

    part: Part = raw.records[tile][band]
    try:
        with opened(data, subject.model) as coded, mock.patch.object(LatentCoder, "layer_digest", noted):
            decoder = coded.decoder
            window = latent_window(decoder.header.grid, *divmod(tile, decoder.header.grid.cols))
            coder = LatentCoder(decoder.model, decoder.header.bands[band].level)
            critical = tuple(part.layers[: len(decoder.model.layers)])
            _DECODE(coder, critical, (window.height, window.width))
    except SarcError:
        return
    for layer, digest in found.items():
        part.layers[layer] = digest + part.layers[layer][4:]
