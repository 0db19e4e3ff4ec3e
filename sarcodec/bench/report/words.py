"""How the report writes names, numbers and reasons: one place for terminal, plots and page."""

from __future__ import annotations

import math
from collections.abc import Iterable

from sarcodec.bench.measures import BY_NAME, Better
from sarcodec.bench.results import OURS, REFERENCE, CodecInfo, Results

DASH = "\u2013"
MINUS = "\u2212"
NO_FIGURE = "no figure at this rate"

_SHOWN_BPP = 0.2

_DIGITS = {"psnr_db": 2, "notes_psnr": 2, "bound_gap_db": 2, "truth_gain_db": 2, "bright_peak_rms_db": 2}
_SIGNED = {"bias_db", "bias_cell_p5_db", "bias_cell_p95_db", "lag1_change", "truth_gain_db"}
_BLOCKS = "no homogeneous blocks in the scene, or constant ones in the decoded image"
_WHY = {
    "psnr_db": "infinite: every value came back",
    "bound_gap_db": "no error to compare, or the scene is too small for a spectrum",
    "enl_ratio": _BLOCKS,
    "ks_speckle": _BLOCKS,
}
_BETTER = {
    Better.HIGH: "higher is better",
    Better.LOW: "lower is better",
    Better.ONE: "1 is ideal",
    Better.ZERO: "0 is ideal",
    Better.NEITHER: "",
}


def clean(text: str) -> str:
    """`text` without what a terminal or a page would not print: each such character becomes a ``?``.

    Names of files and bands come from strangers; they may hold escape sequences and bytes of no encoding.
    """
    return "".join(char if char.isprintable() else "?" for char in text)


def shortened(text: str, width: int) -> str:
    """`text`, cleaned, of at most `width` characters: cut in the middle, where names differ least."""
    text = clean(text)
    if len(text) <= width:
        return text
    tail = (width - 2) // 2
    return f"{text[: width - 2 - tail]}..{text[len(text) - tail :]}"


def number(value: float | None, digits: int, *, signed: bool = False) -> str:
    """`value` for the page: a true minus sign, no negative zero, a dash where there is none."""
    if value is None or not math.isfinite(value):
        return DASH
    text = f"{abs(value):.{digits}f}"
    if not any(digit in text for digit in "123456789"):
        return text
    return (MINUS if value < 0 else "+" if signed else "") + text


def significant(value: float | None, digits: int) -> str:
    """`value` with at least `digits` significant digits, as ``0.016``, ``1.2`` and ``123`` have two."""
    if not value or not math.isfinite(value):
        return number(value, 0)
    rounded = float(f"{value:.{digits - 1}e}")  # 9.96 is 10, and needs a digit less
    return number(value, max(0, digits - 1 - math.floor(math.log10(abs(rounded)))))


def figure(name: str, value: float | None) -> str:
    """`value` of the measure `name` with its digits."""
    return number(value, _DIGITS.get(name, 3), signed=name in _SIGNED)


def why_missing(name: str) -> str:
    """Why a point may have no figure of the measure `name`."""
    return _WHY.get(name, NO_FIGURE)


def better(name: str) -> str:
    """Where the measure `name` is good, in words; nothing where it describes and does not judge."""
    return _BETTER[BY_NAME[name].better]


def interval(low: float | None, high: float | None, digits: int, *, signed: bool = False) -> str:
    """``low to high``, or nothing where either is missing."""
    if low is None or high is None:
        return ""
    return f"{number(low, digits, signed=signed)} to {number(high, digits, signed=signed)}"


def probability(value: float | None) -> str:
    """``p = 0.012``, ``p < 0.001``, or why there is none."""
    if value is None:
        return "too few for a test"
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def counted(count: int, one: str, many: str = "") -> str:
    """``1 scene``, ``3 scenes``."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def joined(parts: Iterable[str]) -> str:
    """``a, b and c``."""
    *first, last = [*parts] or [""]
    return f"{', '.join(first)} and {last}" if first else last


def shown_rate(results: Results) -> float | None:
    """The wanted rate nearest to 0.2 bpp: of headline, pictures, opened table and gains of tiles."""
    return min(results.rates, key=lambda rate: abs(rate - _SHOWN_BPP), default=None)


def titles(results: Results) -> dict[str, str]:
    """Codec to its name for people; every codec that any table names is there."""
    named = {codec.name: clean(codec.title) for codec in results.codecs}
    return {name: named.get(name, clean(name)) for name in codec_names(results)}


def codec_names(results: Results) -> list[str]:
    """Every codec of any table: ours, JPEG 2000, then the others in their order."""
    seen = [codec.name for codec in results.codecs] + [point.codec for point in results.points]
    seen += [name for row in results.bd_rate for name in (row.test, row.reference)]
    seen += [name for row in results.bd_summary for name in (row.test, row.reference)]
    seen += [row.peer for row in results.paired] + [row.codec for row in results.speed]
    seen += [name for shown in results.shown for name in shown.pictures if name in shown.labels]
    known = dict.fromkeys(name for name in seen if name != "original")
    first = [name for name in (OURS, REFERENCE) if name in known]
    return first + [name for name in known if name not in first]


def lossless(results: Results) -> list[CodecInfo]:
    """Codecs that return every value."""
    return [codec for codec in results.codecs if codec.lossless]


def unthreaded(results: Results) -> set[str]:
    """Codecs that use one thread whatever they are given."""
    return {codec.name for codec in results.codecs if not codec.threaded}
