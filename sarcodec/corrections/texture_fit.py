"""What the texture of a tile is to be: measured by the encoder on what a decoder returns.

Noise takes from the residual, source less decoded in dB, its deviation by cell, how deviation and mean depend
on contrast, its skew, and the correlation of its *power*, since that is what speckle is judged by.
:mod:`sarcodec.corrections.texture_strength` then sets how strong it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.bitstream import texturegrid as grid
from sarcodec.bitstream.gaingrid import GainGrid, Mask, with_data
from sarcodec.bitstream.texturegrid import Kernel, Texture
from sarcodec.corrections import texture_noise as synthesis
from sarcodec.corrections.texture_strength import Parts, blocks_of
from sarcodec.spectrum import correlation, kernel_of, normal_correlation

PATCH = 16
"""Pixels of the squares whose median variance a cell has: edges and targets are few of them."""
CLIP = 5.0
"""Deviations beyond which a residual is an edge or a target."""
NARROW_DB = 8.0
"""Contrast within which noise is seen to depend on it."""
ROOMY, SNUG = 1 << 17, 1 << 16
"""Valid pixels from which on a tile has bytes to spare for kernels of reach 3, of reach 2."""
OFF = 0.02
"""Error of correlation at lag 1 that is near enough."""
WIDER, NARROWER = (0.7, 0.45, 0.25), (1.4, 2.0, 4.0)
"""Powers of correlation that are tried where it is not."""
STILL_DB = 1e-3
"""Deviation of residuals below which there is nothing to add."""

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Add = Callable[[Texture], Floats]


def measure(source: Floats, db: Floats, valid: Mask, add: Add) -> Texture | None:
    """The texture of a tile, None where nothing is missing.

    Parameters
    ----------
    source, db : float32 array, shape (h, w), dB of power
        Of the source, and as decoded, neither rounded nor clamped; looked at where valid.
    valid : bool array, same shape
        Some are.
    add : callable
        dB that a texture adds to each pixel, see :func:`sarcodec.corrections.texture_noise.added`.
    """
    residual = np.where(valid, source - db, 0).astype(np.float64)
    cells = _deviations(residual, valid)
    largest = float(cells.max())
    if not largest > STILL_DB:
        return None
    contrast = synthesis.contrast(db, valid)
    speckle = synthesis.faded(contrast).astype(np.float64)
    t = np.clip(contrast.astype(np.float64), -synthesis.MOST_DB, synthesis.MOST_DB)
    sigma = _spread(np.maximum(cells, largest / 1000), valid)
    bend = _regression(np.square(t)[valid], residual[valid], (speckle / np.square(sigma))[valid])
    bend = _held(bend / grid.BEND) * grid.BEND
    rest = residual - bend * np.square(t)
    slope = -_relative_slope(np.clip(t, -NARROW_DB, NARROW_DB)[valid], np.abs(rest / sigma)[valid])
    slope = _held(slope / grid.SLOPE) * grid.SLOPE
    shape = np.clip(1 - slope * t, synthesis.WEAKEST, synthesis.STRONGEST)
    cells = _deviations(rest / shape, valid)
    sigma = _spread(np.maximum(cells, largest / 1000), valid) * shape
    u = np.where(valid, np.clip(rest / sigma, -CLIP, CLIP), 0)
    skew = _held(_skewness(u[valid]) / 6 / grid.SKEW, 64)
    levels, unit = _levels(cells, valid)
    typical = float(np.median(sigma[valid]))
    rho, count = _correlation(u, valid, typical, skew * grid.SKEW), int(np.count_nonzero(valid))
    bare = Texture(levels, unit, 0, 0, round(slope / grid.SLOPE), skew)
    blocks, bent = blocks_of(source, valid), bend * np.square(t) * speckle

    def tuned(power: float) -> tuple[float, Texture]:
        """Correlation that blocks lack, and the texture that has them right otherwise."""
        found = replace(bare, kernel=_kernel(rho, power, count))
        parts = Parts.of(source, db, valid, bent, add(found), blocks)
        strength, share, lift = parts.balance()
        return parts.lacking(strength, share), replace(
            found,
            unit=min(round(unit * strength), 0xFFFF),
            lift=_held(lift / grid.LIFT_DB),
            bend=_held(share * bend / grid.BEND),
        )

    nearest, chosen = tuned(1.0)
    for power in WIDER if nearest > 0 else NARROWER:
        if abs(nearest) <= OFF:
            break
        lacking, found = tuned(power)
        if abs(lacking) < abs(nearest):
            nearest, chosen = lacking, found
    return chosen


def _deviations(residual: Doubles, valid: Mask) -> Doubles:
    """Deviation that is typical of each cell's residuals, dB; 0 where a cell holds no data."""
    squares, counts = (_patches(a) for a in (np.where(valid, np.square(residual), 0), valid))
    n, (rows, cols) = grid.SIDE // PATCH, squares.shape
    edges = ((0, -rows % n), (0, -cols % n))
    mean = np.divide(squares, counts, out=np.full(squares.shape, np.nan), where=2 * counts > PATCH**2)
    some = np.divide(squares, counts, out=np.full(squares.shape, np.nan), where=counts > 0)
    mean, some = (
        np.pad(a, edges, constant_values=np.nan)
        .reshape(-(-rows // n), n, -(-cols // n), n)
        .swapaxes(1, 2)
        .reshape(-(-rows // n), -(-cols // n), n * n)
        for a in (mean, some)
    )
    chosen = np.where(np.isnan(mean).all(2)[..., None], some, mean)
    empty = np.isnan(chosen).all(2)
    chosen[empty] = 0
    return np.asarray(np.sqrt(np.nanmedian(chosen, axis=2)))


def _patches(values: npt.NDArray[Any]) -> Doubles:
    rows, cols = (np.arange(0, length, PATCH) for length in values.shape)
    strips = np.add.reduceat(values, cols, axis=1, dtype=np.float64)
    return np.asarray(np.add.reduceat(strips, rows, axis=0))


def _spread(cells: Doubles, valid: Mask) -> Doubles:
    """Cells at each pixel; 1 where no cell around holds data."""
    coded = with_data(valid, grid.SIDE).astype(np.float64)
    out = synthesis.interpolated(cells * coded, coded, grid.SIDE, valid.shape)
    return np.where(out > 0, out, 1.0)


def _levels(cells: Doubles, valid: Mask) -> tuple[GainGrid, int]:
    """Levels by cell, and the unit they are over."""
    middle = float(np.median(cells[with_data(valid, grid.SIDE)]))
    unit = min(max(round(max(middle, STILL_DB) / grid.UNIT_DB), 1), 0xFFFF)
    empty = GainGrid(np.zeros(cells.shape, np.int16), grid.SIDE, grid.SHIFT)
    steps = 20 * np.log10(np.maximum(cells, STILL_DB) / (unit * grid.UNIT_DB)) / empty.step_db
    return replace(empty, codes=np.clip(np.rint(steps), -128, 128).astype(np.int16)), unit


def _correlation(u: Doubles, valid: Mask, sigma: float, b: float) -> Doubles | None:
    """Correlation of normal noise whose power has that of the ratio of source to decoded; None without."""
    power = 10 ** (sigma / 10 * u)
    rho = correlation(np.where(valid, power - power[valid].mean(), 0), valid)
    return None if rho is None else normal_correlation(rho, sigma, b)


def _kernel(rho: Doubles | None, power: float, count: int) -> Kernel:
    """Filter for a power of this correlation, no larger than `count` valid pixels bear."""
    if rho is None:
        return grid.white()
    reach = 3 if count >= ROOMY else 2 if count >= SNUG else 1
    taps = kernel_of(np.sign(rho) * np.abs(rho) ** power, reach)
    return np.asarray(np.clip(np.rint(taps * grid.PEAK), -grid.PEAK, grid.PEAK), np.int8)


def _regression(x: Doubles, y: Doubles, weight: Doubles) -> float:
    """Slope of y over x, least squares."""
    mean_x, mean_y = np.average(x, weights=weight), np.average(y, weights=weight)
    spread = float(np.average(np.square(x - mean_x), weights=weight))
    return float(np.average((x - mean_x) * (y - mean_y), weights=weight)) / spread if spread > 0 else 0.0


def _relative_slope(x: Doubles, y: Doubles) -> float:
    """Slope of y over x in parts of y's mean, y being held to `CLIP`."""
    held = np.minimum(y, CLIP)
    mean = float(held.mean())
    return _regression(x, held, np.ones(x.shape)) / mean if mean > 0 else 0.0


def _skewness(u: Doubles) -> float:
    about = u - u.mean()
    square = float(np.square(about).mean())
    return float((about**3).mean()) / square**1.5 if square > 0 else 0.0


def _held(steps: float, largest: int = 127) -> int:
    return min(max(round(steps), -largest), largest)
