"""What users do with a raster - water, targets, change - against theory, hand counts and scikit-image."""

from __future__ import annotations

import dataclasses
import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from sarcodec.errors import UsageError
from sarcodec.metrics import change, targets, water
from sarcodec.simulate import LowPass, look_weights, speckle

Array = npt.NDArray[Any]

SIDE = 512
PSF = LowPass(1.3)


@lru_cache
def clutter(seed: int, *, planted: tuple[tuple[int, int], ...] = (), peak_db: float = 5.0) -> Array:
    """Speckle of 4.4 looks on ground of -10 dB, shape (SIDE, SIDE), dB, with point targets."""
    rows = range(-PSF.reach, SIDE + PSF.reach)
    ground = np.full((len(rows), len(rows)), 0.1, np.float32)
    points = np.zeros((2, *ground.shape), np.float32)
    for row, col in planted:
        points[0, row + PSF.reach, col + PSF.reach] = math.sqrt(10 ** (peak_db / 10)) / PSF.taps[0] ** 2
    power = speckle.multilook(ground, points, rows, seed=seed, band=0, weights=look_weights(4.4), psf=PSF)
    return 10 * np.log10(power)


def everywhere(db: Array) -> Array:
    return np.ones(db.shape, bool)


def shore(seed: int = 1) -> tuple[Array, Array]:
    """Speckled land of -10 dB with 30 % water of -22 dB, dB, and where the water is."""
    wet = np.zeros((SIDE, SIDE), bool)
    wet[:, : int(0.3 * SIDE)] = True
    return clutter(seed) - np.where(wet, 12, 0), wet


# Water


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_otsu_threshold_agrees_with_scikit_image(share: float) -> None:
    skimage = pytest.importorskip("skimage.filters")
    rng = np.random.default_rng(3)
    shape = (600, 500)  # no bin is empty, so there are no ties
    db = np.where(rng.random(shape) < share, rng.normal(-20, 1.8, shape), rng.normal(-9, 2.4, shape))
    found = water.otsu(db, everywhere(db), window=1)
    clipped = np.clip(db, *np.quantile(db, [0.001, 0.999]))
    assert found.threshold_db == pytest.approx(skimage.threshold_otsu(clipped, nbins=256), abs=1e-9)


def test_separability_and_gap_of_two_levels_are_those_worked_by_hand() -> None:
    db = np.array([[-20.0] * 3 + [-10.0] * 7] * 10)
    db += np.tile([-0.5, 0.5], (10, 5))
    found = water.otsu(db, everywhere(db), window=1)
    # Between: 0.3 * 0.7 * gap^2. Bins are a twentieth of a dB wide.
    gap = (7 * -10 + 0.5) / 7 - (3 * -20 - 0.5) / 3
    assert found.gap_db == pytest.approx(gap, abs=0.05)
    assert found.separability == pytest.approx(0.21 * gap**2 / db.var(), abs=0.002)


def test_a_gaussian_histogram_has_the_separability_of_theory_and_no_two_modes() -> None:
    db = np.random.default_rng(0).normal(-10, 4, (400, 400))
    found = water.otsu(db, everywhere(db), window=1)
    assert found.separability == pytest.approx(2 / math.pi, abs=0.01)
    assert found.gap_db == pytest.approx(4 * math.sqrt(8 / math.pi), abs=0.1)
    assert found.valley > 0.95
    assert not found.bimodal


def test_water_beside_land_is_found_and_has_two_modes() -> None:
    db, wet = shore()
    assert water.otsu(db, everywhere(db)).bimodal
    assert water.iou(water.water_mask(db, everywhere(db)), wet, everywhere(db)) > 0.98


def test_speckle_alone_and_two_kinds_of_fields_are_no_water() -> None:
    db = clutter(2)
    assert not water.otsu(db, everywhere(db)).bimodal
    db, wet = shore()
    fields = np.where(wet, db + 7, db)  # 5 dB apart
    found = water.otsu(fields, everywhere(db))
    assert found.valley < water.MAX_VALLEY
    assert not found.bimodal


def test_invalid_pixels_change_neither_threshold_nor_mask() -> None:
    db, _ = shore()
    valid = everywhere(db)
    valid[100:180, 100:200] = False
    for junk in (np.nan, -9999.0, 1e30):
        spoilt = np.where(valid, db, junk)
        assert water.otsu(spoilt, valid) == water.otsu(db, valid)
        mask = water.water_mask(spoilt, valid)
        assert not mask[~valid].any()
        np.testing.assert_array_equal(mask, water.water_mask(db, valid))


def test_an_image_of_one_level_or_of_no_valid_pixel_has_no_water() -> None:
    level = np.full((20, 20), -10.0)
    assert not water.otsu(level, everywhere(level)).bimodal
    found = water.otsu(level, ~everywhere(level))
    assert math.isnan(found.threshold_db)
    assert not found.bimodal
    assert not water.water_mask(level, ~everywhere(level)).any()


