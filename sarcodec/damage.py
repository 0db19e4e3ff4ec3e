"""What damage costs: which pixels a lost tile takes with it, and what stands in their place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sarcodec.bitstream.header import Header
from sarcodec.bitstream.reader import where
from sarcodec.errors import FormatError, UsageError
from sarcodec.invalid import InvalidPalette, native_nodata, valid_mask
from sarcodec.types import Place, TileGrid, Window


@dataclass(frozen=True, order=True)
class DamagedTile:
    """A tile of a band that could not be decoded."""

    band: int
    """Counted from 1."""
    row: int
    """Tile row, counted from 0."""
    col: int
    """Tile column, counted from 0."""
    reason: str = ""

    def __str__(self) -> str:
        return f"band {self.band} row {self.row} column {self.col}"

    @property
    def told(self) -> str:
        """Where the tile is and what is wrong with it, the place once."""
        place = f"{where(self.row, self.col)}, band {self.band}"
        rest = self.reason.removeprefix(place).removeprefix(where(self.row, self.col))
        return f"{self}: {rest.lstrip(':, ')}"


def named(error: FormatError, place: Place) -> FormatError:
    """The same error with the tile's name in front."""
    band, row, col = place
    message = f"{where(row, col)}, band {band + 1}: {error.message}"
    return type(error)(message, hint=error.hint or "This tile is damaged.")


def fill_value(header: Header, nodata: float | None) -> Any:
    """The value of pixels that are lost, in the native dtype: one that no valid pixel has.

    The declared nodata value if pixels can hold it; else NaN; for integers 0 if it stands for no valid
    value of any band; else the first of smallest and largest that lies outside every band's range and marks
    no masked area.

    Raises
    ------
    UsageError
        Every value of the dtype may be valid.
    """
    dtype = np.dtype(header.dtype)
    declared = native_nodata(nodata, dtype)
    if declared is not None:
        return declared
    if dtype.kind == "f":
        return dtype.type(np.nan)
    info = np.iinfo(dtype)
    bands = range(len(header.bands))
    zero = np.zeros(1, dtype)
    if not any(valid_mask(zero, header.pixel_scale(band), None)[0] for band in bands):
        return dtype.type(0)
    for value in (int(info.min), int(info.max)):
        if all(_free(header, band, dtype.type(value)) for band in bands):
            return dtype.type(value)
    raise UsageError(
        f"no {dtype} value is left to mark damaged pixels with: all of them may be valid",
        hint="Decode undamaged parts with --window.",
    )


def _free(header: Header, number: int, value: Any) -> bool:
    """Whether no pixel of a band has this value."""
    band = header.bands[number]
    masked = InvalidPalette.of_band(band, header.dtype).values.tolist()
    return not band.vmin <= value <= band.vmax and value not in masked


def reached(grid: TileGrid, at: tuple[int, int], lost: Iterable[tuple[int, int]], reach: int) -> list[Any]:
    """Parts of a tile that need the latents of lost tiles.

    Parameters
    ----------
    at : tuple of int
        Row and column of the tile.
    lost : iterable of tuple of int
        Rows and columns of tiles whose latents are missing.
    reach : int
        Pixels, a multiple of the latents' stride, beyond which a latent does not matter.

    Returns
    -------
    list of tuple of slice
        (rows, columns) within the tile.
    """
    here, parts = grid.window(*at), []
    for row, col in lost:
        there = grid.window(row, col)
        top, left = max(0, there.row - reach), max(0, there.col - reach)
        around = Window(left, top, there.right + reach - left, there.bottom + reach - top)
        common = around.intersect(here)
        if common is not None:
            parts.append(common.inside(here))
    return parts
