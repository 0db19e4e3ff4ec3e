"""A file appears complete or not at all."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sarcodec import atomic
from sarcodec.atomic import replacing
from sarcodec.errors import OutputExistsError, UsageError, WriteError
from testing.forked import ends_well


def test_file_appears_only_after_the_block(tmp_path: Path) -> None:
    target = tmp_path / "a.sarc"
    with replacing(target, overwrite=False) as partial:
        partial.write_bytes(b"all")
        assert not target.exists()
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.sarc", b"all")]


def test_partial_file_is_a_hidden_sibling_with_the_process_id(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.sarc", overwrite=False) as partial:
        partial.touch()
    assert partial.parent == tmp_path
    assert partial.name.startswith(f".a.sarc.{os.getpid()}.")
    assert partial.name.endswith(".partial")


def test_two_writers_in_one_process_have_partial_files_of_their_own(tmp_path: Path) -> None:
    target = tmp_path / "a.sarc"
    with replacing(target, overwrite=True) as first, replacing(target, overwrite=True) as second:
        first.write_bytes(b"first")
        second.write_bytes(b"second")
        assert first != second
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.sarc", b"first")]


def test_name_as_long_as_the_file_system_allows_can_be_written(tmp_path: Path) -> None:
    names = ["x" * 250 + ".sarc", "\u00e9" * 125 + ".sarc"]
    for name in names:
        assert len(os.fsencode(name)) == 255
        with replacing(tmp_path / name, overwrite=False) as partial:
            partial.write_bytes(b"all")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names)


@pytest.mark.parametrize("name", ["x" * 256, "x" * 5000])
def test_name_too_long_is_a_write_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(WriteError, match="too long"), replacing(tmp_path / name, overwrite=True):
        pytest.fail("the block must not run")


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


def test_file_that_appears_in_the_last_moment_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, check = tmp_path / "a.sarc", atomic.check_target

    def check_and_lose(path: Path, *, overwrite: bool) -> None:
        check(path, overwrite=overwrite)
        if list(tmp_path.iterdir()):
            target.write_bytes(b"theirs")

    monkeypatch.setattr(atomic, "check_target", check_and_lose)
    with pytest.raises(OutputExistsError), replacing(target, overwrite=False) as partial:
        partial.write_bytes(b"mine")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.sarc", b"theirs")]


def test_file_system_without_hard_links_gets_new_files_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    with replacing(tmp_path / "a.sarc", overwrite=False) as partial:
        partial.write_bytes(b"all")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.sarc", b"all")]


# --- what killed processes leave


def left_by_a_dead_process(target: Path) -> Path:
    """The partial file of a process that wrote `target` and was killed."""

    def work() -> None:
        with replacing(target, overwrite=True) as partial:
            partial.write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)

    assert ends_well(work, seconds=20) == "died of SIGKILL"
    (partial,) = target.parent.glob(f".{target.name[:20]}*.partial")
    return partial


@pytest.mark.parametrize("name", ["a.sarc", "a+(b).tif", "x" * 255])
def test_partial_file_of_a_dead_process_is_removed_by_the_next_writer(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    left_by_a_dead_process(tmp_path / name)
    with replacing(tmp_path / name, overwrite=False) as partial:
        assert list(tmp_path.iterdir()) == []
        partial.write_bytes(b"all")
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert caplog.records == []


def test_partial_file_of_another_target_is_left_alone(tmp_path: Path) -> None:
    other = left_by_a_dead_process(tmp_path / "a.sarc.tif")
    for name in ("a.sarc", "sarc.tif", "A.sarc.tif", "a.sarc.tif.x"):
        with replacing(tmp_path / name, overwrite=False) as partial:
            partial.touch()
    assert other.read_bytes() == b"half"


def renamed(partial: Path, *, pid: int | None = None, place: str | None = None) -> Path:
    """A partial file with another process or place in its name."""
    start, old_pid, rest, end = partial.name.rsplit(".", 3)
    old_place, token = rest.split("-")
    return partial.rename(partial.with_name(f"{start}.{pid or old_pid}.{place or old_place}-{token}.{end}"))


@pytest.mark.parametrize(
    "change", [{"pid": 1}, {"pid": os.getppid()}, {"place": "00000000"}, {"place": "12345678"}]
)
def test_partial_file_that_may_be_in_use_stays_and_is_named(
    tmp_path: Path, change: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    kept = renamed(left_by_a_dead_process(tmp_path / "a.sarc"), **change)
    with replacing(tmp_path / "a.sarc", overwrite=False) as partial:
        partial.touch()
    assert kept.read_bytes() == b"half"
    assert [kept.name in record.getMessage() for record in caplog.records] == [True]


def test_machine_that_tells_no_boot_removes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = left_by_a_dead_process(tmp_path / "a.sarc")

    def fail(*_: object, **__: object) -> None:
        raise FileNotFoundError

    kept = renamed(left, place="00000000")
    monkeypatch.setattr(Path, "read_text", fail)
    with replacing(tmp_path / "a.sarc", overwrite=False) as partial:
        partial.touch()
    assert kept.exists()


def test_folder_and_link_of_the_name_of_a_partial_file_stay(tmp_path: Path) -> None:
    left, precious = left_by_a_dead_process(tmp_path / "a.sarc"), tmp_path / "precious"
    left.unlink()
    precious.write_bytes(b"data")
    left.symlink_to(precious)
    with replacing(tmp_path / "a.sarc", overwrite=True) as partial:
        partial.touch()
    assert (left.is_symlink(), precious.read_bytes()) == (True, b"data")
    left.unlink()
    left.mkdir()
    with replacing(tmp_path / "a.sarc", overwrite=True) as partial:
        partial.touch()
    assert left.is_dir()


def test_second_interrupt_while_cleaning_up_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, turns = Path.unlink, iter([True])

    def interrupted(path: Path, **options: bool) -> None:
        if next(turns, False):
            raise KeyboardInterrupt
        real(path, **options)

    monkeypatch.setattr(Path, "unlink", interrupted)
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "a.sarc", overwrite=False) as partial:
        partial.write_bytes(b"half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


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


@pytest.mark.parametrize("name", ["/vsistdout/", "/vsimem/a.tif", "https://x/a.sarc", ""])
def test_what_is_no_name_of_a_file_here_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError), replacing(name, overwrite=True):
        pytest.fail("the block must not run")


# --- permissions


@pytest.fixture
def _umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o664])
def test_a_file_that_replaces_another_has_its_permissions(tmp_path: Path, mode: int) -> None:
    target = tmp_path / "a.sarc"
    target.write_bytes(b"old")
    target.chmod(mode)
    with replacing(target, overwrite=True) as partial:
        assert partial.stat().st_mode & 0o777 == 0o600  # nobody else looks into it meanwhile
        partial.write_bytes(b"new")
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"new", mode)


@pytest.mark.usefixtures("_umask")
def test_a_new_file_has_the_permissions_of_the_umask(tmp_path: Path) -> None:
    for overwrite in (False, True):
        target = tmp_path / f"{overwrite}.sarc"
        with replacing(target, overwrite=overwrite) as partial:
            partial.write_bytes(b"new")
        assert target.stat().st_mode & 0o777 == 0o644


@pytest.mark.usefixtures("_umask")
def test_a_link_gives_the_permissions_of_the_file_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "real").chmod(0o600)
    (tmp_path / "link").symlink_to("real")
    with replacing(tmp_path / "link", overwrite=True) as partial:
        partial.write_bytes(b"new")
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_owner_and_group_are_kept(tmp_path: Path) -> None:
    target = tmp_path / "a.sarc"
    target.write_bytes(b"old")
    os.chown(target, 1234, 2345)
    with replacing(target, overwrite=True) as partial:
        partial.write_bytes(b"new")
    assert (target.stat().st_uid, target.stat().st_gid) == (1234, 2345)


@pytest.mark.usefixtures("_umask")
def test_where_the_group_cannot_be_kept_another_gets_no_access(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError

    target = tmp_path / "a.sarc"
    target.write_bytes(b"old")
    target.chmod(0o660)
    if os.getuid() == 0:
        os.chown(target, 1234, 2345)
        monkeypatch.setattr(os, "chown", refuse)
        with replacing(target, overwrite=True) as partial:
            partial.write_bytes(b"new")
        assert target.stat().st_mode & 0o777 == 0o600