def test_a_given_threshold_is_taken() -> None:
    db = np.repeat([-20.0, -10.0], 50)[None].repeat(20, axis=0)
    mask = water.water_mask(db, everywhere(db), threshold_db=-15, window=1)
    np.testing.assert_array_equal(mask, db == -20)
    assert not water.water_mask(db, everywhere(db), threshold_db=-25).any()


def test_iou_is_counted_among_valid_pixels_and_one_where_both_are_empty() -> None:
    a = np.array([[1, 1, 0, 0, 1]], bool)
    b = np.array([[0, 1, 1, 0, 1]], bool)
    valid = np.array([[1, 1, 1, 1, 0]], bool)
    assert water.iou(a, b, valid) == pytest.approx(1 / 3)
    assert water.iou(a & ~a, a & ~a, valid) == 1.0
    assert water.iou(a, a & ~a, valid) == 0.0


# Targets


@pytest.mark.parametrize("pfa", [1e-2, 1e-3])
def test_false_alarms_on_correlated_speckle_come_at_the_wanted_rate(pfa: float) -> None:
    alarms = [targets.detect(clutter(k), everywhere(clutter(k)), enl=4.4, pfa=pfa).labels > 0 for k in (1, 2)]
    assert 0.7 * pfa < np.mean(alarms) < 1.3 * pfa


def test_effective_pixels_are_those_of_the_speckles_own_correlation() -> None:
    area = (1 + 2 * sum(PSF.correlation(k) for k in range(1, 8))) ** 2
    assert targets.effective_pixels(360, PSF.correlation(1)) == pytest.approx(360 / area, rel=0.08)
    assert targets.effective_pixels(360, 0.0) == pytest.approx(360)


def test_planted_targets_are_found_where_they_stand() -> None:
    planted = tuple((row, col) for row in range(40, SIDE, 100) for col in range(25, SIDE, 100))
    db = clutter(4, planted=planted, peak_db=8)
    found = targets.detect(db, everywhere(db), enl=4.4)
    places = set(zip(found.rows.tolist(), found.cols.tolist(), strict=True))
    near = [any(abs(r - row) <= 1 and abs(c - col) <= 1 for r, c in places) for row, col in planted]
    assert all(near)
    assert found.count <= len(planted) + 2
    bright = found.contrast_db > 10
    assert np.count_nonzero(bright) == len(planted)
    assert found.peak_db[bright].mean() == pytest.approx(8, abs=0.5)
    assert found.contrast_db[bright].mean() == pytest.approx(18, abs=0.7)


def test_touching_pixels_are_one_target_with_the_peak_of_the_brightest() -> None:
    db = np.full((60, 60), -10.0)
    db[30, 30], db[31, 31], db[29, 31], db[10, 50] = 5.0, 9.0, 6.0, 7.0
    found = targets.detect(db, everywhere(db), enl=4.4)
    assert found.rows.tolist() == [10, 31]
    assert found.cols.tolist() == [50, 31]
    np.testing.assert_allclose(found.peak_db, [7, 9])
    # The neighbours lie in the guard ring, so the clutter is -10 dB.
    np.testing.assert_allclose(found.contrast_db, [17, 19])


def test_identity_keeps_every_target() -> None:
    db = clutter(4, planted=((50, 60), (200, 300)))
    found = targets.detect(db, everywhere(db), enl=4.4, pfa=1e-4)
    kept = targets.compare(found, found, db)
    assert kept == targets.TargetChange(found.count, 0, 0, 2, 2, 0.0)


def test_kept_lost_and_added_targets_are_those_counted_by_hand() -> None:
    original = np.full((80, 80), -10.0)
    decoded = original.copy()
    original[10, 10], decoded[12, 8] = 5.0, 4.0  # moved by two pixels: kept
    original[10, 60], decoded[13, 60] = 5.0, 4.0  # by three: lost, and one added
    original[60, 10], decoded[60, 10] = 5.0, 2.0  # kept
    original[60, 60] = 5.0  # lost
    decoded[40, 40] = 5.0  # added
    changed = targets.compare(
        targets.detect(original, everywhere(original), enl=10),
        targets.detect(decoded, everywhere(decoded), enl=10),
        decoded,
    )
    # Peaks within reach: 4, -10 (the moved one is out of reach), 2 and -10, all against 5.
    assert dataclasses.replace(changed, bright_peak_rms_db=None) == targets.TargetChange(2, 2, 2, 4, 2, None)
    assert changed.bright_peak_rms_db == pytest.approx(math.sqrt((1 + 225 + 9 + 225) / 4))


def test_weak_targets_are_not_bright() -> None:
    db = np.full((60, 60), -10.0)
    db[20, 20], db[40, 40] = -0.5, 0.5
    found = targets.detect(db, everywhere(db), enl=10)
    assert targets.compare(found, found, db).bright == 1
    weak = dataclasses.replace(found, contrast_db=np.array([9.5, 9.9]))
    assert targets.compare(weak, found, db).bright_peak_rms_db is None


