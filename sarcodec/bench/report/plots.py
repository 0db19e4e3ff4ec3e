"""Panels of rate, distortion and every other measure: a line per codec over bits per pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sarcodec.bench.measures import BY_NAME, MEASURES
from sarcodec.bench.report import aggregate, reading, words
from sarcodec.bench.report.axes import Line, curves, exact_marks, rate_axis
from sarcodec.bench.report.drawing import Panel
from sarcodec.bench.report.style import MUTED, SHADE, Style, styles
from sarcodec.bench.results import OURS, REFERENCE, Point, Results, SceneInfo

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_APART = {
    "rmse_db", "psnr_db", "bound_gap_db", "truth_rmse_db", "notes_psnr", "notes_ssim", "bias_cell_p5_db",
    "bias_cell_p95_db",
}  # fmt: skip
"""Measures that stand in plots of their own or in tables alone."""
_LABEL = 34  # letters beside an axis
_FAR = 1.3  # times the largest error of ours and of JPEG 2000, beyond which a curve may leave its panel


def legend(results: Results) -> list[tuple[str, Style]]:
    """Title and style of each codec that has a curve."""
    look, title = styles(words.codec_names(results)), words.titles(results)
    shown = {point.codec for point in results.points if point.wanted_bpp is not None}
    return [(title[name], look[name]) for name in look if name in shown]


def rd_panels(results: Results) -> list[Panel]:
    """Mean RMSE at the wanted rates: all scenes, then each kind of them, if there are several kinds."""
    groups = {"all": list(results.scenes)}
    kinds = aggregate.kinds(results)
    if len(kinds) > 1:
        groups |= {words.clean(kind): scenes for kind, scenes in kinds.items()}
    panels = []
    for place, (group, scenes) in enumerate(groups.items()):
        names = [scene.name for scene in scenes]
        found = aggregate.means(results, "rmse_db", names)
        lines = _lines(results, found)
        if not lines:
            continue
        exact = _exact([point for point in results.points if point.scene in set(names)])
        title = f"{group}, {words.counted(len(scenes), 'image')}"
        panels.append(_rd_panel(results, f"rd-{place}", title, lines, scenes, exact))
    return panels


def scene_panels(results: Results) -> list[Panel]:
    """RMSE over rate, a panel per scene, its points where the files are."""
    panels = []
    for place, scene in enumerate(results.scenes):
        points = [point for point in results.points if point.scene == scene.name]
        found: dict[str, list[tuple[float, float]]] = {}
        for point in points:
            error = reading.value(point, "rmse_db")
            if point.wanted_bpp is not None and error is not None:
                found.setdefault(point.codec, []).append((point.bpp, error))
        lines: list[Line] = []
        for name in words.codec_names(results):
            if name in found:
                rates, errors = zip(*sorted(found[name]), strict=True)
                lines.append((name, rates, errors))
        if lines:
            title = words.shortened(scene.name, 44)
            panels.append(_rd_panel(results, f"scene-{place}", title, lines, [scene], _exact(points)))
    return panels


def bound_panels(results: Results) -> list[Panel]:
    """Distance to the Gaussian bound over rate, mean of scenes."""
    return [_measure_panel(results, "bound_gap_db")] if _has(results, "bound_gap_db") else []


def measure_panels(results: Results) -> list[Panel]:
    """A panel for each other measure that any scene has, in the order of `MEASURES`."""
    names = [measure.name for measure in MEASURES if measure.name not in _APART]
    return [_measure_panel(results, name) for name in names if _has(results, name)]


def _has(results: Results, measure: str) -> bool:
    return bool(aggregate.means(results, measure))


def _lines(results: Results, found: Sequence[aggregate.Mean]) -> list[Line]:
    lines: list[Line] = []
    for name in words.codec_names(results):
        own = [mean for mean in found if mean.codec == name]
        if own:
            lines.append((name, [mean.bpp for mean in own], [mean.value for mean in own]))
    return lines


def _exact(points: Sequence[Point]) -> dict[str, float]:
    """Mean rate of each lossless codec."""
    rates: dict[str, list[float]] = {}
    for point in points:
        if point.wanted_bpp is None:
            rates.setdefault(point.codec, []).append(point.bpp)
    return {codec: float(np.mean(found)) for codec, found in rates.items()}


def _rd_panel(
    results: Results,
    name: str,
    title: str,
    lines: Sequence[Line],
    scenes: Sequence[SceneInfo],
    exact: dict[str, float],
) -> Panel:
    def draw(axes: Axes) -> None:
        low, high = rate_axis(axes, results, lines)
        curves(axes, results, lines)
        values = [error for _, _, errors in lines for error in errors]
        grid = np.geomspace(low, high, 60)
        bound = aggregate.mean_bound(scenes, [float(rate) for rate in grid])
        floor = 0.94 * float(np.nanmin(values + (bound or [])))
        top = 1.05 * _tallest(lines)
        if bound is not None:
            axes.fill_between(grid, floor, np.maximum(bound, floor), color=SHADE, alpha=0.35, lw=0)
            axes.plot(grid, bound, color=MUTED, lw=1.1, ls=(0, (4, 2)), zorder=3)
        axes.set_ylim(floor, top)
        above = [words.titles(results)[codec] for codec, _, errors in lines if min(errors) > top]
        if above:
            axes.text(0.03, 0.04, f"above: {', '.join(above)}", transform=axes.transAxes, fontsize=7,
                      color=MUTED)  # fmt: skip
        axes.set_ylabel("RMSE, dB")
        exact_marks(axes, results, exact, high)

    errors = [f"{words.titles(results)[codec]} {values[-1]:.2f} dB" for codec, _, values in lines]
    alt = f"RMSE over bits per pixel, {title}. At the highest rate: {', '.join(errors)}."
    return Panel(name, title, alt, "", draw)


def _tallest(lines: Sequence[Line]) -> float:
    """Error at the top of a panel: codecs far worse than ours and JPEG 2000 would press these together."""
    largest = {codec: max(errors) for codec, _, errors in lines}
    near = [largest[codec] for codec in (OURS, REFERENCE) if codec in largest]
    if not near:
        return max(largest.values())
    return max(error for error in largest.values() if error <= _FAR * max(near))


def _measure_panel(results: Results, name: str) -> Panel:
    measure = BY_NAME[name]
    found = aggregate.means(results, name)
    lines = _lines(results, found)
    look = styles(words.codec_names(results))

    def draw(axes: Axes) -> None:
        rate_axis(axes, results, lines)
        for codec in (REFERENCE, OURS):
            own = [mean for mean in found if mean.codec == codec and mean.scenes > 2]
            if own:
                axes.fill_between(
                    [mean.bpp for mean in own], [mean.low for mean in own], [mean.high for mean in own],
                    color=look[codec].light, alpha=0.13, lw=0, gid=f"codec-{look[codec].number}",
                )  # fmt: skip
        goal = reading.IDEAL.get(measure.better)
        if goal is not None:
            axes.axhline(goal, color=MUTED, lw=1.1, ls=(0, (4, 2)), zorder=3)
        curves(axes, results, lines)
        label = measure.title + (f", {measure.unit}" if measure.unit else "")
        axes.set_ylabel(label if len(label) <= _LABEL else measure.unit or label)  # the title stands above

    means = ", ".join(
        f"{words.titles(results)[codec]} {words.figure(name, values[-1])}" for codec, _, values in lines
    )
    alt = f"{measure.title} over bits per pixel. Means at the highest rate: {means}."
    good = f" {words.better(name).capitalize()}." if words.better(name) else ""
    caption = f"{measure.text}{good} Mean of {words.counted(found[0].scenes, 'image')}."
    title = measure.title[0].upper() + measure.title[1:]
    return Panel(f"measure-{name.replace('_', '-')}", title, alt, caption, draw)
