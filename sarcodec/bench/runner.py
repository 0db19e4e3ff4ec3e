"""Every codec at every rate on every image, and what is measured of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.bench.codecs.interface import Codec
from sarcodec.bench.images import Image
from sarcodec.bench.original import Original, change_measures
from sarcodec.bench.results import OURS, CodecInfo, Point, SceneInfo, Shown
from sarcodec.errors import VerifyError
from sarcodec.parallel import ordered_map
from sarcodec.progress import Tick

Raster = npt.NDArray[np.floating[Any]]
Show = Callable[[Original, Mapping[str, tuple[Raster, Point]], float], Shown]
"""Writes pictures of an image as the codecs returned it at one wanted rate."""

LOSSLESS = None  # in the place of a rate
_MEMORY = 4e9  # bytes that measuring may take at a time
_BYTES_A_PIXEL = 150  # of one codec's search and what is measured of it


@dataclass
class Run:
    """Codecs and rates, and what came of them so far."""

    codecs: Mapping[str, Codec]
    rates: Sequence[float]
    jobs: int
    shown_rate: float
    show: Show
    scenes: list[SceneInfo] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """What a codec other than ours could not do, in words; it has no point there."""

    def images(self, found: Sequence[Image], tick: Tick) -> None:
        """Measure all images, in order: an image comes after the one it is compared with over time.

        Raises
        ------
        InputError
            An image has no valid pixel.
        VerifyError
            Ours returned another shape, or valid pixels that are not finite.
        """
        infos = {name: codec.info() for name, codec in self.codecs.items()}
        asked = [(n, rate) for n, info in infos.items() for rate in rates_of(info, self.rates)]
        earlier = {image.before for image in found if image.before}
        steps = len(found) * len(asked)
        with tempfile.TemporaryDirectory(prefix="sarcodec-") as scratch:
            dates = _Dates(Path(scratch), earlier)
            for number, image in enumerate(found):
                tick(image.name, number * len(asked), steps)
                original = Original(replace(image))  # of its own, so that what it keeps goes with it
                kept: dict[str, tuple[Raster, Point]] = {}
                for done, (point, decoded) in enumerate(self._points(original, asked), 1):
                    tick(image.name, number * len(asked) + done, steps)
                    if point is None or decoded is None:
                        continue
                    measures = point.measures | dates.change(original, point, decoded)
                    self.points.append(replace(point, measures=measures))
                    if point.wanted_bpp == self.shown_rate:
                        kept[point.codec] = decoded, point
                self.scenes.append(original.info())
                self.shown.append(self.show(original, kept, self.shown_rate))

    def _points(
        self, original: Original, asked: Sequence[tuple[str, float | None]]
    ) -> Iterator[tuple[Point, Raster] | tuple[None, None]]:
        """Every codec at every rate on one image, several at a time, in the order asked."""
        original.info()  # what all points need is found once, before the threads begin
        prepared = {name: codec.prepare(original.image) for name, codec in self.codecs.items()}

        def work(item: tuple[str, float | None]) -> tuple[Point, Raster] | tuple[None, None]:
            name, rate = item
            codec = self.codecs[name]
            try:
                coded = codec.search(prepared[name], rate or 0.0)
                decoded = codec.decode(prepared[name], coded.data)
                return measured(original, name, rate, coded.setting, len(coded.data), decoded), decoded
            except Exception as error:
                # Libraries fail in ways of their own, and an hour of other results must not go with them.
                if name == OURS or isinstance(error, MemoryError):
                    raise
                where = "" if rate is None else f" at {rate:g} bpp"
                self.failures.append(f"{name} failed on {original.image.name}{where}: {error}")
                return None, None

        room = max(1, int(_MEMORY / (_BYTES_A_PIXEL * original.db.size)))
        yield from ordered_map(work, asked, min(self.jobs, room))


@dataclass(frozen=True)
class _Dates:
    """Decoded images of earlier dates, on disk until the later date is measured."""

    folder: Path
    wanted: set[str]
    """Names of the images that a later one is compared with."""
    originals: dict[str, Original] = field(default_factory=dict)

    def change(self, original: Original, point: Point, decoded: Raster) -> dict[str, float | None]:
        """What a change map says where `decoded` is of a later date; kept where it is of an earlier one."""
        image = original.image
        if image.name in self.wanted:
            self.originals.setdefault(image.name, original)
            np.save(self._file(image.name, point), decoded)
        before = self.originals.get(image.before)
        if before is None or not (file := self._file(image.before, point)).exists():
            return {}
        return change_measures(before, original, np.load(file), decoded)

    def _file(self, name: str, point: Point) -> Path:
        return self.folder / f"{list(self.originals).index(name)}-{point.codec}-{point.wanted_bpp}.npy"


def rates_of(info: CodecInfo, rates: Sequence[float]) -> Sequence[float | None]:
    """The rates to ask a codec for."""
    return [LOSSLESS] if info.lossless else rates


def measured(
    original: Original, codec: str, rate: float | None, setting: float, size: int, decoded: Raster
) -> Point:
    """One point, after a look whether the codec returned every valid pixel."""
    if decoded.shape != original.db.shape or not np.isfinite(decoded[original.valid]).all():
        raise VerifyError(f"{codec} at {rate} bpp did not return every valid pixel of {original.image.name}")
    bpp = 8 * size / original.db.size
    return Point(
        scene=original.image.name,
        codec=codec,
        wanted_bpp=rate,
        setting=setting,
        bytes=size,
        bpp=bpp,
        measures=original.measures(decoded, bpp),
        tiles_mse=original.tiles_mse(decoded),
    )
