"""Bad files: georeferencing and texts that lie, inflate or nest."""

from __future__ import annotations

import json
import struct

from gallery.parts import Make, spoiled
from torture.container import Raw
from torture.hostile_payloads import deflated

NUMBER = bytes([8]) + struct.pack(">d", 1 / 3)


def _geo(data: bytes) -> Make:
    return spoiled(lambda parts: setattr(parts, "geo", data))


def _packed(data: bytes) -> Make:
    """A maker: a TEXT chunk, and no GEO chunk, whose fields would count more."""

    def change(parts: Raw) -> None:
        parts.geo, parts.text = b"", data

    return spoiled(change)


def _text(text: str | bytes) -> Make:
    return _packed(deflated(text.encode() if isinstance(text, str) else text))


def _fields(**fields: object) -> Make:
    return _text(json.dumps(fields))


FAULTS: dict[str, Make] = {
    "geo-flags-unknown": _geo(b"\x40"),
    "geo-area-and-point": _geo(b"\x30"),
    "geo-square-without-transform": _geo(b"\x08"),
    "geo-cut": _geo(b"\x02" + NUMBER + NUMBER),
    "geo-too-long": _geo(b"\x01\xe6\x10\x00"),
    "geo-number-of-9-bytes": _geo(b"\x0a\x09" + bytes(9) + b"\0\0\0"),
    "text-not-deflated": _packed(b"\xff\xfe{}"),
    "text-cut": _packed(deflated(b'{"t":{"":{"a":"b"}}}')[:-4]),
    "text-bytes-behind": _packed(deflated(b"{}") + b"!"),
    "text-not-json": _text("<xml/>"),
    "text-not-an-object": _text("[1,2,3]"),
    "text-empty": _text(""),
    "text-not-utf-8": _text(b'{"p":"\xff\xfe\xfd"}'),
    "text-lone-surrogate": _text('{"t":{"":{"a":"\\ud800"}}}'),
    "text-inflates-to-64-mib": _text(b" " * 2**26),
    "text-string-of-32-mib": _text(b'{"p":"' + b"A" * 2**25 + b'"}'),
    "text-nested-100000-deep": _text("[" * 100_000),
    "text-objects-nested-100000-deep": _text('{"a":' * 100_000),
    "text-number-of-100000-digits": _text('{"n":' + "9" * 100_000 + "}"),
    "text-number-beyond-floats": _text('{"a":[1,0,' + "9" * 400 + ",0,1,0]}"),
    "text-number-nan": _text('{"n":NaN}'),
    "text-number-infinity": _text('{"s":[-Infinity]}'),
    "text-number-1e999": _text('{"n":1e999}'),
    "text-not-ascii": _text('{"p":"Gauß-Krüger"}'),
    "text-nodata-is-a-list": _fields(n=[0]),
    "text-nodata-is-true": _fields(n=True),
    "text-nodata-is-a-word": _fields(n="none"),
    "text-crs-is-a-number": _fields(p=4326),
    "text-transform-of-5": _fields(a=[1, 0, 0, 0, 1]),
    "text-tags-are-a-list": _fields(t=["a"]),
    "text-tag-is-a-number": _fields(t={"": {"a": 1}}),
    "text-points-are-null": _fields(g=None),
    "text-points-ragged": _fields(g=[[0, 1], [0], [0], [0], [0], None, None]),
    "text-points-of-3-columns": _fields(g=[[0], [0], [0]]),
    "text-descriptions-of-2-bands": _fields(d=["VV", "VH"]),
    "text-scales-are-words": _fields(s=["one"]),
    "text-rpcs-are-numbers": _fields(r={"LINE_OFF": 20}),
}
