"""Metadata that GeoTIFF has no place for, kept as one tag of the file.

GeoTIFF cannot hold, for instance, the ids of GCPs, GCPs beside a transform, an empty tag, or a nodata value
outside the pixel type's range. The sink finds out what GDAL reads back, and writes the fields that differ
into this tag; the source puts them in place again. The tag counts only as long as the rest of the metadata
is what it was when the tag was written: after a crop, say, the GCPs it holds would be wrong. A CRS that was
given to the file since then counts, and not that of the tag.
"""

from __future__ import annotations

import json
import zlib

from sarcodec.io.crs import same
from sarcodec.metadata import RasterMeta, canonical_json, from_fields, lasting, to_fields

NAMESPACE = "SARCODEC"
KEY = "NOT_IN_GEOTIFF"

_CRS_KEYS = {"p", "q"}  # left out of the check, for the text of a CRS changes with the version of PROJ


def record(wanted: RasterMeta, found: RasterMeta) -> str:
    """The tag's text that makes :func:`restore` turn `found` into `wanted`; "" where they are equal."""
    want, have = to_fields(wanted), to_fields(found)
    fields = {
        key: want.get(key) for key in sorted(want.keys() | have.keys()) if want.get(key) != have.get(key)
    }
    was = {key: have.get(key) for key in sorted(_CRS_KEYS & fields.keys())}
    tag = {"check": _digest(found), "fields": fields} | ({"was": was} if was else {})
    return canonical_json(tag).decode("ascii") if fields else ""


def restore(found: RasterMeta, text: str) -> RasterMeta:
    """`found` with the fields of the tag's `text`; `found` itself where they are not about it."""
    try:
        stored = json.loads(text) if text else {}
        if stored.get("check") != _digest(found):
            return found
        have, fields = to_fields(found), dict(stored["fields"])
        for key, was in stored.get("was", {}).items():
            if have.get(key) is not None and not same(have[key], was):
                fields.pop(key, None)
        fields = {key: value for key, value in {**have, **fields}.items() if value is not None}
        return from_fields(found.width, found.height, found.count, found.dtype, fields)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return found


def _digest(meta: RasterMeta) -> int:
    # Statistics that a viewer puts beside the file change nothing of what the tag is about.
    fields = {key: value for key, value in to_fields(lasting(meta)).items() if key not in _CRS_KEYS}
    return zlib.crc32(canonical_json({"size": [meta.width, meta.height, meta.count, meta.dtype], **fields}))
