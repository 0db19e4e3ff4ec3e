"""The fields: a raster's metadata as a flat JSON object in which every default is left out.

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
from collections.abc import Mapping
from typing import Any

from sarcodec.georef import Transform
from sarcodec.metadata.raster import BandMeta, Gcp, RasterMeta, Tags, default_colors

Fields = dict[str, Any]


def to_fields(meta: RasterMeta) -> Fields:
    """The fields of the module's docstring, defaults left out."""
    bands = meta.bands
    ids, infos = [g.id for g in meta.gcps], [g.info for g in meta.gcps]
    points = [[number(getattr(g, name)) for g in meta.gcps] for name in ("row", "col", "x", "y", "z")]
    columns: dict[str, tuple[list[Any], list[Any]]] = {
        "d": ([b.description for b in bands], [None] * meta.count),
        "u": ([b.unit for b in bands], [None] * meta.count),
        "s": ([number(b.scale) for b in bands], [1] * meta.count),
        "o": ([number(b.offset) for b in bands], [0] * meta.count),
        "c": ([b.colorinterp for b in bands], default_colors(meta.count)),
        "b": ([b.tags for b in bands], [{}] * meta.count),
    }
    # Compared as texts, for -0.0 equals 0 but is not the default.
    fields: Fields = {
        "p": meta.crs,
        "a": None if meta.transform is None else [number(v) for v in meta.transform],
        "n": None if meta.nodata is None else number(meta.nodata),
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
        (_text(v) for v in column("c", default_colors(count))),
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


def _ids(count: int) -> list[str]:
    return [str(number + 1) for number in range(count)]


def number(value: float) -> float | int | str:
    """A number as the fields hold it: whole ones as int, those that JSON lacks as text."""
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
