"""Files that appear complete or not at all."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sarcodec.errors import OutputExistsError, WriteError
from sarcodec.places import check_output

log = logging.getLogger(__name__)

_LONGEST = 200
"""Bytes of a target's name that a partial file's name repeats; a file name holds 255 bytes."""

_NOWHERE = "0" * 8


@contextmanager
def replacing(path: str | os.PathLike[str], *, overwrite: bool) -> Iterator[Path]:
    """Yield the path of a temporary sibling that becomes `path` when the block succeeds.

    The caller creates, fills and closes the sibling. It is then flushed to disk and renamed over `path`
    in one step. Whatever goes wrong, an interrupt too, the sibling is removed and `path` stays as it was.
    A symbolic link is followed: the file it points to is replaced, not the link. A file that replaces another
    has its permissions, and its owner and group as far as that is allowed; until then only its owner sees it.

    Only a process that is killed on the spot leaves its sibling behind, ``.NAME.PID.….partial``. The next
    one that writes `path` removes it, if it is sure that its process is gone, and else warns of it.

    Parameters
    ----------
    path : path-like
        The file to write.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    OutputExistsError
        `path` exists and `overwrite` is false. Of several processes that write a new file at once, the
        first to end gets the name, and the others this error.
    UsageError
        `path` is a name of GDAL's, such as ``/vsistdout/``, or lies on another machine.
    WriteError
        `path` is no regular file, its folder is missing, or writing raised `OSError`.
    """
    check_target(path, overwrite=overwrite)
    given = Path(path)
    target = Path(os.path.realpath(given))
    _tidy(target)
    partial = target.with_name(f"{_start_of(target)}{os.getpid()}.{_place()}-{secrets.token_hex(4)}.partial")
    process = os.getpid()
    try:
        if target.exists():
            os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        yield partial
        _sync(partial)
        check_target(given, overwrite=overwrite)
        _permit_as(target, partial)
        _put(partial, target, given, overwrite=overwrite)
    except OSError as error:
        _discard(partial)
        raise write_error(given, error) from error
    except BaseException:
        if os.getpid() == process:  # a process forked within the block leaves its parent's file alone
            _discard(partial)
        raise
    _sync_folder(target.parent)


def check_target(path: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Raise what :func:`replacing` would raise before any work is done."""
    check_output(os.fspath(path))
    given = Path(path)
    folder = Path(os.path.realpath(given)).parent
    try:
        exists = given.exists()
        if given.is_dir():
            raise WriteError(f"{given} is a directory", hint="Give the name of the file to write.")
        if exists and not given.is_file():
            # Renaming over a device such as /dev/null would replace the device itself.
            raise WriteError(f"{given} is not a regular file", hint="Give the name of the file to write.")
        if not folder.is_dir():
            raise WriteError(
                f"{given} cannot be written: no folder {folder}", hint="Create the folder first."
            )
    except OSError as error:  # a name too long, a folder that may not be looked into
        raise write_error(given, error) from error
    if exists and not overwrite:
        raise _exists(given)


def write_error(path: str | os.PathLike[str], error: OSError) -> WriteError:
    """The `WriteError` that tells what `error` means for the file `path`."""
    reason = error.strerror or str(error) or type(error).__name__
    return WriteError(
        f"{Path(path)} could not be written: {reason}",
        hint="Check the free space, quota and permissions of its folder. Nothing was left behind.",
    )


def _exists(given: Path) -> OutputExistsError:
    return OutputExistsError(f"{given} exists", hint="Choose another name, or allow overwriting.")


def _permit_as(target: Path, partial: Path) -> None:
    """Give the complete file the permissions of the file that it replaces, if there is one."""
    try:
        there = target.stat()
    except OSError:
        return
    made = partial.stat()
    for owner, group in ((there.st_uid, -1), (-1, there.st_gid)):
        if owner not in (-1, made.st_uid) or group not in (-1, made.st_gid):
            with suppress(OSError):
                os.chown(partial, owner, group)
    # A group that could not be kept must not get what another had.
    kept = partial.stat().st_gid == there.st_gid
    partial.chmod(stat.S_IMODE(there.st_mode) & (0o777 if kept else 0o707))


def _put(partial: Path, target: Path, given: Path, *, overwrite: bool) -> None:
    """Give the complete file its name."""
    if overwrite:
        os.replace(partial, target)
        return
    try:
        os.link(partial, target)  # a rename would replace a file that appeared a moment ago
    except FileExistsError as error:
        # Over a network a link can be made and yet be reported as there already.
        if not os.path.samefile(partial, target):
            raise _exists(given) from error
    except OSError:  # a file system without hard links
        os.replace(partial, target)
    _discard(partial)


def _start_of(target: Path) -> str:
    """How the names of partial files of `target` begin."""
    name = os.fsencode(target.name)
    if len(name) <= _LONGEST:
        return f".{target.name}."
    head = name[: _LONGEST - 9].decode(errors="ignore")
    return f".{head}~{hashlib.sha256(name).hexdigest()[:8]}."


def _place() -> str:
    """Eight digits for this machine since its start and this space of process numbers.

    Two processes in one place can be told apart, and looked up, by number. Containers, and machines that
    share a folder, are other places; so is this machine before it was last started.
    """
    try:
        start = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        space = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return _NOWHERE
    return hashlib.sha256(f"{os.uname().nodename} {start} {space}".encode()).hexdigest()[:8]


def _tidy(target: Path) -> None:
    """Remove partial files of `target` whose process is gone for certain, warn of those that may be alive.

    A number that was given to another process in the meantime keeps the file, with the warning.
    """
    own = re.compile(re.escape(_start_of(target)) + r"(\d{1,10})\.([0-9a-f]{8})-[0-9a-f]{8}\.partial")
    here = _place()
    with suppress(OSError), os.scandir(target.parent) as entries:
        for entry in entries:
            found = own.fullmatch(entry.name)
            if found is None or not entry.is_file(follow_symlinks=False):
                continue
            pid, place = int(found[1]), found[2]
            if place == here and place != _NOWHERE and not _alive(pid):
                _discard(Path(entry.path))
            elif (pid, place) != (os.getpid(), here):
                log.warning(
                    "%s lies beside %s: another process writes it too, or broke off and left this behind",
                    entry.name,
                    target.name,
                )


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it belongs to someone else
        return True
    return True


def _sync(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    # The file is complete by now; some file systems cannot open or sync a folder.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _discard(partial: Path) -> None:
    try:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    except BaseException:  # interrupted once more
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
