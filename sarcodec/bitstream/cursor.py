"""Reading fields one after another out of bytes, with errors that name the field and the place."""

from __future__ import annotations

import struct
from typing import Any

from sarcodec.errors import FormatError


class Cursor:
    """A place in `data`; every read advances it and nothing reads beyond the end.

    Parameters
    ----------
    data : bytes
        What is read.
    what : str
        Name of the structure, for messages.
    """

    def __init__(self, data: bytes, what: str) -> None:
        self.data = data
        self.what = what
        self.at = 0

    def take(self, count: int, name: str) -> bytes:
        """The next `count` bytes; `FormatError` where fewer are left."""
        left = len(self.data) - self.at
        if count > left:
            raise FormatError(f"{self.what}: {name} at byte {self.at} wants {count} bytes, {left} are left")
        self.at += count
        return self.data[self.at - count : self.at]

    def unpack(self, layout: struct.Struct, name: str) -> tuple[Any, ...]:
        """The next fields, as `layout` says."""
        return layout.unpack(self.take(layout.size, name))

    def u8(self, name: str) -> int:
        """The next byte."""
        return self.take(1, name)[0]

    def uv(self, name: str, *, bits: int = 32) -> int:
        """The next LEB128 integer, in its shortest form and of at most `bits` bits."""
        value = 0
        for shift in range(0, bits, 7):
            byte = self.u8(name)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >> bits or (byte == 0 and shift):
                    break
                return value
        raise FormatError(
            f"{self.what}: {name} before byte {self.at} is above {bits} bits or not in its shortest form"
        )

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return len(self.data) - self.at

    def end(self) -> None:
        """`FormatError` unless everything has been read."""
        if self.left:
            raise FormatError(f"{self.what}: {self.left} bytes too many after byte {self.at}")
