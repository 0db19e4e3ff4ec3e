"""Decoding: find the tiles a window needs, decode their latents, synthesise, put invalid pixels back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from sarcodec import zoo
from sarcodec.bitstream import mask
from sarcodec.bitstream.header import Header
from sarcodec.bitstream.layout import NEWER, LayerKind, Quantiser
from sarcodec.bitstream.reader import Reader
from sarcodec.errors import FormatError, UnsupportedError
from sarcodec.invalid import InvalidPalette, valid_mask
from sarcodec.metadata import RasterMeta
from sarcodec.model import modelfile
from sarcodec.model.entropy import LatentCoder
from sarcodec.model.modelfile import Model
from sarcodec.model.runtime import one_thread
from sarcodec.parallel import ordered_map
from sarcodec.radiometry import BandRange
from sarcodec.tile import latent_window, synthesise_tile, tile_values
from sarcodec.types import Window

log = logging.getLogger(__name__)

Place = tuple[int, int, int]
"""Band (from 0), tile row, tile column."""
Latents = npt.NDArray[np.int32]
Tick = Callable[[str, int, int], None]


def meta_of(header: Header) -> RasterMeta:
    """Size, type, georeferencing and tags of the coded raster."""
    size = (header.width, header.height, len(header.bands), header.dtype)
    return RasterMeta.from_chunks(*size, header.geo, header.text)


def model_of(header: Header, *, name: str | None = None, device: str = "cpu") -> Model:
    """The model that a file names.

    Raises
    ------
    UnsupportedError
        It is not installed, its entropy part is another one, or its layers are not those of the file.
    """
    wanted = header.model
    model = modelfile.load(zoo.find(name or wanted.id), device)
    if model.entropy_digest != wanted.entropy:
        raise UnsupportedError(
            f"model {wanted.id}: the file needs entropy part {wanted.entropy.hex()}, "
            f"{model.entropy_digest.hex()} is installed",
            hint="Install the version of sarcodec that wrote the file, or give --model its model file.",
        )
    if model.synthesis_digest != wanted.synthesis:
        log.warning("model %s has another synthesis than the encoder's: pixels differ slightly", wanted.id)
    critical = [layer for layer in header.layers if not layer.skippable]
    coded = tuple(layer.channels for layer in critical)
    known = all(layer.kind in {LayerKind.BASE, LayerKind.ENHANCEMENT} for layer in critical)
    if not known or any(band.tile_quality for band in header.bands):
        raise UnsupportedError(
            "the file has critical layers or tile qualities of a newer encoder", hint=NEWER
        )
    if coded != model.layers or header.quantiser is not Quantiser.SCALAR:
        raise UnsupportedError(
            f"layers of {coded} channels are not those of model {model.id}: {model.layers}"
        )
    if any(band.level > model.top_level for band in header.bands):
        raise FormatError(f"a rate level is above {model.top_level}, the highest of model {model.id}")
    return model


class Decoder:
    """Decodes windows of an open file.

    Parameters
    ----------
    file : BinaryIO
        Seekable; stays the caller's to close.
    jobs : int
        Threads.
    base_only : bool
        Leave enhancement layers out: their latents become their predicted means.
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        jobs: int,
        base_only: bool = False,
        model: str | None = None,
        device: str = "cpu",
    ) -> None:
        self.reader = Reader(file)
        self.header = self.reader.header
        self.meta = meta_of(self.header)
        self.model = model_of(self.header, name=model, device=device)
        self.jobs, self.base_only = jobs, base_only
        self._coders = [LatentCoder(self.model, band.level) for band in self.header.bands]
        self._palettes = [
            InvalidPalette(np.dtype(self.header.dtype), tuple(band.palette)) for band in self.header.bands
        ]

    def latents(self, place: Place) -> Latents:
        """Decoded latents of a tile, int32, shape (channels, h, w), in sixteenths of a quantiser step.

        Raises
        ------
        FormatError, ChecksumError
            The tile is damaged; the message names it.
        """
        band, row, col = place
        window = latent_window(self.header.grid, row, col)
        layers = []
        for number, layer in enumerate(self.header.layers):
            if layer.skippable:
                continue
            wanted = layer.kind == LayerKind.BASE or not self.base_only
            layers.append(self.reader.layer_bytes(row, col, band, number) if wanted else b"")
        try:
            y_hat = self._coders[band].decode(tuple(layers), (window.height, window.width))
        except FormatError as error:
            where = f"tile row {row}, column {col}, band {band + 1}: {error.message}"
            raise type(error)(where, hint=error.hint or "This tile is damaged.") from error
        return y_hat.astype(np.int32)

    def tile(self, place: Place, latents: Callable[[Place], Latents]) -> npt.NDArray[Any]:
        """Native values of a tile, given the latents around it."""
        number, row, col = place
        band, palette = self.header.bands[number], self._palettes[number]
        packed = self.reader.mask_bytes(row, col, number)
        if not palette.bits and packed:
            raise FormatError(f"tile row {row}, column {col} has a mask, its band has no invalid values")
        if self._empty(number):
            window = self.header.grid.window(row, col)
            classes = _classes(packed, window, palette)
            if not classes.all():
                raise FormatError(f"tile row {row}, column {col}: valid pixels in a band that has none")
            return palette.restore(np.zeros(classes.shape, self.header.dtype), classes)
        x = synthesise_tile(
            lambda r, c: latents((number, r, c)), self.model, band.level, self.header.grid, (row, col)
        )
        return tile_values(
            x,
            packed,
            band.offset,
            band.unit,
            BandRange(band.vmin, band.vmax),
            palette,
            self.header.scale,
            self.meta.nodata,
        )

    def _empty(self, number: int) -> bool:
        """Whether the band has no valid pixel at all."""
        band = self.header.bands[number]
        zero = np.zeros(1, self.header.dtype)
        return band.vmin == 0 == band.vmax and not valid_mask(zero, self.header.scale, self.meta.nodata)[0]

    def strips(
        self, window: Window, bands: Sequence[int], tick: Tick
    ) -> Iterator[tuple[int, Window, npt.NDArray[Any]]]:
        """Decode a window tile row by tile row, holding the latents of three tile rows at most.

        Parameters
        ----------
        bands : sequence of int
            Bands to decode, counted from 0.

        Yields
        ------
        band, window, values
            Parts of tiles inside `window`, row-major.
        """
        grid = self.header.grid
        tiles = list(grid.touching(window))
        rows = sorted({row for row, _ in tiles})
        cols = sorted({col for _, col in tiles})
        around = [c for c in range(cols[0] - 1, cols[-1] + 2) if 0 <= c < grid.cols]
        ready: dict[Place, Latents] = {}
        done, total = 0, len(tiles) * len(bands)
        for row in rows:
            near = [r for r in (row - 1, row, row + 1) if 0 <= r < grid.rows]
            missing = [(b, r, c) for b in bands for r in near for c in around if (b, r, c) not in ready]
            decoded = ordered_map(self.latents, missing, self.jobs, one_thread)
            ready.update(zip(missing, decoded, strict=True))
            places = [(b, row, c) for c in cols for b in bands]
            values = ordered_map(partial(self.tile, latents=ready.__getitem__), places, self.jobs, one_thread)
            for place, tile in zip(places, values, strict=True):
                whole = grid.window(row, place[2])
                part = whole.intersect(window)
                assert part is not None
                yield place[0], part, tile[part.inside(whole)]
                done += 1
                tick("decode", done, total)
            ready = {p: y for p, y in ready.items() if p[1] >= row}

    def read(self, window: Window, bands: Sequence[int]) -> npt.NDArray[Any]:
        """Bands (from 0) of a window as an array, shape (bands, height, width), native dtype."""
        out = np.empty((len(bands), window.height, window.width), self.header.dtype)
        where = {band: index for index, band in enumerate(bands)}
        for band, part, values in self.strips(window, bands, lambda *_: None):
            out[(where[band], *part.inside(window))] = values
        return out

    def verify(self, tick: Tick) -> int:
        """Check every checksum, mask and latent digest; returns the number of tiles and bands checked."""
        grid = self.header.grid
        places = [
            (b, r, c)
            for r in range(grid.rows)
            for c in range(grid.cols)
            for b in range(len(self.header.bands))
        ]

        def work(place: Place) -> None:
            band, row, col = place
            window = grid.window(row, col)
            _classes(self.reader.mask_bytes(row, col, band), window, self._palettes[band])
            self.latents(place)

        for done, _ in enumerate(ordered_map(work, places, self.jobs, one_thread)):
            tick("test", done + 1, len(places))
        return len(places)


def _classes(packed: bytes, window: Window, palette: InvalidPalette) -> npt.NDArray[np.uint8]:
    return mask.unpack(packed, (window.height, window.width), len(palette))
