"""Every bad file of the gallery ends in its exit code, two lines, and nothing written."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import sarcodec
from conftest import TOY
from gallery import headers, make_gallery, outer
from gallery.parts import raw
from sarcodec.bitstream.reader import Reader
from sarcodec.cli import main
from sarcodec.cli.info import describe
from sarcodec.dataset import SarcDataset
from sarcodec.errors import SarcError
from sarcodec.limits import DEFAULT
from testing.forked import each
from testing.scenes import open_bytes
from torture.container import Part, Raw, uv
from torture.hostile_payloads import deflated
from torture.shortcuts import shortcuts

GALLERY = Path(__file__).parent / "gallery"
NOT_INSTALLED = "model-unknown"
"""The one file that is not to be decoded by the toy model."""
MEBIBYTE = 2**20


def rows() -> list[dict[str, str]]:
    with (GALLERY / "gallery.tsv").open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


ROWS = rows()
NAMES = [row["name"] for row in ROWS]


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with shortcuts():
        yield


def model_of(name: str) -> str | None:
    return None if name == NOT_INSTALLED else TOY


def has_bad_gains(name: str) -> bool:
    """Whether the file is to be decoded with its gains: without them nothing is wrong with it."""
    return name.startswith("gain-")


def use(path: Path, model: str | None, work: Callable[[SarcDataset], object]) -> None:
    with sarcodec.open(path, model=model, jobs=1, unbiased=has_bad_gains(path.stem)) as coded:
        work(coded)


def test_table_folder_and_makers_name_the_same_files() -> None:
    files = sorted(path.stem for path in GALLERY.glob("*.sarc"))
    assert sorted(NAMES) == files == sorted(make_gallery.FAULTS)
    assert len(NAMES) == len(set(NAMES)) >= 50
    assert all((GALLERY / f"{name}.sarc").stat().st_size < 70_000 for name in NAMES)


def test_no_two_files_are_the_same() -> None:
    assert len({(GALLERY / f"{name}.sarc").read_bytes() for name in NAMES}) == len(NAMES)


@pytest.mark.parametrize("name", [*outer.FAULTS, *headers.FAULTS])
def test_makers_make_the_files_of_the_folder(name: str) -> None:
    """Those whose bytes do not depend on the version of zlib."""
    assert make_gallery.FAULTS[name]() == (GALLERY / f"{name}.sarc").read_bytes()


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_a_bad_file_ends_as_the_table_says(
    row: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = GALLERY / f"{row['name']}.sarc", tmp_path / "out.tif"
    options = [] if row["name"] == NOT_INSTALLED else ["--model", TOY]
    options += ["--unbiased"] if has_bad_gains(row["name"]) else []
    assert main(["decode", str(source), "-o", str(target), "-j", "1", *options]) == int(row["decode"])
    seen = capsys.readouterr()
    lines = seen.err.splitlines()
    assert seen.out == "" and len(lines) == 2
    assert lines[0].startswith("sarcodec: error: ") and row["phrase"] in lines[0]
    assert lines[1].startswith("  ") and len(lines[1].strip()) > 10
    assert "Traceback" not in seen.err
    assert list(tmp_path.iterdir()) == []
    assert main(["info", str(source), "--json"]) == int(row["info"])
    seen = capsys.readouterr()
    if int(row["info"]):
        assert seen.out == "" and len(seen.err.splitlines()) == 2
    else:
        assert json.loads(seen.out)["bytes"] == source.stat().st_size


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_a_bad_file_raises_the_class_of_the_table_when_read_or_verified(row: dict[str, str]) -> None:
    kind = getattr(sarcodec.errors, row["error"])
    assert kind.exit_code == int(row["decode"])
    path, model = GALLERY / f"{row['name']}.sarc", model_of(row["name"])
    with pytest.raises(SarcError, match=re.escape(row["phrase"])) as caught:
        use(path, model, SarcDataset.read)
    assert caught.type is kind
    with pytest.raises(SarcError) as caught:
        use(path, model, SarcDataset.verify)
    assert caught.type is kind


def test_texts_of_a_file_command_no_terminal_and_fake_no_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts, odd = raw(), "\x1b]0;title\x07\x1b[31m\nmodel     trusted\r\u202e"
    fields = {"d": [odd], "p": odd, "a": [1, 0, 0, 0, 1, 0], "t": {odd: {odd: odd}}}
    parts.geo, parts.text = b"", deflated(json.dumps(fields).encode())
    source = tmp_path / "a.sarc"
    source.write_bytes(parts.to_bytes())
    assert main(["info", str(source)]) == 0
    shown = capsys.readouterr().out
    assert shown.replace("\n", "").isprintable()
    assert sum(line.startswith("model ") for line in shown.splitlines()) == 1
    assert main(["decode", str(source), "-o", str(tmp_path / "a.tif"), "--model", TOY]) == 0
    told = capsys.readouterr().err
    assert (
        told.startswith("sarcodec: warning: the GeoTIFF is written without its CRS") and told.count("\n") == 1
    )
    assert told.replace("\n", "").isprintable()
    assert main(["info", str(source), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bands"][0]["description"] == odd


# --- bombs: small files that claim, inflate to or nest much


def _with_text(data: bytes) -> bytes:
    parts = raw()
    parts.geo, parts.text = b"", deflated(data, 1)
    return parts.to_bytes()


def _many_keys() -> bytes:
    return _with_text(b"{" + b",".join(b'"%x":0' % key for key in range(1_000_000)) + b"}")


def _many_objects() -> bytes:
    return _with_text(b'{"x":[' + b",".join([b"{}"] * 5_000_000) + b"]}")


def _many_points() -> bytes:
    return _with_text(json.dumps({"g": [[0] * 600_000] * 5 + [None, None]}).encode())


def _empty_tiles() -> bytes:
    """As many tiles as the limits allow, no byte in any of them."""
    parts: Raw = raw("uint8")
    parts.image.width, parts.image.height, parts.image.tile_units = 2**16, 2**15, 1
    parts.records = [[Part(b"", [b"", b""])]] * parts.image.tiles
    return parts.to_bytes()


def _vast(side: int) -> bytes:
    """40,000 x 40,000 pixels, none of them data: a kilobyte or two."""
    parts: Raw = raw()
    parts.image.width = parts.image.height = 40_000
    parts.image.tile_units, parts.geo, parts.text = side // 256, b"", b""
    parts.records = [[Part(b"\x01\x01", [b"", b""])]] * parts.image.tiles
    return parts.to_bytes()


def _overflowing_mask(side: int) -> bytes:
    """A mask whose changes all stand beyond the tile, one for each pixel."""
    parts: Raw = raw("uint16_border")
    parts.image.width = parts.image.height = side
    parts.image.tile_units = -(-side // 256)
    changes = side * side - 1
    body = b"\x02\x02\x00\x01" + uv(changes) + deflated(b"\xff\xff\xff\xff\x0f" * changes)
    parts.records = [[Part(body, [b"", b""])]]
    return parts.to_bytes()


CLAIMS = ("billion", "gib", "mib", "deep", "255", "1025", "digits", "65", "escape")
BOMBS: dict[str, Callable[[], bytes]] = {
    **{name: make_gallery.FAULTS[name] for name in NAMES if any(word in name for word in CLAIMS)},
    "mask of a million changes": lambda: _overflowing_mask(1024),
}
INFLATING: dict[str, Callable[[], bytes]] = {
    "a million keys": _many_keys,
    "five million objects": _many_objects,
    "three million coordinates": _many_points,
}
SECONDS, MEMORY = 1.0, 200


def _spent(work: Callable[[], object]) -> str:
    began = time.process_time()
    try:
        work()
    except SarcError as error:
        said = type(error).__name__
    else:
        said = "fine"
    return f"{said} {time.process_time() - began:.3f}"


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_takes_less_than_a_second_and_200_mib(name: str) -> None:
    assert_harmless(name, BOMBS[name]())


@pytest.mark.parametrize("name", INFLATING)
def test_texts_that_inflate_take_less_than_a_second_and_200_mib(name: str) -> None:
    assert_harmless(name, INFLATING[name]())


def assert_harmless(name: str, data: bytes) -> None:
    jobs = [
        lambda: _spent(lambda: describe(Reader(io.BytesIO(data)), name, DEFAULT)),
        lambda: _spent(lambda: open_bytes(data, TOY).read()),
    ]
    for ended in each(jobs, seconds=30):
        assert ended.fault == ""
        said, seconds = ended.said.split()
        assert float(seconds) < SECONDS
        assert ended.memory < MEMORY * MEBIBYTE, f"{ended.memory / MEBIBYTE:.0f} MiB"
        assert said != "fine" or "million" in name or name in NAMES


def test_a_file_of_as_many_empty_tiles_as_there_may_be_is_described_at_once() -> None:
    data = _empty_tiles()
    (ended,) = each([lambda: _spent(lambda: describe(Reader(io.BytesIO(data)), "", DEFAULT))], seconds=60)
    assert (ended.fault, ended.said.split()[0]) == ("", "fine")
    assert float(ended.said.split()[1]) < 3
    assert ended.memory < 2 * MEMORY * MEBIBYTE


def test_a_vast_raster_in_a_few_bytes_is_no_bomb_where_a_window_of_it_is_read() -> None:
    data = _vast(2048)
    assert len(data) < 5000

    def work() -> str:
        began = time.process_time()
        with open_bytes(data, TOY) as coded:
            part = coded.read(window=(30_000, 20_000, 300, 200))
        assert part.shape == (1, 200, 300) and not part.any()
        return f"{time.process_time() - began:.3f}"

    (ended,) = each([work], seconds=60)
    assert ended.fault == ""
    assert float(ended.said) < 5
    assert ended.memory < 2 * MEMORY * MEBIBYTE
