"""Means over scenes, as plots and tables show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sarcodec.bench.measures import BY_NAME, Better
from sarcodec.bench.report import reading
from sarcodec.bench.results import OURS, REFERENCE, BdSummary, Results, SceneInfo


@dataclass(frozen=True)
class Mean:
    """A measure of one codec over several scenes, each one's curve read off at exactly one rate."""

    codec: str
    bpp: float
    value: float
    low: float
    """First quartile over the scenes."""
    high: float
    """Third quartile."""
    scenes: int


def means(results: Results, measure: str, scenes: Sequence[str] | None = None) -> list[Mean]:
    """Mean and quartiles of `measure` per codec at each wanted rate, rates ascending.

    Every mean is over the same scenes: those for which any codec has the figure at any rate. Where a codec
    has no figure at a rate for one of them, there is no mean: means over different scenes do not compare.
    """
    found = reading.curves(results, measure, scenes)
    codecs, eligible = (tuple(dict.fromkeys(key[place] for key in found)) for place in (0, 1))
    out = []
    for rate in sorted(results.rates):
        for codec in codecs:
            read = [reading.read_off(found.get((codec, scene), {}), rate, measure) for scene in eligible]
            figures = [figure for figure in read if figure is not None]
            if len(figures) == len(eligible):
                low, high = (float(quartile) for quartile in np.percentile(figures, (25, 75)))
                out.append(Mean(codec, rate, float(np.mean(figures)), low, high, len(figures)))
    return out


def best(measure: str, figures: dict[str, float]) -> set[str]:
    """The codecs whose figure is best to three digits.

    None where all are equally good, and none of a measure that describes and does not judge.
    """
    goal = BY_NAME[measure].better
    if not figures or goal is Better.NEITHER:
        return set()
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
    """Ours against the codec, JPEG 2000 aside, that it gains least on.

    Only a mean over at least half as many scenes as the one over most counts: one over a few says little.
    """
    rows = [
        row
        for row in results.bd_summary
        if row.test == OURS and row.kind == "" and row.reference != REFERENCE and row.mean_percent is not None
    ]
    most = max((row.scenes for row in rows), default=0)
    broad = [row for row in rows if 2 * row.scenes >= most]
    return max(broad, key=lambda row: row.mean_percent or 0.0, default=None)


def pairs(results: Results) -> list[tuple[str, str]]:
    """(test, reference) of every comparison, ours first, JPEG 2000 foremost."""
    found = dict.fromkeys((row.test, row.reference) for row in results.bd_rate)
    return sorted(found, key=lambda pair: (pair[0] != OURS, pair[1] != REFERENCE))
