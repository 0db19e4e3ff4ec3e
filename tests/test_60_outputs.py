"""Where commands read and write: standard streams, folders, names left out; what they say of a wrong file."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from conftest import TOY
from sarcodec.bitstream.reader import Reader
from sarcodec.cli import main
from sarcodec.damage import DamagedTile
from testing.reported import amplitude, ground_db, inside, write
from testing.scenes import dn

ROOT = Path(__file__).parents[1]
OPTIONS = ("--model", TOY, "-j", "1")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with in.tif, in.sarc and back.tif made of it, and two.sarc of two bands and four tiles."""
    folder = tmp_path_factory.mktemp("made")
    pixels = np.where(inside(), np.rint(amplitude(ground_db()) * 470).clip(1), 0).astype(np.uint16)
    write(folder / "in.tif", pixels, nodata=0)
    assert main(["encode", str(folder / "in.tif"), "--quiet", *OPTIONS]) == 0
    assert main(["decode", str(folder / "in.sarc"), "-o", str(folder / "back.tif"), "--quiet", *OPTIONS]) == 0
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, as the current one, with copies of in.tif and in.sarc."""
    monkeypatch.chdir(tmp_path)
    for name in ("in.tif", "in.sarc"):
        (tmp_path / name).write_bytes((made / name).read_bytes())
    return tmp_path


class Streams:
    """Runs a command in this process with bytes on standard input; keeps what it writes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.out, self.err = b"", ""

    def __call__(self, *arguments: object, given: bytes = b"") -> int:
        streams = [io.TextIOWrapper(io.BytesIO(data), "utf-8") for data in (given, b"", b"")]
        with self.monkeypatch.context() as patched:
            for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
                patched.setattr(sys, name, stream)
            code = main([str(argument) for argument in arguments])
            for stream in streams[1:]:
                stream.flush()
        self.out = streams[1].buffer.getvalue()
        self.err = streams[2].buffer.getvalue().decode()
        return code


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Streams:
    return Streams(monkeypatch)


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- standard input and output


def test_encode_writes_the_file_and_nothing_else_to_standard_output(run: Streams, here: Path) -> None:
    assert run("encode", "in.tif", "-o", "-", *OPTIONS) == 0
    assert run.out == Path("in.sarc").read_bytes()
    assert run.err.startswith("in.tif  ") and " -> -  " in run.err and run.err.count("\n") == 1
    assert run("encode", "in.tif", "-o", "-", "--quiet", *OPTIONS) == 0
    assert run.err == ""
    assert listed(here) == ["in.sarc", "in.tif"]


def test_decode_writes_a_geotiff_to_standard_output(run: Streams, here: Path, made: Path) -> None:
    assert run("decode", "in.sarc", "-o", "-", *OPTIONS) == 0
    with rasterio.open(io.BytesIO(run.out)) as piped, rasterio.open(made / "back.tif") as filed:
        assert piped.crs == filed.crs and piped.nodata == filed.nodata
        np.testing.assert_array_equal(piped.read(), filed.read())
    assert listed(here) == ["in.sarc", "in.tif"]


def test_standard_input_is_read(run: Streams, here: Path) -> None:
    tif, sarc = Path("in.tif").read_bytes(), Path("in.sarc").read_bytes()
    assert run("encode", "-", "-o", "a.sarc", "--quiet", *OPTIONS, given=tif) == 0
    assert Path("a.sarc").read_bytes() == sarc
    assert run("encode", "-", "-o", "-", "--quiet", *OPTIONS, given=tif) == 0
    assert run.out == sarc
    assert run("decode", "-", "-o", "a.tif", "--quiet", *OPTIONS, given=sarc) == 0
    assert run("info", "-", given=sarc) == 0
    assert run.out.startswith(b"file      -, ")
    assert run("test", "-", "--model", TOY, given=sarc) == 0
    assert run.out == b"-: OK, 1 tile\n"
    assert run("extract", "-", "-o", "-", "--layers", "2", "--quiet", given=sarc) == 0
    assert run.out == sarc
    assert listed(here) == ["a.sarc", "a.tif", "in.sarc", "in.tif"]


