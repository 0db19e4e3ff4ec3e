"""Symbols to streams and streams to symbols. The streams are those of CompressAI's rANS coder, byte for byte.

Magnitudes, tables and whole words are checked here, before the kernels or CompressAI's coder have them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.errors import ChecksumError, FormatError, InputError
from sarcodec.limits import DEFAULT
from sarcodec.model import compressai_coder
from sarcodec.model.tables import Tables
from sarcodec.native import kernels
from sarcodec.native.streams import ENDED, TOO_LARGE, Sink, Source

FEWEST = 4
"""Symbols in the shortest stream; CompressAI's coder misbehaves on fewer."""
SHORTEST = 8
"""Bytes of the shortest stream: the coder's state."""
MOST_WORDS = 2
"""Words of 32 bits that a symbol with the longest escape takes: 16 bits and at most 9 times 4."""


class StreamEncoder:
    """Collects symbols for one stream; all of them are coded by :meth:`finish`."""

    def __init__(self) -> None:
        self._parts: list[compressai_coder.Part] = []

    def put(self, symbols: npt.NDArray[Any], indexes: npt.NDArray[Any], tables: Tables) -> None:
        """Append int symbols, each with the index of its table, both of shape (n,).

        Raises
        ------
        InputError
            A symbol is larger than the format allows.
        """
        if symbols.size == 0:
            return
        largest = int(np.abs(symbols).max())
        if largest > DEFAULT.symbol:
            raise InputError(
                f"a latent of magnitude {largest} exceeds {DEFAULT.symbol}",
                hint="Use a lower quality, or check the scene for absurd values.",
            )
        if int(indexes.min()) < 0 or int(indexes.max()) >= len(tables.size):
            raise ValueError("there is no such table")
        self._parts.append((_as(symbols, np.int32), _as(indexes, np.uint16), tables))

    def finish(self, tables: Tables) -> bytes:
        """The stream, padded with zeros from table 0 to FEWEST symbols."""
        count = sum(len(symbols) for symbols, _, _ in self._parts)
        if count < FEWEST:
            zeros = np.zeros(FEWEST - count, np.int32)
            self.put(zeros, zeros, tables)
            count = FEWEST
        if compressai_coder.is_wanted():
            return compressai_coder.stream_of(self._parts)
        sink = Sink(MOST_WORDS * count)
        for symbols, indexes, own in reversed(self._parts):
            kernels.rans_write(sink, own.coding, symbols, indexes)
        return sink.to_bytes()


class StreamDecoder:
    """Reads symbols from one stream whose checksum has been verified.

    Raises
    ------
    FormatError
        The stream is not a whole number of words, or shorter than the coder's state.
    """

    def __init__(self, stream: bytes) -> None:
        if len(stream) < SHORTEST or len(stream) % 4:
            raise FormatError(f"an entropy-coded stream of {len(stream)} bytes is not whole")
        self.source = Source(stream)

    def get(self, indexes: npt.NDArray[Any], tables: Tables) -> npt.NDArray[Any]:
        """Next symbols, one for each table index, int32, shape (n,).

        Raises
        ------
        ChecksumError
            The stream ends early: it is not the encoder's, or tables are not.
        FormatError
            A symbol is larger than any encoder writes, or there is no such table.
        """
        if indexes.size and not 0 <= int(indexes.min()) <= int(indexes.max()) < len(tables.size):
            raise FormatError("an entropy-coded stream asks for a table that does not exist")
        symbols = kernels.rans_read(self.source, tables.coding, _as(indexes, np.uint16))
        self.check()
        return symbols

    def check(self) -> None:
        """Raise if what was read so far is not what an encoder wrote."""
        if self.source.status == ENDED:
            raise ChecksumError("an entropy-coded stream ends before its last symbol")
        if self.source.status == TOO_LARGE:
            raise FormatError("an entropy-coded stream holds a symbol larger than any encoder writes")


def _as(values: npt.NDArray[Any], dtype: Any) -> npt.NDArray[Any]:
    """Values of which it is known that they fit, as the kernels take them; a copy if they are not yet."""
    return np.ascontiguousarray(values, dtype)
