"""Levels that give a size or an error, found by trying them on a sample of tiles."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np
import numpy.typing as npt

from sarcodec import gain, targets, texture
from sarcodec.bitstream.header import Header
from sarcodec.encoder import Latents, Scene, code, header_of
from sarcodec.model.entropy import SEGMENT_BYTES, LatentCoder
from sarcodec.model.modelfile import Model
from sarcodec.model.runtime import one_thread
from sarcodec.model.transforms import STRIDE
from sarcodec.parallel import ordered_map
from sarcodec.radiometry import to_db
from sarcodec.source import classes_of
from sarcodec.tile import native_values, synthesise_tile
from sarcodec.types import TileGrid

SAMPLE = 12
"""Tiles looked at, spread over the scene and its bands, before the whole is coded."""
EACH = 3
"""Tiles of each band that are looked at, at least."""
CLOSE = 0.002
"""Relative distance from a goal at which a search over the sample ends."""
LEAP, BELOW = 0.008, 96
"""Relative distance from a goal that the best level may leave; beyond it, layers that do not pay are kept at
one of so many levels below."""

ROUNDS, NEAR, AIM = 4, 0.99, 0.999
"""Times that the error of all tiles is measured at most; the part of the wanted error that is near enough;
the part of it that the next goal aims at."""
STEPS = 12
"""Levels above the nearest one that are tried so that an error is not above the wanted one."""

Place = tuple[int, tuple[int, int]]
"""Band (from 0), and row and column of a tile."""
Known = dict[Place, npt.NDArray[np.int32]]
"""Decoded latents of tiles."""


class Search:
    """Finds levels by trying them on a sample of tiles whose latents are spooled."""

    def __init__(self, latents: Latents, model: Model, jobs: int) -> None:
        self.latents, self.model, self.jobs = latents, model, jobs
        self.fixed_bytes = fixed_bytes(latents, model)
        self.sample = sample_of(latents.scene)
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
        for band, scan in enumerate(self.latents.scene.scans):
            parts = [r for place, r in zip(sample, results, strict=True) if place[0] == band]
            count = sum(part[1] for part in parts)
            if count:
                yield band, sum(scan.counts), sum(part[0] for part in parts) / count

    def _log_rate(self, level: int) -> float:
        coder, scene = LatentCoder(self.model, level), self.latents.scene

        def work(place: Place) -> tuple[float, int]:
            coded = code(self.latents, coder, place, dry=True)
            assert coded is not None  # of tiles that hold data
            return coded.bits / 8 + SEGMENT_BYTES * coded.used, scene.valid_pixels(place)

        # Real sizes correct this estimate, so half of a large sample will do, as long as no band drops out.
        half = [p for b in range(len(scene.scans)) for p in [p for p in self.sample if p[0] == b][::2]]
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
        scene = self.latents.scene
        return len(self.sample) == sum(1 for place in scene.places if scene.valid_pixels(place))

    def _y_hat(self, coder: LatentCoder, place: Place) -> npt.NDArray[np.int32]:
        """Decoded latents of a tile that holds data."""
        coded = code(self.latents, coder, place, dry=True)
        assert coded is not None
        return coded.y_hat.astype(np.int32)

    def _measure(self, coder: LatentCoder) -> dict[int, float]:
        if self._sees_all:
            return self._over_all(coder)
        header = header_of(self.latents.scene, self.model, coder.level)

        def work(place: Place) -> tuple[float, int]:
            _, at = place
            window = self.latents.scene.grid.window(*at)
            x = self.model.synthesise(self._y_hat(coder, place), coder.level)
            inside = _inside(self.latents.scene.grid, at, self.model)
            return self._squares(header, place, x[: window.height, : window.width], inside)

        means = self.over(self.sample, work)
        return {band: max(mean, 1e-12) ** 0.5 for band, _, mean in means}

    def _over_all(self, coder: LatentCoder) -> dict[int, float]:
        """Error of each band (from 0) with data, over all tiles; the latents of three tile rows are held."""
        scene = self.latents.scene
        header, grid = header_of(scene, self.model, coder.level), scene.grid
        places = [place for place in scene.places if scene.valid_pixels(place)]
        sums = np.zeros((len(scene.scans), 2))
        known: Known = {}

        def work(place: Place) -> tuple[float, int]:
            x = synthesise_tile(partial(_near, known, place[0]), self.model, coder.level, grid, place[1])
            return self._squares(header, place, x)

        for row in range(grid.rows):
            new = [place for place in places if abs(place[1][0] - row) <= 1 and place not in known]
            made = ordered_map(partial(self._y_hat, coder), new, self.jobs, one_thread)
            known.update(zip(new, made, strict=True))
            here = [place for place in places if place[1][0] == row]
            for place, part in zip(here, ordered_map(work, here, self.jobs, one_thread), strict=True):
                sums[place[0]] += part
            for place in [place for place in known if place[1][0] < row]:
                del known[place]
        return {
            band: max(float(total / count), 1e-12) ** 0.5 for band, (total, count) in enumerate(sums) if count
        }

    def _squares(
        self,
        header: Header,
        place: Place,
        x: npt.NDArray[np.float32],
        part: npt.NDArray[np.bool_] | None = None,
    ) -> tuple[float, int]:
        """Sum of squared errors in dB over the valid pixels of a decoded tile in `part`, and how many."""
        (number, at), scene = place, self.latents.scene
        window, palette = scene.grid.window(*at), scene.scans[number].palette
        values, scale = scene.source.read(number, window), header.pixel_scale(number)
        decoded = native_values(x, header.bands[number], scale, palette, scene.source.meta.nodata)
        valid = classes_of(scene.source, values, window, palette) == 0
        valid = valid if part is None else valid & part
        difference = (to_db(decoded, scale) - to_db(values, scale))[valid].astype(np.float64)
        return float((difference**2).sum()), difference.size


def _near(known: Known, band: int, row: int, col: int) -> npt.NDArray[np.int32] | None:
    """Decoded latents of a tile of a band, None if it holds no data."""
    return known.get((band, (row, col)))


def sample_of(scene: Scene) -> list[Place]:
    """At least `EACH` tiles of each band, about `SAMPLE` in all, spread evenly over its valid pixels."""
    tiles = [at for band, at in scene.places if band == 0]
    share = max(EACH, SAMPLE // len(scene.scans))
    sample: list[Place] = []
    for band in range(len(scene.scans)):
        full = [(band, at) for at in tiles if scene.valid_pixels((band, at))]
        if len(full) <= share:
            sample += full
            continue
        reach = np.cumsum([scene.valid_pixels(place) for place in full])
        wanted = (np.arange(share) + 0.5) / share * reach[-1]
        sample += [full[k] for k in dict.fromkeys(np.searchsorted(reach, wanted).tolist())]
    return sample


def _inside(grid: TileGrid, at: tuple[int, int], model: Model) -> npt.NDArray[np.bool_]:
    """Pixels of a tile that its own latents decide, bool, shape (height, width)."""
    window, margin = grid.window(*at), model.shape.reach * STRIDE
    inside = np.ones((window.height, window.width), dtype=bool)
    for axis, last in ((0, grid.rows - 1), (1, grid.cols - 1)):
        lines = np.moveaxis(inside, axis, 0)
        lines[: margin if at[axis] > 0 else 0] = False
        lines[len(lines) - (margin if at[axis] < last else 0) :] = False
    return inside


def nearest_level(error: Callable[[int], float], top: int, tried: Iterable[int] = ()) -> int:
    """The level in 0..top whose `error` (rising with the level) is nearest to 0, or as good as 0.

    `tried` are levels whose error costs nothing any more; the search starts between them.
    """
    low = max((level for level in tried if error(level) < 0), default=0)
    high = min((level for level in tried if error(level) > 0), default=top)
    if error(low) >= 0:
        return low
    if error(high) <= 0:
        return high
    while high - low > 1:
        # Regula falsi inside, but never less than an eighth of the interval from an end.
        e_low, e_high = error(low), error(high)
        share = min(max(-e_low / (e_high - e_low), 0.125), 0.875)
        middle = min(max(round(low + share * (high - low)), low + 1), high - 1)
        if abs(error(middle)) < CLOSE:
            return middle
        if error(middle) < 0:
            low = middle
        else:
            high = middle
    return low if -error(low) < error(high) else high


def fixed_bytes(latents: Latents, model: Model) -> int:
    """Bytes that do not depend on the level: header, masks, index; about those of measured layers."""
    scene = latents.scene
    masks = sum(
        len(latents.mask(band, at))
        for band, at in scene.places
        if band == 0 or latents.mask(band, at) != latents.mask(band - 1, at)
    )
    gains = sum(gain.estimated_bytes(scan.counts, scene.sides.gain_side) for scan in scene.scans)
    bright = sum(targets.estimated_bytes(scan.counts) for scan in scene.scans)
    textures = sum(texture.estimated_bytes(scan.counts) for scan in scene.scans)
    return (
        len(header_of(scene, model, 0).to_bytes(limits=scene.limits))
        + masks
        + scene.sides.targets * bright
        + scene.sides.gains * gains
        + scene.sides.texture * textures
        + 3 * scene.grid.count * len(scene.scans)
        + 16
    )