def test_errors_speak_of_standard_input_and_leave_nothing_behind(
    run: Streams, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(here / "tmp"))
    for arguments, given, code, said in (
        (("encode", "-", "-o", "a.sarc"), b"no raster", 3, "standard input cannot be read as a raster"),
        (("encode", "-", "-o", "a.sarc"), b"", 3, "standard input is empty"),
        (("decode", "-", "-o", "a.tif"), b"II*\0" + bytes(99), 4, "input: not a .sarc file: it is a TIFF"),
        (("info", "-"), b"", 4, "standard input: not a .sarc file: 0 bytes long"),
        (("test", "-"), b"", 4, "standard input: not a .sarc file: 0 bytes long"),
        (("encode", "-"), b"", 2, "standard input has no name"),
        (("decode", "-", "-o", "tmp"), b"", 2, "has no name"),
    ):  # fmt: skip
        assert run(*arguments, given=given) == code
        assert said in run.err and str(here) not in run.err
        assert len(run.err.splitlines()) == 2
        assert listed(here / "tmp") == []
    assert listed(here) == ["in.sarc", "in.tif", "tmp"]


def test_warnings_speak_of_standard_input_too(run: Streams, here: Path) -> None:
    write(here / "w.tif", dn((30, 40)), photometric="MINISWHITE")
    assert run("encode", "-", "-o", "-", "--quiet", *OPTIONS, given=Path("w.tif").read_bytes()) == 0
    assert run.err.startswith("sarcodec: warning: standard input: PHOTOMETRIC=MINISWHITE is left out")


def test_json_and_a_file_do_not_share_standard_output(run: Streams, here: Path) -> None:
    for arguments in (("encode", "in.tif"), ("decode", "in.sarc"), ("extract", "in.sarc")):
        assert run(*arguments, "-o", "-", "--json") == 2
        assert run.out == b""
        assert "--json" in run.err


def start(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "sarcodec", *(str(a) for a in arguments)]
    return subprocess.Popen(command, env=env, **options)


def test_a_terminal_is_neither_written_to_nor_read_from(here: Path) -> None:
    ours, theirs = pty.openpty()
    done = start("encode", "in.tif", "-o", "-", stdout=theirs, stderr=subprocess.PIPE)
    _, err = done.communicate()
    assert (done.returncode, b"terminal" in err) == (2, True)
    done = start("info", "-", stdin=theirs, stderr=subprocess.PIPE)
    _, err = done.communicate()
    assert (done.returncode, b"terminal" in err) == (2, True)
    os.close(ours)
    os.close(theirs)