def test_invalid_pixels_are_neither_targets_nor_clutter() -> None:
    db = clutter(4, planted=((100, 100),))
    valid = everywhere(db)
    valid[:, 104:110] = False
    valid[200:, 200:] = False
    spoilt = np.where(valid, db, 1e4)
    found = targets.detect(spoilt, valid, enl=4.4)
    nan = targets.detect(np.where(valid, db, np.nan), valid, enl=4.4)
    np.testing.assert_array_equal(found.labels, nan.labels)
    assert not found.labels[~valid].any()
    assert found.labels[100, 100]
    changed = targets.compare(found, found, spoilt)
    assert changed.bright_peak_rms_db == 0.0


def test_an_image_of_no_or_hardly_any_valid_pixels_has_no_targets() -> None:
    db = np.full((40, 40), -10.0)
    db[20, 20] = 10.0
    valid = np.zeros(db.shape, bool)
    found = targets.detect(db, valid, enl=4.4)
    assert found.count == 0
    assert targets.compare(found, found, db) == targets.TargetChange(0, 0, 0, 0, 0, None)
    valid[18:24, 18:24] = True  # no ring
    assert targets.detect(db, valid, enl=4.4).count == 0


@pytest.mark.parametrize("wrong", [{"enl": 0.0}, {"enl": 4.4, "pfa": 1.0}, {"enl": 4.4, "lag1": 1.0}])
def test_impossible_settings_of_the_detector_are_refused(wrong: dict[str, float]) -> None:
    db = np.zeros((5, 5))
    with pytest.raises(UsageError):
        targets.detect(db, everywhere(db), **wrong)  # type: ignore[arg-type]


# Change


def test_log_ratio_of_a_level_shift_is_the_shift() -> None:
    db = clutter(1)
    ratio = change.log_ratio(db, db + np.float32(4), everywhere(db))
    np.testing.assert_allclose(ratio, 4, atol=1e-4)


def test_local_means_are_of_power_and_of_valid_pixels() -> None:
    db = np.array([[0.0, 10.0, np.nan]])
    valid = np.array([[True, True, False]])
    mean = change.local_mean_db(db, valid, 3)
    np.testing.assert_allclose(mean[0, :2], 10 * math.log10(5.5))
    assert math.isnan(mean[0, 2])
    inner = change.local_mean_db(clutter(1), everywhere(clutter(1)), 7)
    wanted = 10 * np.log10(ndimage.uniform_filter(10 ** (clutter(1).astype(float) / 10), 7))
    np.testing.assert_allclose(inner[3:-3, 3:-3], wanted[3:-3, 3:-3], atol=1e-9)


def test_two_dates_without_change_pass_the_threshold_as_seldom_as_stated() -> None:
    # 0.7 % by the normal law with the standard deviation of the docstring; speckle of less overlap has less.
    seen = change.change_map(clutter(1), clutter(2), everywhere(clutter(1)))
    assert seen.mean() < 0.007
    ratio = change.log_ratio(clutter(1), clutter(2), everywhere(clutter(1)))
    assert 0.8 < ratio.std() < 1.2


def test_a_changed_field_is_found_and_the_sign_does_not_matter() -> None:
    truth = np.zeros((SIDE, SIDE), bool)
    truth[100:200, 150:300] = True
    before, after = clutter(1), clutter(2) + np.where(truth, np.float32(6), np.float32(0))
    found = change.change_map(before, after, everywhere(before))
    assert change.scores(found, truth, everywhere(before)).recall > 0.97
    np.testing.assert_array_equal(found, change.change_map(after, before, everywhere(before)))


def test_identical_pairs_of_dates_give_identical_maps() -> None:
    found = change.change_map(clutter(1), clutter(2), everywhere(clutter(1)))
    assert found.any()
    assert change.scores(found, found, everywhere(found)) == change.Scores(1.0, 1.0, 1.0, 1.0)


def test_invalid_pixels_never_change() -> None:
    valid = everywhere(clutter(1))
    valid[:50] = False
    after = np.where(valid, clutter(1), 1e9)
    assert not change.change_map(clutter(1), after, valid).any()
    assert np.isnan(change.log_ratio(clutter(1), after, valid)[:50]).all()


def test_scores_are_those_counted_by_hand() -> None:
    found = np.array([[1, 1, 1, 0, 0, 0, 1]], bool)
    truth = np.array([[1, 1, 0, 1, 1, 0, 0]], bool)
    valid = np.array([[1, 1, 1, 1, 1, 1, 0]], bool)
    got = change.scores(found, truth, valid)
    # Two in common, three found, four true, five in either.
    assert dataclasses.astuple(got) == pytest.approx((2 / 3, 2 / 4, 4 / 7, 2 / 5))


@pytest.mark.parametrize(("found", "truth", "wanted"), [(0, 0, 1.0), (1, 0, 0.0), (0, 1, 0.0)])
def test_scores_of_empty_maps_are_one_if_both_are_empty_and_else_zero(
    found: int, truth: int, wanted: float
) -> None:
    one = np.ones((3, 3), bool)
    got = change.scores(one & bool(found), one & bool(truth), one)
    assert got == change.Scores(wanted, wanted, wanted, wanted)
