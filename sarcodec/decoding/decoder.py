"""A tile's bytes to latents and class map, at the whole resolution or a fraction of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sarcodec.bitstream import mask
from sarcodec.bitstream.layout import LayerKind
from sarcodec.bitstream.reader import where
from sarcodec.bitstream.record import Record
from sarcodec.corrections import layers as corrections
from sarcodec.damage import named
from sarcodec.decoding.coded_file import CodedFile
from sarcodec.decoding.overview import Classes, check_factor, reduced_grid
from sarcodec.errors import FormatError
from sarcodec.latent_grid import latent_window
from sarcodec.pixels import Synthesis
from sarcodec.types import Place, TileGrid

QUIET = 4
"""Sizes that tiles of one raster come in: whole ones, and those cut at its right, its bottom and both."""

Latents = npt.NDArray[np.int32]


class Decoder:
    """Decodes tiles of an open file.

    Parameters
    ----------
    coded : CodedFile
    factor : int
        Pixels a side that one decoded pixel stands for; 1 decodes whole pixels.

    Raises
    ------
    UsageError
        Another factor, or corrections of whole pixels are asked for.
    """

    grid: TileGrid
    """Tiles of the raster that is returned."""
    layers: int
    """Layers of the model whose latents are decoded."""
    g_s: Synthesis
    """Makes decoded pixels of latents."""
    lost: set[Place]
    """Tiles met so far whose latents are damaged."""

    def __init__(self, coded: CodedFile, factor: int = 1) -> None:
        self.coded, self.factor = coded, factor
        self.reader, self.header, self.model = coded.reader, coded.header, coded.model
        self.full = self.grid = self.header.grid
        self.reach = self.model.shape.reach
        self.layers, self.corrections = len(self.model.layers), coded.corrections
        self.g_s = self.model
        if factor != 1:
            check_factor(factor)
            self.corrections = corrections.of_overviews(coded.corrections)
            self.grid = reduced_grid(self.full, factor)
            most = 1 if coded.options.base_only else self.layers
            overview = self.model.transform.overview(factor, most)
            self.layers, self.g_s = overview.layers, overview
        self.lost = set()
        self._quiet: dict[tuple[int, tuple[int, int]], Latents] = {}

    def record(self, row: int, col: int) -> Record | FormatError:
        """The record of a tile, or what is wrong with it, which every step that needs it raises."""
        try:
            return self.reader.record(row, col)
        except FormatError as error:
            return error

    def latents(
        self, place: Place, record: Record | FormatError | None = None, beside: Latents | None = None
    ) -> Latents:
        """Decoded latents of a tile, int32, shape (channels, h, w), in sixteenths of a quantiser step.

        Parameters
        ----------
        record : Record, optional
            The tile's, or what is wrong with it.
        beside : int32 array, optional
            Latents of the band that this one is predicted from, if they are at hand.

        Raises
        ------
        FormatError, ChecksumError
            The tile is damaged; the message names it.
        """
        found = whole(self.record(*place.at) if record is None else record)
        bodies = self._bodies(found, place.band)
        window, coder = latent_window(self.full, *place.at), self.coded.coders[place.band]
        size = (window.height, window.width)
        try:
            if not any(bodies):
                return self._silent(place.band, size)
            first = self.header.first_of(place.band)
            predicted = first != place.band
            if predicted and beside is None and coder.is_predicted(bodies):
                beside = self.latents(place.of(first), found)
            y_hat = coder.decode(bodies, size, beside, predicted=predicted)
        except FormatError as error:
            raise named(error, place) from error
        return y_hat.astype(np.int32)

    def latents_or_none(
        self, place: Place, record: Record | FormatError, beside: Latents | None
    ) -> Latents | None:
        """The same; None, and the tile noted as damaged, if partial decodes are allowed and it is."""
        try:
            return self.latents(place, record, beside)
        except FormatError as error:
            self.coded.lose(place, error)
            self.lost.add(place)
            return None

    def _bodies(self, record: Record, band: int) -> tuple[bytes, ...]:
        """Bodies of the layers that are decoded; empty ones stand for those that are not."""
        bodies: list[bytes] = []
        for number, layer in enumerate(self.header.layers):
            if layer.skippable or len(bodies) == self.layers:
                continue
            wanted = layer.kind == LayerKind.BASE or not self.coded.options.base_only
            bodies.append(record.layer(band, number) if wanted else b"")
        return (*bodies, *[b""] * (self.layers - len(bodies)))  # of a file that was cut to fewer layers

    def _silent(self, band: int, size: tuple[int, int]) -> Latents:
        """Latents of a tile without symbols: the same for every tile of this size, not to be changed."""
        key = (self.header.bands[band].level, size)
        y_hat = self._quiet.get(key)
        if y_hat is None:
            y_hat = self.coded.coders[band].decode((b"",) * self.layers, size).astype(np.int32)
            y_hat.flags.writeable = False
            self._quiet = {**self._quiet, key: y_hat} if len(self._quiet) < QUIET else {key: y_hat}
        return y_hat

    def classes(self, place: Place, record: Record | FormatError | None = None) -> Classes:
        """Class map of a tile, shape (height, width) in whole pixels: 0 if valid; raises as `latents`."""
        found = whole(self.record(*place.at) if record is None else record)
        window, palette = self.full.window(*place.at), self.coded.pixels[place.band].palette
        packed = found.mask(place.band)
        try:
            classes = mask.unpack(packed, (window.height, window.width), len(palette))
        except FormatError as error:
            raise named(error, place) from error
        if self.coded.empty(place.band) and not classes.all():
            raise FormatError(f"{where(*place.at)}: valid pixels in a band that has none")
        return classes


def whole(record: Record | FormatError) -> Record:
    """The record, or the error that stands for it, raised."""
    if isinstance(record, FormatError):
        raise type(record)(record.message, hint=record.hint) from record  # several threads may raise it
    return record
