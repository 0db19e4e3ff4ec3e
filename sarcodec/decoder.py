"""Decoding: find the tiles a window needs, decode their latents, synthesise, put invalid pixels back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from sarcodec import limits as lim
from sarcodec import memory
from sarcodec.bitstream import mask
from sarcodec.bitstream.header import Header
from sarcodec.bitstream.layout import LayerKind
from sarcodec.bitstream.reader import Reader, where
from sarcodec.damage import Place, fill_value, named, reached
from sarcodec.errors import FormatError
from sarcodec.invalid import InvalidPalette, valid_mask
from sarcodec.metadata import RasterMeta, from_chunks
from sarcodec.model.entropy import LatentCoder
from sarcodec.model.named import model_of
from sarcodec.model.runtime import one_thread
from sarcodec.model.transforms import STRIDE
from sarcodec.parallel import Once, ordered_map
from sarcodec.sides import Added, SideLayers
from sarcodec.source import alpha_band
from sarcodec.tile import latent_window, native_values, synthesise_tile
from sarcodec.types import TileGrid, Window

LATENT_BYTES = 4
"""Bytes a pixel that decoded latents take: as many as pixels, four bytes each."""
DECODING_BYTES = 150 * 10**6
"""Bytes that decoding takes at least, beside what is loaded."""
AHEAD = 3
"""Tiles a thread whose latents or pixels are there before they are asked for."""
WORK_BYTES = 48
"""Bytes a pixel that decoding a tile takes at most, in each thread."""
QUIET = 4
"""Sizes that tiles of one raster come in: whole ones, and those cut at its right, its bottom and both."""

Latents = npt.NDArray[np.int32]
MaybeLatents = Callable[[], Latents | None]
Tick = Callable[[str, int, int], None]
_Made = tuple[Place, npt.NDArray[Any]] | None


def meta_of(header: Header, limits: lim.Limits = lim.DEFAULT) -> RasterMeta:
    """Size, type, georeferencing and tags of the coded raster."""
    size = (header.width, header.height, len(header.bands), header.dtype)
    return from_chunks(*size, header.geo, header.text, limits=limits)


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
    unbiased, targets, textured : bool
        See :class:`sarcodec.sides.SideLayers`; a tile whose wanted layers are damaged is damaged.

    Raises
    ------
    UsageError
        What is asked contradicts itself or what the file has.
    """

    damaged: dict[Place, str]
    """Damaged tiles met so far, and what is wrong with each."""
    grid: TileGrid
    """Tiles of the raster that is returned."""
    layers: int
    """Layers of the model whose latents are decoded."""
    sides: SideLayers
    """What else changes pixels."""

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
        self.sides = SideLayers(
            self.reader, unbiased=unbiased, raising=targets, textured=textured, base_only=base_only
        )
        self.allow_partial, self.damaged = allow_partial, {}
        self._mute: set[Place] = set()
        self._quiet: dict[tuple[int, tuple[int, int]], Latents] = {}
        self.fill = fill_value(self.header, self.meta.nodata) if allow_partial else None
        self.model = model_of(self.header, name=model, device=device)
        self.jobs, self.base_only, self.layers = jobs, base_only, len(self.model.layers)
        self._coders = [LatentCoder(self.model, band.level) for band in self.header.bands]
        self._palettes = [InvalidPalette.of_band(band, self.header.dtype) for band in self.header.bands]
        self.has_mask = self.header.has_mask and alpha_band(self.meta) is None
        for number in range(len(self.header.bands)):
            if not self._empty(number):
                self._finish(number, np.zeros((0, 0), np.float32))  # refuses a range that holds no data

    def latents(self, place: Place, beside: MaybeLatents | None = None) -> Latents:
        """Decoded latents of a tile, int32, shape (channels, h, w), in sixteenths of a quantiser step.

        `beside` gives those that it is predicted from, where they are there already.

        Raises
        ------
        FormatError, ChecksumError
            The tile is damaged; the message names it.
        """
        band, row, col = place
        window = latent_window(self.header.grid, row, col)
        record = self.reader.record(row, col)
        layers: list[bytes] = []
        for number, layer in enumerate(self.header.layers):
            if layer.skippable or len(layers) == self.layers:
                continue
            wanted = layer.kind == LayerKind.BASE or not self.base_only
            layers.append(record.layer(band, number) if wanted else b"")
        layers += [b""] * (self.layers - len(layers))  # of a file that was cut to fewer layers
        size = (window.height, window.width)
        try:
            if not any(layers):
                return self._silent(band, size)
            y_hat = self._coders[band].decode(tuple(layers), size, self._beside(place, beside))
        except FormatError as error:
            raise named(error, place) from error
        return y_hat.astype(np.int32)

    def _beside(self, place: Place, ready: MaybeLatents | None) -> Callable[[], Latents] | None:
        """The latents that a tile's are predicted from, if they are."""
        first = self.header.first_of(place[0])
        if first == place[0]:
            return None

        def beside() -> Latents:
            y_hat = None if ready is None else ready()
            return self.latents((first, *place[1:])) if y_hat is None else y_hat

        return beside

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
        packed = self.reader.record(row, col).mask(band)
        try:
            classes = mask.unpack(packed, (window.height, window.width), len(palette))
        except FormatError as error:
            raise named(error, place) from error
        if self._empty(band) and not classes.all():
            raise FormatError(f"{where(row, col)}: valid pixels in a band that has none")
        return classes

    def tile(self, place: Place, latents: Callable[[Place], Latents | None]) -> npt.NDArray[Any]:
        """Native values of a tile, given the latents around it; :attr:`fill` where damage reaches."""
        if place not in self._mute:
            try:
                classes = self.classes(place)
                added = self.sides.added(place, classes)
            except FormatError as error:
                self._lose(place, error)
            else:
                values = self._pixels(place, classes, latents, added)
                for part in self._reached(place):
                    values[part] = self.fill
                return values
        window = self.grid.window(*place[1:])
        return np.full((window.height, window.width), self.fill, self.header.dtype)

    def shown(self, row: int, col: int) -> npt.NDArray[np.bool_]:
        """True where the mask band leaves a pixel of a tile valid; False where damage reaches in any band."""
        window = self.grid.window(row, col)
        seen = np.ones((window.height, window.width), bool)
        for place in ((band, row, col) for band in range(len(self.header.bands))):
            if place in self._mute or place in self.damaged:
                seen[...] = False
                break
            seen &= ~self._palettes[place[0]].masked(self._cells(place))
            for part in self._reached(place):
                seen[part] = False
        return seen

    def _cells(self, place: Place) -> npt.NDArray[np.uint8]:
        """Class map of a tile of the raster that is returned."""
        return self.classes(place)

    def mask(self, window: Window) -> npt.NDArray[np.bool_]:
        """What :meth:`shown` says of a window, shape (height, width); all True without a mask band."""
        out = np.ones((window.height, window.width), bool)
        for at in self.grid.touching(window) if self.has_mask else ():
            whole = self.grid.window(*at)
            part = whole.intersect(window)
            assert part is not None
            out[part.inside(window)] = self.shown(*at)[part.inside(whole)]
        return out

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
        return native_values(x, band, self.header.pixel_scale(number), palette, self.meta.nodata, added)

    def _latents_or_none(self, place: Place, beside: MaybeLatents | None = None) -> Latents | None:
        try:
            return self.latents(place, beside)
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
        lost = [near[1:] for near in around(place) if near in self._mute]
        return reached(self.header.grid, place[1:], lost, STRIDE * self.model.shape.reach)

    def _empty(self, number: int) -> bool:
        """Whether the band has no valid pixel at all."""
        band = self.header.bands[number]
        zero = np.zeros(1, self.header.dtype)
        scale = self.header.pixel_scale(number)
        return band.vmin == 0 == band.vmax and not valid_mask(zero, scale, self.meta.nodata)[0]

    def strips(
        self, window: Window, bands: Sequence[int], tick: Tick
    ) -> Iterator[tuple[int, Window, npt.NDArray[Any]]]:
        """Decode a window tile row by tile row, and a row band by band, holding the latents of three rows.

        Parameters
        ----------
        bands : sequence of int
            Bands to decode, counted from 0.

        Yields
        ------
        band, window, values
            Parts of tiles inside `window`, row-major.
        """
        self._check_memory(window, len(bands))
        done, total = 0, len(bands) * len(list(self.grid.touching(window)))
        with closing(ordered_map(_call, self._work(window, bands), self.jobs, one_thread)) as made:
            for place, values in filter(None, made):
                whole = self.grid.window(*place[1:])
                part = whole.intersect(window)
                assert part is not None
                yield place[0], part, values[part.inside(whole)]
                done += 1
                tick("decode", done, total)

    def _work(self, window: Window, bands: Sequence[int]) -> Iterator[Callable[[], _Made]]:
        """What to do for a window: latents of a tile row and of the next, then the pixels of that row."""
        tiles, needed = list(self.grid.touching(window)), self.needed(window)
        ready: dict[Place, Once[Latents | None]] = {}
        for row in sorted({row for row, _ in tiles}):
            for band in bands:
                for place in ((band, r, c) for r, c in needed if abs(r - row) <= 1):
                    if place not in ready:
                        first = ready.get((self.header.first_of(band), *place[1:]))
                        ready[place] = Once(partial(self._latents_or_none, place, first))
                        yield ready[place].ahead
            for place in ((band, r, c) for band in bands for r, c in tiles if r == row):
                yield partial(self._tile_of, place, {p: ready[p] for p in around(place) if p in ready})
            ready = {place: latents for place, latents in ready.items() if place[1] >= row}

    def _tile_of(self, place: Place, latents: dict[Place, Once[Latents | None]]) -> _Made:
        near = {there: y_hat() for there, y_hat in latents.items()}
        return place, self.tile(place, near.get)

    def _check_memory(self, window: Window, bands: int) -> None:
        """Refuse what would hold more than the limit in latents of three tile rows and in working tiles."""
        side = self.header.tile_side
        rows = min(3 * side, self.header.height) * min(window.width + 2 * side, self.header.width)
        tile = min(side**2, rows)
        held = LATENT_BYTES * (bands * rows + AHEAD * self.jobs * tile) + self.jobs * WORK_BYTES * tile
        lim.check("memory for decoding in bytes", held, self.limits.memory, limit="memory")
        memory.need("decoding", DECODING_BYTES + held)

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


def _call(work: Callable[[], _Made]) -> _Made:
    return work()


def around(place: Place) -> Iterator[Place]:
    """A tile and those that touch it, whether they exist or not."""
    band, row, col = place
    return ((band, r, c) for r in range(row - 1, row + 2) for c in range(col - 1, col + 2))
