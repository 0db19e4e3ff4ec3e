"""Hashed lattices: random numbers and smooth noise addressed by absolute row and column.

Nothing here has a state, so any window of a scene can be made on its own and neighbours always fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from sarcodec.bitstream.noise_hash import Words, hash32

Floats = npt.NDArray[np.float32]

GRID = 8  # pixels; coarse octaves are summed on this grid and interpolated once, 64 times cheaper
_UNIT_RMS = 7.23  # uniform nodes in [-1/2, 1/2) after the B-spline have an RMS of 1 / 7.23


def uniform(words: Words) -> Floats:
    """Map hashed words to [0, 1), float32, with 24 random bits."""
    return (words >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def _spline(positions: npt.NDArray[np.int64], cell: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """First node (n,) and the weights (4, n) of a uniform cubic B-spline at integer positions."""
    base = positions // cell
    t = (positions - base * cell) / cell
    weights = np.stack(
        [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, 1 + 3 * t + 3 * t**2 - 3 * t**3, t**3],
    )
    return base - 1, (weights / 6).astype(np.float32)


def node_range(span: range, cell: int) -> range:
    """Lattice nodes that the interpolation to the positions in `span` touches."""
    return range(span[0] // cell - 1, span[-1] // cell + 3)


def interpolate(nodes: Floats, rows: range, cols: range, cell: int) -> Floats:
    """Cubic B-spline through `nodes`, which cover `node_range` of `rows` and of `cols`.

    Returns
    -------
    ndarray, shape (len(rows), len(cols)), float32
    """
    first, weights = _spline(np.arange(cols.start, cols.stop, cols.step), cell)
    first = first - first[0]
    across = nodes[:, first] * weights[0]
    for k in range(1, 4):
        across += nodes[:, first + k] * weights[k]
    first, weights = _spline(np.arange(rows.start, rows.stop, rows.step), cell)
    first = first - first[0]
    out = np.empty((len(rows), len(cols)), np.float32)
    # Rows between the same nodes together: four broadcast products instead of four gathered copies.
    starts = [0, *(np.flatnonzero(np.diff(first)) + 1).tolist(), len(rows)]
    for begin, end in pairwise(starts):
        node, band = first[begin], out[begin:end]
        np.multiply(across[node], weights[0, begin:end, None], out=band)
        for k in range(1, 4):
            band += across[node + k] * weights[k, begin:end, None]
    return out


def noise(rows: range, cols: range, cell: int, key: int, seed: int) -> Floats:
    """Smooth noise of zero mean and unit RMS whose features are about `cell` pixels wide.

    Returns
    -------
    ndarray, shape (len(rows), len(cols)), float32
    """
    i = np.arange(node_range(rows, cell).start, node_range(rows, cell).stop)
    j = np.arange(node_range(cols, cell).start, node_range(cols, cell).stop)
    nodes = (uniform(hash32(seed, key, cell, i[:, None], j[None, :])) - np.float32(0.5)) * np.float32(
        _UNIT_RMS
    )
    return interpolate(nodes, rows, cols, cell)


def fractal(rows: range, cols: range, octaves: Sequence[tuple[int, float]], key: int, seed: int) -> Floats:
    """Sum of `noise` over ``(cell, amplitude)`` octaves with cells of at least `GRID` pixels.

    Returns
    -------
    ndarray, shape (len(rows), len(cols)), float32
    """
    i, j = node_range(rows, GRID), node_range(cols, GRID)
    at_rows = range(i.start * GRID, i.stop * GRID, GRID)
    at_cols = range(j.start * GRID, j.stop * GRID, GRID)
    nodes = np.zeros((len(i), len(j)), np.float32)
    for cell, amplitude in octaves:
        nodes += noise(at_rows, at_cols, cell, key, seed) * np.float32(amplitude)
    return interpolate(nodes, rows, cols, GRID)
