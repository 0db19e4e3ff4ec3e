"""The metadata chunks of a file: GEO, and TEXT for all that GEO has no place for."""

from __future__ import annotations

import json
import math
import zlib
from typing import Any

from sarcodec import georef
from sarcodec.errors import FormatError
from sarcodec.limits import DEFAULT, Limits, check
from sarcodec.metadata.fields import Fields, canonical_json, from_fields, number, to_fields
from sarcodec.metadata.raster import RasterMeta
from sarcodec.metadata.stale import lasting
from sarcodec.vocabulary import VOCABULARY

_PIXEL_IS = "AREA_OR_POINT"


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
        fields["a"] = [number(v) for v in transform]
    if pixel_is is not None:
        fields["t"] = {"": {_PIXEL_IS: pixel_is}}
    return fields


def pack_text(meta: RasterMeta, limits: Limits = DEFAULT) -> bytes:
    """Every field that :func:`pack_geo` leaves, as raw-deflated canonical JSON; b"" where there is none.

    Tags that would be false of decoded pixels (:mod:`sarcodec.metadata.stale`) are left out.

    Raises
    ------
    LimitError
        There are more ground control points, more tags, or more text, than the limits allow.
    """
    meta = lasting(meta)
    check_counts(meta, limits)
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


def from_chunks(
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

    Tags that would be false of decoded pixels, which older encoders stored, are left out.

    Raises
    ------
    FormatError
        A chunk does not hold what it should.
    LimitError
        The text is larger than `Limits.text_bytes`, or holds too many ground control points or tags.
    """
    fields, placed = unpack_text(text, limits), unpack_geo(geo)
    try:
        tags = fields.get("t", {}) | {}
        for namespace, items in placed.pop("t", {}).items():
            tags[namespace] = {**tags.get(namespace, {}), **items}
        meta = from_fields(width, height, count, dtype, {**fields, **placed, "t": tags})
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise FormatError(f"the metadata chunks are damaged: {error}") from error
    check_counts(meta, limits)
    return lasting(meta)


def check_counts(meta: RasterMeta, limits: Limits) -> None:
    """Raise `LimitError` if there are more ground control points or tags than the limits allow.

    Tags of the raster and of its bands, and RPCs, are counted together.
    """
    check("number of ground control points", len(meta.gcps), limits.gcps, limit="gcps")
    groups = [*meta.tags.values(), *(items for band in meta.bands for items in band.tags.values())]
    # An empty namespace counts, too: each takes GDAL a search among those before it.
    found = sum(max(len(items), 1) for items in groups) + len(meta.rpcs or {})
    check("number of tags", found, limits.tags, limit="tags")


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
