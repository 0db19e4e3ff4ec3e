"""Bad files: tile records whose checksums are right and whose contents are not, and some whose are not."""

from __future__ import annotations

import struct
from collections.abc import Callable

from gallery.parts import Make, good, raw, spoiled
from torture.container import Part, Raw, record, sealed, segments, uv
from torture.hostile_payloads import deflated

ROWS, COLS = 90, 110


def _first(change: Callable[[Part], object], name: str = "uint16_border") -> Make:
    """A maker: the first band of the first tile changed."""
    return spoiled(lambda parts: change(parts.records[0][0]), name)


def _second(change: Callable[[bytes], bytes]) -> Make:
    """A maker: the base layer of a band that another one predicts, changed."""

    def work(parts: Raw) -> None:
        layers = parts.records[0][1].layers
        layers[0] = change(layers[0])

    return spoiled(work, "predicted_bands")


def _stream(body: bytes) -> Make:
    """A maker: the base layer has this body, digest and stream."""
    return _first(lambda part: part.layers.__setitem__(0, body))


def _cut_stream(size: int) -> Make:
    return _first(lambda part: part.layers.__setitem__(0, part.layers[0][: 4 + size]))


def _mask(body: bytes) -> Make:
    return _first(lambda part: setattr(part, "mask", body))


def _lengths(values: list[int], more: bytes = b"") -> Make:
    """A maker: a record of these segment lengths, their bodies zeros under right checksums."""

    def make() -> bytes:
        head = raw().header()
        lengths = b"".join(map(uv, values))
        bodies = [(0, k, bytes(size - 4)) for k, size in enumerate(values) if 4 < size < 1000]
        return sealed(head, [lengths + segments(head, lengths, 0, bodies) + more])

    return make


def _swapped_records() -> bytes:
    parts = raw("two_tiles")
    head = parts.header()
    made = [record(one, head, number) for number, one in enumerate(parts.records)]
    return sealed(head, made[::-1])


def _foreign_record() -> bytes:
    """A record of another file with the same grid."""
    parts, other = raw("two_tiles"), raw("two_tiles")
    other.image.quantity = 2
    head, foreign = parts.header(), other.header()
    made = [record(one, h, k) for k, (one, h) in enumerate(zip(parts.records, (head, foreign), strict=True))]
    return sealed(head, made)


def _flipped(at: int) -> bytes:
    """One bit turned over in a byte of the record."""
    data = bytearray(good())
    data[len(raw().header()) + at] ^= 1
    return bytes(data)


def _swap_layers(parts: Raw) -> None:
    parts.records[0][0].layers.reverse()


def _quality(offset: int, *, empty: bool) -> Make:
    def change(parts: Raw) -> None:
        parts.bands[0].flags |= 1
        parts.records[0][0].offset = offset
        if empty:
            parts.records[0][0].mask, parts.records[0][0].layers = b"", [b"", b""]

    return spoiled(change)


def _escape(number: int) -> bytes:
    """A stream whose first symbol is an escape of many digits, whatever the table."""
    return struct.pack("<QI", (1 << 40) | 0xFFFF, 0xFFFFFFFF) + b"\xff" * number


def _gain(change: Callable[[bytes], bytes]) -> Make:
    """A maker: the gain grid of the first tile changed; its file is decoded with its gains."""
    return _first(lambda part: part.layers.__setitem__(2, change(part.layers[2])), "gain_grid")


def _gain_bit() -> bytes:
    """The last bit of the first record, which is of the gain grid, turned over."""
    parts = raw("gain_grid")
    head = parts.header()
    data = bytearray(parts.to_bytes())
    data[len(head) + len(record(parts.records[0], head, 0)) - 1] ^= 1
    return bytes(data)


