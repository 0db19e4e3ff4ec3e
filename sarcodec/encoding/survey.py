"""First passes over a source: what its values mean, which pixels are valid, their range and mean."""

from __future__ import annotations

from dataclasses import dataclass

from sarcodec.corrections.correction import Correction
from sarcodec.corrections.layers import wished
from sarcodec.errors import InputError
from sarcodec.limits import Limits
from sarcodec.meaning.decide import Meaning, meanings
from sarcodec.options import EncodeOptions
from sarcodec.progress import Steps, Tick, silent_step
from sarcodec.scan import BandScan, scan_band
from sarcodec.source import Source, alpha_band
from sarcodec.types import Place, Quantity, Scale, TileGrid

LARGEST_GROUP = 4
"""Bands that the first of them predicts: polarisations, and not the dates of a stack."""
TILE_SIDE = 1024
"""Pixels: large enough that a tile's 30 bytes of overhead vanish, small enough to decode a window fast."""


@dataclass(frozen=True)
class Scene:
    """A source with what the first passes over it found."""

    source: Source
    meanings: tuple[Meaning, ...]
    """What the values of each band mean."""
    quantity: Quantity
    grid: TileGrid
    scans: tuple[BandScan, ...]
    limits: Limits
    wishes: tuple[tuple[Correction, object], ...]
    """Corrections that the file is to have, and what is asked of each."""

    @property
    def groups(self) -> tuple[int, ...]:
        """Bands of each group, as a header has them: a few bands are one scene's, and predict each other."""
        return (len(self.scans),) if 1 < len(self.scans) <= LARGEST_GROUP else ()

    @property
    def pixels(self) -> int:
        """Pixels of all bands together: what bpp is counted over."""
        return self.grid.width * self.grid.height * len(self.scans)

    def valid_pixels(self, place: Place) -> int:
        """Valid pixels of a band in a tile."""
        return self.scans[place.band].counts[place.row * self.grid.cols + place.col]

    @property
    def places(self) -> list[Place]:
        """Every band of every tile in the order of the file: row-major tiles, bands within."""
        return [Place(band, *at) for at in self.grid.tiles for band in range(len(self.scans))]


def survey(source: Source, options: EncodeOptions, tick: Tick) -> Scene:
    """Scale, valid pixels, range and mean of every band.

    Raises
    ------
    InputError
        The raster is empty, or a band cannot be coded.
    UsageError
        The evidence does not settle what the values of a band mean.
    """
    meta, jobs = source.meta, options.threads
    if meta.width < 1 or meta.height < 1 or meta.count < 1:
        raise InputError(f"a raster of {meta.width}x{meta.height} pixels and {meta.count} bands is empty")
    grid = TileGrid(meta.width, meta.height, TILE_SIDE)
    total = grid.count * meta.count
    looked, scanned = Steps(tick, "scale", total), Steps(tick, "scan", total)

    alpha = alpha_band(meta)
    if alpha is not None:  # a soft edge is refused before anything else is asked
        scan_band(source, alpha, Scale.DN, grid, jobs, silent_step)
    found = meanings(
        source,
        options.scales,
        grid,
        jobs,
        looked,
        matters=options.target.bpp is None,
        exactly=options.exactly,
    )
    scans = tuple(
        scan_band(source, band, found[band].pixel, grid, jobs, scanned) for band in range(meta.count)
    )
    quantity = Quantity(options.quantity)
    return Scene(source, found, quantity, grid, scans, options.largest, wished(options))
