"""``bench.json`` and ``points.csv``: the figures for other programs.

``docs/schema/bench.schema.json`` describes the JSON document.
"""

from __future__ import annotations

import csv
import json
import math
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from sarcodec.atomic import replacing
from sarcodec.bench.measures import MEASURES
from sarcodec.bench.results import SCHEMA, Results
from sarcodec.errors import InputError

_POINT = ("scene", "kind", "codec", "wanted_bpp", "setting", "bytes", "bpp")


def to_json(results: Results) -> str:
    """The document as text, ending in a line feed; what is not a finite number is null."""
    return json.dumps(_plain(results), indent=1, allow_nan=False) + "\n"


def write_json(results: Results, path: str | Path) -> None:
    """Write `results` as JSON, replacing `path` where it exists.

    Raises
    ------
    WriteError
        The file could not be written.
    """
    with replacing(Path(path), overwrite=True) as partial:
        partial.write_text(to_json(results), encoding="utf-8")


def read_json(path: str | Path) -> Results:
    """What :func:`write_json` wrote.

    A null where a number has to be comes back as not-a-number; elsewhere null is None.

    Raises
    ------
    InputError
        `path` cannot be read or is no document of this version.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is no benchmark document: {error}", hint=_HINT) from error
    if not isinstance(document, dict) or document.pop("schema", None) != SCHEMA:
        raise InputError(f"{path} is no document of the schema {SCHEMA}", hint=_HINT)
    try:
        results = _built(Results, document)
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(f"{path} is no document of the schema {SCHEMA}: {error}", hint=_HINT) from error
    assert isinstance(results, Results)
    return results


_HINT = "Give a bench.json that this version of sarcodec wrote."


def write_csv(results: Results, path: str | Path) -> None:
    """A line per point: scene, kind, codec, rate and size, then a column per measure; empty where missing.

    Columns are named as the fields of `Point` and the measures; floats have all their digits.

    Raises
    ------
    WriteError
        The file could not be written.
    """
    kinds = {scene.name: scene.kind for scene in results.scenes}
    names = [measure.name for measure in MEASURES]
    with (
        replacing(Path(path), overwrite=True) as partial,
        partial.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        writer = csv.writer(file)
        writer.writerow([*_POINT, *names])
        for point in results.points:
            row: list[Any] = [point.scene, kinds.get(point.scene), point.codec, point.wanted_bpp]
            row += [point.setting, point.bytes, point.bpp, *(point.measures.get(name) for name in names)]
            writer.writerow([_plain(value) for value in row])


def _plain(value: Any) -> Any:
    """`value` of dicts, lists, strings and finite numbers."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _built(kind: Any, value: Any) -> Any:
    """`value` of a JSON document as the annotation `kind` says."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return _one_of(args, value)
    if is_dataclass(kind) and isinstance(kind, type):
        return _dataclass(kind, value)
    if origin is tuple:
        items = _of(list, value)
        each = [args[0]] * len(items) if args[-1] is Ellipsis else args
        return tuple(_built(part, item) for part, item in zip(each, items, strict=True))
    if origin is dict:
        return {key: _built(args[1], item) for key, item in _of(dict, value).items()}
    if kind is float:
        return math.nan if value is None else _number(value)
    return _of(kind, value)


def _one_of(kinds: tuple[Any, ...], value: Any) -> Any:
    if value is None and type(None) in kinds:
        return None
    if float in kinds and isinstance(value, int | float) and not isinstance(value, bool):
        return value
    others = [kind for kind in kinds if kind not in {float, type(None)}]
    return _of(tuple(others), value) if len(others) != 1 else _built(others[0], value)


def _dataclass(kind: type, value: Any) -> Any:
    hints = _hints(kind)
    wanted = [field.name for field in fields(kind) if field.init]
    if missing := set(wanted) ^ set(_of(dict, value)):
        raise ValueError(f"{kind.__name__}: {', '.join(sorted(missing))}")
    return kind(**{name: _built(hints[name], value[name]) for name in wanted})


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r:.80} is not a number")
    return value


def _of(kind: Any, value: Any) -> Any:
    exact = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kind) or (isinstance(value, bool) and bool not in exact):
        raise TypeError(f"{value!r:.80} is not what belongs there")
    return value
