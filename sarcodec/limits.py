"""Every maximum in one place. A file can never raise one; only the caller can."""

from __future__ import annotations

from dataclasses import dataclass

from sarcodec.errors import LimitError


@dataclass(frozen=True)
class Limits:
    """Largest sizes that are accepted before any memory is taken for them."""

    pixels: int = 2**31
    """Pixels per band: five times a Sentinel-1 IW GRD scene."""
    side: int = 2**20
    """Width or height in pixels."""
    bands: int = 64
    header_bytes: int = 16 * 2**20
    """Header as stored, and each metadata chunk once inflated."""
    tile_side: int = 4096
    """Side of a coded tile in pixels."""
    symbol: int = 2**15 - 1
    """Largest magnitude of a quantised latent; the entropy coder hangs far above it."""
    invalid_values: int = 16
    """Distinct invalid values (nodata, NaN, zeros, ...) that a band may hold."""


DEFAULT = Limits()


def check(name: str, value: int, maximum: int) -> int:
    """Return `value`, or raise `LimitError` where it is above `maximum`."""
    if value > maximum:
        raise LimitError(
            f"{name} is {value}, above the limit of {maximum}",
            hint="Raise the limit only for data you trust.",
        )
    return value
