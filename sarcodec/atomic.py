"""Files that appear complete or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sarcodec.errors import OutputExistsError, WriteError


@contextmanager
def replacing(path: str | os.PathLike[str], *, overwrite: bool) -> Iterator[Path]:
    """Yield the path of a temporary sibling that becomes `path` when the block succeeds.

    The caller creates, fills and closes the sibling. It is then flushed to disk and renamed over `path`
    in one step. Whatever goes wrong, an interrupt too, the sibling is removed and `path` stays as it was.
    A symbolic link is followed: the file it points to is replaced, not the link.

    Parameters
    ----------
    path : path-like
        The file to write.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    OutputExistsError
        `path` exists and `overwrite` is false; looked at before and after writing.
    WriteError
        `path` is no regular file, its folder is missing, or writing raised `OSError`.
    """
    given = Path(path)
    target = Path(os.path.realpath(given))
    check_target(given, overwrite=overwrite)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        yield partial
        _sync(partial)
        check_target(given, overwrite=overwrite)
        os.replace(partial, target)
    except OSError as error:
        _discard(partial)
        raise write_error(given, error) from error
    except BaseException:
        _discard(partial)
        raise
    _sync_folder(target.parent)


def check_target(path: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Raise what :func:`replacing` would raise before any work is done."""
    given = Path(path)
    if given.is_dir():
        raise WriteError(f"{given} is a directory", hint="Give the name of the file to write.")
    if given.exists() and not given.is_file():
        # Renaming over a device such as /dev/null would replace the device itself.
        raise WriteError(f"{given} is not a regular file", hint="Give the name of the file to write.")
    folder = Path(os.path.realpath(given)).parent
    if not folder.is_dir():
        raise WriteError(f"{given} cannot be written: no folder {folder}", hint="Create the folder first.")
    if given.exists() and not overwrite:
        raise OutputExistsError(f"{given} exists", hint="Choose another name, or allow overwriting.")


def write_error(path: str | os.PathLike[str], error: OSError) -> WriteError:
    """The `WriteError` that tells what `error` means for the file `path`."""
    reason = error.strerror or str(error) or type(error).__name__
    return WriteError(
        f"{Path(path)} could not be written: {reason}",
        hint="Check the free space, quota and permissions of its folder. Nothing was left behind.",
    )


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
    with suppress(OSError):
        partial.unlink(missing_ok=True)
