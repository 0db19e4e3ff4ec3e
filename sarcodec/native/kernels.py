"""One function for each kernel of the entropy coder.

It checks arrays and hands them to C with their lengths, or calls the twin.
"""

from __future__ import annotations

import numpy as np

from sarcodec.native import library
from sarcodec.native.arrays import Array, address, check
from sarcodec.native.reference import order, rans, trellis
from sarcodec.native.streams import CodingTables, Sink, Source
from sarcodec.native.trellis_code import AHEAD, PIECE, SCALES, SHRUNK

_STEP_BYTES = 64
"""``sizeof(search_step)``."""
_LANES = 16
"""Steps that the search may write at once."""


def rans_write(sink: Sink, tables: CodingTables, symbols: Array, rows: Array) -> None:
    """Put symbols before those that a sink has.

    Parameters
    ----------
    symbols : int32 array, shape (n,)
    rows : uint16 array, shape (n,)
        The table of each.

    Raises
    ------
    ValueError
        They do not fit, or there is no such table.
    """
    functions, n = library.chosen().functions, len(symbols)
    arrays = address(symbols, np.int32, (n,)), address(rows, np.uint16, (n,))
    if not functions:
        rans.rans_write(sink, tables, symbols, rows)
        return
    check(functions["rans_write"](sink.struct, tables.struct, *arrays, n))


def rans_read(source: Source, tables: CodingTables, rows: Array) -> Array:
    """The next symbols of a stream, int32, one for each row; 0 once the stream's status is not FINE.

    Parameters
    ----------
    rows : uint16 array, shape (n,)

    Raises
    ------
    ValueError
        There is no such table.
    """
    functions, n = library.chosen().functions, len(rows)
    place = address(rows, np.uint16, (n,))
    if not functions:
        return rans.rans_read(source, tables, rows)
    symbols = np.empty(n, np.int32)
    check(functions["rans_read"](source.struct, tables.struct, place, n, symbols.ctypes.data))
    return symbols


def trellis_read(source: Source, tables: CodingTables, scale: Array, shrink: Array) -> Array:
    """What the next symbols of a stream stand for, int32, in sixteenths of a step.

    Values are 0 once the stream's status is not FINE.

    Parameters
    ----------
    tables : CodingTables
        Of 2 * SCALES rows: those of quantiser 0, then those of quantiser 1.
    scale : uint8 array, shape (n,)
        Below SCALES.
    shrink : int32 array, shape (2, SHRUNK)
        See :func:`sarcodec.native.trellis_code.points`.

    Raises
    ------
    ValueError
        There is no such table.
    """
    functions, n = library.chosen().functions, len(scale)
    arrays = address(scale, np.uint8, (n,)), n, address(shrink, np.int32, (2, SHRUNK))
    if not functions:
        return trellis.trellis_read(source, tables, scale, shrink)
    values = np.empty(n, np.int32)
    check(functions["trellis_read"](source.struct, tables.struct, *arrays, values.ctypes.data))
    return values


def trellis_search(
    residual: Array, scale: Array, shrink: Array, prices: Array, *, piece: int = PIECE, ahead: int = AHEAD
) -> tuple[Array, Array, Array]:
    """Symbols on the path of least squared error and price.

    Parameters
    ----------
    residual : float32 array, shape (n,)
        Latents less their means, in quantiser steps, finite.
    scale, shrink
        See :func:`trellis_read`.
    prices : float32 array, shape (2 * SCALES, 2, places, 2)
        See :func:`sarcodec.native.trellis_code.paired`.
    piece, ahead : int
        Steps that are decided together, and steps beyond that are looked at.

    Returns
    -------
    int32, uint16 and int32 arrays, shape (n,)
        Symbols, the table of each, and what it stands for in sixteenths of a step.

    Raises
    ------
    ValueError
        There is no such table.
    """
    functions, n, places = library.chosen().functions, len(residual), prices.shape[2]
    arrays = (
        address(residual, np.float32, (n,)),
        address(scale, np.uint8, (n,)),
        n,
        address(shrink, np.int32, (2, SHRUNK)),
        address(prices, np.float32, (2 * SCALES, 2, places, 2)),
    )
    if not functions:
        return trellis.trellis_search(residual, scale, shrink, prices, piece, ahead)
    room = min(n, piece + ahead) + _LANES
    symbols, rows, values = np.empty(n, np.int32), np.empty(n, np.uint16), np.empty(n, np.int32)
    steps = np.empty(room * _STEP_BYTES, np.uint8)
    status = functions["trellis_search"](
        *arrays,
        places,
        *(array.ctypes.data for array in (symbols, rows, values, steps)),
        room,
        piece,
        ahead,
    )
    check(status)
    return symbols, rows, values


def gather(scale: Array, coded: Array, values: Array | None = None) -> tuple[Array, Array | None]:
    """Scales and values of coded latents, position by position, all channels of one before the next.

    Parameters
    ----------
    scale : uint8 array, shape (channels, positions)
    coded : bool array, same shape
    values : float32 array, same shape, optional

    Returns
    -------
    uint8 array and float32 array, shape (number coded,)
    """
    functions = library.chosen().functions
    channels, positions = shape = scale.shape
    arrays = (
        None if values is None else address(values, np.float32, shape),
        address(scale, np.uint8, shape),
        address(coded, np.bool_, shape),
    )
    if not functions:
        return order.gather(scale, coded), None if values is None else order.gather(values, coded)
    room = int(np.count_nonzero(coded))
    scale_out = np.empty(room, np.uint8)
    values_out = None if values is None else np.empty(room, np.float32)
    number = functions["gather"](
        *arrays,
        channels,
        positions,
        None if values_out is None else values_out.ctypes.data,
        scale_out.ctypes.data,
        room,
    )
    check(number != room)
    return scale_out, values_out


def scatter(values: Array, coded: Array) -> Array:
    """Values in the stream's order to where they belong, int32, 0 if a latent is not coded.

    Parameters
    ----------
    values : int32 array, shape (number coded,)
    coded : bool array, shape (channels, positions)

    Raises
    ------
    ValueError
        There are more or fewer values than coded latents.
    """
    functions, n = library.chosen().functions, len(values)
    channels, positions = shape = coded.shape
    arrays = address(values, np.int32, (n,)), n, address(coded, np.bool_, shape)
    if not functions:
        return order.scatter(values, coded)
    out = np.empty(shape, np.int32)
    check(functions["scatter"](*arrays, channels, positions, out.ctypes.data))
    return out
