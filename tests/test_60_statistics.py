"""Intervals, tests and the tables of the benchmark, against hand counts and scipy."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from sarcodec import metrics
from sarcodec.bench.comparison import bd_rows, bd_summaries, lossy_codecs, paired
from sarcodec.bench.results import BdRow, Point, SceneInfo
from sarcodec.bench.statistics import at_rate, interval_of_mean, wilcoxon

RATES = (0.1, 0.2, 0.4, 0.8)


def scene(name: str, *, file: str = "", kind: str = "grd") -> SceneInfo:
    return SceneInfo(
        name=name,
        file=file or f"{name}.tif",
        group=file or name,
        band="VV",
        kind=kind,
        width=8,
        height=8,
        valid_pixels=64,
        scale="db",
        pixel_m=10.0,
        sd_db=3.0,
        enl=4.4,
        blocks=1,
        lag1=0.6,
        targets=0,
        water_share=None,
        bound=(),
    )


def curve(
    where: str, codec: str, rmse: float, *, rates: tuple[float, ...] = RATES, factor: float = 1.0
) -> list[Point]:
    """Points of an RMSE that halves with every doubling of the rate; `rmse` at 0.1 bpp."""
    return [
        Point(
            scene=where,
            codec=codec,
            wanted_bpp=rate,
            setting=0.0,
            bytes=1,
            bpp=factor * rate,
            measures={"rmse_db": rmse * 0.1 / rate},
            tiles_mse=((rmse * 0.1 / rate) ** 2, None, 4 * (rmse * 0.1 / rate) ** 2),
        )
        for rate in rates
    ]


# Bootstrap


def test_bootstrap_of_single_values_agrees_with_scipy() -> None:
    values = np.random.default_rng(5).normal(2, 1, 25)
    # The expanded level of 25 groups, worked from Student's t of 24 degrees of freedom: 2.0639.
    tail = stats.norm.cdf(-2.0639 * math.sqrt(25 / 24))
    wanted = stats.bootstrap(
        (values,), np.mean, confidence_level=1 - 2 * tail, n_resamples=20000, method="percentile", rng=1
    ).confidence_interval
    got = interval_of_mean(values.tolist(), range(25), draws=20000)
    assert got == pytest.approx((wanted.low, wanted.high), abs=0.02)


def test_intervals_of_small_samples_cover_the_mean_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        interval = interval_of_mean(rng.normal(0, 1, 8).tolist(), range(8), draws=1000)
        assert interval is not None
        hits += interval[0] <= 0 <= interval[1]
    assert 0.91 < hits / 400 < 0.99


def test_values_of_one_file_are_resampled_together() -> None:
    rng = np.random.default_rng(1)
    files = rng.normal(0, 1, 12)
    once = interval_of_mean(files.tolist(), range(12))
    doubled = interval_of_mean(np.repeat(files, 50).tolist(), np.repeat(range(12), 50).tolist())
    alone = interval_of_mean(np.repeat(files, 50).tolist(), range(600))
    assert once is not None
    assert doubled == pytest.approx(once)
    assert alone is not None
    assert alone[1] - alone[0] < (once[1] - once[0]) / 4


def test_the_interval_of_a_few_single_values_is_students() -> None:
    values = [1.0, 2.0, 6.0]
    expected = stats.t.interval(0.95, 2, 3, stats.sem(values))
    assert interval_of_mean(values, ["a", "b", "c"]) == pytest.approx(expected)


@pytest.mark.parametrize("count", [3, 4, 5, 7])
def test_intervals_of_a_few_groups_cover_what_they_promise(count: int) -> None:
    rng = np.random.default_rng(count)
    groups = [k for k in range(count) for _ in range(2)]
    covered = 0
    for _ in range(600):
        level = rng.normal(0, 1, count)
        values = [float(level[k] + rng.normal(0, 0.3)) for k in groups]
        low, high = interval_of_mean(values, groups) or (1, -1)
        covered += low <= 0 <= high
    assert 0.92 < covered / 600 < 0.98


def test_an_interval_is_the_same_for_the_same_seed_and_missing_below_three_groups() -> None:
    values, groups = [1.0, 2.0, 4.0, 8.0, 9.0], ["a", "b", "c", "d", "e"]
    assert interval_of_mean(values, groups) == interval_of_mean(values, groups)
    assert interval_of_mean([1.0, 2.0, 3.0], ["a", "a", "b"]) is None
    assert interval_of_mean([], []) is None


# Signed-rank test


def test_six_gains_of_one_sign_have_the_exact_p_value() -> None:
    assert wilcoxon([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) == pytest.approx(2 / 2**6)


def test_a_signed_rank_p_value_is_that_counted_over_all_signs() -> None:
    values = [1.5, -0.5, 2.5, 3.0, 4.0, 5.5, -1.0]
    ranks = [3, 1, 4, 5, 6, 7, 2]
    observed = sum(r for r, v in zip(ranks, values, strict=True) if v < 0)
    sums = [sum(r for k, r in enumerate(ranks) if bits >> k & 1) for bits in range(2**7)]
    assert wilcoxon(values) == pytest.approx(2 * sum(s <= observed for s in sums) / 2**7)


@pytest.mark.parametrize("values", [[], [1.0] * 5, [0.0] * 20, [0.0] * 20 + [1.0] * 5])
def test_there_is_no_test_of_fewer_than_six_differences(values: list[float]) -> None:
    assert wilcoxon(values) is None


# Curves


def test_a_power_law_is_read_off_exactly() -> None:
    rates = [0.8, 0.1, 0.3]
    errors = [3 * rate**-1.7 for rate in rates]
    for rate in (0.1, 0.2, 0.55, 0.8, 0.0985, 0.815):
        assert at_rate(rates, errors, rate) == pytest.approx(3 * rate**-1.7)


def test_a_curve_is_not_read_more_than_two_percent_beyond_its_ends() -> None:
    rates, errors = [0.1, 0.2], [4.0, 2.0]
    assert at_rate(rates, errors, 0.0975) is None
    assert at_rate(rates, errors, 0.205) is None
    assert at_rate([], [], 0.1) is None


def test_points_without_error_do_not_count_and_equal_rates_take_the_smaller_error() -> None:
    assert at_rate([0.1, 0.2, 0.2, 0.4], [4.0, 2.0, 3.0, 0.0], 0.2) == pytest.approx(2)
    assert at_rate([0.1, 0.2, 0.4], [4.0, 2.0, 0.0], 0.4) is None


def test_two_points_close_together_do_not_set_the_slope_beyond_them() -> None:
    # Two files of almost one size: the slope is that to the third point, a power of -1.
    got = at_rate([0.1, 0.1001, 0.2], [4.0, 3.0, 2.0], 0.099)
    assert got == pytest.approx(4 / 0.99, rel=1e-3)
    assert at_rate([0.1], [4.0], 0.101) == pytest.approx(4)


# Tables


def test_a_codec_of_half_the_rate_has_a_bd_rate_of_minus_fifty_percent() -> None:
    scenes = [scene("a"), scene("b")]
    points = [p for s in ("a", "b") for p in curve(s, "jpeg2000", 2.0) + curve(s, "jpegxl", 2.0, factor=0.5)]
    points += curve("a", "sarcodec", 2.0, factor=0.25)
    rows = bd_rows(points, scenes)
    assert [(r.test, r.reference, r.scene) for r in rows] == [
        ("jpegxl", "jpeg2000", "a"),
        ("jpegxl", "jpeg2000", "b"),
        ("sarcodec", "jpeg2000", "a"),
        ("sarcodec", "jpegxl", "a"),
    ]
    assert [r.percent for r in rows] == pytest.approx([-50, -50, -75, -50])
    assert rows[0].overlap == pytest.approx(1)
    assert [rows[0].low_db, rows[0].high_db] == pytest.approx([0.25, 2])
    assert not any(r.warning for r in rows)


def test_a_bd_row_is_the_bd_rate_of_its_two_curves() -> None:
    base, test = curve("a", "jpeg2000", 2.0), curve("a", "sarcodec", 1.5, rates=(0.1, 0.3, 0.7))
    (row,) = bd_rows(base + test, [scene("a")])
    wanted = metrics.bd_rate(
        [p.bpp for p in base],
        [p.measures["rmse_db"] or 0 for p in base],
        [p.bpp for p in test],
        [p.measures["rmse_db"] or 0 for p in test],
    )
    assert (row.percent, row.low_db, row.high_db) == (wanted.percent, wanted.low_db, wanted.high_db)


def test_small_overlap_carries_a_warning_in_words() -> None:
    # 0.25 .. 2 dB against 1 .. 8 dB: 1 dB of 7.
    points = curve("a", "jpeg2000", 2.0) + curve("a", "sarcodec", 8.0)
    (row,) = bd_rows(points, [scene("a")])
    assert row.percent is not None
    assert row.overlap == pytest.approx(1 / 7)
    assert row.warning == "the curves share only 14 % of the error range: 1.00 to 2.00 dB"


def test_curves_without_common_error_have_a_row_without_a_figure() -> None:
    points = curve("a", "jpeg2000", 2.0) + curve("a", "sarcodec", 0.1)
    (row,) = bd_rows(points, [scene("a")])
    assert (row.percent, row.low_db, row.high_db, row.overlap) == (None, None, None, None)
    assert "no common RMSE" in row.warning


def test_two_rates_that_end_in_one_file_are_one_point() -> None:
    points = curve("a", "jpeg2000", 2.0)
    twice = [replace(points[0], wanted_bpp=0.05), *points, *curve("a", "sarcodec", 2.0)]
    (row,) = bd_rows(twice, [scene("a")])
    assert row.percent == pytest.approx(0)


def test_lossless_codecs_and_points_without_error_stay_out_of_the_comparison() -> None:
    points = curve("a", "jpeg2000", 2.0) + curve("a", "sarcodec", 2.0)
    points.append(replace(points[0], codec="deflate", wanted_bpp=None, measures={"rmse_db": 0.0}))
    points.append(replace(points[0], codec="broken", measures={"rmse_db": None}, tiles_mse=()))
    assert lossy_codecs(points) == ("jpeg2000", "sarcodec", "broken")
    assert [r.test for r in bd_rows(points, [scene("a")])] == ["sarcodec"]
    assert {t.peer for t in paired(points, RATES, {"a": "a"})} == {"jpeg2000"}


def rows(percents: dict[str, float | None], warned: tuple[str, ...] = ()) -> list[BdRow]:
    return [
        BdRow(name, "sarcodec", "jpeg2000", value, None, None, None, "why" if name in warned else "")
        for name, value in percents.items()
    ]


def test_summaries_are_means_over_all_scenes_and_over_each_kind() -> None:
    scenes = [scene("a"), scene("b", kind="slc"), scene("c"), scene("d", kind="slc"), scene("e")]
    found = bd_summaries(rows({"a": -10.0, "b": 30.0, "c": -20.0, "d": None, "e": -60.0}, ("c", "d")), scenes)
    # What carries a warning is counted and left out.
    assert [(s.kind, s.scenes, s.warnings) for s in found] == [("", 3, 2), ("grd", 2, 1), ("slc", 1, 1)]
    assert [s.mean_percent for s in found] == pytest.approx([-40 / 3, -35, 30])
    assert [s.worst_percent for s in found] == pytest.approx([30, -10, 30])
    expected = stats.t.interval(0.95, 2, -40 / 3, stats.sem([-10, 30, -60]))
    assert [found[0].low_percent, found[0].high_percent] == pytest.approx(expected)
    assert (found[1].low_percent, found[1].high_percent) == (None, None)


def test_a_summary_of_nothing_is_none_throughout() -> None:
    found = bd_summaries(rows({"a": None}), [scene("a")])
    assert {(s.scenes, s.mean_percent, s.worst_percent, s.low_percent) for s in found} == {
        (0, None, None, None)
    }


def test_bands_of_one_file_give_no_interval_of_their_own() -> None:
    scenes = [scene(f"{f}{b}", file=f) for f in "xy" for b in ("VV", "VH")]
    (everything, _) = bd_summaries(rows({s.name: -5.0 for s in scenes}), scenes)
    assert (everything.scenes, everything.low_percent) == (4, None)


def test_paired_gains_are_psnr_differences_at_equal_rate() -> None:
    names = "abcdef"
    points = []
    for name in names:
        points += curve(name, "jpeg2000", 2.0)
        # At its own points half of the error; it spends 1.25 times the rate, and error falls as 1 / rate.
        points += curve(name, "sarcodec", 1.0, factor=1.25)
    found = paired(points, (0.2, 0.4, 4.0), {name: name for name in names})
    assert [(t.peer, t.bpp, t.unit, t.count) for t in found] == [
        ("jpeg2000", 0.2, "scene", 6),
        ("jpeg2000", 0.2, "tile", 12),
        ("jpeg2000", 0.4, "scene", 6),
        ("jpeg2000", 0.4, "tile", 12),
    ]
    for test in found:
        gain = 20 * math.log10(2 / 1.25)
        assert test.mean_db == pytest.approx(gain)
        assert [test.low_db, test.high_db] == pytest.approx([gain, gain])
        assert test.better == 1
    assert found[0].p_value == pytest.approx(2 / 2**6)


def test_the_share_of_better_scenes_and_its_test_follow_the_signs() -> None:
    ours = {"a": 1.0, "b": 1.5, "c": 3.0, "d": 2.0}
    points = [p for name, rmse in ours.items() for p in curve(name, "jpeg2000", 2.0)]
    points += [p for name, rmse in ours.items() for p in curve(name, "sarcodec", rmse)]
    test = paired(points, (0.2,), {"a": "x", "b": "x", "c": "y", "d": "y"})[0]
    assert test.better == 0.5
    assert test.mean_db == pytest.approx(20 * math.log10(2 * 2 * 2 * 2 / (1 * 1.5 * 3 * 2)) / 4)
    assert (test.low_db, test.high_db, test.p_value) == (None, None, None)


def test_without_ours_or_without_the_reference_there_is_nothing_to_compare() -> None:
    points = curve("a", "jpegxl", 2.0) + curve("a", "webp", 2.0)
    assert bd_rows(points, [scene("a")]) == ()
    assert paired(points, RATES, {"a": "a"}) == ()
