"""Encoding: scan, analyse, choose the rate level, code, write."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from sarcodec.bitstream.header import Band, Header, Layer, ModelRef, crc_in
from sarcodec.bitstream.layout import LayerKind, Quantiser
from sarcodec.bitstream.tile import BandRecord, TileRecord
from sarcodec.bitstream.writer import Writer
from sarcodec.errors import InputError, WriteError
from sarcodec.limits import DEFAULT, Limits
from sarcodec.meaning.decide import Meaning, meanings
from sarcodec.meaning.tags import unmarked
from sarcodec.measuring import Coded, with_measured
from sarcodec.metadata import pack_geo, pack_text
from sarcodec.model.entropy import Coded as CodedLatents
from sarcodec.model.entropy import LatentCoder
from sarcodec.model.modelfile import Model
from sarcodec.model.runtime import one_thread
from sarcodec.parallel import ordered_map
from sarcodec.scan import BandScan, scan_band
from sarcodec.source import Source, alpha_band
from sarcodec.tile import analyse_tile
from sarcodec.types import NO_SIDES, Quantity, Scale, SideWish, TileGrid, first_of

LARGEST_GROUP = 4
"""Bands that the first of them predicts: polarisations, and not the dates of a stack."""
TILE_SIDE = 1024
"""Pixels: large enough that a tile's 30 bytes of overhead vanish, small enough to decode a window fast."""

Known = dict[int, CodedLatents | None]
"""What bands of a tile were coded as, None where one has no data there."""
Tick = Callable[[str, int, int], None]
"""Progress: stage, steps done, steps in all."""


@dataclass
class Tile:
    """One band of one tile between analysis and coding."""

    y: npt.NDArray[np.float32]
    mask: bytes


class Latents:
    """The latents of all bands and tiles: recomputed at each visit, or kept in a temporary file.

    Parameters
    ----------
    keep : bool
        Whether to keep them; 4 bytes a latent, 2 bytes a pixel.
    folder : Path, optional
        Where the temporary file goes: beside the output, where a scene's worth of space can be expected.
    """

    def __init__(self, scene: Scene, model: Model, *, keep: bool, folder: Path | None = None) -> None:
        self.scene, self.model, self.folder = scene, model, folder
        self._file = tempfile.TemporaryFile(dir=folder) if keep else None  # noqa: SIM115  (see close)
        self._slots: dict[tuple[int, int, int], tuple[int, tuple[int, ...], bytes]] = {}

    def tile(self, band: int, at: tuple[int, int]) -> Tile:
        """Analyse a tile of a band (counted from 0)."""
        scene = self.scene
        unit = scene.scans[band].unit_db(self.model.unit_db)
        y, packed = analyse_tile(
            scene.source,
            band,
            scene.meanings[band].pixel,
            scene.scans[band],
            unit,
            self.model,
            scene.grid,
            at,
        )
        return Tile(y, packed)

    def store(self, band: int, at: tuple[int, int], tile: Tile) -> None:
        """Append a tile to the temporary file."""
        assert self._file is not None
        try:
            start = self._file.seek(0, 2)
            self._file.write(tile.y.tobytes())
            self._file.flush()
        except OSError as error:
            where = self.folder or tempfile.gettempdir()
            raise WriteError(
                f"the temporary file of latents in {where} could not be written: {error.strerror or error}",
                hint="It takes 2 bytes a pixel and band. Free some space, or use -q, which needs none.",
            ) from error
        self._slots[(band, *at)] = (start, tile.y.shape, tile.mask)

    def fetch(self, band: int, at: tuple[int, int]) -> Tile:
        """A stored tile, or a freshly analysed one where nothing is kept."""
        if self._file is None:
            return self.tile(band, at)
        start, shape, packed = self._slots[(band, *at)]
        if 0 in shape:
            return Tile(np.empty(shape, np.float32), packed)
        y: npt.NDArray[np.float32] = np.memmap(self._file, np.float32, "r", start, shape)
        return Tile(np.array(y), packed)

    def mask(self, band: int, at: tuple[int, int]) -> bytes:
        """The packed class map of a stored tile."""
        return self._slots[(band, *at)][2]

    def close(self) -> None:
        """Give the temporary file back."""
        if self._file is not None:
            self._file.close()


