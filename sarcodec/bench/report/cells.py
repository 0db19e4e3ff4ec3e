"""A table of the page: heads and cells, as the template writes them."""

from __future__ import annotations

from dataclasses import dataclass

from sarcodec.bench.report import words


@dataclass(frozen=True)
class Column:
    """Head of a column."""

    title: str
    unit: str = ""
    numeric: bool = True
    text: str = ""
    """Explanation, shown on pointing."""


@dataclass(frozen=True)
class Cell:
    """One field of a table."""

    text: str
    sort: str = ""
    """Number to sort by; empty where the text or nothing is."""
    title: str = ""
    """Explanation, shown on pointing: why a value is missing, what to mind."""
    strong: bool = False


@dataclass(frozen=True)
class Table:
    """A table of the page."""

    name: str
    """Id in the page."""
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


def value(number: float | None, digits: int, missing: str, *, signed: bool = False, note: str = "") -> Cell:
    """A cell of a number; a dash that says why where it is missing."""
    text = words.number(number, digits, signed=signed)
    if text == words.DASH or number is None:
        return Cell(words.DASH, "", missing)
    return Cell(text + ("\u2020" if note else ""), repr(float(number)), words.clean(note))


def significant(number: float | None, digits: int, missing: str) -> Cell:
    """A cell of a number with at least `digits` significant digits; a dash that says why it is missing."""
    text = words.significant(number, digits)
    if text == words.DASH or number is None:
        return Cell(words.DASH, "", missing)
    return Cell(text, repr(float(number)))


def bounds(low: float | None, high: float | None, digits: int, missing: str, *, signed: bool = False) -> Cell:
    """A cell of an interval, sorted by its lower end."""
    text = words.interval(low, high, digits, signed=signed)
    return Cell(text, repr(low)) if text else Cell(words.DASH, "", missing)


def name(text: str) -> Cell:
    """A cell of words, long ones cut in the middle with the whole in the title."""
    short = words.shortened(text, 40)
    return Cell(short, "", "" if short == text else words.clean(text))
