"""What a mean over few scenes is worth: intervals, tests, and curves read off at a rate.

The bands of one file show the same ground and are not independent, so files are resampled, each with all its
values, and never single values (cluster bootstrap: Davison and Hinkley, *Bootstrap Methods and their
Application*, section 3.8).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from scipy import stats

MIN_GROUPS, MIN_RESAMPLED = 3, 8
"""Fewer have no interval; fewer than the second have Student's in place of a bootstrap's."""
MIN_VALUES = 6
"""Of fewer values a two-sided signed-rank test cannot reach 5 %."""
RATE_SLACK = 0.02
"""Part of a rate by which a curve may be read beyond its ends."""


def interval_of_mean(
    values: Sequence[float],
    groups: Sequence[Hashable],
    *,
    level: float = 0.95,
    draws: int = 4000,
    seed: int = 0,
) -> tuple[float, float] | None:
    """Interval of the mean of `values` over groups that belong together, such as the bands of a file.

    Groups are resampled with all their values: quantiles of the resampled means, at levels widened for few
    groups. Percentile intervals of n groups are too narrow by sqrt((n - 1) / n) and by the normal in place of
    Student's quantile, so the lower level is ``Phi(-sqrt(n / (n - 1)) * t(n - 1))`` (the expanded percentile
    interval: Hesterberg, *What Teachers Should Know About the Bootstrap*, The American Statistician 69(4),
    2015).

    A bootstrap of n groups cannot cover more than 1 - 2^(1 - n), so below eight groups the interval is
    Student's, with the variance of the ratio of sums over sizes between groups (Cochran, *Sampling
    Techniques*, 1977, ratio estimates).

    Parameters
    ----------
    values : sequence of float
        In any unit.
    groups : sequence of hashable
        The group of each value.
    level : float
        Wanted coverage, within 0 .. 1.
    draws : int
        Resamples.
    seed : int
        The same seed gives the same interval.

    Returns
    -------
    tuple of (low, high), or None
        None with fewer than three groups.
    """
    names = {name: k for k, name in enumerate(dict.fromkeys(groups))}
    count = len(names)
    if count < MIN_GROUPS:
        return None
    index = [names[group] for group in groups]
    sums, sizes = np.bincount(index, np.asarray(values, np.float64)), np.bincount(index)
    if count < MIN_RESAMPLED:
        mean = float(sums.sum() / sizes.sum())
        residuals = (sums - mean * sizes) / sizes.mean()
        error = math.sqrt(float(np.sum(residuals**2)) / (count * (count - 1)))
        reach = float(stats.t.isf((1 - level) / 2, count - 1)) * error
        return mean - reach, mean + reach
    drawn = np.random.default_rng(seed).integers(0, count, (draws, count))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    quantile = stats.t.isf((1 - level) / 2, count - 1) * math.sqrt(count / (count - 1))
    tail = float(stats.norm.sf(quantile))
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def wilcoxon(differences: Sequence[float]) -> float | None:
    """p-value of the two-sided signed-rank test that `differences` lie symmetrically about zero.

    Parameters
    ----------
    differences : sequence of float
        Paired differences; zeros are left out (Wilcoxon's own way).

    Returns
    -------
    float or None
        None with fewer than six differences that are not zero.
    """
    moved = [value for value in differences if value != 0]
    return float(stats.wilcoxon(moved).pvalue) if len(moved) >= MIN_VALUES else None


def at_rate(bpps: Sequence[float], errors_mse: Sequence[float], rate: float) -> float | None:
    """Mean square error of a curve at exactly `rate`.

    Straight lines between the points in log(error) over log(rate), their ends drawn out by at most 2 % of the
    rate. Where a point lies near the wanted rate, the line hardly matters; halfway between points an octave
    apart it may be 0.2 dB off.

    Parameters
    ----------
    bpps : sequence of float
        Rates of the points, bits per pixel, in any order.
    errors_mse : sequence of float
        Their mean square errors, dB^2. Points without error have no logarithm and do not count.
    rate : float
        Bits per pixel.

    Returns
    -------
    float or None
        dB^2; None where `rate` lies beyond the measured rates by more than 2 %.
    """
    best: dict[float, float] = {}
    for bpp, mse in zip(bpps, errors_mse, strict=True):
        if bpp > 0 and mse > 0:
            best[bpp] = min(mse, best.get(bpp, math.inf))
    if not best or not min(best) / (1 + RATE_SLACK) <= rate <= max(best) * (1 + RATE_SLACK):
        return None
    points = sorted((math.log(bpp), math.log(mse)) for bpp, mse in best.items())
    x, y = np.array(points).T
    wanted = math.log(rate)
    result = float(np.interp(wanted, x, y))
    if not x[0] <= wanted <= x[-1]:
        ends = points if wanted < x[0] else points[::-1]
        # A slope needs more rate between its points than it is drawn out by.
        away = next((p for p in ends if abs(p[0] - ends[0][0]) > RATE_SLACK), None)
        if away is not None:
            result += (away[1] - ends[0][1]) / (away[0] - ends[0][0]) * (wanted - ends[0][0])
    return math.exp(result)
