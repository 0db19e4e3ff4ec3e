"""Files to be damaged, and what they decode to while they are whole."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt

from sarcodec.arrays import ArraySource
from sarcodec.dataset import SarcDataset
from sarcodec.encoding import pipeline, survey
from sarcodec.metadata import BandMeta, Gcp, RasterMeta
from sarcodec.options import EncodeOptions
from sarcodec.types import Place, Scale, Window
from testing.scenes import dn, power

Array = npt.NDArray[Any]

GOLDEN = Path(__file__).parents[1] / "golden"
TOY = str(GOLDEN / "toy1.safetensors")
SEVERAL_TILES = "row_of_tiles"
FEW_PIXELS = 15000
LARGE = "default_model"
"""The one subject of the model that users get."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A whole file with its reference decode."""

    name: str
    data: bytes
    model: str | None
    """Path of the toy model, or None for the default one."""
    pixels: Array
    """All bands, shape (bands, height, width)."""
    window: Window
    crop: Array
    """What the window decodes to."""
    latents: dict[Place, Array]
    spans: list[tuple[int, int]]
    """First byte of each tile record, and the byte behind it."""
    reach: int
    """Pixels beyond a lost tile that are lost with it."""


def opened(data: bytes, model: str | None, **options: Any) -> SarcDataset:
    """A dataset of a file in memory, on one thread."""
    return SarcDataset(io.BytesIO(data), "<bytes>", model=model, jobs=1, device="cpu", **options)


def subject(name: str, data: bytes, model: str | None) -> Subject:
    """A subject of a whole file."""
    with opened(data, model) as coded:
        reader, grid = coded.decoder.reader, coded.decoder.header.grid
        tiles = [(row, col) for row in range(grid.rows) for col in range(grid.cols)]
        sizes = [reader.tile_size(*at) for at in tiles]
        start = 18 + int.from_bytes(data[10:14], "little")
        spans = list(pairwise(accumulate(sizes, initial=start)))
        width, height = coded.meta.width, coded.meta.height
        window = Window(width // 3, height // 3, max(1, width // 2), max(1, height // 3))
        places = [Place(band, *at) for band in range(coded.meta.count) for at in tiles]
        return Subject(
            name,
            data,
            model,
            coded.read(),
            window,
            coded.read(window=window),
            {place: coded.decoder.latents(place) for place in places},
            spans,
            16 * coded.decoder.model.shape.reach,
        )


@contextmanager
def _tiles_of_256() -> Iterator[None]:
    with mock.patch.object(survey, "TILE_SIDE", 256):
        yield


def encoded(
    cube: Array, meta: RasterMeta, *, scale: Scale | None = None, quality: float = 60, model: str | None = TOY
) -> bytes:
    """A file of tiles of 256 pixels with the toy model."""
    file = io.BytesIO()
    with _tiles_of_256():
        options = EncodeOptions(quality=quality, scale=scale, model=model, device="cpu", jobs=1)
        pipeline.encode(ArraySource(cube, meta), file, options)
    return file.getvalue()


def _meta(cube: Array, **fields: Any) -> RasterMeta:
    return RasterMeta(cube.shape[2], cube.shape[1], cube.shape[0], cube.dtype.name, **fields)


def row_of_tiles(seed: int) -> bytes:
    """Two bands of three tiles in a row, a border and holes, ground control points and tags."""
    cube = np.stack([dn((20, 530), seed), dn((20, 530), seed + 1) // 3 + 1])
    cube[:, :, :9] = cube[0, 5:12, 250:270] = 0
    cube[1, 3, 100:400:3] = 7
    points = tuple(
        Gcp(row, col, 11.5 + col / 1e4, 48 - row / 1e4, 402.5)
        for row, col in ((0.0, 0.0), (0.0, 530.0), (20.0, 265.0))
    )
    bands = tuple(BandMeta(name, colorinterp="gray", tags={"": {"pol": name}}) for name in ("VV", "VH"))
    tags = {"": {"AREA_OR_POINT": "Point", "MISSION": "made up"}, "SAR": {"orbit": "17"}}
    return encoded(cube, _meta(cube, nodata=0, gcps=points, gcp_crs="EPSG:4326", tags=tags, bands=bands))


def square_of_tiles() -> bytes:
    """One band of two by two tiles, decibels with holes of several values, a rotated transform."""
    cube = (10 * np.log10(power((260, 262), 3))).astype(np.float32)[None]
    cube[0, 250:258, 10:20], cube[0, 0, :5], cube[0, 259, 261] = np.nan, -np.inf, -9999
    meta = _meta(cube, nodata=-9999, crs="EPSG:32632", transform=(10.0, 0.5, 4e5, 0.5, -10.0, 5.3e6))
    return encoded(cube, meta, scale=Scale.DB, quality=30)


def large_file() -> bytes:
    """512 x 512 pixels by the default model."""
    cube = dn((512, 512), 5)[None]
    cube[0, :, :3] = 0
    return encoded(cube, _meta(cube, nodata=0, crs="EPSG:32632"), quality=50, model=None)


@cache
def golden_subject(name: str) -> Subject:
    """A golden file as a subject."""
    return subject(name, (GOLDEN / f"{name}.sarc").read_bytes(), TOY)


@cache
def small_subjects() -> tuple[Subject, ...]:
    """Every small file: the golden ones and two with many tiles."""
    golden = [golden_subject(path.stem) for path in sorted(GOLDEN.glob("*.sarc"))]
    made = [(SEVERAL_TILES, row_of_tiles(1)), ("square_of_tiles", square_of_tiles())]
    return (*golden, *(subject(name, data, TOY) for name, data in made))


@cache
def narrow_subjects() -> tuple[Subject, ...]:
    """Those of the small files that have few pixels, and so take little time."""
    return tuple(one for one in small_subjects() if one.pixels.size <= FEW_PIXELS)


def harmed_subjects() -> tuple[Subject, ...]:
    """What hostile files are made of: the narrow ones, and the one of two bands and three tiles."""
    return (*narrow_subjects(), *(one for one in small_subjects() if one.name == SEVERAL_TILES))


@cache
def large_subject() -> Subject:
    """The file of the default model as a subject."""
    return subject(LARGE, large_file(), None)


@cache
def sibling() -> bytes:
    """Another file with the grid of `SEVERAL_TILES`."""
    return row_of_tiles(21)
