"""The number that carries a codec's rate, searched for the file nearest to a wanted size."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from sarcodec.bench.codecs.interface import Coded

TOLERANCE = 0.01
ATTEMPTS = 12

_BRACKET = 1e-4  # of ln(setting) or of a step: nearer settings give the same file
_OVERSHOOT = 1.1  # so that the second attempt brackets the wanted size more often than not


@dataclass(frozen=True)
class Domain:
    """What a setting may be."""

    low: float
    high: float
    rising: bool
    """Whether larger settings give larger files."""
    start: Callable[[float], float]
    """A setting for a wanted rate in bits per pixel, as real scenes have it."""
    slope: float
    """d ln(bytes) / d ln(setting) there, or per step where settings are whole; positive."""
    whole: bool = False
    """Whether settings are whole numbers, searched linearly; the others are searched by their logarithm."""

    def position(self, setting: float) -> float:
        """Where a setting lies on the axis along which files grow."""
        along = setting if self.whole else math.log(setting)
        return along if self.rising else -along

    def setting(self, position: float) -> float:
        """The setting at a position, kept within the domain."""
        along = position if self.rising else -position
        # exp(700) is finite, and beyond every domain
        value = float(round(along)) if self.whole else math.exp(min(along, 700.0))
        return min(max(value, self.low), self.high)


def nearest(
    encode: Callable[[float], bytes],
    pixels: int,
    bpp: float,
    domain: Domain,
    *,
    tolerance: float = TOLERANCE,
    attempts: int = ATTEMPTS,
) -> Coded:
    """The attempt whose size comes nearest to `bpp`.

    Ends within `tolerance`, where the domain ends, or where no setting lies between two that bracket the
    wanted size: whole settings, and codecs that jump, have no nearer file.

    Parameters
    ----------
    encode : callable
        A whole file at a setting.
    pixels : int
        Of the raster, valid or not.
    bpp : float
        Wanted bits per pixel.
    domain : Domain
    tolerance : float
        Relative size error at which the search stops.
    attempts : int
        Files made at most.
    """
    wanted = bpp * pixels / 8
    narrow = 1.0 if domain.whole else _BRACKET
    below: tuple[float, float] | None = None  # position and ln(size / wanted)
    above: tuple[float, float] | None = None
    before: tuple[float, float] | None = None
    best: Coded | None = None
    position, halve = domain.position(domain.setting(domain.position(domain.start(bpp)))), False
    for _ in range(attempts):
        setting = domain.setting(position)
        data = encode(setting)
        miss = math.log(len(data) / wanted)
        if best is None or abs(len(data) - wanted) < abs(len(best.data) - wanted):
            best = Coded(data, setting)
        if abs(len(data) / wanted - 1) <= tolerance:
            break
        here = (domain.position(setting), miss)
        below, above = (here, above) if miss < 0 else (below, here)
        if below and above:
            if above[0] - below[0] <= narrow:
                break
            position, halve = _between(below, above, narrow, halve=halve), not halve
        else:
            slope = _slope(before, here) or domain.slope
            step = _OVERSHOOT * miss / slope
            position, before = here[0] - math.copysign(max(abs(step), narrow), step), here
            if domain.setting(position) == setting:
                break  # the end of the domain
    assert best is not None
    return best


def _between(below: tuple[float, float], above: tuple[float, float], narrow: float, *, halve: bool) -> float:
    """A position inside the bracket: where the line through its ends meets zero, or its middle."""
    (low, under), (high, over) = below, above
    share = 0.5 if halve else under / (under - over)
    margin = max(0.05 * (high - low), min(narrow, (high - low) / 2))
    return min(max(low + (high - low) * share, low + margin), high - margin)


def _slope(before: tuple[float, float] | None, here: tuple[float, float]) -> float:
    """Of ln(size) between two positions; 0 where there is none to go by."""
    if before is None or before[0] == here[0]:
        return 0.0
    return max(0.0, (here[1] - before[1]) / (here[0] - before[0]))
