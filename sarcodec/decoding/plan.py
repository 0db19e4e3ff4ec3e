"""Which tiles a window takes, row by row, and whether memory is enough for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sarcodec import limits as lim
from sarcodec import memory
from sarcodec.model.transforms import STRIDE
from sarcodec.types import Place, TileGrid, Window

LATENT_BYTES = 4
"""Bytes a pixel that decoded latents take: as many as pixels, four bytes each."""
DECODING_BYTES = 150 * 10**6
"""Bytes that decoding takes at least, beside what is loaded."""
AHEAD = 3
"""Tiles a thread whose latents or pixels are there before they are asked for."""
WORK_BYTES = 48
"""Bytes a pixel that decoding a tile takes at most, in each thread."""


@dataclass(frozen=True)
class Plan:
    """Tiles that a window shows, and those whose latents it needs."""

    bands: Sequence[int]
    """Counted from 0, in the order in which they are wanted."""
    shown: tuple[tuple[int, int], ...]
    """Row and column of each tile that shares a pixel with the window, row-major."""
    needed: tuple[tuple[int, int], ...]
    """The same of tiles whose latents matter to the window."""

    @staticmethod
    def of(grid: TileGrid, window: Window, bands: Sequence[int], reach: int) -> Plan:
        """The plan for a window of whole pixels; `reach` is in latents."""
        seen = _seen_from(window, grid, reach * STRIDE)
        return Plan(bands, tuple(grid.touching(window)), tuple(grid.touching(seen)))

    @property
    def rows(self) -> list[int]:
        """Tile rows that are shown."""
        return sorted({row for row, _ in self.shown})

    def latents_for(self, row: int) -> Iterator[Place]:
        """Tiles whose latents matter to a tile row: band by band, those of it and of the rows beside it."""
        for band in self.bands:
            for there, col in self.needed:
                if abs(there - row) <= 1:
                    yield Place(band, there, col)

    def tiles_in(self, row: int) -> Iterator[Place]:
        """Tiles of a tile row that are shown, band by band."""
        return (Place(band, *at) for band in self.bands for at in self.shown if at[0] == row)

    @property
    def pieces(self) -> int:
        """Tiles that are shown, all bands counted."""
        return len(self.bands) * len(self.shown)


def _seen_from(window: Window, grid: TileGrid, reach: int) -> Window:
    """The pixels whose latents matter to a window."""
    left, top = (max(0, start - start % STRIDE - reach) for start in (window.col, window.row))
    right = min(grid.width, -(-window.right // STRIDE) * STRIDE + reach)
    bottom = min(grid.height, -(-window.bottom // STRIDE) * STRIDE + reach)
    return Window(left, top, right - left, bottom - top)


def check_memory(grid: TileGrid, window: Window, bands: int, jobs: int, limits: lim.Limits) -> None:
    """Refuse what would hold more than the limit in latents of three tile rows and in working tiles."""
    rows = min(3 * grid.side, grid.height) * min(window.width + 2 * grid.side, grid.width)
    tile = min(grid.side**2, rows)
    held = LATENT_BYTES * (bands * rows + AHEAD * jobs * tile) + jobs * WORK_BYTES * tile
    lim.check("memory for decoding in bytes", held, limits.memory, limit="memory")
    memory.need("decoding", DECODING_BYTES + held)
