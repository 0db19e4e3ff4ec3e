"""A file appears complete or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sarcodec.atomic import replacing
from sarcodec.errors import OutputExistsError, WriteError


def test_file_appears_only_after_the_block(tmp_path: Path) -> None:
    target = tmp_path / "a.sarc"
    with replacing(target, overwrite=False) as partial:
        partial.write_bytes(b"all")
        assert not target.exists()
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.sarc", b"all")]


def test_partial_file_is_a_hidden_sibling_with_the_process_id(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.sarc", overwrite=False) as partial:
        partial.touch()
    assert partial == tmp_path / f".a.sarc.{os.getpid()}.partial"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError, MemoryError])
def test_any_exception_passes_and_leaves_the_old_file_alone(
    tmp_path: Path, error: type[BaseException]
) -> None:
    target = tmp_path / "a.sarc"
    target.write_bytes(b"old")
    with pytest.raises(error), replacing(target, overwrite=True) as partial:
        partial.write_bytes(b"half")
        raise error
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.sarc", b"old")]


def test_full_disk_is_a_write_error_that_names_the_path(tmp_path: Path) -> None:
    target = tmp_path / "a.sarc"
    with (
        pytest.raises(WriteError, match=r"a\.sarc.*No space left") as caught,
        replacing(target, overwrite=False) as p,
    ):
        p.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert "free space" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_failing_rename_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.sarc"
    target.write_bytes(b"old")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(WriteError, match="Permission denied"), replacing(target, overwrite=True) as partial:
        partial.write_bytes(b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.sarc", b"old")]


def test_block_that_writes_nothing_is_a_write_error(tmp_path: Path) -> None:
    with pytest.raises(WriteError), replacing(tmp_path / "a.sarc", overwrite=False):
        pass
    assert not list(tmp_path.iterdir())


def test_existing_file_is_kept_unless_overwriting_is_allowed(tmp_path: Path) -> None:
    target = tmp_path / "a.sarc"
    target.write_bytes(b"old")
    with pytest.raises(OutputExistsError, match="exists"), replacing(target, overwrite=False):
        pytest.fail("the block must not run")
    assert target.read_bytes() == b"old"
    with replacing(target, overwrite=True) as partial:
        partial.write_bytes(b"new")
    assert target.read_bytes() == b"new"


def test_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "a.sarc"
    with pytest.raises(OutputExistsError), replacing(target, overwrite=False) as partial:
        partial.write_bytes(b"mine")
        target.write_bytes(b"theirs")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.sarc", b"theirs")]


@pytest.mark.parametrize("overwrite", [False, True])
def test_directory_is_never_replaced(tmp_path: Path, overwrite: bool) -> None:
    with pytest.raises(WriteError, match="is a directory"), replacing(tmp_path, overwrite=overwrite):
        pytest.fail("the block must not run")


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(WriteError, match=r"no folder .*nowhere"),
        replacing(tmp_path / "nowhere/a", overwrite=True),
    ):
        pytest.fail("the block must not run")


@pytest.mark.skipif(not Path("/dev/null").is_char_device(), reason="needs a device file")
def test_device_is_never_replaced() -> None:
    with pytest.raises(WriteError, match="not a regular file"), replacing("/dev/null", overwrite=True):
        pytest.fail("the block must not run")


def test_link_keeps_pointing_to_the_replaced_file(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "a.sarc", tmp_path / "link.sarc"
    target.write_bytes(b"old")
    link.symlink_to(target)
    with replacing(link, overwrite=True) as partial:
        partial.write_bytes(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
