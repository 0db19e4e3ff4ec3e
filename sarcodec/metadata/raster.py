"""What a raster says about itself besides its pixels."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from sarcodec.arguments import number
from sarcodec.errors import UsageError
from sarcodec.georef import Transform
from sarcodec.types import Window

Tags = dict[str, dict[str, str]]
"""Namespace ("" is the default one) to key to text."""

_OFFSET = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(.*)", re.DOTALL)
"""A number, and the unit that may follow it."""


class _Fields:
    """Equal if all fields are, also if one is ``math.nan``.

    Python 3.13 compares dataclasses field by field. Tuples look first whether two values are one object.
    """

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, each.name) for each in fields(self))  # type: ignore[arg-type]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Fields) or type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())


@dataclass(frozen=True, eq=False)
class BandMeta(_Fields):
    """One band's metadata; `scale` and `offset` are carried, never applied."""

    description: str | None = None
    unit: str | None = None
    scale: float = 1.0
    offset: float = 0.0
    colorinterp: str = "undefined"
    tags: Tags = field(default_factory=dict)
    """Namespace ("" is the default one) to key to text."""


@dataclass(frozen=True, eq=False)
class Gcp(_Fields):
    """A ground control point: pixel (row, col) lies at (x, y, z) in the CRS of the GCPs."""

    row: float
    col: float
    x: float
    y: float
    z: float = 0.0
    id: str = ""
    info: str = ""


@dataclass(frozen=True, eq=False)
class RasterMeta(_Fields):
    """All of a raster but its pixels."""

    width: int
    height: int
    count: int
    dtype: str
    """NumPy's name of the pixel type."""
    nodata: float | int | None = None
    """An int where `dtype` is an integer type and the value is whole."""
    crs: str | None = None
    """``"EPSG:n"`` where that says it all, else WKT2."""
    transform: Transform | None = None
    """(a, b, c, d, e, f); None where the raster has none."""
    gcps: tuple[Gcp, ...] = ()
    gcp_crs: str | None = None
    rpcs: dict[str, str] | None = None
    tags: Tags = field(default_factory=dict)
    """Namespace ("" is the default one) to key to text."""
    bands: tuple[BandMeta, ...] = ()
    """One for each band; empty is the same as all defaults."""

    def __post_init__(self) -> None:
        if self.nodata is not None:
            number("nodata", self.nodata)
            object.__setattr__(self, "nodata", _nodata(self.nodata, self.dtype))
        if not self.bands:
            object.__setattr__(
                self, "bands", tuple(BandMeta(colorinterp=c) for c in default_colors(self.count))
            )
        if len(self.bands) != self.count:
            raise UsageError(
                f"{len(self.bands)} bands are described, {self.count} are counted",
                hint="Give one BandMeta for each band, or none.",
            )

    def selected(self, numbers: Sequence[int]) -> RasterMeta:
        """The metadata with these bands only, counted from 1."""
        return replace(self, count=len(numbers), bands=tuple(self.bands[n - 1] for n in numbers))

    def cropped(self, window: Window) -> RasterMeta:
        """The metadata of a window of this raster: transform, GCPs and RPC offsets moved along.

        RPCs whose offsets are no numbers are left out: they would place the window wrongly.
        """
        transform = self.transform
        if transform is not None:
            a, b, c, d, e, f = transform
            dx, dy = window.col, window.row
            transform = (a, b, c + a * dx + b * dy, d, e, f + d * dx + e * dy)
        rpcs = _moved_rpcs(self.rpcs, {"SAMP_OFF": window.col, "LINE_OFF": window.row})
        gcps = tuple(replace(g, row=g.row - window.row, col=g.col - window.col) for g in self.gcps)
        return replace(
            self, width=window.width, height=window.height, transform=transform, gcps=gcps, rpcs=rpcs
        )

    def reduced(self, factor: int) -> RasterMeta:
        """The metadata with one pixel for `factor` x `factor`: transform, GCPs and RPCs are scaled.

        The last column and row may stand for fewer pixels. RPCs whose numbers are no numbers are left out.
        """
        transform = self.transform
        if transform is not None:
            a, b, c, d, e, f = transform
            transform = (a * factor, b * factor, c, d * factor, e * factor, f)
        gcps = tuple(replace(g, row=g.row / factor, col=g.col / factor) for g in self.gcps)
        return replace(
            self,
            width=-(-self.width // factor),
            height=-(-self.height // factor),
            transform=transform,
            gcps=gcps,
            rpcs=_scaled_rpcs(self.rpcs, factor),
        )


def _nodata(value: float | int, dtype: str) -> float | int:
    if dtype.startswith(("int", "uint")) and math.isfinite(value) and value == int(value):
        return int(value)
    # One NaN object, so that equal metadata compare equal.
    return math.nan if math.isnan(value) else float(value)


def default_colors(count: int) -> list[str]:
    """Colour interpretations of bands of which nothing is known."""
    return ["gray" if band == 0 else "undefined" for band in range(count)]


def _moved_rpcs(rpcs: dict[str, str] | None, shifts: Mapping[str, int]) -> dict[str, str] | None:
    if not rpcs:
        return rpcs
    moved = dict(rpcs)
    for key in shifts.keys() & rpcs.keys():
        found = _OFFSET.fullmatch(rpcs[key])
        if not found:
            return None
        moved[key] = repr(float(found[1]) - shifts[key]) + found[2]
    return moved


def _scaled_rpcs(rpcs: dict[str, str] | None, factor: int) -> dict[str, str] | None:
    """RPCs count pixels from the centre of the first one, unlike transforms and GCPs."""
    if not rpcs:
        return rpcs
    scaled = dict(rpcs)
    for key in {"SAMP_OFF", "LINE_OFF", "SAMP_SCALE", "LINE_SCALE"} & rpcs.keys():
        found = _OFFSET.fullmatch(rpcs[key])
        if not found:
            return None
        number = float(found[1])
        small = (number + 0.5) / factor - 0.5 if key.endswith("_OFF") else number / factor
        scaled[key] = repr(small) + found[2]
    return scaled
