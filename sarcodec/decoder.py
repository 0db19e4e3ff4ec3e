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
from sarcodec.model.transforms import STRIDE
from sarcodec.parallel import ordered_map
from sarcodec.radiometry import BandRange
from sarcodec.tile import latent_window, synthesise_tile, tile_values
from sarcodec.types import Window

log = logging.getLogger(__name__)

NAMED = 20
"""Damaged tiles that a message names at most."""

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

    def tile(self, place: Place, latents: Callable[[Place], Latents | None]) -> npt.NDArray[Any]:
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
        """Decode a window band by band and tile row by tile row, holding the latents of three tile rows.

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
        needed = list(grid.touching(self._seen_from(window)))
        done, total = 0, len(tiles) * len(bands)
        for band in bands:
            ready: dict[Place, Latents] = {}
            for row in sorted({row for row, _ in tiles}):
                missing = [(band, r, c) for r, c in needed if abs(r - row) <= 1 and (band, r, c) not in ready]
                decoded = ordered_map(self.latents, missing, self.jobs, one_thread)
                ready.update(zip(missing, decoded, strict=True))
                places = [(band, r, c) for r, c in tiles if r == row]
                values = ordered_map(partial(self.tile, latents=ready.get), places, self.jobs, one_thread)
                for place, tile in zip(places, values, strict=True):
                    whole = grid.window(*place[1:])
                    part = whole.intersect(window)
                    assert part is not None
                    yield band, part, tile[part.inside(whole)]
                    done += 1
                    tick("decode", done, total)
                ready = {place: y for place, y in ready.items() if place[1] >= row}

    def _seen_from(self, window: Window) -> Window:
        """The pixels whose latents matter to a window."""
        reach = STRIDE * self.model.shape.reach
        left, top = (
            max(0, window.col - window.col % STRIDE - reach),
            max(0, window.row - window.row % STRIDE - reach),
        )
        right = min(self.header.width, -(-window.right // STRIDE) * STRIDE + reach)
        bottom = min(self.header.height, -(-window.bottom // STRIDE) * STRIDE + reach)
        return Window(left, top, right - left, bottom - top)

    def read(self, window: Window, bands: Sequence[int]) -> npt.NDArray[Any]:
        """Bands (from 0) of a window as an array, shape (bands, height, width), native dtype."""
        out = np.empty((len(bands), window.height, window.width), self.header.dtype)
        where = {band: index for index, band in enumerate(bands)}
        for band, part, values in self.strips(window, bands, lambda *_: None):
            out[(where[band], *part.inside(window))] = values
        return out

    def verify(self, tick: Tick) -> int:
        """Check every checksum, mask and latent digest; returns the number of tiles and bands checked.

        Raises
        ------
        FormatError, ChecksumError
            Some are damaged; the message names them.
        """
        grid, bands = self.header.grid, range(len(self.header.bands))
        places = [(b, r, c) for r in range(grid.rows) for c in range(grid.cols) for b in bands]

        def work(place: Place) -> FormatError | None:
            band, row, col = place
            try:
                _classes(self.reader.mask_bytes(row, col, band), grid.window(row, col), self._palettes[band])
                self.latents(place)
            except FormatError as error:
                return error
            return None

        damaged = []
        for done, error in enumerate(ordered_map(work, places, self.jobs, one_thread)):
            if error is not None:
                damaged.append(error)
            tick("test", done + 1, len(places))
        if damaged:
            named = "; ".join(error.message for error in damaged[:NAMED])
            more = f"; and {len(damaged) - NAMED} more" if len(damaged) > NAMED else ""
            raise type(damaged[0])(named + more, hint=damaged[0].hint)
        return len(places)


def _classes(packed: bytes, window: Window, palette: InvalidPalette) -> npt.NDArray[np.uint8]:
    return mask.unpack(packed, (window.height, window.width), len(palette))
