"""Which rate level gives the wanted quality, size or error."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import BinaryIO

import numpy as np

from sarcodec.encoder import Latents, Tick, header_of, write
from sarcodec.errors import UsageError
from sarcodec.model.entropy import LatentCoder
from sarcodec.model.modelfile import Model
from sarcodec.model.runtime import one_thread
from sarcodec.model.transforms import STRIDE
from sarcodec.parallel import ordered_map
from sarcodec.radiometry import to_db

SAMPLE = 12
"""Tiles looked at, spread over the scene and its bands, before the whole is coded."""
SEGMENT_BYTES = 16
"""A layer's checksum, digest and coder state, over its ideal code length."""
QUALITY = (1, 100)


@dataclass(frozen=True)
class Target:
    """What the user asked for; exactly one of the three.

    ``quality`` is 1..100; ``bpp`` bits per pixel and band of the whole file; ``rmse_db`` the root mean square
    error over valid pixels in dB.
    """

    quality: float | None = None
    bpp: float | None = None
    rmse_db: float | None = None

    def __post_init__(self) -> None:
        given = [v for v in (self.quality, self.bpp, self.rmse_db) if v is not None]
        if len(given) != 1:
            raise UsageError("choose one of quality, bpp and rmse_db", hint="For example: --bpp 0.2")
        if not math.isfinite(given[0]) or given[0] <= 0:
            raise UsageError(f"a target of {given[0]} is not a positive number")
        if self.quality is not None and not QUALITY[0] <= self.quality <= QUALITY[1]:
            raise UsageError(f"quality {self.quality} is not within {QUALITY[0]}..{QUALITY[1]}")


def level_of_quality(quality: float, model: Model) -> int:
    """Quality 1..100 on the model's whole range of rate levels, evenly."""
    low, high = QUALITY
    return round((quality - low) / (high - low) * model.top_level)


def bisect(error: Callable[[int], float], top: int) -> int:
    """The level in 0..top whose `error` (rising with the level) is nearest to 0."""
    low, high = 0, top
    if error(low) >= 0:
        return low
    if error(high) <= 0:
        return high
    while high - low > 1:
        # Regula falsi inside, but never less than an eighth of the interval from an end.
        e_low, e_high = error(low), error(high)
        share = min(max(-e_low / (e_high - e_low), 0.125), 0.875)
        middle = min(max(round(low + share * (high - low)), low + 1), high - 1)
        if error(middle) < 0:
            low = middle
        else:
            high = middle
    return low if -error(low) < error(high) else high


