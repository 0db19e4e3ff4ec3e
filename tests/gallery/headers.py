"""Bad files: fields of the header that cannot be, or that this version does not know."""

from __future__ import annotations

import struct
from collections.abc import Callable

from gallery.parts import Make, raw, spoiled
from torture.container import GEO, IMAG, TEXT, Raw, floats, uv


def _set(place: str, **fields: object) -> Make:
    """A maker: fields of the image, or of the first band, set."""

    def change(parts: Raw) -> None:
        owner = parts.image if place == "image" else parts.bands[0]
        for name, value in fields.items():
            setattr(owner, name, value)

    return spoiled(change)


def _chunks(change: Callable[[list[tuple[int, bytes]]], list[tuple[int, bytes]]]) -> Make:
    """A maker: the list of chunks changed."""

    def work(parts: Raw) -> None:
        parts.chunks = change(parts.chunk_list())

    return spoiled(work)


def _image_data(change: Callable[[bytes], bytes]) -> Make:
    return _chunks(lambda chunks: [(IMAG, change(chunks[0][1])), *chunks[1:]])


def _model(name: bytes, digests: bytes | None = None, length: int | None = None) -> Make:
    def change(parts: Raw) -> None:
        old = parts.model[1 + parts.model[0] :]
        kept = old if digests is None else digests
        parts.model = bytes([len(name) if length is None else length]) + name + kept

    return spoiled(change)


def _float_range() -> bytes:
    parts = raw("float32_power")
    parts.bands[0].vmax = struct.pack("<f", float("nan"))
    return parts.to_bytes()


def _cut_chunk() -> bytes:
    parts = raw()
    parts.body = parts.header()[18:-7]
    return parts.to_bytes()


def _many_bands(count: int) -> Make:
    def change(parts: Raw) -> None:
        parts.image.bands, parts.image.groups = count, [1] * count
        parts.bands *= count
        parts.records = [record * count for record in parts.records]

    return spoiled(change)


ZERO, TOP = struct.pack("<H", 0), struct.pack("<H", 65535)

FAULTS: dict[str, Make] = {
    "chunk-critical-unknown": _chunks(lambda c: [*c, (77, b"what is this")]),
    "chunk-image-missing": _chunks(lambda c: c[1:]),
    "chunk-image-twice": _chunks(lambda c: [c[0], *c]),
    "chunk-image-too-long": _image_data(lambda data: data + b"\0"),
    "chunk-image-cut": _image_data(lambda data: data[:-1]),
    "chunk-band-missing": _chunks(lambda c: [c[0], *c[2:]]),
    "chunk-band-too-many": _chunks(lambda c: [*c[:2], *c[1:]]),
    "chunk-band-too-long": _chunks(lambda c: [c[0], (c[1][0], c[1][1] + b"\0"), *c[2:]]),
    "chunk-model-missing": _chunks(lambda c: [*c[:2], *c[3:]]),
    "chunk-order-wrong": _chunks(lambda c: [c[0], c[2], c[1], *c[3:]]),
    "chunk-geo-empty": _chunks(lambda c: [*c[:3], (GEO, b""), *c[4:]]),
    "chunk-text-twice": _chunks(lambda c: [*c, (TEXT, b"\x03\x00")]),
    "chunk-length-beyond-header": _cut_chunk,
    "chunks-1025": _chunks(lambda c: [*c, *[(200, b"")] * (1025 - len(c))]),
    "header-empty": _chunks(lambda c: []),
    "width-0": _set("image", width=0),
    "height-0": _set("image", height=0),
    "width-4-billion": _set("image", width=2**32 - 1),
    "pixels-above-2-billion": _set("image", width=46341, height=46341),
    "pixels-2-billion-in-no-bytes": _set("image", width=2**16, height=2**15),
    "tiles-65535": _set("image", width=255 * 256, height=257 * 256),
    "number-of-35-bits": _image_data(lambda data: b"\xff\xff\xff\xff\x7f" + data[1:]),
    "number-not-shortest-form": _image_data(lambda data: bytes([data[0] | 0x80, 0]) + data[1:]),
    "bands-0": _set("image", bands=0, groups=[]),
    "bands-65": _many_bands(65),
    "bands-4-billion": _set("image", bands=2**32 - 1),
    "groups-do-not-add-up": _set("image", groups=[1, 1]),
    "group-of-two-levels": spoiled(lambda parts: setattr(parts.bands[1], "level", 1), "predicted_bands"),
    "groups-4-billion": _image_data(lambda data: data[:9] + uv(2**32 - 1) + data[10:]),
    "dtype-unknown": _set("image", dtype=8),
    "scale-unknown": _set("image", scale=4),
    "quantity-unknown": _set("image", quantity=5),
    "meaning-unknown": _set("image", meaning=3),
    "quantiser-of-another-model": _set("image", quantiser=1),
    "quantiser-unknown": _set("image", quantiser=2),
    "tile-side-0": _set("image", tile_units=0),
    "tile-side-8192": _set("image", tile_units=32),
    "tile-side-overflows": _set("image", tile_units=2**32 - 1),
    "layers-none": _set("image", layers=[]),
    "layer-first-is-enhancement": _set("image", layers=[(1, 16), (1, 8)]),
    "layer-first-is-skippable": _set("image", layers=[(128, 16), (1, 8)]),
    "layer-critical-unknown": _set("image", layers=[(0, 16), (7, 8)]),
    "layer-critical-of-a-newer-encoder": _set("image", layers=[(0, 16), (4, 8)]),
    "layer-of-1025-channels": _set("image", layers=[(0, 16), (1, 1025)]),
    "layer-not-in-its-short-form": _image_data(lambda data: data[:-1] + b"\x01\x08"),
    "layer-of-32768-channels": _image_data(lambda data: data[:-1] + b"\x5f"),
    "layers-not-of-the-model": _set("image", layers=[(0, 16), (1, 9)]),
    "band-offset-nan": _set("band", offset=floats(float("nan"))),
    "band-offset-infinite": _set("band", offset=floats(float("-inf"))),
    "band-unit-0": _set("band", flags=0, unit=floats(0.0)),
    "band-unit-negative": _set("band", flags=0, unit=floats(-3.0)),
    "band-unit-infinite": _set("band", flags=0, unit=floats(float("inf"))),
    "band-range-reversed": _set("band", vmin=TOP, vmax=struct.pack("<H", 5)),
    "band-range-nan": _float_range,
    "band-range-not-data": _set("band", vmin=ZERO),
    "band-range-all-0-but-data": _set("band", vmin=ZERO, vmax=ZERO),
    "band-unit-4-stored": _set("band", flags=0, unit=floats(4.0)),
    "band-palette-twice": _set("band", palette=[ZERO, ZERO]),
    "band-palette-of-255": _set("band", palette=[struct.pack("<H", k) for k in range(255)]),
    "band-palette-count-lies": _set("band", count=9),
    "band-flags-unknown": _set("band", flags=0x40),
    "band-level-above-model": _set("band", level=65535),
    "model-id-empty": _model(b""),
    "model-id-of-65-bytes": _model(b"m" * 65),
    "model-id-is-a-path": _model(b"../../etc/passwd"),
    "model-id-with-nul": _model(b"toy\0"),
    "model-id-not-ascii": _model("modèle".encode("latin-1")),
    "model-id-length-lies": _model(b"toy1", length=60),
    "model-unknown": _model(b"nowhere-installed"),
    "model-digest-wrong": _model(b"toy1", bytes(8)),
    "model-digest-cut": _model(b"toy1", bytes(5)),
}
