"""Latents to pixels, once: decoder, overviews, closed loop and rate search all come here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sarcodec.bitstream.header import Band, Header
from sarcodec.latent_grid import Latents, with_halo
from sarcodec.model.transforms import STRIDE
from sarcodec.radiometry import BandRange, InvalidPalette, finish
from sarcodec.types import PixelScale, Place, TileGrid

Floats = npt.NDArray[np.float32]


class Synthesis(Protocol):
    """g_s, or a part of it that makes means over squares of pixels."""

    def synthesise(self, y_hat: Latents, level: int) -> Floats:
        """Latents (c, h, w) at a rate level to network units, shape (16 h / factor, 16 w / factor)."""
        ...


def synthesised(
    g_s: Synthesis,
    y_hats: Mapping[Place, Latents | None],
    level: int,
    grid: TileGrid,
    place: Place,
    *,
    reach: int,
    factor: int = 1,
) -> Floats:
    """Pixels of a tile from its latents and those of its neighbours.

    Parameters
    ----------
    y_hats : mapping
        See :func:`sarcodec.latent_grid.with_halo`.
    level : int
        Rate level of the band.
    reach : int
        Latents on each side that a pixel depends on; 0 computes from the tile's own alone.
    factor : int
        Pixels a side that one of `g_s` stands for.

    Returns
    -------
    float32 array, in network units
        Shape (height, width) of the tile, divided by `factor` and rounded up.
    """
    y_hat, region = with_halo(y_hats, grid, place, reach)
    x = g_s.synthesise(y_hat, level)
    tile, step = grid.window(*place.at), STRIDE // factor
    top, left = tile.row // factor - region.row * step, tile.col // factor - region.col * step
    return x[top : top - (-tile.height // factor), left : left - (-tile.width // factor)]


@dataclass(frozen=True)
class BandPixels:
    """How network units of a band become decibels and native values."""

    band: Band
    scale: PixelScale
    palette: InvalidPalette
    nodata: float | None

    @staticmethod
    def of(header: Header, number: int, nodata: float | None) -> BandPixels:
        """Those of a band (from 0) of a file whose raster declares this nodata value."""
        band = header.bands[number]
        palette = InvalidPalette.of_band(band, header.dtype)
        return BandPixels(band, header.pixel_scale(number), palette, nodata)

    def decibels(self, x: Floats, added: Floats | None = None) -> Floats:
        """dB of power of network units, any shape, and what is added to them, neither rounded nor clamped."""
        with np.errstate(over="ignore", invalid="ignore"):  # a hostile header; `native` puts them in range
            db = x * np.float32(self.band.unit) + np.float32(self.band.offset)
            if added is not None:
                db += added
        return db

    def native(self, x: Floats, added: Floats | None = None) -> npt.NDArray[Any]:
        """Native values of decoded valid pixels, see :func:`sarcodec.radiometry.finish`.

        Parameters
        ----------
        x : float32 array, shape (height, width), network units
        added : float32 array, same shape, optional
            dB to add before values are rounded and clamped.
        """
        span = BandRange(self.band.vmin, self.band.vmax)
        return finish(self.decibels(x, added), span, self.scale, self.palette, self.nodata)