@dataclass(frozen=True)
class Scene:
    """A source with what the first pass over it found."""

    source: Source
    meanings: tuple[Meaning, ...]
    """What the values of each band mean."""
    quantity: Quantity
    grid: TileGrid
    scans: tuple[BandScan, ...]
    limits: Limits = DEFAULT
    sides: SideWish = NO_SIDES

    @property
    def groups(self) -> tuple[int, ...]:
        """Bands of each group, as a header has them: a few bands are one scene's, and predict each other."""
        return (len(self.scans),) if 1 < len(self.scans) <= LARGEST_GROUP else ()

    @property
    def pixels(self) -> int:
        """Pixels of all bands together: what bpp is counted over."""
        return self.grid.width * self.grid.height * len(self.scans)

    def valid_pixels(self, place: tuple[int, tuple[int, int]]) -> int:
        """Valid pixels of a band in a tile."""
        band, (row, col) = place
        return self.scans[band].counts[row * self.grid.cols + col]

    @property
    def places(self) -> list[tuple[int, tuple[int, int]]]:
        """Every (band, tile) in the order of the file: row-major tiles, bands within."""
        tiles = [(row, col) for row in range(self.grid.rows) for col in range(self.grid.cols)]
        return [(band, at) for at in tiles for band in range(len(self.scans))]


def survey(
    source: Source,
    scales: Sequence[Scale | None],
    quantity: Quantity,
    jobs: int,
    tick: Tick,
    limits: Limits = DEFAULT,
    sides: SideWish = NO_SIDES,
    *,
    matters: bool = True,
    exactly: bool = False,
) -> Scene:
    """First passes: scale, valid pixels, range and mean of every band; arguments as of :func:`meanings`."""
    meta = source.meta
    if meta.width < 1 or meta.height < 1 or meta.count < 1:
        raise InputError(f"a raster of {meta.width}x{meta.height} pixels and {meta.count} bands is empty")
    grid = TileGrid(meta.width, meta.height, TILE_SIDE)
    total = grid.count * meta.count
    looked, scanned = count(1), count(1)

    alpha = alpha_band(meta)
    if alpha is not None:  # a soft edge is refused before anything else is asked
        scan_band(source, alpha, Scale.DN, grid, jobs, lambda: None)
    found = meanings(
        source,
        scales,
        grid,
        jobs,
        lambda: tick("scale", next(looked), total),
        matters=matters,
        exactly=exactly,
    )
    scans = tuple(
        scan_band(source, band, found[band].pixel, grid, jobs, lambda: tick("scan", next(scanned), total))
        for band in range(meta.count)
    )
    return Scene(source, found, quantity, grid, scans, limits, sides)


def spool(latents: Latents, jobs: int, tick: Tick) -> None:
    """Analyse the whole scene into the temporary file, so that levels can be tried without the transform."""
    places = latents.scene.places

    def work(place: tuple[int, tuple[int, int]]) -> Tile:
        return latents.tile(*place)

    for done, (place, tile) in enumerate(
        zip(places, ordered_map(work, places, jobs, one_thread), strict=True)
    ):
        latents.store(*place, tile)
        tick("analyse", done + 1, len(places))


