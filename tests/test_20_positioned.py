"""Bytes by position: of files, of bytes in memory, of objects that only seek; closed, cut, forked."""

from __future__ import annotations

import gzip
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from sarcodec.bitstream.positioned import PositionedFile
from sarcodec.errors import FormatError, InputError, SarcError, UsageError
from testing.forked import ends_well

DATA = bytes(range(256)) * 16


class Sought(io.BytesIO):
    """An object that is no plain BytesIO: nobody knows what it does."""


@pytest.fixture(params=["file", "unbuffered", "bytes", "other", "gzip"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> BinaryIO:
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(DATA) if request.param == "gzip" else DATA)
    openers: dict[str, Callable[[], object]] = {
        "file": lambda: path.open("rb"),
        "unbuffered": lambda: path.open("rb", buffering=0),
        "bytes": lambda: io.BytesIO(DATA),
        "other": lambda: Sought(DATA),
        "gzip": lambda: gzip.open(path, "rb"),  # noqa: SIM115  (closed by the finalizer)
    }
    file = cast("BinaryIO", openers[request.param]())
    request.addfinalizer(file.close)  # noqa: PT021
    return file


def test_any_bytes_are_read_whatever_was_sought_before(stored: BinaryIO) -> None:
    file = PositionedFile(stored)
    assert file.size == 4096
    stored.seek(77)
    assert file.read(258, 3) == b"\x02\x03\x04"
    assert file.read(0, 2) == b"\x00\x01"
    assert file.read(4095, 1) == b"\xff"
    assert file.read(5, 0) == b""


def test_bytes_beyond_the_end_are_missing(stored: BinaryIO) -> None:
    with pytest.raises(FormatError, match="truncated: 3 of 5 bytes from byte 4094 are missing"):
        PositionedFile(stored).read(4094, 5)


def test_a_closed_file_says_so(stored: BinaryIO) -> None:
    file = PositionedFile(stored)
    stored.close()
    with pytest.raises(UsageError, match="is closed"):
        file.read(0, 1)


def test_a_forked_process_reads_the_right_bytes_or_says_why_not(stored: BinaryIO) -> None:
    file = PositionedFile(stored)

    def read() -> None:
        try:
            assert [file.read(at, 1)[0] for at in range(256)] == list(range(256))
        except SarcError as error:
            assert "opened in another process" in error.message  # noqa: PT017
            assert not isinstance(stored, io.BufferedReader | io.FileIO)
            assert type(stored) is not io.BytesIO

    assert ends_well(read, seconds=20) == ""


def test_a_fork_while_another_thread_reads_does_not_hang_the_child(stored: BinaryIO) -> None:
    file, over = PositionedFile(stored), threading.Event()

    def go_on() -> None:
        while not over.is_set():
            file.read(0, 4096)

    def child() -> None:
        try:
            file.read(0, 4096)
        except SarcError as error:
            assert "opened in another process" in error.message  # noqa: PT017

    reader = threading.Thread(target=go_on)
    reader.start()
    try:
        assert [ends_well(child, seconds=20) for _ in range(5)] == [""] * 5
    finally:
        over.set()
        reader.join()


def test_a_read_never_meets_a_file_that_was_opened_after_closing(tmp_path: Path) -> None:
    """The system gives the number of a closed file to the next one."""
    (tmp_path / "a").write_bytes(b"a" * 1000)
    (tmp_path / "b").write_bytes(b"b" * 1000)
    found: set[bytes] = set()
    file, lock = [(tmp_path / "a").open("rb")], threading.Lock()
    source = [PositionedFile(file[0])]

    def read() -> None:
        for _ in range(3000):
            try:
                found.add(source[0].read(0, 1000))
            except UsageError:
                found.add(b"closed")

    def reopen() -> None:
        for _ in range(1000):
            with lock:
                file[0].close()
                other = (tmp_path / "b").open("rb")
                file[0] = (tmp_path / "a").open("rb")
                source[0] = PositionedFile(file[0])
                other.close()

    threads = [threading.Thread(target=work) for work in (read, read, reopen)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    file[0].close()
    assert found <= {b"a" * 1000, b"closed"}


def test_descriptors_are_given_back(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(DATA)
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(20):
        with (tmp_path / "a").open("rb") as file:
            assert PositionedFile(file).read(0, 1) == b"\0"
    assert len(list(Path("/dev/fd").iterdir())) == before


@pytest.mark.parametrize("size", [0, 100, 5000])
def test_a_file_that_was_written_to_is_not_called_damaged(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(DATA)
    with path.open("rb") as opened:
        file = PositionedFile(opened)
        file.check_unchanged()
        path.write_bytes(bytes(size))
        os.utime(path, ns=(0, 0))
        with pytest.raises(InputError, match=f"while it was open: it had 4096 bytes and has {size}"):
            file.check_unchanged()
        if size < 4096:
            with pytest.raises(InputError, match="written to while it was open"):
                file.read(0, 4096)


def test_a_file_that_is_replaced_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(DATA)
    with path.open("rb") as opened:
        file = PositionedFile(opened)
        (tmp_path / "b").write_bytes(b"other")
        (tmp_path / "b").replace(path)
        assert file.read(0, 4096) == DATA
        file.check_unchanged()
