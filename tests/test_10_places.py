"""What names stand for, and what kind of file begins with which bytes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sarcodec import magic, places
from sarcodec.errors import InputError, UsageError


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a few files, as the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    for name in ("a.tif", "a b.tif", "T05:33.tif", "a.zip", "sub/g.h5", "sub/a%20b.tif", "file:odd.tif"):
        (tmp_path / name).write_bytes(b"x")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a.tif", "a.tif"),
        ("file:a.tif", "a.tif"),
        ("FILE:a.tif", "a.tif"),
        ("file://a.tif", "a.tif"),
        ("file://{here}/a.tif", "{here}/a.tif"),
        ("file:{here}/a.tif", "{here}/a.tif"),
        ("file://localhost{here}/a.tif", "{here}/a.tif"),
        ("file:a%20b.tif", "a b.tif"),
        ("file:sub/a%20b.tif", "sub/a%20b.tif"),  # a file of that very name is there
        ("file:T05:33.tif", "T05:33.tif"),
        ("file:odd.tif", "file:odd.tif"),  # as well
        ("file:none.tif", "none.tif"),
        ("https://example.com/a.tif", "https://example.com/a.tif"),
        ("file:", "file:"),
    ],
)
def test_a_file_url_stands_for_the_path_in_it(tmp_path: Path, name: str, path: str) -> None:
    assert places.local_path(name.format(here=tmp_path)) == path.format(here=tmp_path)


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("a.tif", "a.tif"),
        ("sub", "sub"),
        ("T05:33.tif", "T05:33.tif"),
        ("file:a.tif", "a.tif"),
        ("zip://a.zip!in/b.tif", "a.zip"),
        ("zip+file://a.zip!/b.tif", "a.zip"),
        ("/vsizip/a.zip/in/b.tif", "a.zip"),
        ("/vsizip/{a.zip}/in/b.tif", "a.zip"),
        ("/vsizip/{here}/a.zip/in/b.tif", "{here}/a.zip"),
        ("/vsigzip/{here}/a.tif", "{here}/a.tif"),
        ("/vsisubfile/0_100,a.tif", "a.tif"),
        ("GTIFF_DIR:2:a.tif", "a.tif"),
        ("GTIFF_DIR:2:T05:33.tif", "T05:33.tif"),
        ("HDF5:sub/g.h5://science/HH", "sub/g.h5"),
        ('HDF5:"sub/g.h5"://science/HH', "sub/g.h5"),
        ("none.tif", None),
        ("GTIFF_DIR:2:none.tif", None),
        ('HDF5:"none.h5"://a.tif', None),
        ("zip://none.zip!a.tif", None),
        ("https://example.com/a.tif", None),
        ("", None),
    ],
)
def test_the_file_that_holds_a_raster_is_found_by_any_name(
    tmp_path: Path, name: str, held: str | None
) -> None:
    wanted = None if held is None else held.format(here=tmp_path)
    assert places.container(name.replace("{here}", str(tmp_path))) == wanted


def test_a_file_is_the_same_by_whatever_name() -> None:
    os.link("a.tif", "link.tif")
    for name in ("link.tif", "file:a.tif", "GTIFF_DIR:1:a.tif", "/vsisubfile/0_1,a.tif"):
        assert places.same_file(name, "a.tif")
    assert not places.same_file("a.zip", "a.tif")
    assert not places.same_file("a.tif", "none.tif")


@pytest.mark.parametrize(
    "name", ["s3://b/a.sarc", "https://x/a", "/vsistdout/", "/vsistdout", "/vsimem/a", "/dev/stdout", ""]
)
def test_what_is_no_file_here_is_refused_as_output(name: str) -> None:
    with pytest.raises(UsageError):
        places.check_output(name)
    places.check_output("vsistdout/a.sarc")


def test_what_cannot_be_opened_is_an_input_error(tmp_path: Path) -> None:
    os.mkfifo("pipe")
    for name, said in {
        "none": "No such file",
        "sub": "directory",
        "pipe": "not a regular file",
        "https://x/a.sarc": "https://x/a.sarc is not a file on this machine",
        "a\0b": "null",
    }.items():
        with pytest.raises(InputError, match=said):
            places.open_here(name)
    with places.open_here(f"file://{tmp_path}/a.tif") as file:
        assert file.read() == b"x"


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"II*\0\x08\0\0\0", "a TIFF"),
        (b"MM\0*\0\0\0\x08", "a TIFF"),
        (b"II+\0\x08\0\0\0", "a TIFF"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"PK\3\4\x14\0", "a zip archive"),
        (b"\x1f\x8b\x08", "a gzip file"),
        (b"\x89SARC\r\n\x1a", "a .sarc file"),
        (b"no raster", None),
        (b"", None),
        (b"I", None),
    ],
)
def test_a_file_is_known_by_its_first_bytes(start: bytes, kind: str | None) -> None:
    assert magic.kind_of(start) == kind
