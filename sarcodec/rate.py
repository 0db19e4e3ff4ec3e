"""Which rate level gives the wanted quality, size or error."""

from __future__ import annotations

import math
from typing import BinaryIO

from sarcodec.encoder import Latents, Tick, write
from sarcodec.model.entropy import LatentCoder
from sarcodec.model.modelfile import Model
from sarcodec.search import BELOW, LEAP, Search
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


def write_at(
    file: BinaryIO, latents: Latents, model: Model, target: Target, jobs: int, tick: Tick
) -> tuple[int, int, bool, dict[int, float]]:
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
    errors : dict
        Root mean square error in dB of each band (from 0) with valid pixels, if an error was asked for.
    """
    if target.quality is not None:
        level = level_of_quality(target.quality, model)
        return level, write(file, latents, LatentCoder(model, level), jobs, tick), True, {}
    if target.rmse_db is not None:
        search = Search(latents, model, jobs)
        coder = search.for_error(target.rmse_db)
        off = search.log_error(coder.level, keep=coder.keep) - math.log(target.rmse_db)
        errors = search.errors(coder.level, keep=coder.keep)
        reached = off < CLOSE and (coder.level > 0 or off > -CLOSE)
        return coder.level, write(file, latents, coder, jobs, tick), reached, errors
    assert target.bpp is not None
    wanted = target.bpp * latents.scene.pixels / 8
    return *_write_size(file, latents, model, wanted, jobs, tick), {}


def _write_size(
    file: BinaryIO, latents: Latents, model: Model, wanted: float, jobs: int, tick: Tick
) -> tuple[int, int, bool]:
    """:func:`write_at` for a size in bytes."""
    made: dict[tuple[int, bool], int] = {}

    def attempt(level: int, *, keep: bool = False) -> int:
        file.seek(0)
        file.truncate()
        size = write(file, latents, LatentCoder(model, level, keep=keep), jobs, tick)
        made.pop((level, keep), None)  # what the file holds comes last
        made[level, keep] = size
        return size

    def off(known: tuple[int, bool]) -> float:
        return abs(made[known] / wanted - 1)

    search, sizes = Search(latents, model, jobs), dict[int, int]()
    level = search.for_size(wanted)
    while level not in sizes and len(sizes) < ATTEMPTS:
        sizes[level] = attempt(level)
        if off((level, False)) < TOLERANCE:
            break
        level = _next_level(sizes, wanted, search)
    small = max((known for known, size in sizes.items() if size < wanted), default=0)
    if {small, small + 1} <= sizes.keys() and min(map(off, made)) > LEAP:
        low, high = max(small - BELOW, 0), small + 1
        while high - low > 1 and len(made) < 2 * ATTEMPTS and min(map(off, made)) > TOLERANCE:
            level = (low + high) // 2
            low, high = (level, high) if attempt(level, keep=True) < wanted else (low, level)
    best = min(made, key=off)
    if best != list(made)[-1]:
        attempt(best[0], keep=best[1])
    enclosed = min(made.values()) < wanted < max(made.values())
    return best[0], made[best], enclosed or off(best) < CLOSE


def _next_level(sizes: dict[int, int], wanted: float, search: Search) -> int:
    """Level to try after files of known sizes: between those that enclose the wanted one, once some do."""
    small = max((level for level, size in sizes.items() if size < wanted), default=None)
    large = min((level for level, size in sizes.items() if size >= wanted), default=None)
    if small is None or large is None:
        last = list(sizes)[-1]
        fixed = search.fixed_bytes
        level = search.for_size(wanted, max(sizes[last] - fixed, 1) / math.exp(search.log_rate(last)))
        if level not in sizes:
            return level
        beyond = max(sizes) + 1 if large is None else min(sizes) - 1
        return min(max(beyond, 0), search.model.top_level)
    if large - small < 2:
        return small
    share = math.log(wanted / sizes[small]) / math.log(sizes[large] / sizes[small])
    return min(max(round(small + share * (large - small)), small + 1), large - 1)
