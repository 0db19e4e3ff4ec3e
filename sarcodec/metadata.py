"""What a raster says about itself besides its pixels, and its two packed forms.

The common form is a flat JSON object, the *fields*, in which every default is left out:

=====  ====================================================================================
key    value
=====  ====================================================================================
``p``  CRS of the raster: ``"EPSG:n"`` or WKT2
``a``  affine transform, six numbers: x = a*col + b*row + c, y = d*col + e*row + f
``n``  nodata value
``g``  GCPs by column: rows, cols, xs, ys, zs, ids (null: "1", "2", ...), infos (null: all empty)
``q``  CRS of the GCPs
``r``  RPCs, GDAL's names to GDAL's texts
``t``  tags of the raster: namespace ("" is the default one) to key to text
``d``  band descriptions, a list with null for none
``u``  band units, likewise
``s``  band scales (default 1)
``o``  band offsets (default 0)
``c``  band colour interpretations, GDAL's lower-case names (default: gray, undefined, ...)
``b``  tags of each band, a list of what ``t`` is
=====  ====================================================================================

Numbers that JSON lacks are the texts ``"nan"``, ``"inf"`` and ``"-inf"``.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sarcodec import georef
from sarcodec.errors import FormatError
from sarcodec.georef import Transform
from sarcodec.limits import DEFAULT, Limits, check
from sarcodec.types import Window
from sarcodec.vocabulary import VOCABULARY

Tags = dict[str, dict[str, str]]
Fields = dict[str, Any]

_PIXEL_IS = "AREA_OR_POINT"
_OFFSET = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(.*)", re.DOTALL)
"""A number, and the unit that may follow it."""


@dataclass(frozen=True)
class BandMeta:
    """One band's metadata; `scale` and `offset` are carried, never applied."""

    description: str | None = None
    unit: str | None = None
    scale: float = 1.0
    offset: float = 0.0
    colorinterp: str = "undefined"
    tags: Tags = field(default_factory=dict)
    """Namespace ("" is the default one) to key to text."""


@dataclass(frozen=True)
class Gcp:
    """A ground control point: pixel (row, col) lies at (x, y, z) in the CRS of the GCPs."""

    row: float
    col: float
    x: float
    y: float
    z: float = 0.0
    id: str = ""
    info: str = ""


