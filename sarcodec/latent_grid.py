"""Where the latents of a tile lie among those of the raster, and what surrounds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.model.transforms import STRIDE
from sarcodec.types import Place, TileGrid, Window

Latents = npt.NDArray[Any]
"""Decoded latents of a tile, int, shape (channels, h, w), in sixteenths of a quantiser step."""


def latent_window(grid: TileGrid, row: int, col: int, reach: int = 0) -> Window:
    """Latents of a tile and `reach` more on each side, as far as the raster goes."""
    pixels = grid.window(row, col)
    top, left = max(0, pixels.row // STRIDE - reach), max(0, pixels.col // STRIDE - reach)
    bottom = min(-(-grid.height // STRIDE), -(-pixels.bottom // STRIDE) + reach)
    right = min(-(-grid.width // STRIDE), -(-pixels.right // STRIDE) + reach)
    return Window(left, top, right - left, bottom - top)


def with_halo(
    y_hats: Mapping[Place, Latents | None], grid: TileGrid, place: Place, reach: int
) -> tuple[Latents, Window]:
    """Latents of a tile and `reach` more on each side, and where they lie among those of the raster.

    Parameters
    ----------
    y_hats : mapping
        Latents of the tile and of those that touch it. Zeros stand in for a neighbour that is None or not
        there: it is damaged, or it matters to no pixel that is wanted.
    """
    region = latent_window(grid, *place.at, reach)
    y_hat: Latents | None = None
    for near in place.around():
        part = y_hats.get(near)
        if part is None:
            continue
        there = latent_window(grid, *near.at)
        common = there.intersect(region)
        if common is None:
            continue
        if y_hat is None:
            y_hat = np.zeros((part.shape[0], region.height, region.width), dtype=part.dtype)
        y_hat[(slice(None), *common.inside(region))] = part[(slice(None), *common.inside(there))]
    assert y_hat is not None
    return y_hat, region
