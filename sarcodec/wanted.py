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
        given = {name: value for name, value in vars(self).items() if value is not None}
        if len(given) != 1:
            raise UsageError("choose one of quality, bpp and rmse_db", hint="For example a bpp of 0.2.")
        ((name, value),) = given.items()
        usual = {"quality": "50", "bpp": "0.2", "rmse_db": "1.5"}[name]
        if not math.isfinite(value) or value <= 0:
            raise UsageError(
                f"{name} {value:g} is not a positive number", hint=f"For example a {name} of {usual}."
            )
        if self.quality is not None and not QUALITY[0] <= self.quality <= QUALITY[1]:
            raise UsageError(
                f"quality {self.quality:g} is not within {QUALITY[0]}..{QUALITY[1]}",
                hint="1 gives the smallest file, 100 the best.",
            )
