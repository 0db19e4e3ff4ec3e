"""Rice's code: a value as many ones as it has beyond its low bits, a zero, and its low bits.

Bits fill bytes from the highest one on. Values come in rows: those of a column have one number of low bits.
"""

from __future__ import annotations

from itertools import cycle, islice

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint8]


def fewest(values: Integers, most: int) -> int:
    """Number of low bits, up to `most`, with which values take the fewest bits; the smallest of several."""
    useful = min(most, int(values.max(initial=0)).bit_length())
    sizes = [int((values >> low).sum()) + (1 + low) * values.size for low in range(useful + 1)]
    return sizes.index(min(sizes))


def write(values: Integers, lows: tuple[int, ...], *, fill: int) -> bytes:
    """Values in Rice's code, row by row.

    Parameters
    ----------
    values : int64 array, shape (rows, columns)
        Not negative.
    lows : tuple of int
        Number of low bits of each column.
    fill : int
        0 or 1, the bits that fill the last byte.
    """
    flat, widths = values.ravel(), np.tile(lows, len(values))
    ones = flat >> widths
    ends = np.cumsum(ones + 1 + widths)
    zeros = ends - 1 - widths
    total = int(ends[-1]) if ends.size else 0
    edges = np.zeros(total, np.int8)
    edges[zeros - ones] += 1
    edges[zeros] -= 1
    bits = np.full(-(-total // 8) * 8, fill, np.uint8)
    bits[:total] = np.cumsum(edges, dtype=np.int8)
    for column, low in enumerate(lows):
        down = np.arange(low)[::-1]
        bits[zeros[column :: len(lows), None] + low - down] = values[:, column, None] >> down & 1
    return np.packbits(bits).tobytes()


def read(data: bytes, lows: tuple[int, ...], most: int) -> tuple[Integers, Bits]:
    """Values that `write` was given, and the bits behind them.

    Parameters
    ----------
    lows : tuple of int
        Number of low bits of each column.
    most : int
        Values to read; fewer if the bits end before or within one.

    Returns
    -------
    values : int64 array, shape (n,)
        Row by row; the last row may be cut.
    rest : uint8 array, shape (m,)
        Bits that were not read, 0 or 1 each.
    """
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    find, size = bits.tobytes().find, bits.size
    places: list[int] = []
    at = 0
    for low in islice(cycle(lows), most):
        zero = find(0, at)
        if zero < 0 or zero + low >= size:
            break
        places.append(zero)
        at = zero + 1 + low
    zeros = np.array(places, np.int64)
    values = zeros - np.append(0, zeros + 1 + np.resize(lows, zeros.size))[:-1]
    for column, low in enumerate(lows):
        down = np.arange(low)[::-1]
        stored = bits[zeros[column :: len(lows), None] + low - down] @ (1 << down)
        values[column :: len(lows)] = values[column :: len(lows)] << low | stored
    return values, bits[at:]