@dataclass(frozen=True)
class RasterMeta:
    """All of a raster but its pixels."""

    width: int
    height: int
    count: int
    dtype: str
    """NumPy's name of the pixel type."""
    nodata: float | int | None = None
    """An int where `dtype` is an integer type and the value is whole."""
    crs: str | None = None
    """``"EPSG:n"`` where that says it all, else WKT2."""
    transform: Transform | None = None
    """(a, b, c, d, e, f); None where the raster has none."""
    gcps: tuple[Gcp, ...] = ()
    gcp_crs: str | None = None
    rpcs: dict[str, str] | None = None
    tags: Tags = field(default_factory=dict)
    """Namespace ("" is the default one) to key to text."""
    bands: tuple[BandMeta, ...] = ()
    """One for each band; empty is the same as all defaults."""

    def __post_init__(self) -> None:
        if self.nodata is not None:
            object.__setattr__(self, "nodata", _nodata(self.nodata, self.dtype))
        if not self.bands:
            object.__setattr__(self, "bands", tuple(BandMeta(colorinterp=c) for c in _colors(self.count)))
        if len(self.bands) != self.count:
            raise ValueError(f"{len(self.bands)} bands described, {self.count} counted")

    def cropped(self, window: Window) -> RasterMeta:
        """The metadata of a window of this raster: transform, GCPs and RPC offsets moved along.

        RPCs whose offsets are no numbers are left out: they would place the window wrongly.
        """
        transform = self.transform
        if transform is not None:
            a, b, c, d, e, f = transform
            dx, dy = window.col, window.row
            transform = (a, b, c + a * dx + b * dy, d, e, f + d * dx + e * dy)
        rpcs = _moved_rpcs(self.rpcs, {"SAMP_OFF": window.col, "LINE_OFF": window.row})
        gcps = tuple(replace(g, row=g.row - window.row, col=g.col - window.col) for g in self.gcps)
        return replace(
            self, width=window.width, height=window.height, transform=transform, gcps=gcps, rpcs=rpcs
        )

    def reduced(self, factor: int) -> RasterMeta:
        """The metadata with one pixel for `factor` x `factor`: transform, GCPs and RPCs are scaled.

        The last column and row may stand for fewer pixels. RPCs whose numbers are no numbers are left out.
        """
        transform = self.transform
        if transform is not None:
            a, b, c, d, e, f = transform
            transform = (a * factor, b * factor, c, d * factor, e * factor, f)
        gcps = tuple(replace(g, row=g.row / factor, col=g.col / factor) for g in self.gcps)
        return replace(
            self,
            width=-(-self.width // factor),
            height=-(-self.height // factor),
            transform=transform,
            gcps=gcps,
            rpcs=_scaled_rpcs(self.rpcs, factor),
        )

    @classmethod
    def from_chunks(
        cls,
        width: int,
        height: int,
        count: int,
        dtype: str,
        geo: bytes,
        text: bytes,
        *,
        limits: Limits = DEFAULT,
    ) -> RasterMeta:
        """Put together what :func:`pack_geo` and :func:`pack_text` took apart.

        Raises
        ------
        FormatError
            A chunk does not hold what it should.
        LimitError
            The text is larger than `Limits.text_bytes`, or holds too many ground control points.
        """
        fields, placed = unpack_text(text, limits), unpack_geo(geo)
        try:
            tags = fields.get("t", {}) | {}
            for namespace, items in placed.pop("t", {}).items():
                tags[namespace] = {**tags.get(namespace, {}), **items}
            return from_fields(width, height, count, dtype, {**fields, **placed, "t": tags})
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
            raise FormatError(f"the metadata chunks are damaged: {error}") from error


def to_fields(meta: RasterMeta) -> Fields:
    """The fields of the module's docstring, defaults left out."""
    bands = meta.bands
    ids, infos = [g.id for g in meta.gcps], [g.info for g in meta.gcps]
    points = [[_number(getattr(g, name)) for g in meta.gcps] for name in ("row", "col", "x", "y", "z")]
    columns: dict[str, tuple[list[Any], list[Any]]] = {
        "d": ([b.description for b in bands], [None] * meta.count),
        "u": ([b.unit for b in bands], [None] * meta.count),
        "s": ([_number(b.scale) for b in bands], [1] * meta.count),
        "o": ([_number(b.offset) for b in bands], [0] * meta.count),
        "c": ([b.colorinterp for b in bands], _colors(meta.count)),
        "b": ([b.tags for b in bands], [{}] * meta.count),
    }
    # Compared as texts, for -0.0 equals 0 but is not the default.
    fields: Fields = {
        "p": meta.crs,
        "a": None if meta.transform is None else [_number(v) for v in meta.transform],
        "n": None if meta.nodata is None else _number(meta.nodata),
        "g": [*points, None if ids == _ids(len(ids)) else ids, infos if any(infos) else None]
        if meta.gcps
        else None,
        "q": meta.gcp_crs,
        "r": meta.rpcs,
        "t": meta.tags or None,
    } | {key: values for key, (values, default) in columns.items() if repr(values) != repr(default)}
    return {key: value for key, value in fields.items() if value is not None}


def from_fields(width: int, height: int, count: int, dtype: str, fields: Mapping[str, Any]) -> RasterMeta:
    """Inverse of :func:`to_fields`; unknown keys are ignored.

    Raises
    ------
    ValueError, TypeError, AttributeError
        A field is not of the kind it should be.
    """

    def column(key: str, default: list[Any]) -> list[Any]:
        return _sized(fields.get(key, default), count, key)

    bands = zip(
        (_text_or_none(v) for v in column("d", [None] * count)),
        (_text_or_none(v) for v in column("u", [None] * count)),
        (_real(v) for v in column("s", [1] * count)),
        (_real(v) for v in column("o", [0] * count)),
        (_text(v) for v in column("c", _colors(count))),
        (_tags(v) for v in column("b", [{}] * count)),
        strict=True,
    )
    affine = fields.get("a")
    nodata = fields.get("n")
    return RasterMeta(
        width=width,
        height=height,
        count=count,
        dtype=dtype,
        nodata=None if nodata is None else _real(nodata),
        crs=_text_or_none(fields.get("p")),
        transform=None if affine is None else _affine(affine),
        gcps=_gcps(fields["g"]) if "g" in fields else (),
        gcp_crs=_text_or_none(fields.get("q")),
        rpcs=_texts(fields["r"]) if "r" in fields else None,
        tags=_tags(fields.get("t", {})),
        bands=tuple(BandMeta(*values) for values in bands),
    )


def canonical_json(fields: Mapping[str, Any]) -> bytes:
    """`fields` as ASCII JSON with sorted keys and no spaces."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def pack_geo(meta: RasterMeta) -> bytes:
    """EPSG code, transform and AREA_OR_POINT as :mod:`sarcodec.georef` packs them, b"" where none."""
    return georef.pack(meta.crs, meta.transform, meta.tags.get("", {}).get(_PIXEL_IS))


def unpack_geo(data: bytes) -> Fields:
    """The fields that :func:`pack_geo` packed: ``p``, ``a`` and part of ``t``.

    Raises
    ------
    FormatError
        The bytes are cut, too many, or carry flags that do not exist.
    """
    crs, transform, pixel_is = georef.unpack(data)
    fields: Fields = {} if crs is None else {"p": crs}
    if transform is not None:
        fields["a"] = [_number(v) for v in transform]
    if pixel_is is not None:
        fields["t"] = {"": {_PIXEL_IS: pixel_is}}
    return fields


def pack_text(meta: RasterMeta, limits: Limits = DEFAULT) -> bytes:
    """Every field that :func:`pack_geo` leaves, as raw-deflated canonical JSON; b"" where there is none.

    Raises
    ------
    LimitError
        There are more ground control points, or more text, than the limits allow.
    """
    check("number of ground control points", len(meta.gcps), limits.gcps, limit="gcps")
    fields, placed = to_fields(meta), unpack_geo(pack_geo(meta))
    fields = {key: value for key, value in fields.items() if key == "t" or key not in placed}
    if "t" in placed:
        default = {key: value for key, value in fields["t"][""].items() if key != _PIXEL_IS}
        tags = {**fields.pop("t"), "": default}
        fields["t"] = tags if default else {key: value for key, value in tags.items() if key}
    fields = {key: value for key, value in fields.items() if key != "t" or value}
    if not fields:
        return b""
    text = canonical_json(fields)
    check("metadata text in bytes", len(text), limits.text_bytes, limit="text_bytes")
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=VOCABULARY)
    return packer.compress(text) + packer.flush()


def unpack_text(data: bytes, limits: Limits = DEFAULT) -> Fields:
    """The fields that :func:`pack_text` packed.

    Raises
    ------
    FormatError
        The bytes are no deflated JSON object.
    LimitError
        They inflate to more than `Limits.text_bytes`, or hold too many ground control points.
    """
    if not data:
        return {}
    inflater = zlib.decompressobj(-15, zdict=VOCABULARY)
    try:
        text = inflater.decompress(data, limits.text_bytes + 1)
        check("metadata text in bytes", len(text), limits.text_bytes, limit="text_bytes")
        if not inflater.eof or inflater.unused_data:
            raise FormatError(f"TEXT chunk: {len(data)} bytes are not one deflate stream")
        fields = json.loads(
            text.decode("ascii"), parse_constant=_finite, parse_float=_finite, object_pairs_hook=_distinct
        )
        json.dumps(fields, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (zlib.error, ValueError, RecursionError) as error:
        raise FormatError(f"TEXT chunk: {error}") from error
    if not isinstance(fields, dict):
        raise FormatError("TEXT chunk: not a JSON object")
    points = fields.get("g")
    if isinstance(points, list) and points and isinstance(points[0], list):
        check("number of ground control points", len(points[0]), limits.gcps, limit="gcps")
    return fields


def _moved_rpcs(rpcs: dict[str, str] | None, shifts: Mapping[str, int]) -> dict[str, str] | None:
    if not rpcs:
        return rpcs
    moved = dict(rpcs)
    for key in shifts.keys() & rpcs.keys():
        found = _OFFSET.fullmatch(rpcs[key])
        if not found:
            return None
        moved[key] = repr(float(found[1]) - shifts[key]) + found[2]
    return moved


def _scaled_rpcs(rpcs: dict[str, str] | None, factor: int) -> dict[str, str] | None:
    """RPCs count pixels from the centre of the first one, unlike transforms and GCPs."""
    if not rpcs:
        return rpcs
    scaled = dict(rpcs)
    for key in {"SAMP_OFF", "LINE_OFF", "SAMP_SCALE", "LINE_SCALE"} & rpcs.keys():
        found = _OFFSET.fullmatch(rpcs[key])
        if not found:
            return None
        number = float(found[1])
        small = (number + 0.5) / factor - 0.5 if key.endswith("_OFF") else number / factor
        scaled[key] = repr(small) + found[2]
    return scaled


def _finite(text: str) -> float:
    """A number of JSON; ``NaN`` and numbers beyond a double are none."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a number of JSON")
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, each key once."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in an object")
    return found


