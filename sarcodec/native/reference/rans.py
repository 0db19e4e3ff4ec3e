"""Twins of rans_writer.c and rans_reader.c, see docs/FORMAT.md, "The streams"."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sarcodec.limits import DEFAULT
from sarcodec.native.streams import ENDED, FINE, LOWEST, TOO_LARGE, CodingTables, Sink, Source

PRECISION: Final = 16
"""Counts of a table sum to 2^16."""
ESCAPE_BITS: Final = 4
ESCAPE_MORE: Final = 15
"""A count of groups that goes on in the next four bits."""
ESCAPE_GROUPS: Final = 8
"""Groups of four bits in the longest escape."""

Array = npt.NDArray[Any]


def rans_write(sink: Sink, tables: CodingTables, symbols: Array, rows: Array) -> None:
    """Put symbols before those that the sink has.

    Raises
    ------
    ValueError
        They do not fit, or there is no such table.
    """
    _exist(rows, tables)
    for symbol, row in zip(symbols[::-1].tolist(), rows[::-1].tolist(), strict=True):
        offset, escape = int(tables.offset[row]), int(tables.size[row]) - 2
        interval = symbol - offset
        if not 0 <= interval < escape:
            _put_escape(sink, -2 * interval - 1 if interval < 0 else 2 * (interval - escape))
            interval = escape
        start, end = (int(count) for count in tables.cdf[row, interval : interval + 2])
        count = (end - start) % (1 << PRECISION)
        _give(sink, count)
        quotient, rest = divmod(sink.struct.state, count)
        sink.struct.state = (quotient << PRECISION) + rest + start


def _give(sink: Sink, count: int) -> None:
    """Give a word away before the state grows by a symbol of `count` / 2^PRECISION."""
    state = sink.struct
    if state.state >= count << (63 - PRECISION):
        if state.used >= state.capacity:
            raise ValueError("the stream is longer than its sink")
        state.used += 1
        sink.words[state.capacity - state.used] = state.state & 0xFFFFFFFF
        state.state >>= 32


def _put_escape(sink: Sink, beyond: int) -> None:
    """The number of groups of four bits, then the groups, as they are read."""
    groups = -(-beyond.bit_length() // ESCAPE_BITS)
    for bits in (*(beyond >> (ESCAPE_BITS * group) & 15 for group in reversed(range(groups))), groups):
        _give(sink, 1 << (PRECISION - ESCAPE_BITS))
        sink.struct.state = sink.struct.state << ESCAPE_BITS | bits


def rans_read(source: Source, tables: CodingTables, rows: Array) -> Array:
    """The next symbols of a stream, int32; 0 once its status is not FINE.

    Raises
    ------
    ValueError
        There is no such table.
    """
    _exist(rows, tables)
    symbols = np.zeros(len(rows), np.int32)
    for at, row in enumerate(rows.tolist()):
        symbols[at] = next_symbol(source, tables, row)
        if source.struct.status != FINE:
            break
    return symbols


def _exist(rows: Array, tables: CodingTables) -> None:
    if rows.size and int(rows.max()) >= len(tables.size):
        raise ValueError(f"there is no table {rows.max()}")


def next_symbol(source: Source, tables: CodingTables, row: int) -> int:
    """The next symbol of a stream; 0 if something is wrong with it."""
    state = source.struct.state
    offset, escape = int(tables.offset[row]), int(tables.size[row]) - 2
    rest = state & 0xFFFF
    interval = int(np.searchsorted(tables.cdf[row, : escape + 1], rest, side="right")) - 1
    start, end = (int(count) for count in tables.cdf[row, interval : interval + 2])
    source.struct.state = (end - start) % (1 << PRECISION) * (state >> PRECISION) + rest - start
    if not _refill(source):
        return 0
    if interval == escape:
        return _beyond(source, offset + interval, offset)
    return offset + interval


def _refill(source: Source) -> bool:
    """Take a word if the state is short of one; whether there was one."""
    stream = source.struct
    if stream.state < LOWEST:
        if stream.at >= stream.count:
            stream.status = ENDED
            return False
        stream.state = stream.state << 32 | int(source.words[stream.at])
        stream.at += 1
    return True


def _take_bits(source: Source) -> int | None:
    bits = int(source.struct.state & 15)
    source.struct.state >>= ESCAPE_BITS
    return bits if _refill(source) else None


def _beyond(source: Source, above: int, below: int) -> int:
    """The symbol of an escape: `above` or more, or less than `below`; 0 if something is wrong with it."""
    groups, more = 0, ESCAPE_MORE
    while more == ESCAPE_MORE and groups <= ESCAPE_GROUPS:
        bits = _take_bits(source)
        if bits is None:
            return 0
        more = bits
        groups += more
    if groups > ESCAPE_GROUPS:
        source.struct.status = TOO_LARGE
        return 0
    distance = 0
    for group in range(groups):
        bits = _take_bits(source)
        if bits is None:
            return 0
        distance |= bits << (ESCAPE_BITS * group)
    symbol = below - ((distance + 1) >> 1) if distance & 1 else above + (distance >> 1)
    if abs(symbol) > DEFAULT.symbol:
        source.struct.status = TOO_LARGE
        return 0
    return symbol
