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
from sarcodec.bench.results import CodecInfo, Point, SceneInfo, Shown
from sarcodec.errors import VerifyError
from sarcodec.parallel import ordered_map

Raster = npt.NDArray[np.floating[Any]]
Tick = Callable[[str, int, int], None]
Show = Callable[[Original, Mapping[str, tuple[Raster, Point]], float], Shown]
"""Writes pictures of an image as the codecs returned it at one wanted rate."""

LOSSLESS = None  # in the place of a rate


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

    def images(self, found: Sequence[Image], tick: Tick) -> None:
        """Measure all images, in order: an image comes after the one it is compared with over time.

        Raises
        ------
        InputError
            An image has no valid pixel.
        VerifyError
            A codec returned another shape, or valid pixels that are not finite.
        """
        infos = {name: codec.info() for name, codec in self.codecs.items()}
        asked = [(n, rate) for n, info in infos.items() for rate in rates_of(info, self.rates)]
        earlier = {image.before for image in found if image.before}
        dates: dict[str, Original] = {}
        with tempfile.TemporaryDirectory(prefix="sarcodec-") as scratch:
            for number, image in enumerate(found):
                tick(image.name, number * len(asked), len(found) * len(asked))
                original = Original(image)
                kept: dict[str, tuple[Raster, Point]] = {}
                for done, (point, decoded) in enumerate(self._points(original, asked), 1):
                    file = Path(scratch) / f"{point.codec} {point.wanted_bpp}"
                    if image.name in earlier:
                        np.save(f"{file} {image.name.replace('/', '_')}.npy", decoded)
                    if image.before in dates:
                        before = np.load(f"{file} {image.before.replace('/', '_')}.npy")
                        both = change_measures(dates[image.before], original, before, decoded)
                        point = replace(point, measures={**point.measures, **both})  # noqa: PLW2901
                    self.points.append(point)
                    if point.wanted_bpp == self.shown_rate:
                        kept[point.codec] = decoded, point
                    tick(image.name, number * len(asked) + done, len(found) * len(asked))
                self.scenes.append(original.info())
                self.shown.append(self.show(original, kept, self.shown_rate))
                if image.name in earlier:
                    dates[image.name] = original

    def _points(
        self, original: Original, asked: Sequence[tuple[str, float | None]]
    ) -> Iterator[tuple[Point, Raster]]:
        """Every codec at every rate on one image, several at a time, in the order asked."""
        original.info()  # what all points need is found once, before the threads begin
        prepared = {name: codec.prepare(original.image) for name, codec in self.codecs.items()}

        def work(item: tuple[str, float | None]) -> tuple[Point, Raster]:
            name, rate = item
            codec = self.codecs[name]
            coded = codec.search(prepared[name], rate or 0.0)
            decoded = codec.decode(prepared[name], coded.data)
            return measured(original, name, rate, coded.setting, len(coded.data), decoded), decoded

        yield from ordered_map(work, asked, self.jobs)


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
