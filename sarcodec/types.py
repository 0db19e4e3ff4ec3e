"""Plain values that every layer shares: windows, the tile grid, scales and quantities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Self

from sarcodec.arguments import shown, whole
from sarcodec.errors import UsageError

DEVICES = ("auto", "cpu", "cuda")
"""What networks may run on; auto is cuda if there is one."""


class Scale(str, Enum):
    """What a pixel value is, and so how it becomes decibels of power."""

    DN = "dn"
    """Uncalibrated amplitude as integers; 20*log10(DN) dB."""
    AMPLITUDE = "amplitude"
    """Linear amplitude; 20*log10(value) dB."""
    POWER = "power"
    """Linear power; 10*log10(value) dB."""
    DB = "db"
    """Already decibels of power."""

    @classmethod
    def named(cls, text: object) -> Scale:
        """The scale that a text names, however people write it: dB, decibels, linear, Intensity, DN.

        Raises
        ------
        UsageError
            The text names none.
        """
        found = SCALE_NAMES.get(" ".join(text.lower().split())) if isinstance(text, str) else None
        if found is None:
            raise UsageError(
                f"scale={shown(text)} is not one of auto, {', '.join(member.value for member in cls)}",
                hint="Say what a pixel value is: dn (integers as the sensor's product has them), amplitude, "
                "power (also called linear or intensity) or db (decibels).",
            )
        return found


SCALE_NAMES = {scale.value: scale for scale in Scale} | {
    "digital number": Scale.DN,
    "digital numbers": Scale.DN,
    "linear amplitude": Scale.AMPLITUDE,
    "magnitude": Scale.AMPLITUDE,
    "intensity": Scale.POWER,
    "linear": Scale.POWER,
    "linear power": Scale.POWER,
    "decibel": Scale.DB,
    "decibels": Scale.DB,
}


class Basis(str, Enum):
    """How the scale of a band is known, strongest evidence first."""

    UNRECORDED = "unrecorded"
    """The file does not say; an encoder always does."""
    GIVEN = "given"
    """The user said it."""
    TAG = "tag"
    """A tag ``SCALE``, or one that says the same."""
    UNIT = "unit"
    """The unit of the band."""
    NAME = "name"
    """The description of the band, a well-known file name, or tags of a well-known product."""
    STATISTICS = "statistics"
    """All valid pixels of the band."""
    ASSUMED = "assumed"
    """A guess: nothing settles it."""


@dataclass(frozen=True)
class PixelScale:
    """What a stored value means: ``value * gain + addend`` is a number on `scale`."""

    scale: Scale
    gain: float = 1.0
    addend: float = 0.0

    @property
    def plain(self) -> bool:
        """Whether the stored value itself is the number."""
        return self.gain == 1 and self.addend == 0

    @staticmethod
    def of(scale: Scale | PixelScale) -> PixelScale:
        """`scale` itself, or stored values that are the numbers themselves."""
        return scale if isinstance(scale, PixelScale) else PixelScale(scale)


class Quantity(str, Enum):
    """Radiometric quantity of the pixels, as far as the source says."""

    UNKNOWN = "unknown"
    DN = "dn"
    SIGMA0 = "sigma0"
    GAMMA0 = "gamma0"
    BETA0 = "beta0"

    @classmethod
    def named(cls, text: object) -> Self:
        """The quantity of this name, in capitals or not; `UsageError` if there is none."""
        for member in cls:
            if isinstance(text, str) and text.strip().lower() == member.value:
                return member
        names = ", ".join(member.value for member in cls)
        raise UsageError(f"quantity={shown(text)} is not one of {names}", hint='Give "sigma0", say.')


class Place(NamedTuple):
    """One band of one tile; all three are counted from 0."""

    band: int
    row: int
    """Tile row."""
    col: int
    """Tile column."""

    @property
    def at(self) -> tuple[int, int]:
        """Row and column of the tile."""
        return self.row, self.col

    def of(self, band: int) -> Place:
        """The same tile in another band."""
        return Place(band, self.row, self.col)

    def around(self) -> Iterator[Place]:
        """The place itself and those that touch it in its band, whether they exist or not."""
        for row in range(self.row - 1, self.row + 2):
            for col in range(self.col - 1, self.col + 2):
                yield Place(self.band, row, col)


def first_of(groups: tuple[int, ...], band: int) -> int:
    """The first band of the group that `band` is in; itself where `groups`, in bands each, end before it."""
    first = 0
    for size in groups:
        if band < first + size:
            return first
        first += size
    return band


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels: what a user asks for, or what a tile covers.

    Raises
    ------
    UsageError
        A number is not whole, `col` or `row` is negative, or `width` or `height` is less than 1.
    """

    col: int
    row: int
    width: int
    height: int

    def __post_init__(self) -> None:
        for name in ("col", "row", "width", "height"):
            value = getattr(self, name)
            if type(value) is not int:
                object.__setattr__(self, name, whole(name, value))
        if self.col < 0 or self.row < 0 or self.width < 1 or self.height < 1:
            raise UsageError(
                f"window {self.col},{self.row},{self.width},{self.height} is not a rectangle of pixels",
                hint="Give col,row,width,height with col, row >= 0 and width, height >= 1.",
            )

    @property
    def right(self) -> int:
        """First column beyond the window."""
        return self.col + self.width

    @property
    def bottom(self) -> int:
        """First row beyond the window."""
        return self.row + self.height

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.width * self.height

    def inside(self, outer: Window) -> tuple[slice, slice]:
        """(row, column) slices of this window in an array that covers `outer`."""
        top, left = self.row - outer.row, self.col - outer.col
        return slice(top, top + self.height), slice(left, left + self.width)

    def intersect(self, other: Window) -> Window | None:
        """The common rectangle, or None where there is none."""
        col, row = max(self.col, other.col), max(self.row, other.row)
        right, bottom = min(self.right, other.right), min(self.bottom, other.bottom)
        if right <= col or bottom <= row:
            return None
        return Window(col, row, right - col, bottom - row)


@dataclass(frozen=True)
class TileGrid:
    """The coded tiles of a raster: squares of `side` pixels, row-major, cut at the right and bottom."""

    width: int
    height: int
    side: int

    @property
    def cols(self) -> int:
        """Tiles across."""
        return -(-self.width // self.side)

    @property
    def rows(self) -> int:
        """Tiles down."""
        return -(-self.height // self.side)

    @property
    def count(self) -> int:
        """Number of tiles."""
        return self.rows * self.cols

    @property
    def tiles(self) -> list[tuple[int, int]]:
        """(row, col) of every tile, row-major."""
        return [(row, col) for row in range(self.rows) for col in range(self.cols)]

    def window(self, row: int, col: int) -> Window:
        """Pixels that the tile in this row and column covers."""
        left, top = col * self.side, row * self.side
        return Window(left, top, min(self.side, self.width - left), min(self.side, self.height - top))

    def touching(self, window: Window) -> Iterator[tuple[int, int]]:
        """(row, col) of every tile that shares a pixel with `window`, row-major."""
        for row in range(window.row // self.side, -(-window.bottom // self.side)):
            for col in range(window.col // self.side, -(-window.right // self.side)):
                if row < self.rows and col < self.cols:
                    yield row, col