def _nodata(value: float | int, dtype: str) -> float | int:
    if dtype.startswith(("int", "uint")) and math.isfinite(value) and value == int(value):
        return int(value)
    # One NaN object, so that equal metadata compare equal.
    return math.nan if math.isnan(value) else float(value)


def _colors(count: int) -> list[str]:
    return ["gray" if band == 0 else "undefined" for band in range(count)]


def _ids(count: int) -> list[str]:
    return [str(number + 1) for number in range(count)]


def _number(value: float) -> float | int | str:
    if not math.isfinite(value):
        return repr(float(value))
    whole = abs(value) < 2**53 and value == int(value) and (value != 0 or math.copysign(1, value) > 0)
    return int(value) if whole else float(value)


def _real(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"{value!r} is not a number")
    if isinstance(value, str) and value not in ("nan", "inf", "-inf"):
        raise ValueError(f"{value!r} is not a number")
    number = float(value)
    return math.nan if math.isnan(number) else number


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text")
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _texts(value: Any) -> dict[str, str]:
    return {_text(key): _text(item) for key, item in value.items()}


def _tags(value: Any) -> Tags:
    return {_text(namespace): _texts(items) for namespace, items in value.items()}


def _sized(value: object, count: int, key: str) -> list[Any]:
    if not isinstance(value, list) or len(value) != count:
        raise ValueError(f"field {key!r} is not a list of {count}")
    return value


def _affine(value: object) -> Transform:
    a, b, c, d, e, f = (_real(v) for v in _sized(value, 6, "a"))
    return a, b, c, d, e, f


def _gcps(value: object) -> tuple[Gcp, ...]:
    *points, ids, infos = _sized(value, 7, "g")
    count = len(points[0])
    numbers = [[_real(v) for v in _sized(column, count, "g")] for column in points]
    names = [_text(v) for v in _sized(_ids(count) if ids is None else ids, count, "g")]
    notes = [_text(v) for v in _sized([""] * count if infos is None else infos, count, "g")]
    return tuple(Gcp(*row) for row in zip(*numbers, names, notes, strict=True))
