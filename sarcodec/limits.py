"""Every maximum in one place. A file can never raise one; only the caller can."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sarcodec.arguments import shown, whole
from sarcodec.errors import LimitError, UsageError


@dataclass(frozen=True)
class Limits:
    """Largest sizes that are accepted before any memory is taken for them.

    Raises
    ------
    UsageError
        One is not a whole number of 1 or more.
    """

    pixels: int = 2**31
    """Pixels per band: five times a Sentinel-1 IW GRD scene."""
    side: int = 2**20
    """Width or height in pixels."""
    bands: int = 64
    header_bytes: int = 16 * 2**20
    """Header as stored."""
    text_bytes: int = 4 * 2**20
    """Metadata text once inflated: GCPs, tags, everything but CRS and transform."""
    gcps: int = 65_536
    tags: int = 16_384
    """Tags of the raster and its bands, all namespaces together; GDAL's time grows with their square."""
    tile_side: int = 2048
    """Side of a coded tile in pixels."""
    memory: int = 4 * 2**30
    """Bytes that a decode may take: for the tiles it works on, and for an array that it returns."""
    symbol: int = 2**15 - 1
    """Largest magnitude of a quantised latent; the entropy coder hangs far above it."""
    invalid_values: int = 16
    """Distinct invalid values (nodata, NaN, zeros, ...) that a band may hold."""

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            object.__setattr__(self, name, whole(name, getattr(self, name), least=1))


DEFAULT = Limits()

FIXED = ("symbol", "invalid_values")
"""Limits that belong to the format: raising one would make files that others refuse."""
SETTABLE = tuple(name for name in Limits.__dataclass_fields__ if name not in FIXED)


def limits_of(given: object) -> Limits:
    """`Limits` as they are, or the default ones changed by a mapping such as ``{"bands": 100}``.

    Raises
    ------
    UsageError
        It is neither, there is no such limit, or one is not a whole number of 1 or more.
    """
    if isinstance(given, Limits):
        return given
    if not isinstance(given, Mapping):
        raise UsageError(
            f"limits={shown(given)} are no limits", hint="Give sarcodec.Limits(bands=100), for example."
        )
    for name in given:
        if name not in SETTABLE and given[name] != getattr(DEFAULT, str(name), None):
            raise UsageError(f"{shown(name)} is no limit", hint=f"The defaults are {_known()}.")
    return replace(DEFAULT, **given)


def limits_from(pairs: Iterable[str]) -> Limits:
    """The default limits changed by texts such as ``pixels=4e9``.

    Raises
    ------
    UsageError
        A text is no such pair, or there is no such limit.
    """
    chosen = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        try:
            value = int(text) if text.isdecimal() else int(float(text))
        except (ValueError, OverflowError):
            value = 0
        if name not in SETTABLE or value < 1:
            raise UsageError(f"{pair} is no limit", hint=f"Give NAME=NUMBER; the defaults are {_known()}.")
        chosen[name] = value
    return replace(DEFAULT, **chosen)


def _known() -> str:
    return ", ".join(f"{key}={getattr(DEFAULT, key)}" for key in SETTABLE)


def check(name: str, value: int, maximum: int, *, limit: str = "") -> int:
    """Return `value`, or raise `LimitError` where it is above `maximum`, the value of the field `limit`."""
    if value > maximum:
        how = f"--limit {limit}={value}, or limits=Limits({limit}={value}), allows it: " if limit else ""
        raise LimitError(
            f"{name} is {value}, above the limit of {maximum}",
            hint=f"{how}raise a limit only for data you trust.",
        )
    return value
