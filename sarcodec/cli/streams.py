"""Standard input and output as files: both are spooled, for commands read and write out of order."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sarcodec.cli import console
from sarcodec.cli.outputs import STANDARD
from sarcodec.errors import InputError, SarcError, UsageError, WriteError

if TYPE_CHECKING:
    from sarcodec.endings import Kind


@contextmanager
def read_from(source: str) -> Iterator[str]:
    """Path of the input: `source`, or a copy of standard input, in the folder for temporary files.

    Raises
    ------
    InputError, UsageError
        Standard input is closed, a terminal, or cannot be read.
    WriteError
        The disk is full.
    """
    from sarcodec.places import local_path

    if source != STANDARD:
        yield local_path(source)
        return
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError(
            "standard input is a terminal or closed", hint="Pipe a file to it: sarcodec ... < FILE"
        )
    with _spooled("standard input", "in") as path:
        try:
            with path.open("wb") as file:
                shutil.copyfileobj(_Stdin(), file, 2**20)
        except OSError as error:
            raise _not_spooled(error) from error
        yield str(path)


@contextmanager
def written_to(out: str, kind: Kind) -> Iterator[str]:
    """Path of the output: `out`, or a file that is copied to standard output when the block ends well.

    Raises
    ------
    WriteError
        Standard output, or the disk, is full.
    """
    if out != STANDARD:
        yield out
        return
    with _spooled("standard output", f"out{kind}") as path:
        yield str(path)
        with path.open("rb") as file:
            _copy(file)


def say(out: str, text: str) -> None:
    """A line on standard output; on standard error if the output itself goes there."""
    if out != STANDARD:
        console.say(text)
    elif sys.stderr is not None:
        print(text, file=sys.stderr)  # noqa: T201


def shown(text: str) -> str:
    """`text` with the names of the streams in place of those of the files that stand for them."""
    for path, what in _spools.items():
        text = text.replace(path, what)
    return text


_spools: dict[str, str] = {}
"""Files that stand for streams now, and names of the streams."""


@contextmanager
def _spooled(what: str, name: str) -> Iterator[Path]:
    """A path in a temporary folder; errors that name it name `what` instead."""
    import tempfile

    try:
        folder = tempfile.TemporaryDirectory(prefix="sarcodec-")
    except OSError as error:
        raise _not_spooled(error) from error
    with folder:
        path = Path(folder.name) / name
        _spools[str(path)] = what
        try:
            yield path
        except SarcError as error:
            raise type(error)(shown(error.message), hint=shown(error.hint)) from error
        finally:
            del _spools[str(path)]


class _Stdin:
    """Standard input as bytes; its errors are the input's, not those of the file it is copied to."""

    def read(self, size: int = -1) -> bytes:
        try:
            found: bytes = sys.stdin.buffer.read(size)
        except OSError as error:
            raise InputError(
                f"standard input cannot be read: {error.strerror or error}", hint="Read from a file instead."
            ) from error
        return found


def _copy(file: Any) -> None:
    """All of a file to standard output."""
    try:
        shutil.copyfileobj(file, sys.stdout.buffer, 2**20)
        sys.stdout.buffer.flush()
    except OSError as error:
        # Python flushes stdout once more at exit, and would complain there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise console.ReaderGoneError from error
        raise WriteError(
            f"standard output could not be written: {error.strerror or error}",
            hint="What was written to it is not complete; check the free space.",
        ) from error


def _not_spooled(error: OSError) -> WriteError:
    import tempfile

    return WriteError(
        f"standard input or output could not be kept in {tempfile.gettempdir()}: {error.strerror or error}",
        hint="Let the variable TMPDIR name a folder with more space, or work on files.",
    )
