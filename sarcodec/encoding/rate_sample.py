"""Levels that give a size or an error, found by trying them on a sample of tiles."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import numpy.typing as npt

from sarcodec.corrections import layers as corrections
from sarcodec.corrections.tiles import SourceTile
from sarcodec.encoding.coding import code
from sarcodec.encoding.heading import header_of
from sarcodec.encoding.nearest_level import nearest_level
from sarcodec.encoding.spool import Spool
from sarcodec.encoding.survey import Scene
from sarcodec.model.entropy import SEGMENT_BYTES, LatentCoder
from sarcodec.model.modelfile import Model
from sarcodec.model.runtime import one_thread
from sarcodec.model.transforms import STRIDE
from sarcodec.parallel import ordered_map
from sarcodec.pixels import BandPixels, synthesised
from sarcodec.radiometry import to_db
from sarcodec.types import Place, TileGrid

SAMPLE = 12
"""Tiles looked at, spread over the scene and its bands, before the whole is coded."""
EACH = 3
"""Tiles of each band that are looked at, at least."""
LEAP, BELOW = 0.008, 96
"""Relative distance from a goal that the best level may leave; beyond it, layers that do not pay are kept at
one of so many levels below."""

ROUNDS, NEAR, AIM = 4, 0.99, 0.999
"""Times that the error of all tiles is measured at most; the part of the wanted error that is near enough;
the part of it that the next goal aims at."""
STEPS = 12
"""Levels above the nearest one that are tried so that an error is not above the wanted one."""

Latents = npt.NDArray[np.int32]


class RateSample:
    """Finds levels by trying them on a sample of tiles whose latents are spooled."""

    def __init__(self, spool: Spool, jobs: int) -> None:
        self.spool, self.scene, self.model, self.jobs = spool, spool.scene, spool.model, jobs
        self.fixed_bytes = fixed_bytes(spool)
        self.sample = sample_of(spool.scene)
        self._rates: dict[int, float] = {}
        self._errors: dict[tuple[int, bool], dict[int, float]] = {}

    def log_rate(self, level: int) -> float:
        """Log of the estimated bytes of all layers of the scene."""
        if level not in self._rates:
            self._rates[level] = self._log_rate(level)
        return self._rates[level]

    def log_error(self, level: int, *, keep: bool = False) -> float:
        """Log of the worst band's estimated root mean square error in dB; `keep` as for `LatentCoder`."""
        return math.log(max(self.errors(level, keep=keep).values(), default=1e-6))

    def for_size(self, wanted_bytes: float, scale: float = 1.0) -> int:
        """Level whose file is nearest to `wanted_bytes`, if estimates are off by the factor `scale`."""
        goal = math.log(max(wanted_bytes - self.fixed_bytes, 1.0)) - math.log(scale)
        tried = list(self._rates)
        return nearest_level(lambda level: self.log_rate(level) - goal, self.model.top_level, tried)

    def for_error(self, rmse_db: float) -> LatentCoder:
        """What codes with a root mean square error of the worst band just below `rmse_db`.

        Where the sample leaves tiles out, the error of all tiles is measured, and the goal corrected.
        """
        goal = rmse_db
        for _ in range(ROUNDS):
            coder = self._below(goal)
            if self._sees_all or not self.sample:
                break
            key = coder.level, coder.keep
            self._errors[key] = self._over_all(coder)
            worst = max(self._errors[key].values(), default=rmse_db)
            if NEAR * rmse_db <= worst <= rmse_db or coder.level in (0, self.model.top_level):
                break
            goal *= AIM * rmse_db / worst
        return coder

    def _below(self, rmse_db: float) -> LatentCoder:
        """What codes with an estimated error of the worst band just below `rmse_db`."""
        found = self._nearest(rmse_db)
        level = found.level
        while level < min(found.level + STEPS, self.model.top_level) and (
            self.log_error(level, keep=found.keep) > math.log(rmse_db)
        ):
            level += 1
        return LatentCoder(self.model, level, keep=found.keep)

    def _nearest(self, rmse_db: float) -> LatentCoder:
        """What codes with an error of the worst band nearest to `rmse_db`."""
        goal, top = math.log(rmse_db), self.model.top_level
        level = nearest_level(lambda level: goal - self.log_error(level), top)
        found, off = LatentCoder(self.model, level), self.log_error(level) - goal
        small = level if off > 0 else level - 1
        if abs(off) < LEAP or not 0 <= small < top or self.log_error(small) < goal:
            return found
        kept = nearest_level(
            lambda level: goal - self.log_error(level, keep=True), small, [max(0, small - BELOW)]
        )
        nearer = abs(self.log_error(kept, keep=True) - goal) < abs(off)
        return LatentCoder(self.model, kept, keep=True) if nearer else found

    def over(
        self, sample: list[Place], work: Callable[[Place], tuple[float, int]]
    ) -> Iterator[tuple[int, int, float]]:
        """Run `work` on tiles; number, valid pixels and mean of work's figures of each band with data.

        `work` gives a sum and the number of pixels it is over.
        """
        results = list(ordered_map(work, sample, self.jobs, one_thread))
        for band, scan in enumerate(self.scene.scans):
            parts = [r for place, r in zip(sample, results, strict=True) if place.band == band]
            count = sum(part[1] for part in parts)
            if count:
                yield band, sum(scan.counts), sum(part[0] for part in parts) / count

    def _log_rate(self, level: int) -> float:
        coder, scene = LatentCoder(self.model, level), self.scene

        def work(place: Place) -> tuple[float, int]:
            coded = code(self.spool, coder, place, dry=True)
            assert coded is not None  # of tiles that hold data
            return coded.bits / 8 + SEGMENT_BYTES * coded.used, scene.valid_pixels(place)

        # Real sizes correct this estimate, so half of a large sample will do, as long as no band drops out.
        bands = range(len(scene.scans))
        half = [p for band in bands for p in [p for p in self.sample if p.band == band][::2]]
        return math.log(max(sum(pixels * mean for _, pixels, mean in self.over(half, work)), 1.0))

    def errors(self, level: int, *, keep: bool = False) -> dict[int, float]:
        """Estimated root mean square error in dB of each band (from 0) that holds data; `keep` as above.

        It is that of the values which a decoder returns, rounded and held within their range.
        """
        if (level, keep) not in self._errors:
            self._errors[level, keep] = self._measure(LatentCoder(self.model, level, keep=keep))
        return self._errors[level, keep]

    @property
    def _sees_all(self) -> bool:
        """Whether the sample has every tile of every band that holds data."""
        scene = self.scene
        return len(self.sample) == sum(1 for place in scene.places if scene.valid_pixels(place))

    def _y_hat(self, coder: LatentCoder, place: Place) -> Latents:
        """Decoded latents of a tile that holds data."""
        coded = code(self.spool, coder, place, dry=True)
        assert coded is not None
        return coded.y_hat.astype(np.int32)

    def _measure(self, coder: LatentCoder) -> dict[int, float]:
        if self._sees_all:
            return self._over_all(coder)
        pixels = self._pixels(coder)

        def work(place: Place) -> tuple[float, int]:
            inside = _inside(self.scene.grid, place, self.model)
            y_hats = {place: self._y_hat(coder, place)}
            return self._squares(pixels, coder.level, place, y_hats, inside, reach=0)

        means = self.over(self.sample, work)
        return {band: max(mean, 1e-12) ** 0.5 for band, _, mean in means}

    def _over_all(self, coder: LatentCoder) -> dict[int, float]:
        """Error of each band (from 0) with data, over all tiles; the latents of three tile rows are held."""
        pixels, scene = self._pixels(coder), self.scene
        places = [place for place in scene.places if scene.valid_pixels(place)]
        sums = np.zeros((len(scene.scans), 2))
        y_hats: dict[Place, Latents] = {}

        def work(place: Place) -> tuple[float, int]:
            return self._squares(pixels, coder.level, place, y_hats, reach=self.model.shape.reach)

        for row in range(scene.grid.rows):
            new = [place for place in places if abs(place.row - row) <= 1 and place not in y_hats]
            made = ordered_map(partial(self._y_hat, coder), new, self.jobs, one_thread)
            y_hats.update(zip(new, made, strict=True))
            here = [place for place in places if place.row == row]
            for place, part in zip(here, ordered_map(work, here, self.jobs, one_thread), strict=True):
                sums[place.band] += part
            for place in [place for place in y_hats if place.row < row]:
                del y_hats[place]
        return {
            band: max(float(total / count), 1e-12) ** 0.5 for band, (total, count) in enumerate(sums) if count
        }

    def _pixels(self, coder: LatentCoder) -> list[BandPixels]:
        """How network units of each band become pixels at a level."""
        header, nodata = header_of(self.scene, self.model, coder.level), self.scene.source.meta.nodata
        return [BandPixels.of(header, number, nodata) for number in range(len(header.bands))]

    def _squares(
        self,
        pixels: list[BandPixels],
        level: int,
        place: Place,
        y_hats: dict[Place, Latents],
        part: npt.NDArray[np.bool_] | None = None,
        *,
        reach: int,
    ) -> tuple[float, int]:
        """Sum of squared errors in dB over the valid pixels of a decoded tile in `part`, and how many."""
        own, window = pixels[place.band], self.scene.grid.window(*place.at)
        truth = SourceTile.read(self.scene.source, place.band, window, own)
        x = synthesised(self.model, y_hats, level, self.scene.grid, place, reach=reach)
        valid = truth.valid if part is None else truth.valid & part
        difference = (to_db(own.native(x), own.scale) - truth.decibels())[valid].astype(np.float64)
        return float((difference**2).sum()), difference.size