def header_of(scene: Scene, model: Model, level: int) -> Header:
    """The header of a scene coded at `level`."""
    meta = scene.source.meta
    bands = []
    common = scene.meanings[0].pixel.scale, scene.meanings[0].basis
    for scan, meaning in zip(scene.scans, scene.meanings, strict=True):
        span: tuple[Any, Any] = (scan.span.vmin, scan.span.vmax) if scan.span else (0, 0)
        pixel, own = meaning.pixel, (meaning.pixel.scale, meaning.basis)
        hidden = scan.palette.hidden
        bands.append(
            Band(
                scan.mean_db,
                scan.unit_db(model.unit_db),
                level,
                *span,
                palette=scan.palette.bits + hidden,
                scale=None if own == common else own,
                gain=pixel.gain,
                addend=pixel.addend,
                masked=len(hidden) if hidden or scene.source.has_mask else None,
            )
        )
    kinds = [LayerKind.BASE] + [LayerKind.ENHANCEMENT] * (len(model.layers) - 1)
    layers = [Layer(kind, n) for kind, n in zip(kinds, model.layers, strict=True)]
    if scene.sides.targets:
        layers.append(Layer(LayerKind.BRIGHT_TARGETS, 0, skippable=True))
    if scene.sides.gains:
        layers.append(Layer(LayerKind.GAIN_GRID, 0, skippable=True))
    if scene.sides.texture:
        layers.append(Layer(LayerKind.TEXTURE, 0, skippable=True))
    return Header(
        width=meta.width,
        height=meta.height,
        dtype=meta.dtype,
        scale=common[0],
        bands=tuple(bands),
        layers=tuple(layers),
        model=ModelRef(model.id, model.entropy_digest, model.synthesis_digest),
        quantity=scene.quantity,
        quantiser=Quantiser(model.shape.quantiser),
        groups=scene.groups,
        tile_side=scene.grid.side,
        geo=pack_geo(meta),
        text=pack_text(unmarked(meta), scene.limits),
        basis=common[1],
    )


def write(file: BinaryIO, latents: Latents, coder: LatentCoder, jobs: int, tick: Tick) -> int:
    """Code every tile and write the file front to back; returns its size in bytes."""
    scene = latents.scene
    header = header_of(scene, coder.model, coder.level)
    writer = Writer(file, header, limits=scene.limits)
    records, total = [], len(scene.places)
    with closing(_records(latents, header, coder, jobs)) as made:
        for done, record in enumerate(made):
            records.append(record)
            if len(records) == len(scene.scans):
                writer.add_tile(TileRecord(tuple(records)))
                records.clear()
            tick("code", done + 1, total)
    return writer.finish()


def _records(
    latents: Latents, header: Header, coder: LatentCoder, jobs: int
) -> Generator[BandRecord, None, None]:
    """Records in the order of the file: row-major tiles, bands within."""
    scene = latents.scene
    with closing(_coded(latents, coder, jobs)) as coded:
        if scene.sides.any:
            seed = crc_in(header.to_bytes(limits=scene.limits))
            yield from with_measured(
                coded, scene.source, coder.model, header, scene.sides.gain_side, seed, jobs
            )
        else:
            yield from (record for _, record, _ in coded)


def _coded(latents: Latents, coder: LatentCoder, jobs: int) -> Generator[Coded, None, None]:
    """Records of what the model codes; with the decoded latents where pixels are to be measured."""
    scene, layers = latents.scene, len(coder.model.layers)

    def work(at: tuple[int, int]) -> list[Coded]:
        out: list[Coded] = []
        known: Known = {}
        for band in range(len(scene.scans)):
            tile = latents.fetch(band, at)
            coded = code(latents, coder, (band, at), known, tile=tile)
            bodies = (b"",) * layers if coded is None else coded.layers
            decoded = coded.y_hat.astype(np.int32) if scene.sides.any and coded is not None else None
            out.append(((band, at), BandRecord(tile.mask, bodies), decoded))
        return out

    tiles = [at for band, at in scene.places if band == 0]
    with closing(ordered_map(work, tiles, jobs, one_thread)) as made:
        for records in made:
            yield from records


def code(
    latents: Latents,
    coder: LatentCoder,
    place: tuple[int, tuple[int, int]],
    known: Known | None = None,
    *,
    tile: Tile | None = None,
    dry: bool = False,
) -> CodedLatents | None:
    """Code a band of a tile, predicted from the band that its group starts with; None where it has no data.

    Parameters
    ----------
    known : dict, optional
        What bands of this tile were coded as; gets this one too.
    tile : Tile, optional
        That of the place, where it is at hand.
    dry : bool
        See :meth:`LatentCoder.encode`.
    """
    (band, at), known = place, {} if known is None else known
    tile = tile or latents.fetch(band, at)
    first, beside = first_of(latents.scene.groups, band), None
    if not tile.y.size:
        known[band] = None
        return None
    if first != band:
        base = known[first] if first in known else code(latents, coder, (first, at), known, dry=True)
        beside = np.zeros(tile.y.shape, np.int64) if base is None else base.y_hat
    coded = known[band] = coder.encode(tile.y, beside=beside, dry=dry)
    return coded
