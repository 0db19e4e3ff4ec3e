"""Panels that compare ours with one codec: BD-rate per scene, gain per tile, speed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sarcodec.bench.report import aggregate, words
from sarcodec.bench.report.drawing import Panel
from sarcodec.bench.report.style import INK, MUTED, PAPER, Style, styles
from sarcodec.bench.results import OURS, REFERENCE, BdRow, Results, SpeedRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW = 0.21  # inches
_DECADES = (0.001, 0.01, 0.1, 1, 10, 100, 1000)


def bd_panels(results: Results) -> list[Panel]:
    """BD-rate of ours against JPEG 2000 per scene, and the means by kind with their intervals."""
    by_scene = {
        row.scene: row
        for row in results.bd_rate
        if (row.test, row.reference) == (OURS, REFERENCE) and row.percent is not None
    }
    if not by_scene:
        return []
    rows: list[tuple[str, float, float | None, float | None, str]] = []
    for kind, scenes in aggregate.kinds(results).items():
        found = [by_scene[scene.name] for scene in scenes if scene.name in by_scene]
        rows += [_scene_row(row) for row in sorted(found, key=lambda row: row.percent or 0.0)]
        rows += _mean_row(results, kind, f"mean, {words.shortened(kind, 24)}")
    rows += _mean_row(results, "", "mean, all")
    title, style = words.titles(results)[REFERENCE], styles(words.codec_names(results))[OURS]

    def draw(axes: Axes) -> None:
        axes.axvline(0, color=MUTED, lw=1.1)
        for place, (_, percent, low, high, mark) in enumerate(rows):
            colour, face = (INK, INK) if mark == "D" else (style.light, style.light)
            if low is not None and high is not None:
                axes.plot([low, high], [place, place], color=INK, lw=1.6, solid_capstyle="butt")
            axes.plot(percent, place, marker=mark[0], ms=6, color=colour, ls="",
                      mfc=PAPER if mark == "o open" else face)  # fmt: skip
        axes.set_yticks(range(len(rows)), [label for label, *_ in rows])
        for label, (_, _, _, _, mark) in zip(axes.get_yticklabels(), rows, strict=True):
            label.set_fontsize(8)
            label.set_fontweight("bold" if mark == "D" else "normal")
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(f"BD-rate against {title}, %")

    figures = ", ".join(f"{label} {words.number(percent, 1, signed=True)} %" for label, percent, *_ in rows)
    caption = (
        "Each image's mean difference of file size at equal RMSE; left of zero sarcodec's files are smaller. "
        "Diamonds are means, bars their 95 % intervals, files resampled. Hollow circles carry a warning."
    )
    size = (7.2, 0.75 + _ROW * len(rows))
    return [Panel("bd", "BD-rate per image", figures, caption, draw, size, (2.3, 0.5, 0.2, 0.1))]


def _scene_row(row: BdRow) -> tuple[str, float, None, None, str]:
    mark = "o open" if row.warning else "o"
    return words.shortened(row.scene, 30), row.percent or 0.0, None, None, mark


def _mean_row(
    results: Results, kind: str, label: str
) -> list[tuple[str, float, float | None, float | None, str]]:
    found = aggregate.summary_of(results, OURS, REFERENCE, kind)
    if found is None or found.mean_percent is None:
        return []
    return [(label, found.mean_percent, found.low_percent, found.high_percent, "D")]


def tile_panels(results: Results) -> list[Panel]:
    """Histogram of the PSNR gain over JPEG 2000 per tile, at the middle rate."""
    rate = words.middle_rate(results)
    gains = aggregate.tile_gains(results, REFERENCE, rate) if rate is not None else []
    if not gains:
        return []
    title, style = words.titles(results)[REFERENCE], styles(words.codec_names(results))[OURS]
    share = float(np.mean(np.array(gains) > 0))

    def draw(axes: Axes) -> None:
        low, high = min(0.0, *gains), max(0.0, *gains)
        edges = np.linspace(low, high, 41) if high > low else np.array([-0.05, 0.05])
        counts, _ = np.histogram(gains, edges)
        axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=style.light, alpha=0.8,
                 ec=PAPER, lw=0.4)  # fmt: skip
        axes.axvline(0, color=MUTED, lw=1.1)
        mean = float(np.mean(gains))
        axes.axvline(mean, color=INK, lw=1.1, ls=(0, (4, 2)))
        axes.grid(visible=False, axis="x")
        axes.set_xlabel(f"PSNR above {title}, dB")
        axes.set_ylabel("tiles")

    caption = (
        f"Difference of PSNR on {words.counted(len(gains), 'tile')} of 128x128 pixels at {rate:g} bpp: "
        f"sarcodec has the smaller error on {100 * share:.1f} % of them. Dashed: mean, "
        f"{words.number(float(np.mean(gains)), 2, signed=True)} dB."
    )
    return [Panel("tiles", "Gain per tile", caption, caption, draw, (7.2, 2.6))]


def speed_panels(results: Results) -> list[Panel]:
    """Speed of encoding and of decoding as multiples of JPEG 2000's, at the rate nearest the middle one."""
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
    """A row per codec and number of threads: that of the rate nearest the middle one, or its only one."""
    middle = words.middle_rate(results) or 0.0
    found: dict[tuple[str, int], SpeedRow] = {}
    for row in results.speed:
        before = found.get((row.codec, row.threads))
        if before is None or abs(row.bpp - middle) < abs(before.bpp - middle):
            found[row.codec, row.threads] = row
    order = {name: place for place, name in enumerate(words.codec_names(results))}
    return sorted(found.values(), key=lambda row: (row.threads, order[row.codec]))


