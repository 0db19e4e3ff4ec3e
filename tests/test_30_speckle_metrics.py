"""Homogeneous blocks, ENL, correlation, ratio image and power bias, against theory and the simulator."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sarcodec import metrics, speckle
from sarcodec.errors import UsageError
from sarcodec.simulate import LowPass, Scene, SceneSpec, look_weights
from sarcodec.simulate.speckle import multilook
from sarcodec.types import Scale, Window

Array = npt.NDArray[Any]
GRD, WHITE = 1.3, 0.5  # oversampling


@cache
def clutter(enl: float, oversampling: float = GRD, seed: int = 1, side: int = 512) -> Array:
    """Constant ground of -10 dB under speckle, dB."""
    psf = LowPass(oversampling)
    ground = np.full((side + 2 * psf.reach, side + 2 * psf.reach), 0.1, np.float32)
    rows = range(-psf.reach, side + psf.reach)
    power = multilook(ground, None, rows, seed=seed, band=0, weights=look_weights(enl), psf=psf)
    return np.asarray(10 * np.log10(np.maximum(power, 1e-9)))


def whole(image: Array) -> Array:
    return np.ones(image.shape, bool)


def grid(side: int, block: int = 32) -> list[Window]:
    return [Window(x, y, block, block) for y in range(0, side, block) for x in range(0, side, block)]


@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.parametrize("enl", [1.0, 4.4, 10.0])
@pytest.mark.parametrize("oversampling", [WHITE, GRD])
def test_enl_of_clutter_is_found_within_five_percent(enl: float, oversampling: float, seed: int) -> None:
    db = clutter(enl, oversampling, seed)
    blocks = speckle.homogeneous_blocks(db, whole(db))
    assert len(blocks) > 100
    assert speckle.enl(db, whole(db), blocks) == pytest.approx(enl, rel=0.05)


def test_enl_of_a_scene_with_fields_is_found_within_ten_percent() -> None:
    spec = SceneSpec(1024, 1024, scale=Scale.DB, border=0, enl=4.4)
    db = Scene(spec).block(0, 1024).values[0]
    blocks = speckle.homogeneous_blocks(db, whole(db))
    assert speckle.enl(db, whole(db), blocks) == pytest.approx(4.4, rel=0.1)


def test_enl_of_two_values_is_worked_by_hand() -> None:
    # Powers 1 and 3 in equal number, alternating in both directions: mean 2, variance 1, no mean to speak of.
    power = 1.0 + 2 * (np.indices((64, 64)).sum(0) % 2)
    found = speckle.enl(10 * np.log10(power), whole(power), [Window(0, 0, 64, 64)])
    assert found == pytest.approx(4, rel=1e-3)


def test_enl_of_small_blocks_of_correlated_speckle_is_that_of_large_ones() -> None:
    db = clutter(4.4)[:256, :256]
    small, large = (speckle.enl(db, whole(db), grid(256, side)) for side in (8, 64))
    assert small == pytest.approx(large, rel=0.04)
    # Without the correction 12 % of the variance are lost to the means of 8x8 blocks.
    power = (10 ** (db / 10)).reshape(32, 8, 32, 8)
    assert np.mean(power.mean((1, 3)) ** 2 / power.var((1, 3))) > 1.1 * large


def test_enl_is_infinite_without_speckle_and_nan_without_blocks() -> None:
    flat = np.full((64, 64), -7.0)
    assert speckle.enl(flat, whole(flat), grid(64)) == math.inf
    assert math.isnan(speckle.enl(flat, whole(flat), []))
    assert math.isnan(speckle.enl(flat, ~whole(flat), grid(64)))
    assert metrics.enl_ratio(clutter(1)[:64, :64], flat, whole(flat), grid(64)) == math.inf
    assert math.isnan(metrics.enl_ratio(flat, flat, whole(flat), grid(64)))
    assert math.isnan(metrics.enl_ratio(flat, flat, whole(flat), []))


def test_a_mean_of_independent_looks_raises_the_enl_by_their_number() -> None:
    first, others = clutter(1.0), [clutter(1.0, GRD, seed) for seed in (2, 3, 4)]
    mean = 10 * np.log10(np.mean([10 ** (db / 10) for db in (first, *others)], axis=0))
    assert metrics.enl_ratio(first, mean, whole(first), grid(512)) == pytest.approx(4, rel=0.05)
    assert metrics.enl_ratio(first, first, whole(first), grid(512)) == 1


def test_a_tenth_of_bad_blocks_hardly_moves_the_enl() -> None:
    db = clutter(4.4).copy()
    blocks = grid(512)
    for block in blocks[::10]:
        db[block.row + 5, block.col + 5] += 25
    assert speckle.enl(db, whole(db), blocks) == pytest.approx(4.4, rel=0.05)


def test_nearly_all_blocks_of_clutter_are_found_and_do_not_overlap() -> None:
    db = clutter(4.4)
    blocks = speckle.homogeneous_blocks(db, whole(db))
    covered = np.zeros(db.shape, int)
    for block in blocks:
        covered[block.row : block.bottom, block.col : block.right] += 1
    assert covered.max() == 1
    assert covered.mean() > 0.9
    assert blocks == speckle.homogeneous_blocks(db, whole(db))
    assert {(block.width, block.height) for block in blocks} == {(32, 32)}


def test_the_choice_of_blocks_does_not_favour_smooth_ones() -> None:
    db = np.hstack([clutter(1.0, GRD, seed) for seed in (5, 6)])
    blocks = speckle.homogeneous_blocks(db, whole(db))
    every = grid(512) + [Window(x.col + 512, x.row, 32, 32) for x in grid(512)]
    assert speckle.enl(db, whole(db), blocks) == pytest.approx(speckle.enl(db, whole(db), every), rel=0.02)


def test_at_most_the_wanted_number_of_blocks_is_spread_over_the_image() -> None:
    db = clutter(4.4)
    blocks = speckle.homogeneous_blocks(db, whole(db), most=20)
    assert len(blocks) == 20
    assert min(block.row for block in blocks) < 64
    assert max(block.row for block in blocks) > 420


def test_blocks_of_sixteen_pixels_can_be_asked_for_and_of_twenty_cannot() -> None:
    db = clutter(4.4)
    blocks = speckle.homogeneous_blocks(db, whole(db), side=16)
    assert speckle.enl(db, whole(db), blocks) == pytest.approx(4.4, rel=0.05)
    for side in (0, 8, 20):
        with pytest.raises(UsageError):
            speckle.homogeneous_blocks(db, whole(db), side=side)


def test_blocks_stay_off_invalid_pixels_edges_and_point_targets() -> None:
    db, valid = clutter(4.4).copy(), np.ones((512, 512), bool)
    valid[:, :50], valid[100:110] = False, False
    db[~valid] = np.nan
    db[:, 300:] += 4
    target = (401, 200)
    db[target] = 10
    blocks = speckle.homogeneous_blocks(db, valid)
    assert len(blocks) > 80
    for block in blocks:
        assert valid[block.row : block.bottom, block.col : block.right].all()
        assert not (block.row <= target[0] < block.bottom and block.col <= target[1] < block.right)
        assert not block.col + 4 <= 300 <= block.right - 4


@pytest.mark.parametrize("field", [8, 12, 16])
def test_fields_smaller_than_a_block_leave_no_blocks(field: int) -> None:
    levels = np.random.default_rng(field).normal(0, 4, (64, 64)).repeat(field, 0).repeat(field, 1)
    db = clutter(4.4) + levels[:512, :512]
    assert len(speckle.homogeneous_blocks(db, whole(db))) < 3


@pytest.mark.parametrize("shape", [(256, 256), (20, 200), (1, 1)])
def test_a_constant_a_gradient_and_a_small_image_have_no_blocks(shape: tuple[int, int]) -> None:
    flat = np.zeros(shape)
    assert speckle.homogeneous_blocks(flat, whole(flat)) == []
    sloped = flat + np.linspace(-20, 0, shape[1])
    assert speckle.homogeneous_blocks(sloped, whole(sloped)) == []
    assert speckle.homogeneous_blocks(np.full(shape, np.nan), ~whole(flat)) == []


@pytest.mark.parametrize("oversampling", [WHITE, GRD, 2.0])
def test_autocorrelation_is_that_of_the_simulated_filter(oversampling: float) -> None:
    db = clutter(1.0, oversampling)
    expected = [LowPass(oversampling).correlation(lag) for lag in range(7)]
    for block in (32, 16):
        found = speckle.autocorrelation(db, whole(db), grid(512, block), lags=6)
        assert found.shape == (2, 7)
        assert found == pytest.approx(np.array([expected, expected]), abs=0.03)


def test_autocorrelation_tells_rows_from_columns() -> None:
    noise = np.random.default_rng(1).gamma(4, 1, (257, 256))
    db: Array = 10 * np.log10(noise[1:] + noise[:-1])  # neighbours one below the other share half
    rows, columns = speckle.autocorrelation(db, whole(db), grid(256), lags=2)
    assert rows == pytest.approx([1, 0, 0], abs=0.02)
    assert columns == pytest.approx([1, 0.5, 0], abs=0.02)


def test_autocorrelation_without_blocks_variance_or_reach_is_nan() -> None:
    db = clutter(1.0)[:64, :64]
    assert np.isnan(speckle.autocorrelation(db, whole(db), [])).all()
    assert np.isnan(speckle.autocorrelation(np.zeros((64, 64)), whole(db), grid(64))).all()
    narrow = speckle.autocorrelation(db, whole(db), [Window(0, 0, 64, 4)], lags=5)
    assert np.isfinite(narrow[0]).all()
    assert np.isnan(narrow[1]).tolist() == [False] * 4 + [True] * 2


@pytest.mark.parametrize("enl", [1.0, 3.0])
def test_ratio_to_the_ground_is_pure_speckle(enl: float) -> None:
    db = clutter(enl, WHITE)
    decoded = np.full(db.shape, -3.0)  # its level does not matter
    assert metrics.ks_ratio(db, decoded, whole(db), grid(512), enl) < 0.01
    assert metrics.ks_ratio(db, decoded, whole(db), grid(512), 2 * enl) > 0.05


def test_ratio_of_an_image_to_itself_is_a_step() -> None:
    db = clutter(4.4)
    step = stats.gamma.cdf(1, 4.4, scale=1 / 4.4)
    assert metrics.ks_ratio(db, db, whole(db), grid(512), 4.4) == pytest.approx(max(step, 1 - step))


def test_speckle_distance_is_zero_for_other_speckle_and_known_for_other_looks() -> None:
    single, other, double = clutter(1.0, WHITE, 1), clutter(1.0, WHITE, 2), clutter(2.0, WHITE, 3)
    valid, blocks = whole(single), grid(512)
    assert metrics.ks_speckle(single, single, valid, blocks) == 0
    assert metrics.ks_speckle(single, other, valid, blocks) < 0.01
    # Exponential against gamma of two looks.
    x = np.linspace(0, 6, 6001)
    expected = np.abs(stats.expon.cdf(x) - stats.gamma.cdf(x, 2, scale=0.5)).max()
    assert metrics.ks_speckle(single, double, valid, blocks) == pytest.approx(expected, abs=0.01)


def test_distances_without_blocks_or_looks_are_nan() -> None:
    db = clutter(1.0)[:64, :64]
    assert math.isnan(metrics.ks_speckle(db, db, whole(db), []))
    assert math.isnan(metrics.ks_ratio(db, db, whole(db), [], 4.4))
    assert math.isnan(metrics.ks_ratio(db, db, whole(db), grid(64), math.nan))
    assert math.isnan(metrics.ks_ratio(db, db, whole(db), grid(64), math.inf))


@given(st.floats(-30, 30), st.integers(0, 2**32 - 1))
@settings(max_examples=6, deadline=None)
def test_neither_a_level_nor_invalid_pixels_change_the_statistics(level: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    db = clutter(4.4)[:96, :96].astype(np.float64)
    decoded = db + rng.normal(0, 1, db.shape)
    valid = rng.random(db.shape) < 0.9
    blocks = [*grid(96), Window(80, 10, 40, 24)]

    def figures(a: Array, b: Array) -> list[float]:
        return [
            speckle.enl(a, valid, blocks),
            metrics.enl_ratio(a, b, valid, blocks),
            metrics.ks_ratio(a, b, valid, blocks, 4.4),
            metrics.ks_speckle(a, b, valid, blocks),
            *speckle.autocorrelation(a, valid, blocks).ravel(),
            metrics.epi_correlation(a, b, valid),
            metrics.epi_ratio(a, b, valid),
            metrics.power_bias(a, b, valid, cell=32).p95_db,
        ]

    plain = figures(db, decoded)
    assert np.isfinite(plain).all()
    spoilt = [np.where(valid, image, np.nan) for image in (db, decoded)]
    assert figures(*spoilt) == plain
    assert figures(db + level, decoded + level) == pytest.approx(plain, abs=2e-3)


def test_a_gain_of_three_tenths_of_a_decibel_is_that_bias_everywhere() -> None:
    db = clutter(4.4)
    for image, gain in ((db + 0.3, 0.3), (db, 0.0), (db - 0.3, -0.3)):
        found = metrics.power_bias(db, image, whole(db))
        assert found.cells == 25  # of 12 pixels the sixth row and column have too little
        figures = (found.global_db, found.p5_db, found.p95_db)
        assert figures == pytest.approx((gain,) * 3, abs=1e-6)
        assert found.abs_p95_db == pytest.approx(abs(gain), abs=1e-6)


def test_bias_of_two_cells_is_worked_by_hand() -> None:
    # Powers 1 and 3 become 2 and 3; 2 and 2 become 2 and 0.2.
    db = 10 * np.log10(np.array([[1.0, 3, 2, 2]]).repeat(4, 0).repeat(4, 1))
    decoded = 10 * np.log10(np.array([[2.0, 3, 2, 0.2]]).repeat(4, 0).repeat(4, 1))
    found = metrics.power_bias(db, decoded, whole(db), cell=4)
    assert found.global_db == pytest.approx(10 * math.log10(7.2 / 8))
    assert found.cells == 4
    # Cells of +3.01, 0, 0 and -10 dB.
    assert found.p95_db == pytest.approx(0.85 * 10 * math.log10(2))
    assert found.p5_db == pytest.approx(-8.5)
    assert found.abs_p95_db == pytest.approx(10 * 0.85 + 0.15 * 10 * math.log10(2))


def test_the_mean_of_decibels_is_darker_than_mean_power_by_theory() -> None:
    db = clutter(1.0)
    found = metrics.power_bias(db, np.full(db.shape, db.mean()), whole(db))
    assert found.global_db == pytest.approx(-10 / math.log(10) * np.euler_gamma, abs=0.05)


def test_bias_counts_cells_that_are_half_valid() -> None:
    db = np.zeros((250, 100))
    valid = np.ones(db.shape, bool)
    valid[100:150, :] = False
    valid[150, 0] = False  # the second cell has one pixel less than half, the third is half a cell
    assert metrics.power_bias(db, db, valid).cells == 2
    few = metrics.power_bias(db, db + 1, np.arange(250)[:, None] + 0 * db < 10)
    assert few.global_db == pytest.approx(1)
    assert few.cells == 0
    assert math.isnan(few.p5_db) and math.isnan(few.abs_p95_db)
    assert math.isnan(metrics.power_bias(db, db, np.zeros(db.shape, bool)).global_db)
