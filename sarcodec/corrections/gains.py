"""Gains that bring mean power back: measured by the encoder, applied on demand by the decoder.

A network that lowers the error of decibels returns their mean, which lies below the mean of power wherever
it cannot follow the speckle. The gain of a cell is what its decoded pixels lack in mean power.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.bitstream import gaingrid
from sarcodec.bitstream.gaingrid import LARGEST, SIDES, GainGrid, Mask, pack, unpack
from sarcodec.corrections.tiles import DecodedTile, SourceTile
from sarcodec.invalid import Values
from sarcodec.radiometry import to_db
from sarcodec.types import PixelScale

__all__ = ["apply", "estimated_bytes", "measure", "pack", "unpack"]

BAR_DB = 0.05
"""Bias of mean power that nearly all windows are to keep to where cells are chosen by the encoder."""
WINDOW = 6
"""Side of such a window in the smallest cells: 96 pixels."""
NEARLY_ALL = 95.0
"""Percentage of windows."""
CHOICE = SIDES[:2]
"""Sides that the encoder chooses from; the smallest costs more than many a file can spare."""
ROUGH = 3.0
"""Mean folded difference of codes up to which a step is fine enough: speckle drowns what is finer."""
ROUNDS = 4
"""Times gains are corrected at most: rounding and clamping answer to them, mostly not at all."""


Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]


def spread(grid: GainGrid, shape: tuple[int, ...]) -> Floats:
    """dB to add to each pixel of a tile of this shape, float32: the gain of its cell."""
    gains = grid.codes.astype(np.float32) * np.float32(grid.step_db)
    return gains.repeat(grid.side, axis=0)[: shape[0]].repeat(grid.side, axis=1)[:, : shape[1]]


def measure(truth: SourceTile, decoded: DecodedTile, wish: bool | int) -> GainGrid:  # noqa: FBT001
    """Gains of a tile, see :func:`fit`; `wish` is the side of a cell, or True to choose it here."""
    side = None if isinstance(wish, bool) else wish
    return fit(truth.values, truth.valid, truth.scale, side, decoded.native)


def apply(found: GainGrid, decoded: DecodedTile) -> Floats:
    """dB to add to each pixel: the gain of its cell."""
    return spread(found, decoded.valid.shape)


def fit(
    values: Values, valid: Mask, scale: PixelScale, side: int | None, decode: Callable[[Floats], Values]
) -> GainGrid:
    r"""Gains after which the cells of a tile have the mean power of the source.

    .. math:: g_c = 10 \log_{10} \frac{\sum_{i \in c} p_i}{\sum_{i \in c} \hat p_i}

    over the valid pixels of a cell, :math:`\hat p` being the power of what a decoder returns for the gains so
    far, from 0 on; repeated until nothing changes.

    Parameters
    ----------
    values : array, shape (h, w), native dtype
        The source.
    valid : bool array, same shape
    side : int or None
        Side of a cell in pixels; None takes the largest of `CHOICE` that keeps windows to `BAR_DB`, or the
        last one.
    decode : callable
        Decoded native values for dB to add to each pixel.
    """
    fine = SIDES[-1]
    wanted = _power(values, valid, scale, fine)
    found = _power(decode(np.zeros(valid.shape, np.float32)), valid, scale, fine)
    for tried in CHOICE if side is None else (side,):
        grid = _quantised(wanted, found, valid, tried)
        if window_bias(grid, wanted, found, valid) <= BAR_DB:
            break
    goal = _sums(wanted, grid.side // fine)
    for _ in range(ROUNDS):
        now = _power(decode(spread(grid, valid.shape)), valid, scale, grid.side)
        change = np.rint(_gain_db(goal, now) / grid.step_db)
        if not change.any():
            break
        grid = replace(grid, codes=_codes(grid.codes + change))
    return grid


def window_bias(grid: GainGrid, wanted: Doubles, found: Doubles, valid: Mask) -> float:
    """Bias in dB that `NEARLY_ALL` windows of a tile stay below with these gains; 0 where none is whole.

    Parameters
    ----------
    wanted, found : float64 array, shape (rows, cols) of the smallest cells
        Power of the source and of what is decoded without gains.
    """
    gains = spread(replace(grid, side=grid.side // SIDES[-1]), wanted.shape)
    decoded = _windows(found * 10 ** (gains.astype(np.float64) / 10))
    source, count = _windows(wanted), _windows(_sums(valid, SIDES[-1]))
    full = 2 * count >= (WINDOW * SIDES[-1]) ** 2
    if not full.any():
        return 0.0
    return float(np.percentile(np.abs(_gain_db(source[full], decoded[full])), NEARLY_ALL))


def _quantised(wanted: Doubles, found: Doubles, valid: Mask, side: int) -> GainGrid:
    """Gains in the coarsest step that their own roughness bears."""
    cells = side // SIDES[-1]
    gains, coded = _gain_db(_sums(wanted, cells), _sums(found, cells)), gaingrid.with_data(valid, side)
    for shift in gaingrid.SHIFTS:
        grid = GainGrid(_codes(gains / (gaingrid.STEP_DB * (1 << shift))), side, shift)
        differences = gaingrid.folded(grid, coded)[1:]
        if sum(differences) <= ROUGH * len(differences):
            break
    return grid


def _codes(steps: npt.NDArray[Any]) -> npt.NDArray[np.int16]:
    return np.asarray(np.clip(np.rint(steps), -LARGEST, LARGEST), np.int16)


def _gain_db(wanted: Doubles, found: Doubles) -> Doubles:
    """dB that `found` lacks; 0 where there is nothing, or no number."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.asarray(np.nan_to_num(10 * np.log10(wanted / found)))


def _power(values: Values, valid: Mask, scale: PixelScale, side: int) -> Doubles:
    """Power of each cell, summed over its valid pixels."""
    db = np.where(valid, to_db(values, scale), -np.inf).astype(np.float64)
    with np.errstate(over="ignore"):
        return _sums(np.exp(db * (math.log(10) / 10)), side)


def _sums(values: npt.NDArray[Any], side: int) -> Doubles:
    """Sums over squares of `side` from the upper left corner, those at the edges cut."""
    rows, cols = (np.arange(0, length, side) for length in values.shape)
    strips = np.add.reduceat(values, cols, axis=1, dtype=np.float64)
    return np.asarray(np.add.reduceat(strips, rows, axis=0))


def _windows(cells: Doubles) -> Doubles:
    """Sums over all whole windows of WINDOW x WINDOW cells."""
    total = np.pad(cells, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    strips = total[WINDOW:] - total[:-WINDOW]
    return np.asarray(strips[:, WINDOW:] - strips[:, :-WINDOW])


def estimated_bytes(counts: tuple[int, ...], wish: bool | int) -> int:  # noqa: FBT001
    """About what a band's gains will take.

    Parameters
    ----------
    counts : tuple of int
        Valid pixels of each tile, row-major.
    wish : bool or int
        As for :func:`measure`.
    """
    side = SIDES[0] if isinstance(wish, bool) else wish
    cells = [-(-count // side**2) for count in counts if count]
    return 3 * sum(cells) // 8 + 6 * len(cells)