def test_standard_output_that_is_full_or_closed_is_told(here: Path) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = start("extract", "in.sarc", "-o", "-", stdout=full, stderr=subprocess.PIPE)
        _, err = done.communicate()
    assert done.returncode == 9
    assert err.startswith(b"sarcodec: error: standard output could not be written: No space left")
    assert err.count(b"\n") == 2
    done = start("extract", "in.sarc", "-o", "-", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.stdout is not None and done.stderr is not None
    done.stdout.close()
    assert (done.stderr.read(), done.wait(30)) == (b"", 141)
    done.stderr.close()


# --- folders


def test_a_folder_takes_the_result_under_the_name_of_the_input(run: Streams, here: Path) -> None:
    (here / "out").mkdir()
    assert run("encode", "in.tif", "-o", "out/", *OPTIONS) == 0
    assert run("decode", "in.sarc", "-o", "out", *OPTIONS) == 0
    assert listed(here / "out") == ["in.sarc", "in.tif"]
    assert run("encode", "in.tif", "-o", "out", *OPTIONS) == 8
    assert run("encode", "file:in.tif", "-o", "file:out", "-f", *OPTIONS) == 0
    assert run("encode", "GTIFF_DIR:1:in.tif", "-o", "out", "-f", *OPTIONS) == 2
    assert "has no name" in run.err
    assert run("encode", "GTIFF_DIR:1:in.tif", *OPTIONS) == 2
    assert "Name the output" in run.err
    assert listed(here) == ["in.sarc", "in.tif", "out"]


def test_a_missing_folder_is_one_error_and_never_a_file(run: Streams, here: Path) -> None:
    for out in ("out/", "no/out/", "no/a.sarc", "in.tif/"):
        assert run("encode", "in.tif", "-o", out, *OPTIONS) == 9
        assert "Create the folder first." in run.err or "directory" in run.err
    assert listed(here) == ["in.sarc", "in.tif"]


# --- the wrong file


@pytest.mark.parametrize("command", ["decode", "info", "test", "extract"])
def test_a_raster_given_for_a_sarc_file_is_to_be_encoded(run: Streams, here: Path, command: str) -> None:
    output = ["-o", "c.sarc"] if command == "extract" else []
    assert run(command, "in.tif", *output) == 4
    message, hint = run.err.splitlines()
    assert message == "sarcodec: error: in.tif: not a .sarc file: it is a TIFF"
    assert "sarcodec encode" in hint


@pytest.mark.parametrize("output", [[], ["-o", "c.sarc"]])
def test_a_sarc_file_given_to_encode_is_to_be_decoded(run: Streams, here: Path, output: list[str]) -> None:
    assert run("encode", "in.sarc", *output) == 3
    assert "in.sarc is a .sarc file already: decode or extract it" in run.err


def test_a_raster_that_is_called_sarc_needs_an_output(run: Streams, here: Path) -> None:
    (here / "in.tif").rename("r.sarc")
    (here / "in.sarc").rename("s.tif")
    assert run("encode", "r.sarc", *OPTIONS) == 2
    assert run("decode", "s.tif", *OPTIONS) == 2
    assert "Name the output with -o" in run.err
    assert run("encode", "r.sarc", "-o", "c.sarc", *OPTIONS) == 0


@pytest.mark.parametrize("command", ["encode", "decode", "info", "test"])
@pytest.mark.parametrize("name", ["https://example.com/a.tif", "s3://b/a.sarc", "/vsicurl/https://x/a.tif"])
def test_an_address_is_not_a_file_on_this_machine(run: Streams, here: Path, command: str, name: str) -> None:
    assert run(command, name) == 3
    assert f"{name} is not a file on this machine" in run.err
    if command in {"encode", "decode"}:
        assert run(command, name, "-o", "no/such/folder") == 3


@pytest.mark.parametrize("out", ["/vsistdout/", "/vsimem/a.tif", "s3://b/a.tif"])
def test_decode_writes_to_no_name_of_gdals(run: Streams, here: Path, out: str) -> None:
    assert run("decode", "in.sarc", "-o", out) == 2
    assert "not the name of a file" in run.err


def test_simulate_does_not_either(run: Streams, here: Path) -> None:
    assert run("simulate", "/vsistdout/", "--size", "64") == 2


def test_a_geotiff_under_a_name_that_is_not_utf8_is_refused(run: Streams, here: Path) -> None:
    (here / "in.sarc").rename("a\udcff.sarc")
    assert run("decode", "a\udcff.sarc") == 2
    assert "is not UTF-8" in run.err
    assert run("info", "a\udcff.sarc") == 0


def test_an_empty_name_is_told(run: Streams, here: Path) -> None:
    assert run("encode", "") == 3
    assert run("encode", "in.tif", "-o", "") == 2
    assert listed(here) == ["in.sarc", "in.tif"]


TORCHLESS = """
import sys
from sarcodec.cli import main
code = main(sys.argv[1:])
print(code, "torch" in sys.modules)
"""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("encode", "none.tif", "-o", "a.sarc"), 3),
        (("encode", "in.sarc", "-o", "a.sarc"), 3),
        (("encode", "in.tif", "-o", "a.tif"), 2),
        (("encode", "in.tif", "-o", "no/a.sarc"), 9),
        (("encode", "in.tif", "-o", "a.sarc", "--model", "nix"), 6),
        (("encode", "in.tif", "-o", "a.sarc", "-j", "0"), 2),
        (("encode", "in.tif", "-o", "a.sarc", "--limit", "nix=3"), 2),
        (("decode", "in.tif", "-o", "a.tif"), 4),
        (("decode", "none.sarc", "-o", "a.tif"), 3),
        (("decode", "in.sarc", "-o", "a.png"), 2),
        (("decode", "in.sarc", "-o", "a.tif", "--window", "1,2"), 2),
        (("test", "in.tif"), 4),
    ],
)
def test_a_slip_of_the_pen_does_not_wait_for_torch(here: Path, arguments: tuple[str, ...], code: int) -> None:
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", TORCHLESS, *arguments], env=env, capture_output=True, text=True, check=False
    )
    assert done.stdout == f"{code} False\n", done.stderr


