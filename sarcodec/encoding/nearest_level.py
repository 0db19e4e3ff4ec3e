"""The level whose size or error is nearest to a goal, in few trials."""

from __future__ import annotations

from collections.abc import Callable, Iterable

CLOSE = 0.002
"""Relative distance from a goal at which a search over the sample ends."""


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
