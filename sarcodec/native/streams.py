"""What kernels of the entropy coder share: tables, a stream that is read, a stream that is written.

The structures are those of rans.h.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final

import numpy as np
import numpy.typing as npt

LOWEST: Final = 1 << 31
"""The coder's state is never below it between symbols."""
MOST_ENTRIES: Final = 256
"""Of a table, so that the number of an interval has 8 bits, and a hostile table costs little time."""
FINE, ENDED, TOO_LARGE = 0, 1, 2
"""What may have become of a stream that is read."""

_ADDRESS = ctypes.c_void_p


class TablesStruct(ctypes.Structure):
    """``rans_tables``."""

    _fields_ = (
        ("cdf", _ADDRESS),
        ("size", _ADDRESS),
        ("offset", _ADDRESS),
        ("first", _ADDRESS),
        ("rows", ctypes.c_int32),
        ("columns", ctypes.c_int32),
    )


class SourceStruct(ctypes.Structure):
    """``rans_source``."""

    _fields_ = (
        ("words", _ADDRESS),
        ("count", ctypes.c_int64),
        ("at", ctypes.c_int64),
        ("state", ctypes.c_uint64),
        ("status", ctypes.c_int32),
    )


class SinkStruct(ctypes.Structure):
    """``rans_sink``."""

    _fields_ = (
        ("words", _ADDRESS),
        ("capacity", ctypes.c_int64),
        ("used", ctypes.c_int64),
        ("state", ctypes.c_uint64),
    )


class CodingTables:
    """Probability tables as the kernels take them.

    Parameters
    ----------
    cdf : int array, shape (tables, longest)
        Cumulative counts from 0 to 65536, increasing; the last interval of a row is the escape symbol.
    size, offset : int arrays, shape (tables,)
        Entries used of each row, at most MOST_ENTRIES, and the symbol of its first interval. No symbol of an
        interval exceeds the format's limit.

    Raises
    ------
    ValueError
        A table has too many entries.
    """

    def __init__(self, cdf: npt.NDArray[Any], size: npt.NDArray[Any], offset: npt.NDArray[Any]) -> None:
        self.cdf = np.array(cdf & 0xFFFF, np.uint16, order="C")
        """Modulo 2^16: the last count, 65536, is 0."""
        self.size = np.array(size, np.int32)
        self.offset = np.array(offset, np.int32)
        self.first = np.zeros((len(cdf), 256), np.uint8)
        """An interval at or below the one that has a state's bits 8..15."""
        if int(np.max(size)) > MOST_ENTRIES:
            raise ValueError(f"a probability table of {np.max(size)} entries has more than {MOST_ENTRIES}")
        for row, (counts, used) in enumerate(zip(cdf, size, strict=True)):
            self.first[row] = np.searchsorted(counts[: used - 1], 256 * np.arange(256), side="right") - 1
        for array in (self.cdf, self.size, self.offset, self.first):
            array.flags.writeable = False

    @property
    def struct(self) -> TablesStruct:
        """Where the arrays are; made anew each time, since a copy of this object has other ones."""
        arrays = self.cdf, self.size, self.offset, self.first
        return TablesStruct(*(array.ctypes.data for array in arrays), *self.cdf.shape)


class Source:
    """A stream that is read.

    Parameters
    ----------
    stream : bytes
        A whole number of words of 32 bits, two or more: the coder's state comes first.
    """

    def __init__(self, stream: bytes) -> None:
        self.words = np.frombuffer(stream, "<u4").astype(np.uint32)
        state = int(self.words[0]) | int(self.words[1]) << 32
        self.struct = SourceStruct(self.words.ctypes.data, len(self.words), 2, state, FINE)

    @property
    def status(self) -> int:
        """One of FINE, ENDED and TOO_LARGE."""
        return int(self.struct.status)


class Sink:
    """A stream that is written, from its last symbol to its first.

    Parameters
    ----------
    capacity : int
        Words of 32 bits that it may take.
    """

    def __init__(self, capacity: int) -> None:
        self.words = np.empty(max(capacity, 1), np.uint32)
        self.struct = SinkStruct(self.words.ctypes.data, len(self.words), 0, LOWEST)

    def to_bytes(self) -> bytes:
        """The coder's state and the words."""
        used = self.words[len(self.words) - self.struct.used :]
        return int(self.struct.state).to_bytes(8, "little") + used.astype("<u4").tobytes()