# --- words


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("encode", "a.tif", "--bpp", "0,2"), "--bpp 0,2 is not a number; write a point, 0.2"),
        (("encode", "a.tif", "--bpp", "many"), "--bpp many is not a number"),
        (("encode", "a.tif", "-j", "x"), "--jobs x is not a whole number"),
        (("encode", "a.tif", "-q", "200"), "--quality 200 is above 100, the largest value"),
        (("encode", "a.tif", "-q", "0"), "--quality 0 is below 1, the smallest value"),
        (("decode", "a.sarc", "--reduce", "3"), "--reduce 3 is not one of '1', '2', '4', '8', '16'"),
        (("encode", "a.tif", "b.tif"), "sarcodec encode takes one file at a time; left over: b.tif"),
        (("decode", "a.sarc", "b.sarc"), "sarcodec decode takes one file at a time; left over: b.sarc"),
        (("models", "a"), "sarcodec models was given too much: a"),
    ],
)
def test_usage_errors_are_in_plain_words(run: Streams, arguments: tuple[str, ...], message: str) -> None:
    assert run(*arguments) == 2
    first, hint = run.err.splitlines()
    assert first == f"sarcodec: error: {message}"
    if "one file" in message:
        assert re.search(rf'For many: for f in \*\.\w+; do sarcodec {arguments[0]} "\$f"; done', hint)
    for word in ("pydantic", "Value error", "Input should", "parse"):
        assert word not in run.err


# --- damage


@pytest.fixture
def hurt(here: Path) -> str:
    """Name of a file of four tiles of which one is damaged."""
    write(here / "hurt.tif", dn((1100, 1100), 3))
    assert main(["encode", "hurt.tif", "-q", "10", "--quiet", *OPTIONS]) == 0
    data = bytearray(Path("hurt.sarc").read_bytes())
    reader = Reader(io.BytesIO(bytes(data)))
    segment = reader.record(1, 0).segments[0][1]
    data[reader._span(1, 0)[0] + segment.start + segment.size - 1] ^= 1
    Path("hurt.sarc").write_bytes(data)
    return "hurt.sarc"


def test_damage_is_told_with_the_file_and_what_is_left_of_it(run: Streams, hurt: str) -> None:
    for command in (("decode", hurt, "-o", "b.tif"), ("test", hurt)):
        assert run(*command, *OPTIONS) == 5
        message, hint = run.err.splitlines()
        assert message.startswith(
            "sarcodec: error: hurt.sarc: tile row 1, column 0, band 1, layer 0: stored CRC"
        )
        assert message.count("tile row 1") == 1
        assert "--allow-partial" in hint
    assert run("decode", hurt, "-o", "b.tif", "--allow-partial", *OPTIONS) == 11
    warning, message, _ = run.err.splitlines()
    assert warning.startswith("sarcodec: warning: band 1 row 1 column 0: layer 0: stored CRC")
    assert message.startswith("sarcodec: error: hurt.sarc: 1 damaged tile is")
    assert run("decode", hurt, "-o", "-", "--allow-partial", "--quiet", *OPTIONS) == 11
    with rasterio.open(io.BytesIO(run.out)) as raster:
        assert raster.shape == (1100, 1100)


def test_a_cut_file_can_be_had_in_part_and_one_without_header_cannot(run: Streams, here: Path) -> None:
    whole = Path("in.sarc").read_bytes()
    Path("cut.sarc").write_bytes(whole[:-9])
    assert run("decode", "cut.sarc", "-o", "b.tif", *OPTIONS) == 4
    assert "cut.sarc: truncated" in run.err and "--allow-partial" in run.err
    Path("cut.sarc").write_bytes(whole[:30])
    assert run("decode", "cut.sarc", "-o", "b.tif", *OPTIONS) == 4
    assert "cut.sarc" in run.err and "--allow-partial" not in run.err


def test_the_place_of_a_damaged_tile_is_told_once() -> None:
    reasons = {
        "tile row 2, column 0, band 1, layer 0: stored CRC 1": "layer 0: stored CRC 1",
        "tile row 2, column 0, band 1: too short": "too short",
        "tile row 2, column 0, band 3, mask: bad": "band 3, mask: bad",
        "the index is lost": "the index is lost",
    }
    for reason, told in reasons.items():
        assert DamagedTile(1, 2, 0, reason).told == f"band 1 row 2 column 0: {told}"


def test_a_file_larger_than_its_pixels_is_warned_of(run: Streams, here: Path) -> None:
    noise = np.random.default_rng(0).integers(1, 256, (4096, 4)).astype(np.uint8)
    write(here / "thin.tif", noise)
    assert run("encode", "thin.tif", "-q", "100", "--scale", "dn", "--quiet", "-j", "1") == 0
    size = Path("thin.sarc").stat().st_size
    assert size > 16384
    assert f"the file has {size} bytes, more than the 16384 of the pixels as they are" in run.err
    assert run("encode", "thin.tif", "-q", "1", "--scale", "dn", "-f", "--quiet", *OPTIONS) == 0
    assert run.err == ""
