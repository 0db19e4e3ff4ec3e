"""Panels of speed: each codec's as a multiple of JPEG 2000's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sarcodec.bench.report import words
from sarcodec.bench.report.drawing import Panel
from sarcodec.bench.report.style import MUTED, Style, styles
from sarcodec.bench.results import REFERENCE, Results, SpeedRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DECADES = tuple(10.0**power for power in range(-5, 6))
_LEFT, _RIGHT = 0.22, 0.16
"""Parts of the axis beyond the shortest and the longest bar, where their figures stand."""


def speed_panels(results: Results) -> list[Panel]:
    """Speed of encoding and of decoding as multiples of JPEG 2000's, at the rate nearest the headline's."""
    panels = []
    for what, ratio in (("encode", "encode_ratio"), ("decode", "decode_ratio")):
        rows = [
            (row, float(getattr(row, ratio)))
            for row in speed_rows(results)
            if getattr(row, ratio) is not None
        ]
        if any(row.codec != REFERENCE for row, _ in rows):
            panels.append(_speed_panel(results, what, rows))
    return panels


def speed_rows(results: Results) -> list[SpeedRow]:
    """A row per codec and number of threads: that of the rate nearest the headline's, or its only one."""
    shown = words.shown_rate(results) or 0.0
    found: dict[tuple[str, int], SpeedRow] = {}
    for row in results.speed:
        before = found.get((row.codec, row.threads))
        if before is None or abs(row.bpp - shown) < abs(before.bpp - shown):
            found[row.codec, row.threads] = row
    order = {name: place for place, name in enumerate(words.codec_names(results))}
    return sorted(found.values(), key=lambda row: (order[row.codec], row.threads))


def ends(ratios: Sequence[float]) -> tuple[float, float]:
    """Ends of a logarithmic axis on which bars from 1 to `ratios` leave room for their figures."""
    low, high = min(1.0, *ratios), max(1.0, *ratios)
    span = max(math.log(high / low), math.log(2)) / (1 - _LEFT - _RIGHT)
    return low * math.exp(-_LEFT * span), high * math.exp(_RIGHT * span)


def _speed_panel(results: Results, what: str, rows: Sequence[tuple[SpeedRow, float]]) -> Panel:
    title, look = words.titles(results), styles(words.codec_names(results))
    alone = words.unthreaded(results) & {row.codec for row, _ in rows}
    twice = len(rows) > len({row.codec for row, _ in rows})
    labels = [
        words.shortened(title[row.codec], 19)
        + (", " + words.counted(row.threads, "thread") if twice else "")
        + ("\u2020" if row.codec in alone else "")
        for row, _ in rows
    ]

    def draw(axes: Axes) -> None:
        for place, (row, ratio) in enumerate(rows):
            _bar(axes, place, ratio, look[row.codec])
        low, high = ends([ratio for _, ratio in rows])
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        axes.axvline(1, color=MUTED, lw=1.1)
        steps = (1, 2, 5) if high / low < 50 else (1,)
        inside = [step * decade for decade in _DECADES for step in steps if low <= step * decade <= high]
        axes.set_xticks(inside, [f"{tick:g}" for tick in inside])
        axes.set_xticks([], minor=True)
        axes.set_yticks(range(len(rows)), labels)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(f"speed to {what}, times {title.get(REFERENCE, REFERENCE)}'s")

    figures = (
        f"{label} {words.significant(ratio, 2)}" for label, (_, ratio) in zip(labels, rows, strict=True)
    )
    alt = f"Speed to {what} as multiples of JPEG 2000's: {', '.join(figures)}."
    caption = (
        f"Megapixels per second to {what}, over those of JPEG 2000 in the same run; right of 1 is faster."
    )
    if alone:
        given = max(row.threads for row, _ in rows)
        caption += f" \u2020 uses one thread only; the others were given {given}."
    size = (4.4, 0.75 + 0.27 * len(rows))
    return Panel(f"speed-{what}", f"Speed to {what}", alt, caption, draw, size, (1.55, 0.5, 0.15, 0.1))


def _bar(axes: Axes, place: int, ratio: float, style: Style) -> None:
    gid = f"codec-{style.number}"
    axes.barh(place, ratio - 1, left=1, height=0.62, color=style.light, zorder=2)[0].set_gid(gid)
    right = ratio >= 1
    axes.annotate(words.significant(ratio, 2), (ratio, place), (4 if right else -4, 0),
                  textcoords="offset points", va="center", ha="left" if right else "right", fontsize=8.5,
                  gid=gid)  # fmt: skip
