"""Corrections, measured on what a decoder returns, tile row by tile row."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from itertools import islice

from sarcodec.bitstream.header import Header, crc_in
from sarcodec.bitstream.tile import BandRecord, TileRecord
from sarcodec.corrections import layers as corrections
from sarcodec.corrections.tiles import DecodedTile, SourceTile
from sarcodec.encoding.coding import CodedBand
from sarcodec.encoding.survey import Scene
from sarcodec.latent_grid import Latents
from sarcodec.model.modelfile import Model
from sarcodec.model.runtime import one_thread
from sarcodec.parallel import ordered_map
from sarcodec.pixels import BandPixels, synthesised
from sarcodec.types import Place


def corrected(
    tiles: Iterator[list[CodedBand]], scene: Scene, model: Model, header: Header, jobs: int
) -> Generator[TileRecord, None, None]:
    """Records of all tiles, row-major, with the corrections that the scene is to have.

    A tile is synthesised as the decoder will, its neighbours' latents with it, so the latents of three tile
    rows are held: 2 bytes a pixel and band.

    Parameters
    ----------
    tiles : iterator
        Row-major, with decoded latents if there are corrections to measure.
    header : Header
        Of the file that is written.
    """
    if not scene.wishes:
        yield from (TileRecord(tuple(band.record for band in tile)) for tile in tiles)
        return
    loop, waiting = ClosedLoop(scene, model, header), list[CodedBand]()
    y_hats: dict[Place, Latents | None] = {}
    bands, in_row = len(header.bands), header.grid.cols * len(header.bands)
    for row in range(header.grid.rows):
        for tile in islice(tiles, (2 * in_row - len(waiting)) // bands):
            waiting += tile
            y_hats.update((band.place, band.y_hat) for band in tile)
        items = (
            (band, {place: y_hats.get(place) for place in band.place.around()}) for band in waiting[:in_row]
        )
        yield from _tiles(ordered_map(loop.corrected, items, jobs, one_thread), bands)
        del waiting[:in_row]
        y_hats = {place: y_hat for place, y_hat in y_hats.items() if place.row >= row}


def _tiles(records: Generator[BandRecord, None, None], bands: int) -> Generator[TileRecord, None, None]:
    """Records of so many bands together."""
    with closing(records):
        tile: list[BandRecord] = []
        for record in records:
            tile.append(record)
            if len(tile) == bands:
                yield TileRecord(tuple(tile))
                tile.clear()


class ClosedLoop:
    """Decodes tiles as a decoder will, and measures what corrections are to add.

    Parameters
    ----------
    header : Header
        Of the file that is written.
    """

    def __init__(self, scene: Scene, model: Model, header: Header) -> None:
        self.scene, self.model, self.grid = scene, model, header.grid
        self.seed = crc_in(header.to_bytes(limits=scene.limits))
        nodata = scene.source.meta.nodata
        self.pixels = [BandPixels.of(header, number, nodata) for number in range(len(header.bands))]

    def corrected(self, item: tuple[CodedBand, Mapping[Place, Latents | None]]) -> BandRecord:
        """The record of a band with the bodies of all corrections.

        Parameters
        ----------
        item : tuple
            The band of a tile, and decoded latents of it and of those that touch it.
        """
        coded, y_hats = item
        place, pixels, wishes = coded.place, self.pixels[coded.place.band], self.scene.wishes
        window = self.grid.window(*place.at)
        truth = SourceTile.read(self.scene.source, place.band, window, pixels)
        bodies = (b"",) * len(wishes)
        if truth.valid.any():
            level, reach = pixels.band.level, self.model.shape.reach
            x = synthesised(self.model, y_hats, level, self.grid, place, reach=reach)
            decoded = DecodedTile(x, pixels, truth.valid, place.band, window, self.seed)
            bodies = corrections.measured(wishes, truth, decoded)
        return replace(coded.record, layers=(*coded.record.layers, *bodies))
