"""Codecs against each other: BD-rates on every scene, their means, and paired tests at equal rate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from sarcodec import metrics
from sarcodec.bench.results import OURS, REFERENCE, BdRow, BdSummary, PairedTest, Point, SceneInfo
from sarcodec.bench.statistics import at_rate, interval_of_mean, wilcoxon
from sarcodec.errors import InputError

MIN_OVERLAP = 0.5
"""A BD-rate over less of the curves' errors carries a warning."""
ERROR = "rmse_db"
"""The measure that all comparisons use, in dB."""

_Unit = tuple[str, str, int]
"""Codec, scene, and tile or -1 for the whole scene."""


def lossy_codecs(points: Iterable[Point]) -> tuple[str, ...]:
    """Names of the codecs with a wanted rate, in the order of their first point."""
    return tuple(dict.fromkeys(point.codec for point in points if point.wanted_bpp is not None))


def bd_rows(
    points: Sequence[Point],
    scenes: Sequence[SceneInfo],
    *,
    ours: str = OURS,
    reference: str = REFERENCE,
) -> tuple[BdRow, ...]:
    """BD-rate of every lossy codec against `reference`, and of `ours` against every other, scene by scene.

    Parameters
    ----------
    points : sequence of Point
        Those without an RMSE do not count.
    scenes : sequence of SceneInfo
        Their order is that of the rows.

    Returns
    -------
    tuple of BdRow
        A row without a figure, and with a warning, where one of the two has too few points or their errors
        do not meet; no row where one has none at all.
    """
    codecs = lossy_codecs(points)
    pairs = [(test, reference) for test in codecs if test != reference and reference in codecs]
    pairs += [(ours, peer) for peer in codecs if peer not in (ours, reference) and ours in codecs]
    curves: dict[tuple[str, str], dict[float, float]] = {}
    for point in points:
        error = point.measures.get(ERROR)
        if point.wanted_bpp is not None and error is not None:
            curve = curves.setdefault((point.codec, point.scene), {})
            curve[error] = min(point.bpp, curve.get(error, math.inf))  # two rates may end in one file
    return tuple(
        _bd_row(scene.name, test, against, curves[test, scene.name], curves[against, scene.name])
        for test, against in pairs
        for scene in scenes
        if (test, scene.name) in curves and (against, scene.name) in curves
    )


def _bd_row(
    scene: str, test: str, reference: str, tested: Mapping[float, float], base: Mapping[float, float]
) -> BdRow:
    try:
        bd = metrics.bd_rate(list(base.values()), list(base), list(tested.values()), list(tested))
    except InputError as error:
        return BdRow(scene, test, reference, None, None, None, None, warning=error.message)
    warning = ""
    if bd.overlap < MIN_OVERLAP:
        common = f"{bd.low_db:.2f} to {bd.high_db:.2f} dB"
        warning = f"the curves share only {100 * bd.overlap:.0f} % of the error range: {common}"
    return BdRow(scene, test, reference, bd.percent, bd.low_db, bd.high_db, bd.overlap, warning=warning)


def bd_summaries(rows: Sequence[BdRow], scenes: Sequence[SceneInfo]) -> tuple[BdSummary, ...]:
    """Means of the rows of each pair of codecs, over all scenes (kind "") and over each kind.

    Rows with a warning are counted and left out: over a sliver of a curve a BD-rate can be anything.

    Parameters
    ----------
    rows : sequence of BdRow
    scenes : sequence of SceneInfo
        Every scene of the rows; intervals are over their groups.
    """
    about = {scene.name: scene for scene in scenes}
    kinds = ("", *dict.fromkeys(scene.kind for scene in scenes))
    pairs = dict.fromkeys((row.test, row.reference) for row in rows)
    return tuple(
        _bd_summary(
            test,
            reference,
            kind,
            [
                row
                for row in rows
                if (row.test, row.reference) == (test, reference) and kind in ("", about[row.scene].kind)
            ],
            about,
        )
        for test, reference in pairs
        for kind in kinds
    )


