"""Colours and marks: one look for a codec in every plot, light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sarcodec.bench.results import OURS, REFERENCE

INK, MUTED, GRID, SHADE, PAPER = "#1b1f24", "#5f6b76", "#e1e5ea", "#c4ccd5", "#fefefe"
INKS = {"ink": INK, "muted": MUTED, "grid": GRID, "shade": SHADE, "paper": PAPER}
"""CSS variable of the page to the colour that plots are drawn in."""


@dataclass(frozen=True)
class Style:
    """How a codec is drawn."""

    number: int
    """Its place: the page knows it as ``codec-NUMBER``."""
    light: str
    dark: str
    """Its colour on a dark page."""
    marker: str
    width: float
    """Points."""
    size: float
    """Of the marker, points."""
    order: float
    """Of drawing: ours lies on top."""


_OURS = ("#0b5fd8", "#62aaff", "o")
_REFERENCE = ("#2b2b2c", "#f2f2f0", "s")
_PEERS = (
    ("#c2571a", "#f2975f", "^"),
    ("#12836b", "#4cc9ac", "D"),
    ("#9a4f96", "#d695d2", "v"),
    ("#a3861b", "#d9be55", "P"),
    ("#c65b6f", "#f19aaa", "X"),
    ("#5b7d1f", "#a5c763", "<"),
    ("#3f8fb0", "#86c9e4", ">"),
    ("#7a5b45", "#c3a38c", "h"),
    ("#6f6fb5", "#ababea", "p"),
    ("#8a8d91", "#b4b8bd", "*"),
)
_PLACES = {
    "jpegxl": 0, "avif": 1, "zfp": 2, "sz3": 3, "lerc": 4, "htj2k": 5, "webp": 6, "sperr": 7,
}  # fmt: skip
"""Codecs that keep their colour whoever else takes part."""


def styles(codecs: Sequence[str]) -> dict[str, Style]:
    """A style per codec, all different up to twelve of them."""
    taken = {_PLACES[name] for name in codecs if name in _PLACES}
    free = [place for place in range(len(_PEERS)) if place not in taken] or [len(_PEERS) - 1]
    given: set[int] = set()
    found: dict[str, Style] = {}
    for number, name in enumerate(codecs):
        if name == OURS:
            found[name] = Style(number, *_OURS, 2.4, 5.5, 6)
        elif name == REFERENCE:
            found[name] = Style(number, *_REFERENCE, 1.7, 4.5, 5)
        else:
            place = _PLACES.get(name, -1)
            if place < 0 or place in given:
                place = free[0]
                free = free[1:] or free
            given.add(place)
            found[name] = Style(number, *_PEERS[place], 1.2, 4.5, 4)
    return found


def variables(known: dict[str, Style], *, dark: bool) -> str:
    """CSS that gives every codec's variable its colour."""
    return "".join(
        f"--codec-{style.number}:{style.dark if dark else style.light};" for style in known.values()
    )
