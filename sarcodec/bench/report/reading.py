"""Curves of one codec and one scene, read off at exactly a wanted rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from sarcodec.bench.measures import BY_NAME, Better
from sarcodec.bench.results import OURS, Point, Results
from sarcodec.bench.statistics import RATE_SLACK, at_rate

Curve = dict[float, float]
"""Bits per pixel to figure."""

IDEAL = {Better.ONE: 1.0, Better.ZERO: 0.0}
"""The value that a figure should have, where it should have one."""


def value(point: Point, measure: str) -> float | None:
    """The figure, None where it is missing or not finite."""
    found = point.measures.get(measure)
    return found if found is not None and math.isfinite(found) else None


def curves(
    results: Results, measure: str, scenes: Sequence[str] | None = None
) -> dict[tuple[str, str], Curve]:
    """Codec and scene to the points that have the figure; lossless codecs have no curve.

    Parameters
    ----------
    results : Results
    measure : str
        Name.
    scenes : sequence of str, optional
        Names; all where left out.
    """
    wanted = None if scenes is None else set(scenes)
    found: dict[tuple[str, str], Curve] = {}
    for point in results.points:
        figure = value(point, measure)
        if figure is None or point.wanted_bpp is None or not point.bpp > 0:
            continue
        if wanted is None or point.scene in wanted:
            found.setdefault((point.codec, point.scene), {})[point.bpp] = figure
    return found


def read_off(curve: Mapping[float, float], rate: float, measure: str) -> float | None:
    """The figure at exactly `rate`, on straight lines over the logarithm of the rate.

    The first and the last line are drawn out by at most 2 % of the rate, as for the paired tests
    (:func:`sarcodec.bench.statistics.at_rate`), but never past the ideal of `measure`: a share stays one.

    Parameters
    ----------
    curve : mapping of bits per pixel to figure
    rate : float
        Bits per pixel.
    measure : str
        Name.

    Returns
    -------
    float or None
        None where `rate` lies beyond the measured rates by more than 2 %.
    """
    rates = sorted(curve)
    if not rates or not rates[0] / (1 + RATE_SLACK) <= rate <= rates[-1] * (1 + RATE_SLACK):
        return None
    if rate in curve:
        return curve[rate]
    if rates[0] < rate < rates[-1]:
        right = next(other for other in rates if other > rate)
        return _line(curve, rates[rates.index(right) - 1], right, rate)
    inwards = rates if rate < rates[0] else rates[::-1]
    end = inwards[0]
    # A slope needs more rate between its points than it is drawn out by.
    away = next((other for other in inwards if abs(math.log(other / end)) > RATE_SLACK), None)
    if away is None:
        return curve[end]
    drawn, ideal = _line(curve, end, away, rate), IDEAL.get(BY_NAME[measure].better)
    past = ideal is not None and (curve[end] - ideal) * (drawn - ideal) <= 0
    return ideal if past else drawn


def _line(curve: Mapping[float, float], first: float, second: float, rate: float) -> float:
    part = math.log(rate / first) / math.log(second / first)
    return curve[first] + part * (curve[second] - curve[first])


def tile_gains(results: Results, peer: str, rate: float) -> list[float]:
    """PSNR gain of ours over `peer` in dB on every tile that both have, as the paired test of tiles has it.

    The mean square errors of both are read off at exactly `rate`, which is that of the whole file.
    """
    ours, theirs = (_tile_curves(results.points, codec) for codec in (OURS, peer))
    pairs = [(at_rate(*ours[tile], rate), at_rate(*theirs[tile], rate)) for tile in ours if tile in theirs]
    return [10 * math.log10(b / a) for a, b in pairs if a is not None and b is not None]


def _tile_curves(
    points: Sequence[Point], codec: str
) -> dict[tuple[str, int], tuple[list[float], list[float]]]:
    """Scene and tile to the rates and mean square errors of `codec`."""
    found: dict[tuple[str, int], tuple[list[float], list[float]]] = {}
    for point in points:
        if point.codec != codec or point.wanted_bpp is None:
            continue
        for tile, mse in enumerate(point.tiles_mse):
            if mse is not None and math.isfinite(mse):
                rates, errors = found.setdefault((point.scene, tile), ([], []))
                rates.append(point.bpp)
                errors.append(mse)
    return found
