"""Panels that compare ours with one codec: BD-rate per scene, gain per tile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sarcodec.bench.report import aggregate, reading, words
from sarcodec.bench.report.drawing import Panel
from sarcodec.bench.report.style import INK, MUTED, PAPER, styles
from sarcodec.bench.results import OURS, REFERENCE, BdRow, Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW = 0.21  # inches
_FARTHEST = 60.0  # percent; beyond it a figure is written at the edge, so that the others can be told apart


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
            if percent > _FARTHEST:
                axes.annotate(
                    f"{words.number(percent, 0, signed=True)} %", (_FARTHEST, place), (-34, 0),
                    textcoords="offset points", va="center", fontsize=7, color=MUTED,
                    arrowprops={"arrowstyle": "->", "color": MUTED, "lw": 0.9},
                )  # fmt: skip
                continue
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
        if any(percent > _FARTHEST for _, percent, *_ in rows):
            axes.set_xlim(right=1.02 * _FARTHEST)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(f"BD-rate against {title}, %")

    figures = ", ".join(f"{label} {words.number(percent, 1, signed=True)} %" for label, percent, *_ in rows)
    caption = (
        "Each image's mean difference of file size at equal RMSE; left of zero sarcodec's files are smaller. "
        "Diamonds are means, bars their 95 % intervals, groups of images resampled. Hollow circles carry a "
        "warning and are in no mean."
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
    """Histogram of the PSNR gain over JPEG 2000 per tile, at the rate of the headline."""
    rate = words.shown_rate(results)
    gains = reading.tile_gains(results, REFERENCE, rate) if rate is not None else []
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
        axes.axvline(float(np.mean(gains)), color=INK, lw=1.1, ls=(0, (4, 2)))
        axes.grid(visible=False, axis="x")
        axes.set_xlabel(f"PSNR above {title}, dB")
        axes.set_ylabel("tiles")

    mean = words.number(float(np.mean(gains)), 2, signed=True)
    caption = (
        f"Difference of PSNR on {words.counted(len(gains), 'tile')} of 128x128 pixels, both curves of each "
        f"read off at exactly {rate:g} bpp of the whole file: sarcodec has the smaller error on "
        f"{100 * share:.1f} % of them. Dashed: mean, {mean} dB."
    )
    return [Panel("tiles", "Gain per tile", caption, caption, draw, (7.2, 2.6))]