FAULTS: dict[str, Make] = {
    "gain-bit": _gain_bit,
    "gain-cut": _gain(lambda body: body[:-2]),
    "gain-of-one-byte": _gain(lambda body: body[:1]),
    "gain-low-bits-10": _gain(lambda body: bytes([body[0] & 0xF0 | 10]) + body[1:]),
    "gain-side-unknown": _gain(lambda body: bytes([body[0] | 0x30]) + body[1:]),
    "gain-bits-left-over": _gain(lambda body: body + b"\0"),
    "gain-padding-of-ones": _gain(lambda body: body[:-1] + bytes([body[-1] | 1])),
    "gain-beyond-256-steps": _gain(lambda body: b"\0" + b"\xff" * 65 + bytes(20)),
    "gain-of-ones": _gain(lambda _: b"\0" + b"\xff" * 4000),
    "gain-too-long": _gain(lambda _: b"\0" + b"\xff" * 40_000),
    "record-bit-in-mask": lambda: _flipped(15),
    "record-bit-in-layer": lambda: _flipped(300),
    "record-bit-in-lengths": lambda: _flipped(1),
    "record-of-another-file": _foreign_record,
    "records-swapped": _swapped_records,
    "segment-of-4-bytes": _lengths([4, 0, 0], bytes(4)),
    "segments-longer-than-record": _lengths([5, 5, 2000]),
    "segments-shorter-than-record": _lengths([5, 5, 5], bytes(9)),
    "segment-of-4-gib": _lengths([2**32 - 1, 0, 0], bytes(20)),
    "segment-length-of-33-bits": _lengths([2**32, 0, 0], bytes(20)),
    "quality-offset-unknown": _quality(-3, empty=False),
    "quality-offset-of-nothing": _quality(5, empty=True),
    "weights-cut": _second(lambda body: body[:4] + b"\x80" + body[5:]),
    "weights-129": _second(lambda body: body[:4] + b"\x81" + body[5:]),
    "weights-end-with-0": _second(
        lambda body: body[:4] + bytes([body[4] + 2, *body[5 : 5 + (body[4] + 1) // 2], 0])
    ),
    "weights-beyond-channels": _second(lambda body: body[:4] + b"\x19" + b"\x11" * 12 + b"\x01" + body[5:]),
    "layers-swapped": spoiled(_swap_layers),
    "layer-of-3-bytes": _stream(bytes(3)),
    "layer-without-stream": _cut_stream(0),
    "layer-digest-wrong": _first(lambda part: part.layers.__setitem__(1, bytes(4) + part.layers[1][4:])),
    "stream-of-4-bytes": _cut_stream(4),
    "stream-of-7-bytes": _cut_stream(7),
    "stream-of-15-bytes": _cut_stream(15),
    "stream-cut": _cut_stream(40),
    "stream-not-a-multiple-of-4": _first(lambda part: part.layers.__setitem__(0, part.layers[0] + b"\0")),
    "stream-of-zeros": _stream(bytes(12)),
    "stream-of-ones": _stream(b"\xff" * 64),
    "stream-symbol-too-large": _stream(bytes(4) + _escape(200)),
    "stream-of-one-long-escape": _stream(bytes(4) + _escape(4000)),
    "mask-mode-unknown": _mask(b"\x04\x01"),
    "mask-class-above-palette": _mask(b"\x01\x02"),
    "mask-class-0-everywhere": _mask(b"\x01\x00"),
    "mask-bytes-behind": _mask(b"\x01\x01\x00"),
    "mask-not-deflated": _mask(b"\x03\x01\x01\xff\xff\xff"),
    "mask-cut": _first(lambda part: setattr(part, "mask", part.mask[:-1])),
    "mask-of-one-class": _mask(b"\x02\x01\x00\x01" + deflated(b"\x01")),
    "mask-classes-twice": _mask(b"\x02\x02\x01\x01\x01" + deflated(b"\x01")),
    "mask-changes-0": _mask(b"\x02\x02\x00\x01\x00" + deflated(b"")),
    "mask-changes-4-billion": _mask(b"\x02\x02\x00\x01" + uv(2**32 - 1) + deflated(bytes(9))),
    "mask-changes-backward": _mask(b"\x02\x02\x00\x01\x02" + deflated(uv(10) + uv(2**32 - 1))),
    "mask-changes-beyond-tile": _mask(b"\x02\x02\x00\x01\x01" + deflated(uv(2**31))),
    "mask-inflates-to-64-mib": _mask(b"\x02\x02\x00\x01" + uv(ROWS * COLS - 1) + deflated(bytes(2**26))),
    "mask-planes-inflate-to-64-mib": _mask(b"\x03\x01\x01" + deflated(bytes(2**26))),
    "mask-plane-empty": _mask(b"\x03\x01\x01" + deflated(bytes(ROWS * -(-COLS // 8)))),
    "mask-plane-leaves-tile": _mask(b"\x03\x01\x01" + deflated(b"\xff" * (ROWS * -(-COLS // 8)))),
    "mask-of-a-band-without-palette": _first(lambda part: setattr(part, "mask", b"\x01\x01"), "uint8"),
}
