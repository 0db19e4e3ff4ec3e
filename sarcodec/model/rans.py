"""CompressAI's rANS coder, loaded without its package, behind guards.

The compiled coder checks nothing: it reads beyond short streams, loops on huge symbols and crashes on empty
input. Everything that reaches it passes through here, and only here.
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

from sarcodec.errors import FormatError, InputError, SarcError
from sarcodec.limits import DEFAULT
from sarcodec.model.tables import CoderTables, Tables

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
    """Reads symbols from one stream whose checksum has been verified."""

    def __init__(self, stream: bytes, symbols_at_most: int) -> None:
        if len(stream) < SHORTEST or len(stream) % 4:
            raise FormatError(f"an entropy-coded stream of {len(stream)} bytes is not whole")
        # The coder does not know where its input ends: give it zeros for as long as it could read.
        guard = 16 * len(stream) + 8 * symbols_at_most + 65536
        self._coder = _coder().RansDecoder()
        self._coder.set_stream(stream + bytes(guard))

    def get(self, indexes: npt.NDArray[Any], tables: Tables | CoderTables) -> npt.NDArray[Any]:
        """Next symbols, one for each table index, int64, shape (n,).

        Raises
        ------
        FormatError
            A symbol is larger than any encoder writes.
        """
        if indexes.size == 0:
            return np.zeros(0, dtype=np.int64)
        low, end = int(indexes.min()), int(indexes.max()) + 1
        if low < 0 or end > len(tables.cdfs):
            raise FormatError("an entropy-coded stream asks for a table that does not exist")
        symbols = np.array(self.some(indexes, low, end, tables), dtype=np.int64)
        check_symbols(symbols)
        return symbols

    def some(self, indexes: npt.NDArray[Any], low: int, end: int, tables: Tables | CoderTables) -> list[int]:
        """Next symbols, unchecked, one for each table index; these are from `low` to `end` - 1.

        The coder copies every table that it is given: for a few symbols, that is most of its time.
        """
        given = (of[low:end] for of in (tables.cdfs, tables.sizes, tables.offsets))
        symbols: list[int] = self._coder.decode_stream((indexes - low).tolist(), *given)
        return symbols


def check_symbols(symbols: npt.NDArray[np.int64]) -> None:
    """Raise `FormatError` where a symbol is larger than any encoder writes."""
    if symbols.size and int(np.abs(symbols).max()) > DEFAULT.symbol:
        raise FormatError("an entropy-coded stream holds a symbol larger than any encoder writes")
