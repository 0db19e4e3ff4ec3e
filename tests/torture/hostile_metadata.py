"""Georeferencing and tags that were made to harm, taken through the command line to a GeoTIFF."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sarcodec.cli import main
from torture.container import Raw
from torture.hostile_payloads import deflated
from torture.judge import HarmError
from torture.mutations import generator
from torture.subjects import TOY, Subject

Rng = np.random.Generator

NUMBERS: tuple[Any, ...] = (0, 1, -1, 0.5, 1e308, -1e308, 5e-324, 10**400, "nan", "inf", "-inf", float("nan"))
TEXTS: tuple[str, ...] = (
    "",
    "x",
    "1",
    "\ud800",
    "a\0b",
    "\x1b[31mred\x1b[0m\r\n",
    "\N{RIGHT-TO-LEFT OVERRIDE}gnp",
    "=",
    "a=b",
    "é" * 100,
    "A" * 70000,
    "/etc/passwd",
    "../../x",
    "https://example.com/crs",
    "EPSG:0",
    "EPSG:4326",
    "EPSG:99999",
    "EPSG:-1",
    "EPSG:4326+5773",
    "+proj=longlat +datum=WGS84",
    'GEOGCRS["x"',
    'LOCAL_CS["x"]',
    'PROJCRS["' + '["' * 2000,
    "<xml/>",
    '{"a":1}',
)
NAMESPACES = (
    "",
    "SAR",
    "RPC",
    "IMAGE_STRUCTURE",
    "SUBDATASETS",
    "xml:XMP",
    "json:ISIS3",
    "SARCODEC",
    "GEOLOCATION",
    "COLOR_PROFILE",
    "DERIVED_SUBDATASETS",
    "a b",
    "\0",
    "é",
)
KEYS = (
    "",
    "a",
    "A=B",
    "a:b",
    "\n",
    "\0",
    "é",
    "AREA_OR_POINT",
    "TIFFTAG_SOFTWARE",
    "NBITS",
    "\ud800",
    "k" * 300,
)
RPCS = ("LINE_OFF", "SAMP_OFF", "LINE_NUM_COEFF", "HEIGHT_OFF", "ERR_BIAS", "x")
COLORS = ("gray", "undefined", "red", "palette", "no such colour", "", "GRAY")
CRS = (*TEXTS, "EPSG:32632", "EPSG:3857")


def _one(rng: Rng, values: tuple[Any, ...]) -> Any:
    return values[int(rng.integers(len(values)))]


def _tags(rng: Rng) -> Any:
    namespaces = [_one(rng, NAMESPACES) for _ in range(int(rng.integers(1, 4)))]
    return {name: {_one(rng, KEYS): _one(rng, TEXTS) for _ in range(2)} for name in namespaces}


def _anything(rng: Rng) -> Any:
    odd: tuple[Any, ...] = (
        None,
        True,
        False,
        [],
        {},
        [[]],
        {"": {}},
        [None],
        {"a": 1},
        {"": {"a": 1}},
        [[[[]]]],
        [0] * 6,
        [0] * 7,
    )
    return _one(rng, (*NUMBERS, *TEXTS, *odd))


def _points(rng: Rng) -> list[Any]:
    count = int(rng.choice([0, 1, 2, 5]))
    columns: list[Any] = [[_one(rng, NUMBERS) for _ in range(count)] for _ in range(5)]
    ids = None if rng.random() < 0.5 else [_one(rng, TEXTS) for _ in range(count)]
    infos = None if rng.random() < 0.5 else [_one(rng, TEXTS) for _ in range(count)]
    return [*columns, ids, infos]


def fields(rng: Rng, bands: int) -> dict[str, Any]:
    """Fields of a TEXT chunk, plausible in form and not in content, or in neither."""
    made: dict[str, Callable[[], Any]] = {
        "p": lambda: _one(rng, CRS),
        "q": lambda: _one(rng, CRS),
        "a": lambda: [_one(rng, NUMBERS) for _ in range(6)],
        "n": lambda: _one(rng, NUMBERS),
        "g": lambda: _points(rng),
        "r": lambda: {_one(rng, RPCS): _one(rng, TEXTS) for _ in range(3)},
        "t": lambda: _tags(rng),
        "d": lambda: [_one(rng, (None, *TEXTS)) for _ in range(bands)],
        "u": lambda: [_one(rng, (None, *TEXTS)) for _ in range(bands)],
        "s": lambda: [_one(rng, NUMBERS) for _ in range(bands)],
        "o": lambda: [_one(rng, NUMBERS) for _ in range(bands)],
        "c": lambda: [_one(rng, COLORS) for _ in range(bands)],
        "b": lambda: [_tags(rng) for _ in range(bands)],
    }
    chosen = [_one(rng, tuple(made)) for _ in range(int(rng.integers(1, 4)))]
    return {key: made[key]() if rng.random() < 0.85 else _anything(rng) for key in chosen}


def _geo(rng: Rng) -> bytes:
    """A GEO chunk of the right form: any code, any doubles."""
    flags = int(rng.choice([1, 2, 3, 6, 7, 10, 14, 16, 32, 3 + 16, 7 + 32]))
    out = bytes([flags])
    if flags & 1:
        out += int(rng.choice([0, 1, 4326, 32632, 65535])).to_bytes(2, "little")
    if flags & 2:
        for _ in range(6 - 2 * (not flags & 4) - bool(flags & 8)):
            packed = np.array(rng.choice([0, 1, -10, 1e308, np.nan, np.inf, 5e-324]), ">f8").tobytes()
            packed = packed.rstrip(b"\0")
            out += bytes([len(packed)]) + packed
    return out


def metadata_case(subject: Subject, number: int) -> bytes:
    """A file with hostile metadata, every checksum right."""
    rng = generator("metadata", subject, number)
    raw = Raw.of(subject.data)
    if number % 5 == 0:
        raw.geo = _geo(rng)
    else:
        raw.text = deflated(json.dumps(fields(rng, raw.image.bands)).encode())
    return raw.to_bytes()


def through_the_command_line(subject: Subject, data: bytes) -> str:
    """Show, test and decode a file; returns the exit code of decode as a text.

    Raises
    ------
    HarmError
        An internal error, output without success, or something left behind.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, target, part = folder / "a.sarc", folder / "a.tif", folder / "b.tif"
        source.write_bytes(data)
        model = ["--model", TOY, "-j", "1", "--device", "cpu"]
        codes = {
            " ".join(map(str, arguments[:2])): _code(*arguments)
            for arguments in (
                ("info", source),
                ("info", source, "--json"),
                ("test", source, *model[:4]),
                ("decode", source, "-o", target, *model),
                ("decode", source, "-o", part, "--window", "0,0,1,1", *model),
            )
        }
        made = [path for path in (target, part) if path.exists()]
        made += [path.with_name(f"{path.name}.aux.xml") for path in made]  # a CRS that GeoTIFF cannot hold
        left = sorted(path.name for path in folder.iterdir() if path not in (source, *made))
        if left:
            raise HarmError("other", f"left behind: {left}")
    return f"exit {_code_of(codes, 'decode')}"


def _code_of(codes: dict[str, int], command: str) -> int:
    return next(code for key, code in codes.items() if key.startswith(command))


def _code(*arguments: object) -> int:
    """Exit code of a command, which may print only what UTF-8 can hold; 1 is harm."""
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2)]
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
        code = main([str(argument) for argument in arguments])
        for stream in streams:
            stream.flush()
    said = streams[1].buffer.getvalue().decode()
    errors = [line for line in said.splitlines() if not line.startswith("sarcodec: warning: ")]
    if code == 1 or len(errors) != (2 if code else 0):
        raise HarmError("other", f"{arguments[0]} ends with {code}: {said}")
    return code
