"""Which rate level gives the wanted quality, size or error: levels to try, until one is good enough."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from sarcodec.encoding.rate_sample import BELOW, LEAP, RateSample
from sarcodec.encoding.spool import Spool
from sarcodec.model.entropy import LatentCoder
from sarcodec.model.modelfile import Model
from sarcodec.wanted import QUALITY, Target

TOLERANCE = 0.004
"""Relative distance from the wanted size at which a file is left as it is."""
CLOSE = 0.02
"""Relative distance from a target up to which it is reached; an error below its target is."""
ATTEMPTS = 8
"""Times the whole scene is coded at most to meet a size, and as often to come nearer where sizes leap."""


def level_of_quality(quality: float, model: Model) -> int:
    """Quality 1..100 on the model's whole range of rate levels, evenly."""
    low, high = QUALITY
    return round((quality - low) / (high - low) * model.top_level)


@dataclass
class Attempt:
    """A level at which to code the whole scene, and the size of the file once it is known."""

    coder: LatentCoder
    size: int = 0
    """Bytes; whoever codes the scene writes them here."""


class RateControl:
    """Goes through attempts, the last of which is the one to keep.

    Parameters
    ----------
    spool : Spool
        Filled unless a quality is asked for.
    """

    reached: bool
    """Whether the target lies within what the model can do."""
    rmse_db: dict[int, float]
    """Root mean square error in dB of each band (from 0) with valid pixels, if an error was asked for."""

    def __init__(self, target: Target, spool: Spool, jobs: int) -> None:
        self.target, self.spool, self.model, self.jobs = target, spool, spool.model, jobs
        self.reached, self.rmse_db = True, {}

    def attempts(self) -> Iterator[Attempt]:
        """Levels to code the scene at, one after the other; each is told its size before the next one."""
        if self.target.quality is not None:
            yield Attempt(LatentCoder(self.model, level_of_quality(self.target.quality, self.model)))
        elif self.target.rmse_db is not None:
            yield Attempt(self._of_error(self.target.rmse_db))
        else:
            assert self.target.bpp is not None
            yield from self._of_size(self.target.bpp * self.spool.scene.pixels / 8)

    def _of_error(self, wanted: float) -> LatentCoder:
        sample = RateSample(self.spool, self.jobs)
        coder = sample.for_error(wanted)
        off = sample.log_error(coder.level, keep=coder.keep) - math.log(wanted)
        self.rmse_db = sample.errors(coder.level, keep=coder.keep)
        self.reached = off < CLOSE and (coder.level > 0 or off > -CLOSE)
        return coder

    def _of_size(self, wanted: float) -> Iterator[Attempt]:
        """Attempts at a size in bytes."""
        made: list[Attempt] = []

        def attempt(level: int, *, keep: bool = False) -> Attempt:
            made.append(Attempt(LatentCoder(self.model, level, keep=keep)))
            return made[-1]

        def off(tried: Attempt) -> float:
            return abs(tried.size / wanted - 1)

        sample, sizes = RateSample(self.spool, self.jobs), dict[int, int]()
        level = sample.for_size(wanted)
        while level not in sizes and len(sizes) < ATTEMPTS:
            yield (tried := attempt(level))
            sizes[level] = tried.size
            if off(tried) < TOLERANCE:
                break
            level = _next_level(sizes, wanted, sample)
        small = max((known for known, size in sizes.items() if size < wanted), default=0)
        if {small, small + 1} <= sizes.keys() and min(map(off, made)) > LEAP:
            low, high = max(small - BELOW, 0), small + 1
            while high - low > 1 and len(made) < 2 * ATTEMPTS and min(map(off, made)) > TOLERANCE:
                level = (low + high) // 2
                yield (tried := attempt(level, keep=True))
                low, high = (level, high) if tried.size < wanted else (low, level)
        best = min(made, key=off)
        enclosed = min(tried.size for tried in made) < wanted < max(tried.size for tried in made)
        self.reached = enclosed or off(best) < CLOSE
        if best is not made[-1]:
            yield attempt(best.coder.level, keep=best.coder.keep)


def _next_level(sizes: dict[int, int], wanted: float, sample: RateSample) -> int:
    """Level to try after files of known sizes: between those that enclose the wanted one, once some do."""
    small = max((level for level, size in sizes.items() if size < wanted), default=None)
    large = min((level for level, size in sizes.items() if size >= wanted), default=None)
    if small is None or large is None:
        last = list(sizes)[-1]
        fixed = sample.fixed_bytes
        level = sample.for_size(wanted, max(sizes[last] - fixed, 1) / math.exp(sample.log_rate(last)))
        if level not in sizes:
            return level
        beyond = max(sizes) + 1 if large is None else min(sizes) - 1
        return min(max(beyond, 0), sample.model.top_level)
    if large - small < 2:
        return small
    share = math.log(wanted / sizes[small]) / math.log(sizes[large] / sizes[small])
    return min(max(round(small + share * (large - small)), small + 1), large - 1)
