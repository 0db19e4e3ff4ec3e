"""The rate that is asked for; it is checked without anything slow."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sarcodec.errors import UsageError

QUALITY = (1, 100)
"""Least and best."""


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
