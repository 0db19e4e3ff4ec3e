"""Which corrections there are, in the order of their layers, and how users ask for them. Imports no NumPy.

Those that a decoder applies wherever a file has them come first: the others are measured on top of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from sarcodec.arguments import flag, shown, whole
from sarcodec.bitstream.layout import GAIN_SIDES, LayerKind
from sarcodec.corrections.correction import Correction, Flag, OnDemand
from sarcodec.errors import UsageError


def _gain_cells(name: str, value: object) -> bool | int:
    """Whether gains are wanted, or the side of their cells in pixels."""
    try:
        return flag(name, value)
    except UsageError:
        side = whole(name, value)
    if side not in GAIN_SIDES:
        raise UsageError(
            f"gains cannot be measured on cells of {side} pixels",
            hint=f"Give one of {', '.join(map(str, GAIN_SIDES))}.",
        )
    return side


def _gain_flags(given: Mapping[str, Any]) -> bool | int:
    cell, radiometry = given["gain_cell"], bool(given["radiometry"])
    if cell == "auto":
        return radiometry
    if not radiometry:
        raise UsageError(f"--gain-cell {cell} is of no use without --radiometry", hint="Give both.")
    return int(cell)


def _texture_name(_name: str, value: object) -> str | None:
    if value is not None and not (isinstance(value, str) and value == "speckle"):
        raise UsageError(f"there is no texture {shown(value)}", hint='Give "speckle".')
    return value


BRIGHT_TARGETS = Correction(
    LayerKind.BRIGHT_TARGETS,
    "sarcodec.corrections.bright_targets",
    wish="targets",
    wish_flags=(
        Flag("targets", "Store by how much bright point targets come back too low; decode raises them."),
    ),
    use="targets",
    use_flag=Flag("no_targets", "Leave bright targets as low as smoothing made them."),
    check_wish=flag,
    check_use=flag,
    wish_of=lambda given: given["targets"],
    use_of=lambda off: not off,
    told_in_bpp=True,
)
GAINS = Correction(
    LayerKind.GAIN_GRID,
    "sarcodec.corrections.gains",
    wish="radiometry",
    wish_flags=(
        Flag("radiometry", "Store the gains that decode --unbiased brings mean power back with."),
        Flag(
            "gain_cell",
            "Pixels a side of the cells of --radiometry; smaller ones take more bytes. auto: 64 or 32.",
            ("auto", *map(str, GAIN_SIDES)),
        ),
    ),
    use="unbiased",
    use_flag=Flag("unbiased", "Bring mean power back with the gains that encode --radiometry stored."),
    check_wish=_gain_cells,
    check_use=flag,
    wish_of=_gain_flags,
    use_of=bool,
    on_demand=OnDemand(
        missing=(
            "the file has no gain grid, so mean power cannot be brought back",
            "Encode the source anew with --radiometry, or decode without --unbiased.",
        ),
        base_only=(
            "gains are those of all layers together, not of the base layer",
            "Choose one of --unbiased and --base-only.",
        ),
        reduced=(
            "gains are those of whole pixels, not of their means in decibels",
            "Choose one of unbiased and reduce.",
        ),
        without=(
            "gains are those of pixels whose bright targets are raised",
            "Choose one of --unbiased and --no-targets.",
        ),
    ),
    tag="unbiased power",
)
TEXTURE = Correction(
    LayerKind.TEXTURE,
    "sarcodec.corrections.texture",
    wish="texture",
    wish_flags=(
        Flag("texture", "Store what decode --texture speckle makes noise like the lost speckle of."),
    ),
    use="texture",
    use_flag=Flag(
        "texture",
        "Add noise like the speckle that was left out, of what encode --texture stored.",
        ("none", "speckle"),
    ),
    check_wish=flag,
    check_use=_texture_name,
    wish_of=lambda given: given["texture"],
    use_of=lambda name: None if name == "none" else name,
    on_demand=OnDemand(
        missing=(
            "the file has no texture to make speckle of",
            "Encode the source anew with --texture, or decode without --texture.",
        ),
        base_only=(
            "noise stands in for what all layers together leave out, not the base layer",
            "Choose one of --texture and --base-only.",
        ),
        reduced=(
            "noise is made for whole pixels, not for their means in decibels",
            "Choose one of texture and reduce.",
        ),
        without=(
            "noise is that of pixels whose bright targets are raised",
            "Choose one of --texture and --no-targets.",
        ),
        beside=(
            "textured pixels have about the source's mean power without gains",
            "Choose one of --texture and --unbiased.",
        ),
    ),
    tag="textured: speckle synthesised",
)

CORRECTIONS = (BRIGHT_TARGETS, GAINS, TEXTURE)
"""All of them."""


class Wishes(TypedDict, total=False):
    """Keywords of encode, by :attr:`Correction.wish`."""

    radiometry: bool | int
    targets: bool
    texture: bool


class Uses(TypedDict, total=False):
    """Keywords of decode, by :attr:`Correction.use`."""

    unbiased: bool
    targets: bool
    texture: str | None


@dataclass(frozen=True, kw_only=True)
class WishFields:
    """Fields of the options of an encode, by :attr:`Correction.wish`."""

    radiometry: bool | int = False
    targets: bool = False
    texture: bool = False


@dataclass(frozen=True, kw_only=True)
class UseFields:
    """Fields of the options of a decode, by :attr:`Correction.use`."""

    unbiased: bool = False
    targets: bool = True
    texture: str | None = None