def sample_of(scene: Scene) -> list[Place]:
    """At least `EACH` tiles of each band, about `SAMPLE` in all, spread evenly over its valid pixels."""
    share = max(EACH, SAMPLE // len(scene.scans))
    sample: list[Place] = []
    for band in range(len(scene.scans)):
        places = (Place(band, *at) for at in scene.grid.tiles)
        full = [place for place in places if scene.valid_pixels(place)]
        if len(full) <= share:
            sample += full
            continue
        reach = np.cumsum([scene.valid_pixels(place) for place in full])
        wanted = (np.arange(share) + 0.5) / share * reach[-1]
        sample += [full[k] for k in dict.fromkeys(np.searchsorted(reach, wanted).tolist())]
    return sample


def _inside(grid: TileGrid, place: Place, model: Model) -> npt.NDArray[np.bool_]:
    """Pixels of a tile that its own latents decide, bool, shape (height, width)."""
    at, window, margin = place.at, grid.window(*place.at), model.shape.reach * STRIDE
    inside = np.ones((window.height, window.width), dtype=bool)
    for axis, last in ((0, grid.rows - 1), (1, grid.cols - 1)):
        lines = np.moveaxis(inside, axis, 0)
        lines[: margin if at[axis] > 0 else 0] = False
        lines[len(lines) - (margin if at[axis] < last else 0) :] = False
    return inside


def fixed_bytes(spool: Spool) -> int:
    """Bytes that do not depend on the level: header, masks, index; about those of corrections."""
    scene = spool.scene
    masks = sum(
        len(spool.mask(place))
        for place in scene.places
        if place.band == 0 or spool.mask(place) != spool.mask(place.of(place.band - 1))
    )
    return (
        len(header_of(scene, spool.model, 0).to_bytes(limits=scene.limits))
        + masks
        + sum(corrections.estimated_bytes(scene.wishes, scan.counts) for scan in scene.scans)
        + 3 * scene.grid.count * len(scene.scans)
        + 16
    )