class Search:
    """Finds levels by trying them on a sample of tiles whose latents are spooled."""

    def __init__(self, latents: Latents, model: Model, fixed_bytes: int, jobs: int) -> None:
        self.latents, self.model, self.jobs = latents, model, jobs
        self.fixed_bytes = fixed_bytes
        places = latents.scene.places
        step = len(places) / min(SAMPLE, len(places))
        self.sample = [places[int((i + 0.5) * step)] for i in range(min(SAMPLE, len(places)))]
        self.log_rate = cache(self._log_rate)
        self.log_error = cache(self._log_error)

    def for_size(self, wanted_bytes: float, scale: float = 1.0) -> int:
        """Level whose file is nearest to `wanted_bytes`, if estimates are off by the factor `scale`."""
        goal = math.log(max(wanted_bytes - self.fixed_bytes, 1.0))
        return bisect(lambda level: self.log_rate(level) + math.log(scale) - goal, self.model.top_level)

    def for_error(self, rmse_db: float) -> int:
        """Level whose root mean square error is nearest to `rmse_db`."""
        return bisect(lambda level: math.log(rmse_db) - self.log_error(level), self.model.top_level)

    def _log_rate(self, level: int) -> float:
        """Log of the estimated bytes of all layers of the scene."""
        coder = LatentCoder(self.model, level)

        def work(place: tuple[int, tuple[int, int]]) -> float:
            tile = self.latents.fetch(*place)
            return coder.encode(tile.y, dry=True).bits / 8 + SEGMENT_BYTES * len(self.model.layers)

        total = sum(ordered_map(work, self.sample, self.jobs, one_thread))
        return math.log(total * len(self.latents.scene.places) / len(self.sample))

    def _log_error(self, level: int) -> float:
        """Log of the error in dB over the sample, away from tile edges that lack their neighbours."""
        coder, scene = LatentCoder(self.model, level), self.latents.scene

        def work(place: tuple[int, tuple[int, int]]) -> tuple[float, int]:
            band, at = place
            y_hat = coder.encode(self.latents.fetch(*place).y, dry=True).y_hat
            window, scan = scene.grid.window(*at), scene.scans[band]
            x = self.model.synthesise(y_hat, level)[: window.height, : window.width]
            decoded = x * np.float32(scan.unit_db(self.model.unit_db)) + np.float32(scan.mean_db)
            values = scene.source.read(band + 1, window)
            valid = scan.palette.class_map(values) == 0
            margin = self.model.shape.reach * STRIDE
            for axis, (near, far) in enumerate(
                ((at[0] > 0, at[0] + 1 < scene.grid.rows), (at[1] > 0, at[1] + 1 < scene.grid.cols))
            ):
                lines = np.moveaxis(valid, axis, 0)
                lines[: margin if near else 0] = False
                lines[len(lines) - (margin if far else 0) :] = False
            difference = (decoded - to_db(values, scene.scale))[valid].astype(np.float64)
            return float((difference**2).sum()), difference.size

        parts = list(ordered_map(work, self.sample, self.jobs, one_thread))
        squares, count = sum(p[0] for p in parts), sum(p[1] for p in parts)
        return 0.5 * math.log(max(squares / max(count, 1), 1e-12))


TOLERANCE = 0.004
"""Relative distance from the wanted size at which a file is left as it is."""
ATTEMPTS = 4
"""Times the whole scene is coded at most to meet a size."""


def write_at(
    file: BinaryIO, latents: Latents, model: Model, target: Target, jobs: int, tick: Tick
) -> tuple[int, int, bool]:
    """Code the scene so that it meets `target`.

    Parameters
    ----------
    file : BinaryIO
        Written from its start; each attempt replaces the one before.

    Returns
    -------
    level : int
    size : int
        Bytes of the file.
    reached : bool
        Whether the target lies within what the model can do.
    """
    if target.quality is not None:
        level = level_of_quality(target.quality, model)
        return level, write(file, latents, model, level, jobs, tick), True
    search = Search(latents, model, fixed_bytes(latents, model), jobs)
    if target.rmse_db is not None:
        level = search.for_error(target.rmse_db)
        reached = abs(search.log_error(level) - math.log(target.rmse_db)) < 0.02
        return level, write(file, latents, model, level, jobs, tick), reached
    assert target.bpp is not None
    wanted, scale = target.bpp * latents.scene.pixels / 8, 1.0
    sizes: dict[int, int] = {}
    level = -1
    for _ in range(ATTEMPTS):
        level = search.for_size(wanted, scale)
        if level in sizes:
            break
        sizes[level] = _rewrite(file, latents, model, level, jobs, tick)
        if abs(sizes[level] / wanted - 1) < TOLERANCE:
            break
        fixed = search.fixed_bytes
        scale = max(sizes[level] - fixed, 1) / math.exp(search.log_rate(level))
    best = min(sizes, key=lambda known: abs(math.log(sizes[known] / wanted)))
    if best != list(sizes)[-1]:
        sizes[best] = _rewrite(file, latents, model, best, jobs, tick)
    return best, sizes[best], abs(sizes[best] / wanted - 1) < 0.02


def fixed_bytes(latents: Latents, model: Model) -> int:
    """Bytes of the file that do not depend on the level: header, masks, index."""
    scene = latents.scene
    masks = sum(len(latents.fetch(*place).mask) for place in scene.places)
    return len(header_of(scene, model, 0).to_bytes()) + masks + 3 * scene.grid.count * len(scene.scans) + 16


def _rewrite(file: BinaryIO, latents: Latents, model: Model, level: int, jobs: int, tick: Tick) -> int:
    file.seek(0)
    file.truncate()
    return write(file, latents, model, level, jobs, tick)
