"""One tile of one band: pixels to latents, latents to pixels. The only place where the two worlds touch.

The transforms run over the raster as if it were one image: a tile is computed with a halo of the
model's reach, cut at the raster's edges, and what the halo spoils is cut off again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.bitstream import mask
from sarcodec.bitstream.header import Band
from sarcodec.fill import fill_invalid
from sarcodec.model.modelfile import Model
from sarcodec.model.transforms import STRIDE
from sarcodec.radiometry import BandRange, InvalidPalette, finish, to_db
from sarcodec.scan import BandScan
from sarcodec.source import Source, classes_of
from sarcodec.types import PixelScale, TileGrid, Window
from sarcodec.unseen import analyse_seen

Latents = npt.NDArray[Any]


def latent_window(grid: TileGrid, row: int, col: int, reach: int = 0) -> Window:
    """Latents of a tile and `reach` more on each side, as far as the raster goes."""
    pixels = grid.window(row, col)
    top, left = max(0, pixels.row // STRIDE - reach), max(0, pixels.col // STRIDE - reach)
    bottom = min(-(-grid.height // STRIDE), -(-pixels.bottom // STRIDE) + reach)
    right = min(-(-grid.width // STRIDE), -(-pixels.right // STRIDE) + reach)
    return Window(left, top, right - left, bottom - top)


def analyse_tile(
    source: Source,
    band: int,
    scale: PixelScale,
    scan: BandScan,
    unit_db: float,
    model: Model,
    grid: TileGrid,
    at: tuple[int, int],
) -> tuple[Latents, bytes]:
    """Read a tile with its halo and transform it.

    Parameters
    ----------
    band : int
        Counted from 0.
    unit_db : float
        dB in one network unit, as the header stores it.
    at : tuple of int
        Row and column of the tile.

    Returns
    -------
    y : float32 array, shape (channels, h, w)
        Latents of the tile; empty where neither it nor its halo holds data, so that no pixel depends on them.
    packed : bytes
        Class map of the tile, packed.
    """
    inner, region = latent_window(grid, *at), latent_window(grid, *at, model.shape.reach)
    left, top = region.col * STRIDE, region.row * STRIDE
    pixels = Window(
        left,
        top,
        min(grid.width - left, region.width * STRIDE),
        min(grid.height - top, region.height * STRIDE),
    )
    values = source.read(band, pixels)
    classes = classes_of(source, values, pixels, scan.palette)
    here = grid.window(*at).inside(pixels)
    packed = mask.pack(np.ascontiguousarray(classes[here]))
    if classes.all():
        return np.empty((model.shape.channels, 0, 0), dtype=np.float32), packed
    db = fill_invalid(to_db(values, scale), classes == 0, scan.mean_db)
    x = (db - np.float32(scan.mean_db)) / np.float32(unit_db)
    ragged = (region.height * STRIDE - pixels.height, region.width * STRIDE - pixels.width)
    x = np.pad(x, ((0, ragged[0]), (0, ragged[1])), mode="edge")
    valid = np.pad(classes == 0, ((0, ragged[0]), (0, ragged[1])), mode="edge")
    rows, cols = inner.inside(region)
    y = analyse_seen(np.ascontiguousarray(x, dtype=np.float32), valid, model)[:, rows, cols]
    return np.ascontiguousarray(y), packed


def synthesise_tile(
    latents: Callable[[int, int], Latents | None],
    model: Model,
    level: int,
    grid: TileGrid,
    at: tuple[int, int],
) -> npt.NDArray[np.float32]:
    """Pixels of a tile from its latents and those of its neighbours.

    Parameters
    ----------
    latents : callable
        See :func:`gathered`.
    level : int
        Rate level of the band.

    Returns
    -------
    float32 array, shape (height, width) of the tile, in network units
    """
    y_hat, region = gathered(latents, grid, at, model.shape.reach)
    x = model.synthesise(y_hat, level)
    window = grid.window(*at)
    top, left = window.row - region.row * STRIDE, window.col - region.col * STRIDE
    return x[top : top + window.height, left : left + window.width]


def gathered(
    latents: Callable[[int, int], Latents | None], grid: TileGrid, at: tuple[int, int], reach: int
) -> tuple[Latents, Window]:
    """Latents of a tile and `reach` more on each side, and where they lie among those of the raster.

    Parameters
    ----------
    latents : callable
        Decoded latents of the tile in a given row and column, int, shape (channels, h, w); None for a
        neighbour that matters to no pixel that is wanted, or is damaged: zeros stand in for it.
    """
    region = latent_window(grid, *at, reach)
    y_hat: Latents | None = None
    for row in range(max(0, at[0] - 1), min(grid.rows, at[0] + 2)):
        for col in range(max(0, at[1] - 1), min(grid.cols, at[1] + 2)):
            there = latent_window(grid, row, col)
            common = there.intersect(region)
            if common is None:
                continue
            part = latents(row, col)
            if part is None:
                continue
            if y_hat is None:
                y_hat = np.zeros((part.shape[0], region.height, region.width), dtype=part.dtype)
            y_hat[(slice(None), *common.inside(region))] = part[(slice(None), *common.inside(there))]
    assert y_hat is not None
    return y_hat, region


def decibels(
    x: npt.NDArray[np.float32], band: Band, added: npt.NDArray[np.float32] | None = None
) -> npt.NDArray[np.float32]:
    """dB of power of network units, any shape, and what is added to them, neither rounded nor clamped."""
    with np.errstate(over="ignore", invalid="ignore"):  # a hostile header; `finish` puts them in range
        db = x * np.float32(band.unit) + np.float32(band.offset)
        if added is not None:
            db += added
    return db


def native_values(
    x: npt.NDArray[np.float32],
    band: Band,
    scale: PixelScale,
    palette: InvalidPalette,
    nodata: float | None,
    added: npt.NDArray[np.float32] | None = None,
) -> npt.NDArray[Any]:
    """Native values of decoded valid pixels, see :func:`sarcodec.radiometry.finish`.

    Parameters
    ----------
    x : float32 array, shape (height, width), network units
    added : float32 array, same shape, optional
        dB to add before values are rounded and clamped.
    """
    db = decibels(x, band, added)
    return finish(db, BandRange(band.vmin, band.vmax), scale, palette, nodata)
