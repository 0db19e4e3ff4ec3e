"""An open file, or the bytes of one, that somebody else owns: read here, and left open."""

from __future__ import annotations

import io
from typing import Any, BinaryIO, cast

from sarcodec.arguments import shown
from sarcodec.errors import UsageError


def borrowed(given: object) -> BinaryIO | None:
    """What reads a `.sarc` file from bytes or from an open binary file; None for anything else.

    Closing it does not close the file of the caller, who must not move that file's position meanwhile.

    Raises
    ------
    UsageError
        As :func:`usable`.
    """
    if isinstance(given, (bytes, bytearray, memoryview)):
        return io.BytesIO(bytes(given))
    if not hasattr(given, "read") or isinstance(given, type):
        return None
    return cast("BinaryIO", io.BufferedReader(_Borrowed(usable(given))))


def usable(file: Any) -> Any:
    """`file` itself, which gives bytes from any place.

    Raises
    ------
    UsageError
        It is no open file, is closed, is open as text, or cannot be moved within.
    """
    try:
        binary = isinstance(file.read(0), bytes)
        file.seek(0, io.SEEK_CUR)
    except Exception as error:  # a caller's object may raise anything
        raise UsageError(
            f"file={shown(file)} is no open file that can be read in any order",
            hint="Give the name of a file to sarcodec.open, or its bytes.",
        ) from error
    if not binary:
        raise UsageError(f"file={shown(file)} gives no bytes", hint='Open it in binary mode, "rb".')
    return file


class _Borrowed(io.RawIOBase):
    """Reads a file of somebody else."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())
