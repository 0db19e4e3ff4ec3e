"""Decoding: find the tiles a window needs, decode their latents, synthesise, put invalid pixels back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from sarcodec import gain, texture, zoo
from sarcodec import limits as lim
from sarcodec import targets as bright
from sarcodec.bitstream import gaingrid, mask, targetlist, texturegrid
from sarcodec.bitstream.header import Header
from sarcodec.bitstream.layout import NEWER, LayerKind, Quantiser
from sarcodec.bitstream.reader import Reader, where
from sarcodec.bitstream.texturegrid import Texture
from sarcodec.damage import fill_value, reached
from sarcodec.errors import FormatError, UnsupportedError, UsageError
from sarcodec.invalid import InvalidPalette, valid_mask
from sarcodec.metadata import RasterMeta
from sarcodec.model import modelfile
from sarcodec.model.entropy import LatentCoder
from sarcodec.model.modelfile import Model
from sarcodec.model.runtime import one_thread
from sarcodec.model.transforms import STRIDE
from sarcodec.parallel import ordered_map
from sarcodec.tile import decibels, latent_window, native_values, synthesise_tile
from sarcodec.types import TileGrid, Window

log = logging.getLogger(__name__)

LATENT_BYTES = 2
"""Bytes a pixel that decoded latents take: half as many as pixels, four bytes each."""
WORK_BYTES = 48
"""Bytes a pixel that decoding a tile takes at most, in each thread."""
QUIET = 4
"""Sizes that tiles of one raster come in: whole ones, and those cut at its right, its bottom and both."""

Place = tuple[int, int, int]
"""Band (from 0), tile row, tile column."""
Latents = npt.NDArray[np.int32]
Tick = Callable[[str, int, int], None]
Added = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
"""dB to add to each pixel of a tile, given its pixels in network units."""


def meta_of(header: Header, limits: lim.Limits = lim.DEFAULT) -> RasterMeta:
    """Size, type, georeferencing and tags of the coded raster."""
    size = (header.width, header.height, len(header.bands), header.dtype)
    return RasterMeta.from_chunks(*size, header.geo, header.text, limits=limits)


def model_of(header: Header, *, name: str | None = None, device: str = "cpu") -> Model:
    """The model that a file names.

    Raises
    ------
    UnsupportedError
        It is not installed, its entropy part is another one, or its layers are not those of the file.
    """
    wanted = header.model
    model = modelfile.load(zoo.find(name) if name else zoo.installed(wanted.id), device)
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
    if header.quantiser is not Quantiser(model.shape.quantiser):
        raise UnsupportedError(
            f"the file's quantiser is {header.quantiser.value}, "
            f"that of model {model.id} {model.shape.quantiser}"
        )
    if coded != model.layers[: len(coded)]:
        raise UnsupportedError(
            f"layers of {coded} channels are not the first ones of model {model.id}: {model.layers}"
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
        Leave enhancement layers out, as if the tiles had none of their symbols.
    allow_partial : bool
        Fill what damage took with :attr:`fill` instead of raising, and note the tiles in :attr:`damaged`.
    unbiased : bool
        Apply the gain grid, so that mean power is the source's; a tile whose grid is damaged is damaged.
    targets : bool
        Raise bright targets, where the file has them and not the base layer alone is wanted; a tile whose
        list of them is damaged is damaged.
    textured : bool
        Add noise in place of the speckle that was left out; a tile whose texture is damaged is damaged.

    Raises
    ------
    UsageError
        `unbiased` or `textured` is asked of a file without what it takes, of its base layer alone, or of
        pixels without the bright targets that it was measured with; or both are asked.
    """

    damaged: dict[Place, str]
    """Damaged tiles met so far, and what is wrong with each."""
    gain_layer: int | None
    """Number of the gain grid among the layers, None without one."""
    grid: TileGrid
    """Tiles of the raster that is returned."""
    layers: int
    """Layers of the model whose latents are decoded."""
    target_layer: int | None
    """Number of the bright targets among the layers, None without any."""
    texture_layer: int | None
    """Number of the texture among the layers, None without one."""

    def __init__(
        self,
        file: BinaryIO,
        *,
        jobs: int,
        base_only: bool = False,
        allow_partial: bool = False,
        unbiased: bool = False,
        targets: bool = True,
        textured: bool = False,
        model: str | None = None,
        device: str = "cpu",
        limits: lim.Limits = lim.DEFAULT,
    ) -> None:
        self.reader = Reader(file, limits=limits, salvage=allow_partial)
        self.header, self.limits = self.reader.header, limits
        self.grid = self.header.grid
        self.meta = meta_of(self.header, limits)
        self.gain_layer, self.unbiased = gaingrid.layer_of(self.header), unbiased
        self.target_layer = targetlist.layer_of(self.header)
        self.raises = targets and not base_only and self.target_layer is not None
        if unbiased:
            _check_gains(self.gain_layer, base_only=base_only)
            _check_targets(self.target_layer, "gains are those", "--unbiased", targets=targets)
        self.texture_layer, self.textured = texturegrid.layer_of(self.header), textured
        if textured:
            _check_texture(self.texture_layer, base_only=base_only, unbiased=unbiased)
            _check_targets(self.target_layer, "noise is that", "--texture", targets=targets)
        self.allow_partial, self.damaged = allow_partial, {}
        self._mute: set[Place] = set()
        self._quiet: dict[tuple[int, tuple[int, int]], Latents] = {}
        self.fill = fill_value(self.header, self.meta.nodata) if allow_partial else None
        self.model = model_of(self.header, name=model, device=device)
        self.jobs, self.base_only, self.layers = jobs, base_only, len(self.model.layers)
        self._coders = [LatentCoder(self.model, band.level) for band in self.header.bands]
        self._palettes = [
            InvalidPalette(np.dtype(self.header.dtype), tuple(band.palette)) for band in self.header.bands
        ]
        for number in range(len(self.header.bands)):
            if not self._empty(number):
                self._finish(number, np.zeros((0, 0), np.float32))  # refuses a range that holds no data

    def latents(self, place: Place) -> Latents:
        """Decoded latents of a tile, int32, shape (channels, h, w), in sixteenths of a quantiser step.

        Raises
        ------
        FormatError, ChecksumError
            The tile is damaged; the message names it.
        """
        band, row, col = place
        window = latent_window(self.header.grid, row, col)
        layers: list[bytes] = []
        for number, layer in enumerate(self.header.layers):
            if layer.skippable or len(layers) == self.layers:
                continue
            wanted = layer.kind == LayerKind.BASE or not self.base_only
            layers.append(self.reader.layer_bytes(row, col, band, number) if wanted else b"")
        layers += [b""] * (self.layers - len(layers))  # of a file that was cut to fewer layers
        size = (window.height, window.width)
        try:
            if not any(layers):
                return self._silent(band, size)
            y_hat = self._coders[band].decode(tuple(layers), size)
        except FormatError as error:
            raise _named(error, place) from error
        return y_hat.astype(np.int32)

    def _silent(self, band: int, size: tuple[int, int]) -> Latents:
        """Latents of a tile without symbols: the same for every tile of this size, not to be changed."""
        key = (self.header.bands[band].level, size)
        y_hat = self._quiet.get(key)
        if y_hat is None:
            y_hat = self._coders[band].decode((b"",) * self.layers, size).astype(np.int32)
            y_hat.flags.writeable = False
            self._quiet = {**self._quiet, key: y_hat} if len(self._quiet) < QUIET else {key: y_hat}
        return y_hat

    def classes(self, place: Place) -> npt.NDArray[np.uint8]:
        """Class map of a tile, shape (height, width): 0 where valid; raises as :meth:`latents`."""
        band, row, col = place
        window, palette = self.header.grid.window(row, col), self._palettes[band]
        packed = self.reader.mask_bytes(row, col, band)
        try:
            classes = mask.unpack(packed, (window.height, window.width), len(palette))
        except FormatError as error:
            raise _named(error, place) from error
        if self._empty(band) and not classes.all():
            raise FormatError(f"{where(row, col)}: valid pixels in a band that has none")
        return classes

    def gains(self, place: Place, classes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Gain of each pixel of a tile, float32, shape of `classes`, dB; raises as :meth:`latents`."""
        assert self.gain_layer is not None
        band, row, col = place
        body = self.reader.layer_bytes(row, col, band, self.gain_layer)
        try:
            return gain.spread(gaingrid.unpack(body, classes == 0), classes.shape)
        except FormatError as error:
            raise _named(error, place) from error

    def raised(self, place: Place, classes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """By how much each pixel of a tile is raised for bright targets; as :meth:`gains`."""
        assert self.target_layer is not None
        band, row, col = place
        body = self.reader.layer_bytes(row, col, band, self.target_layer)
        try:
            return bright.spread(targetlist.unpack(body, classes == 0), classes.shape)
        except FormatError as error:
            raise _named(error, place) from error

    def texture(self, place: Place, classes: npt.NDArray[np.uint8]) -> Texture | None:
        """Texture of a tile, None where nothing is added; raises as :meth:`latents`."""
        assert self.texture_layer is not None
        band, row, col = place
        body = self.reader.layer_bytes(row, col, band, self.texture_layer)
        try:
            return texturegrid.unpack(body, classes == 0)
        except FormatError as error:
            raise _named(error, place) from error

    def _added(self, place: Place, classes: npt.NDArray[np.uint8]) -> Added | None:
        """What is added to the decoded dB of a tile, None for nothing; raises as :meth:`latents`."""
        added = self.raised(place, classes) if self.raises else None
        if self.unbiased:
            gains = self.gains(place, classes)
            added = gains if added is None else gains + added
        found = self.texture(place, classes) if self.textured else None
        if found is None:
            return None if added is None else lambda _: added
        number, window = place[0], self.header.grid.window(*place[1:])
        band, seed = self.header.bands[number], self.reader.header_crc

        def textured(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            db = decibels(x, band, added)  # contrast, and so noise, is that of pixels with targets raised
            noise = texture.added(found, db, classes == 0, seed, number, window)
            if added is not None:
                noise += added
            return noise

        return textured

    def tile(self, place: Place, latents: Callable[[Place], Latents | None]) -> npt.NDArray[Any]:
        """Native values of a tile, given the latents around it; :attr:`fill` where damage reaches."""
        if place not in self._mute:
            try:
                classes = self.classes(place)
                added = self._added(place, classes)
            except FormatError as error:
                self._lose(place, error)
            else:
                values = self._pixels(place, classes, latents, added)
                for part in self._reached(place):
                    values[part] = self.fill
                return values
        window = self.grid.window(*place[1:])
        return np.full((window.height, window.width), self.fill, self.header.dtype)

    def _pixels(
        self,
        place: Place,
        classes: npt.NDArray[np.uint8],
        latents: Callable[[Place], Latents | None],
        added: Added | None,
    ) -> npt.NDArray[Any]:
        number, row, col = place
        level, palette = self.header.bands[number].level, self._palettes[number]
        if classes.all():
            return palette.restore(np.zeros(classes.shape, self.header.dtype), classes)
        x = synthesise_tile(
            lambda r, c: latents((number, r, c)), self.model, level, self.header.grid, (row, col)
        )
        values = self._finish(number, x, None if added is None else added(x))
        return palette.restore(values, classes) if classes.any() else values

    def _finish(
        self, number: int, x: npt.NDArray[np.float32], added: npt.NDArray[np.float32] | None = None
    ) -> npt.NDArray[Any]:
        """Native values from network units."""
        band, palette = self.header.bands[number], self._palettes[number]
        return native_values(x, band, self.header.scale, palette, self.meta.nodata, added)

    def _latents_or_none(self, place: Place) -> Latents | None:
        try:
            return self.latents(place)
        except FormatError as error:
            self._lose(place, error)
            self._mute.add(place)
            return None

    def _lose(self, place: Place, error: FormatError) -> None:
        if not self.allow_partial:
            raise error
        self.damaged.setdefault(place, error.message)

    def _reached(self, place: Place) -> list[Any]:
        """Parts of a tile that need the latents of damaged neighbours."""
        number, row, col = place
        near = ((r, c) for r in range(row - 1, row + 2) for c in range(col - 1, col + 2))
        lost = [(r, c) for r, c in near if (number, r, c) in self._mute]
        return reached(self.header.grid, (row, col), lost, STRIDE * self.model.shape.reach)

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
        grid = self.grid
        tiles, needed = list(grid.touching(window)), self.needed(window)
        self._check_memory(window)
        done, total = 0, len(tiles) * len(bands)
        for band in bands:
            ready: dict[Place, Latents | None] = {}
            for row in sorted({row for row, _ in tiles}):
                missing = [(band, r, c) for r, c in needed if abs(r - row) <= 1 and (band, r, c) not in ready]
                decoded = ordered_map(self._latents_or_none, missing, self.jobs, one_thread)
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

    def _check_memory(self, window: Window) -> None:
        """Refuse what would hold more than the limit in latents of three tile rows and in working tiles."""
        side = self.header.tile_side
        rows = min(3 * side, self.header.height) * min(window.width + 2 * side, self.header.width)
        held = LATENT_BYTES * rows + self.jobs * WORK_BYTES * min(side**2, rows)
        lim.check("memory for decoding in bytes", held, self.limits.memory, limit="memory")

    def needed(self, window: Window) -> list[tuple[int, int]]:
        """Rows and columns of the tiles whose latents matter to a window."""
        return list(self.header.grid.touching(self._seen_from(window)))

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
        size = len(bands) * window.pixels * np.dtype(self.header.dtype).itemsize
        lim.check("array to return in bytes", size, self.limits.memory, limit="memory")
        out = np.empty((len(bands), window.height, window.width), self.header.dtype)
        slots = {band: index for index, band in enumerate(bands)}
        for band, part, values in self.strips(window, bands, lambda *_: None):
            out[(slots[band], *part.inside(window))] = values
        return out


def _check_gains(layer: int | None, *, base_only: bool) -> None:
    if layer is None:
        raise UsageError(
            "the file has no gain grid, so mean power cannot be brought back",
            hint="Encode the source anew with --radiometry, or decode without --unbiased.",
        )
    if base_only:
        raise UsageError(
            "gains are those of all layers together, not of the base layer",
            hint="Choose one of --unbiased and --base-only.",
        )


def _check_texture(layer: int | None, *, base_only: bool, unbiased: bool) -> None:
    if layer is None:
        raise UsageError(
            "the file has no texture to make speckle of",
            hint="Encode the source anew with --texture, or decode without --texture.",
        )
    if base_only:
        raise UsageError(
            "noise stands in for what all layers together leave out, not the base layer",
            hint="Choose one of --texture and --base-only.",
        )
    if unbiased:
        raise UsageError(
            "textured pixels have about the source's mean power without gains",
            hint="Choose one of --texture and --unbiased.",
        )


def _check_targets(layer: int | None, what: str, option: str, *, targets: bool) -> None:
    """Refuse to leave targets out where `what` was measured with them."""
    if layer is not None and not targets:
        raise UsageError(
            f"{what} of pixels whose bright targets are raised",
            hint=f"Choose one of {option} and --no-targets.",
        )


def _named(error: FormatError, place: Place) -> FormatError:
    """The same error with the tile's name in front."""
    band, row, col = place
    message = f"{where(row, col)}, band {band + 1}: {error.message}"
    return type(error)(message, hint=error.hint or "This tile is damaged.")