def _speed_panel(results: Results, what: str, rows: Sequence[tuple[SpeedRow, float]]) -> Panel:
    title, look = words.titles(results), styles(words.codec_names(results))
    several = len({row.threads for row, _ in rows}) > 1
    labels = [
        words.shortened(title[row.codec], 20)
        + (f", {words.counted(row.threads, 'thread')}" if several else "")
        for row, _ in rows
    ]

    def draw(axes: Axes) -> None:
        for place, (row, ratio) in enumerate(rows):
            _bar(axes, place, ratio, look[row.codec])
        low, high = min(1.0, *(ratio for _, ratio in rows)), max(1.0, *(ratio for _, ratio in rows))
        axes.set_xscale("log")
        axes.set_xlim(low / 1.9, high * 1.9)
        axes.axvline(1, color=MUTED, lw=1.1)
        steps = (1, 2, 5) if high / low < 30 else (1,)
        ticks = [step * decade for decade in _DECADES for step in steps]
        inside = [tick for tick in ticks if low / 1.9 <= tick <= high * 1.9]
        axes.set_xticks(inside, [f"{tick:g}" for tick in inside])
        axes.set_xticks([], minor=True)
        axes.set_yticks(range(len(rows)), labels)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(f"speed to {what}, times {title.get(REFERENCE, REFERENCE)}'s")

    figures = ", ".join(f"{label} {ratio:.2g}" for label, (_, ratio) in zip(labels, rows, strict=True))
    alt = f"Speed to {what} as multiples of JPEG 2000's: {figures}."
    size = (4.4, 0.75 + 0.27 * len(rows))
    caption = (
        f"Megapixels per second to {what}, over those of JPEG 2000 in the same run; right of 1 is faster."
    )
    return Panel(f"speed-{what}", f"Speed to {what}", alt, caption, draw, size, (1.55, 0.5, 0.15, 0.1))


def _bar(axes: Axes, place: int, ratio: float, style: Style) -> None:
    gid = f"codec-{style.number}"
    axes.barh(place, ratio - 1, left=1, height=0.62, color=style.light, zorder=2)[0].set_gid(gid)
    right = ratio >= 1
    axes.annotate(f"{ratio:.2g}" if ratio < 10 else f"{ratio:.0f}", (ratio, place), (4 if right else -4, 0),
                  textcoords="offset points", va="center", ha="left" if right else "right", fontsize=8.5,
                  gid=gid)  # fmt: skip
