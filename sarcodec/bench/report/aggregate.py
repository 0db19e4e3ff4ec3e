"""Means over scenes, as plots and tables show them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sarcodec.bench.measures import BY_NAME, Better
from sarcodec.bench.results import OURS, REFERENCE, BdSummary, Point, Results, SceneInfo

REACHED = 0.1
"""Relative distance from the wanted rate up to which a point counts as one at that rate."""


@dataclass(frozen=True)
class Mean:
    """A measure of one codec at one wanted rate over several scenes."""

    codec: str
    wanted_bpp: float
    bpp: float
    """Mean of the rates of the files."""
    value: float
    low: float
    """First quartile over the scenes."""
    high: float
    """Third quartile."""
    scenes: int


def reached(point: Point) -> bool:
    """Whether the codec came near the wanted rate."""
    return point.wanted_bpp is not None and abs(point.bpp / point.wanted_bpp - 1) <= REACHED


def value(point: Point, measure: str) -> float | None:
    """The figure, None where it is missing or not finite."""
    found = point.measures.get(measure)
    return found if found is not None and math.isfinite(found) else None


def means(results: Results, measure: str, scenes: Sequence[str] | None = None) -> list[Mean]:
    """Mean and quartiles of `measure` per codec and wanted rate, rates ascending.

    Every mean is over the same scenes: those for which any codec has the figure. A rate at which a codec
    lacks one of them, or misses the rate by more than 10 %, is left out: means over different scenes do
    not compare.
    """
    wanted = None if scenes is None else set(scenes)
    found: dict[tuple[str, float], dict[str, tuple[float, float]]] = {}
    eligible: set[str] = set()
    for point in results.points:
        figure = value(point, measure)
        if figure is None or point.wanted_bpp is None or (wanted is not None and point.scene not in wanted):
            continue
        eligible.add(point.scene)
        if reached(point):
            found.setdefault((point.codec, point.wanted_bpp), {})[point.scene] = (point.bpp, figure)
    out = []
    for (codec, rate), by_scene in sorted(found.items(), key=lambda item: item[0][1]):
        if len(by_scene) == len(eligible):
            rates, figures = (np.array(column) for column in zip(*by_scene.values(), strict=True))
            low, high = np.percentile(figures, (25, 75))
            mean = float(figures.mean())
            out.append(Mean(codec, rate, float(rates.mean()), mean, float(low), float(high), len(eligible)))
    return out


def best(measure: str, figures: dict[str, float]) -> set[str]:
    """The codecs whose figure is best to three digits; none where all are equally good."""
    if not figures:
        return set()
    goal = BY_NAME[measure].better
    loss = {
        codec: {
            Better.HIGH: -figure,
            Better.LOW: figure,
            Better.ONE: abs(figure - 1),
            Better.ZERO: abs(figure),
        }[goal]
        for codec, figure in figures.items()
    }
    least = min(loss.values())
    found = {codec for codec, amount in loss.items() if amount <= least + 5e-4}
    return found if len(found) < len(figures) else set()


def kinds(results: Results) -> dict[str, list[SceneInfo]]:
    """Scenes by kind, in the order of their first appearance."""
    found: dict[str, list[SceneInfo]] = {}
    for scene in results.scenes:
        found.setdefault(scene.kind, []).append(scene)
    return found


def mean_bound(scenes: Sequence[SceneInfo], rates: Sequence[float]) -> list[float] | None:
    """Mean RMSE in dB of the scenes' Gaussian bounds at `rates`, not-a-number where any scene's ends.

    None unless each scene has one.
    """
    if not scenes or any(len(scene.bound) < 2 for scene in scenes):
        return None
    curves = []
    for scene in scenes:
        known, errors = (np.array(column) for column in zip(*scene.bound, strict=True))
        curves.append(np.interp(np.log(rates), np.log(known), errors, left=np.nan, right=np.nan))
    return [float(error) for error in np.mean(curves, axis=0)]


def summary_of(results: Results, test: str, reference: str, kind: str = "") -> BdSummary | None:
    """The row of `bd_summary`, if it has a mean."""
    for row in results.bd_summary:
        if (row.test, row.reference, row.kind) == (test, reference, kind) and row.mean_percent is not None:
            return row
    return None


def strongest_peer(results: Results) -> BdSummary | None:
    """Ours against the codec, JPEG 2000 aside, that it gains least on."""
    rows = [
        row
        for row in results.bd_summary
        if row.test == OURS and row.kind == "" and row.reference != REFERENCE and row.mean_percent is not None
    ]
    return max(rows, key=lambda row: row.mean_percent or 0.0, default=None)


def pairs(results: Results) -> list[tuple[str, str]]:
    """(test, reference) of every comparison, ours first, JPEG 2000 foremost."""
    found = dict.fromkeys((row.test, row.reference) for row in results.bd_rate)
    return sorted(found, key=lambda pair: (pair[0] != OURS, pair[1] != REFERENCE))


def tile_gains(results: Results, peer: str, rate: float) -> list[float]:
    """PSNR gain of ours over `peer` in dB on every tile both have, at the wanted rate `rate`.

    Both files are near that rate, not exactly of the same size.
    """
    tiles: dict[tuple[str, str], tuple[float | None, ...]] = {
        (point.scene, point.codec): point.tiles_mse
        for point in results.points
        if point.wanted_bpp == rate and reached(point)
    }
    out = []
    for (scene, codec), ours in tiles.items():
        theirs = tiles.get((scene, peer), ())
        if codec == OURS and len(theirs) == len(ours):
            out += [
                10 * math.log10(b / a)
                for a, b in zip(ours, theirs, strict=True)
                if a is not None and b is not None and 0 < a < math.inf and 0 < b < math.inf
            ]
    return out