def _bd_summary(
    test: str, reference: str, kind: str, rows: Sequence[BdRow], about: Mapping[str, SceneInfo]
) -> BdSummary:
    known = [(row, row.percent) for row in rows if row.percent is not None and not row.warning]
    percents = [percent for _, percent in known]
    interval = interval_of_mean(percents, [about[row.scene].group for row, _ in known])
    low, high = interval or (None, None)
    return BdSummary(
        test=test,
        reference=reference,
        kind=kind,
        scenes=len(percents),
        mean_percent=math.fsum(percents) / len(percents) if percents else None,
        low_percent=low,
        high_percent=high,
        worst_percent=max(percents, default=None),
        warnings=sum(bool(row.warning) for row in rows),
    )


def paired(
    points: Sequence[Point], rates: Sequence[float], groups_of_scene: Mapping[str, str], *, ours: str = OURS
) -> tuple[PairedTest, ...]:
    """Gain of PSNR of `ours` over every other lossy codec at each rate, by scene and by tile.

    A gain is ``10 * log10(error of the peer / error of ours)``, positive where ours is better, with the mean
    square errors of both curves read off at exactly that rate (`at_rate`). The rate is that of the whole
    file for tiles too.

    Parameters
    ----------
    points : sequence of Point
    rates : sequence of float
        Bits per pixel.
    groups_of_scene : mapping of scene to group
        Such as the file of each scene; groups are resampled for the intervals.

    Returns
    -------
    tuple of PairedTest
        Without the combinations in which no unit has both errors.
    """
    codecs = lossy_codecs(points)
    peers = [codec for codec in codecs if codec != ours] if ours in codecs else []
    curves = _curves(points)
    readings = {rate: {unit: at_rate(*curve, rate) for unit, curve in curves.items()} for rate in rates}
    found = [
        _paired_test(peer, rate, unit, _gains(readings[rate], ours, peer, unit), groups_of_scene)
        for peer in peers
        for rate in rates
        for unit in ("scene", "tile")
    ]
    return tuple(test for test in found if test is not None)


def _curves(points: Iterable[Point]) -> dict[_Unit, tuple[list[float], list[float]]]:
    """Rates and mean square errors of every unit."""
    curves: dict[_Unit, tuple[list[float], list[float]]] = {}
    for point in points:
        if point.wanted_bpp is None:
            continue
        error = point.measures.get(ERROR)
        whole = None if error is None else error**2
        for tile, mse in enumerate((whole, *point.tiles_mse), -1):
            if mse is not None:
                bpps, errors = curves.setdefault((point.codec, point.scene, tile), ([], []))
                bpps.append(point.bpp)
                errors.append(mse)
    return curves


def _gains(errors: Mapping[_Unit, float | None], ours: str, peer: str, unit: str) -> list[tuple[str, float]]:
    """(scene, gain in dB) of every unit for which both have an error."""
    found = []
    for (codec, scene, tile), mine in errors.items():
        if codec == ours and (tile == -1) == (unit == "scene"):
            theirs = errors.get((peer, scene, tile))
            if mine is not None and theirs is not None:
                found.append((scene, 10 * math.log10(theirs / mine)))
    return found


def _paired_test(
    peer: str, rate: float, unit: str, gains: Sequence[tuple[str, float]], groups_of_scene: Mapping[str, str]
) -> PairedTest | None:
    if not gains:
        return None
    values = [gain for _, gain in gains]
    interval = interval_of_mean(values, [groups_of_scene[scene] for scene, _ in gains])
    low, high = interval or (None, None)
    return PairedTest(
        peer=peer,
        bpp=rate,
        unit=unit,
        count=len(values),
        mean_db=math.fsum(values) / len(values),
        low_db=low,
        high_db=high,
        better=sum(value > 0 for value in values) / len(values),
        p_value=wilcoxon(values),
    )
