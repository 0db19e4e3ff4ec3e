"""Symbols to streams by CompressAI's rANS coder, loaded without its package, and streams to symbols.

CompressAI's coder checks nothing: it loops on huge symbols and crashes on empty input. Everything that
reaches it passes through here, and only here.
"""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.errors import ChecksumError, FormatError, InputError, SarcError
from sarcodec.limits import DEFAULT
from sarcodec.model.loops import ENDED, FINE, TOO_LARGE, next_symbols
from sarcodec.model.tables import Tables

FEWEST = 4
"""Symbols in the shortest stream; the coder misbehaves on fewer."""
SHORTEST = 8
"""Bytes of the shortest stream: the coder's state."""


@cache
def _coder() -> Any:
    """The module ``compressai.ans``: 1 ms by path, seconds through the package."""
    if "compressai.ans" in sys.modules:
        return sys.modules["compressai.ans"]
    package = importlib.util.find_spec("compressai")
    folders = list(package.submodule_search_locations or ()) if package else []
    for path in (p for folder in folders for p in Path(folder).glob("ans*")):
        if path.suffix in {".so", ".pyd"}:
            spec = importlib.util.spec_from_loader("ans", ExtensionFileLoader("ans", str(path)))
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            sys.modules["compressai.ans"] = module  # its types can be registered once in a process
            return module
    raise SarcError("the entropy coder compressai.ans is not installed", hint="pip install compressai")


class StreamEncoder:
    """Collects symbols for one stream; all of them are coded by :meth:`finish`."""

    def __init__(self) -> None:
        self._coder = _coder().BufferedRansEncoder()
        self._count = 0

    def put(self, symbols: npt.NDArray[Any], indexes: npt.NDArray[Any], tables: Tables) -> None:
        """Append int symbols, each with the index of its table, both of shape (n,)."""
        if symbols.size == 0:
            return
        if int(np.abs(symbols).max()) > DEFAULT.symbol:
            raise InputError(
                f"a latent of magnitude {int(np.abs(symbols).max())} exceeds {DEFAULT.symbol}",
                hint="Use a lower quality, or check the scene for absurd values.",
            )
        self._coder.encode_with_indexes(
            symbols.tolist(), indexes.tolist(), tables.cdfs, tables.sizes, tables.offsets
        )
        self._count += symbols.size

    def finish(self, tables: Tables) -> bytes:
        """The stream, padded with zeros from table 0 to the fewest symbols the coder handles."""
        missing = max(0, FEWEST - self._count)
        if missing:
            zeros = np.zeros(missing, dtype=np.int64)
            self.put(zeros, zeros, tables)
        stream: bytes = self._coder.flush()
        return stream


class StreamDecoder:
    """Reads symbols from one stream whose checksum has been verified.

    CompressAI's decoder copies all tables at every call and holds the interpreter's lock; where a table
    depends on the symbol before, that is most of the time. So decoding is compiled here.
    """

    def __init__(self, stream: bytes) -> None:
        if len(stream) < SHORTEST or len(stream) % 4:
            raise FormatError(f"an entropy-coded stream of {len(stream)} bytes is not whole")
        self.words = np.frombuffer(stream, "<u4").astype(np.uint32)
        self.state = np.array([int(self.words[0]) | int(self.words[1]) << 32, 2, FINE], np.uint64)
        """The coder's state, number of the next word, and one of FINE, ENDED and TOO_LARGE."""

    def get(self, indexes: npt.NDArray[Any], tables: Tables) -> npt.NDArray[Any]:
        """Next symbols, one for each table index, int64, shape (n,).

        Raises
        ------
        ChecksumError
            The stream ends early: it is not the encoder's, or tables are not.
        FormatError
            A symbol is larger than any encoder writes, or there is no such table.
        """
        if indexes.size == 0:
            return np.zeros(0, dtype=np.int64)
        if int(indexes.min()) < 0 or int(indexes.max()) >= len(tables.cdfs):
            raise FormatError("an entropy-coded stream asks for a table that does not exist")
        wanted = np.ascontiguousarray(indexes, dtype=np.int64)
        symbols = next_symbols(self.words, self.state, tables.arrays, wanted)
        self.check()
        return np.asarray(symbols)

    def check(self) -> None:
        """Raise where what was read so far is not what an encoder wrote."""
        if self.state[2] == ENDED:
            raise ChecksumError("an entropy-coded stream ends before its last symbol")
        if self.state[2] == TOO_LARGE:
            raise FormatError("an entropy-coded stream holds a symbol larger than any encoder writes")
