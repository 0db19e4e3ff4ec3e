"""Bytes of an open file by their position: threads and forked processes read without a word to each other."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from sarcodec.errors import FormatError, InputError, UsageError

Stamp = tuple[int, int]
"""Size and time of the last change of a file, as the system tells them."""


class PositionedFile:
    """Reads a seekable binary file at any position, from threads and from forked processes.

    A file of the system is read by position through a descriptor of its own, which forked processes may
    share: no read moves the place of another. The descriptor lives until the last read that uses it has
    ended, so no read meets the number of a file that was opened later. Bytes in memory are read where they
    are. Any other object is sought and read under a lock, and only in the process that opened it.

    Parameters
    ----------
    file : BinaryIO
        Stays the caller's to close; who reads after that gets a `UsageError`.

    Raises
    ------
    InputError
        The file cannot be read.
    """

    size: int
    """Bytes of the file when it was opened."""
    in_memory: bytes | None
    """The whole file, if it is bytes in memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._lock, self._process = file, threading.Lock(), os.getpid()
        self._held: _Descriptor | None = None
        self.in_memory = None
        try:
            if type(file) is io.BytesIO:
                self.in_memory = file.getvalue()
                self.size = len(self.in_memory)
            elif _of_the_system(file):
                self._held = _Descriptor(file.fileno())
                self._stamp = self._held.stamp()
                self.size = os.lseek(self._held.number, 0, os.SEEK_END)  # of a device, too
            else:
                self.size = file.seek(0, os.SEEK_END)
        except OSError as error:
            raise InputError(f"the file cannot be read: {error}") from error

    def read(self, at: int, count: int) -> bytes:
        """`count` bytes from byte `at`, whatever the size of single reads.

        Raises
        ------
        FormatError
            The file ends before.
        InputError
            It cannot be read, or is shorter than when it was opened.
        UsageError
            It is closed, or it cannot be shared with a forked process.
        """
        if self._file.closed:
            raise closed_error("the file")
        try:
            parts = self._parts(at, count)
        except (OSError, ValueError) as error:
            if self._file.closed:
                raise closed_error("the file") from error
            raise InputError(f"the file cannot be read at byte {at}: {error}") from error
        left = count - sum(map(len, parts))
        if left:
            self.check_unchanged()
            raise FormatError(f"truncated: {left} of {count} bytes from byte {at} are missing")
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def check_unchanged(self) -> None:
        """Raise `InputError` if somebody wrote to the file since it was opened: that explains any damage."""
        if self._held is None:
            return
        now = self._held.stamp()
        if now != self._stamp:
            raise InputError(
                f"the file was written to while it was open: it had {self._stamp[0]} bytes and has {now[0]}",
                hint="Open it again once it is complete.",
            )

    @contextmanager
    def blaming(self) -> Iterator[None]:
        """Raise what :meth:`check_unchanged` raises in place of a `FormatError` that it explains."""
        try:
            yield
        except FormatError:
            self.check_unchanged()
            raise

    def _parts(self, at: int, count: int) -> list[bytes]:
        """What can be had of `count` bytes, in pieces."""
        if self.in_memory is not None:
            return [self.in_memory[at : at + count]]
        held = self._held  # this reference keeps the descriptor open to the end of this read
        if held is not None:
            return _pieces(lambda done: os.pread(held.number, count - done, at + done), count)
        if os.getpid() != self._process:
            raise UsageError(
                "the file was opened in another process, and is of a kind that processes cannot share",
                hint="Open it in this process, by its path.",
            )
        with self._lock:
            self._file.seek(at)
            return _pieces(lambda done: self._file.read(count - done), count)


def closed_error(name: str) -> UsageError:
    """What reading after closing raises."""
    return UsageError(f"{name} is closed", hint="Read before closing it, or open it again.")


class _Descriptor:
    """A descriptor that is closed when nobody uses it any more."""

    def __init__(self, number: int) -> None:
        self.number = os.dup(number)

    def stamp(self) -> Stamp:
        found = os.fstat(self.number)
        return found.st_size, found.st_mtime_ns

    def __del__(self, close: Callable[[int], None] = os.close) -> None:  # at exit there is no `os` any more
        if hasattr(self, "number"):
            close(self.number)


def _of_the_system(file: BinaryIO) -> bool:
    """Whether the file's descriptor gives what reading the file gives; another object may decompress it."""
    return hasattr(os, "pread") and isinstance(getattr(file, "raw", file), io.FileIO) and not file.writable()


def _pieces(read: Callable[[int], bytes], count: int) -> list[bytes]:
    """What `read` gives for the bytes done so far, again and again, up to `count` or the file's end."""
    parts: list[bytes] = []
    done = 0
    while done < count:
        part = read(done)
        if not part:
            break
        parts.append(part)
        done += len(part)
    return parts
