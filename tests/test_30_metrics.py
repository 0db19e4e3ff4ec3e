"""Errors in dB, SSIM, edges and BD-rate, against hand-computed numbers and other implementations."""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sarcodec import metrics
from sarcodec.errors import InputError
from sarcodec.metrics import bd_rate, bdrate, epi_correlation, epi_ratio, ms_ssim, psnr_db, rmse_db, ssim

Array = npt.NDArray[Any]


def images(shape: tuple[int, int] = (60, 47)) -> tuple[Array, Array]:
    rng = np.random.default_rng(7)
    first = 10 * np.log10(rng.gamma(4.4, 0.01, shape)).astype(np.float32)
    first += np.linspace(-8, 8, shape[1], dtype=np.float32)
    return first, first + rng.normal(0, 1.5, shape).astype(np.float32)


def test_rmse_counts_valid_pixels_only() -> None:
    a = np.array([[1.0, 2.0], [np.nan, 5.0]], np.float32)
    b = np.array([[4.0, 6.0], [0.0, 999.0]], np.float32)
    valid = np.array([[True, True], [False, False]])
    assert rmse_db(a, b, valid) == pytest.approx(math.sqrt((9 + 16) / 2))


def test_rmse_of_no_valid_pixels_is_nan() -> None:
    assert math.isnan(rmse_db(np.zeros((2, 2)), np.zeros((2, 2)), np.zeros((2, 2), bool)))


def test_psnr_of_an_error_of_three_db_is_twenty() -> None:
    a, valid = np.zeros((4, 4)), np.ones((4, 4), bool)
    assert psnr_db(a, a + 3, valid) == pytest.approx(20)
    assert psnr_db(a, a, valid) == math.inf


@pytest.mark.parametrize("shape", [(60, 47), (11, 11), (300, 30)])
def test_ssim_agrees_with_scikit_image(shape: tuple[int, int]) -> None:
    skimage = pytest.importorskip("skimage.metrics")
    a, b = images(shape)
    expected = skimage.structural_similarity(
        a.astype(float), b.astype(float), data_range=30, gaussian_weights=True, use_sample_covariance=False
    )
    assert ssim(a, b, np.ones(shape, bool)) == pytest.approx(expected, abs=1e-9)


def test_ssim_leaves_out_windows_that_touch_invalid_pixels() -> None:
    a, b = images((60, 60))
    valid = np.ones(a.shape, bool)
    valid[:, :20] = False
    spoilt = np.where(valid, b, np.float32(np.nan))
    assert ssim(a, spoilt, valid) == pytest.approx(ssim(a[:, 20:], b[:, 20:], valid[:, 20:]))


@pytest.mark.parametrize("shape", [(10, 50), (50, 10), (1, 1)])
def test_ssim_of_a_raster_smaller_than_its_window_is_nan(shape: tuple[int, int]) -> None:
    assert math.isnan(ssim(np.zeros(shape), np.zeros(shape), np.ones(shape, bool)))


@pytest.mark.parametrize("shape", [(176, 192), (320, 256)])
def test_ms_ssim_agrees_with_pytorch_msssim(shape: tuple[int, int]) -> None:
    torch, oracle = pytest.importorskip("torch"), pytest.importorskip("pytorch_msssim")
    a, b = images(shape)
    tensors = (torch.from_numpy(image.astype(float))[None, None] for image in (a, b))
    expected = float(oracle.ms_ssim(*tensors, data_range=30))
    assert ms_ssim(a, b, np.ones(shape, bool)) == pytest.approx(expected, abs=1e-6)


def test_ms_ssim_of_an_image_with_itself_is_one_and_with_its_negative_zero() -> None:
    a, _ = images((180, 181))
    valid = np.ones(a.shape, bool)
    assert ms_ssim(a, a, valid) == pytest.approx(1)
    assert ms_ssim(a, -a, valid) == 0


def test_ms_ssim_leaves_out_windows_that_touch_invalid_pixels() -> None:
    a, b = images((200, 256))
    valid = np.ones(a.shape, bool)
    valid[:, :64] = False
    spoilt = np.where(valid, b, np.float32(np.nan))
    cropped = ms_ssim(a[:, 64:], b[:, 64:], valid[:, 64:])
    assert ms_ssim(a, spoilt, valid) == pytest.approx(cropped)


def test_ms_ssim_is_nan_below_eleven_pixels_at_the_coarsest_scale() -> None:
    a, b = images((176, 176))
    valid = np.ones(a.shape, bool)
    assert math.isfinite(ms_ssim(a, b, valid))
    assert math.isnan(ms_ssim(a[:175], b[:175], valid[:175]))
    valid[80, 80] = False
    assert math.isnan(ms_ssim(a, b, valid))


def test_edges_of_an_image_are_those_of_itself() -> None:
    a, _ = images()
    valid = np.ones(a.shape, bool)
    assert epi_correlation(a, a, valid) == pytest.approx(1)
    assert epi_ratio(a, a, valid) == 1


@pytest.mark.parametrize("gain", [-1.0, 0.5, 2.0])
def test_a_gain_of_contrast_scales_the_edge_ratio_alone(gain: float) -> None:
    a, _ = images()
    valid = np.ones(a.shape, bool)
    assert epi_correlation(a, gain * a, valid) == pytest.approx(1)
    assert epi_ratio(a, gain * a, valid) == pytest.approx(abs(gain))


@pytest.mark.parametrize("shape", [(60, 47), (1100, 20)], ids=["one strip", "strips"])
def test_edge_correlation_agrees_with_scikit_image(shape: tuple[int, int]) -> None:
    filters = pytest.importorskip("skimage.filters")
    a, b = images(shape)
    gradients = [np.hypot(filters.sobel_h(x.astype(float)), filters.sobel_v(x.astype(float))) for x in (a, b)]
    expected = np.corrcoef(*(g[1:-1, 1:-1].ravel() for g in gradients))[0, 1]
    assert epi_correlation(a, b, np.ones(shape, bool)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("height", [3, 1100])
def test_edge_ratio_of_a_step_made_half_as_high_is_a_half(height: int) -> None:
    step = np.repeat([[0.0, 0, 8, 8]], height, 0)
    valid = np.ones(step.shape, bool)
    assert epi_ratio(step, step / 2, valid) == 0.5
    # Pairs down the columns count too: a raised last row adds four differences of 1.
    raised = step.copy()
    raised[-1] += 1
    assert epi_ratio(step, raised, valid) == pytest.approx((8 * height + 4) / (8 * height))


def test_edges_that_touch_invalid_pixels_do_not_count() -> None:
    a, b = images()
    valid = np.ones(a.shape, bool)
    valid[20] = False
    spoilt = np.where(valid, b, np.float32(np.nan))
    parts = [epi_ratio(a[rows], b[rows], valid[rows]) for rows in (slice(20), slice(21, None))]
    assert min(parts) <= epi_ratio(a, spoilt, valid) <= max(parts)
    assert math.isfinite(epi_correlation(a, spoilt, valid))


def test_edges_of_a_constant_image_are_nan() -> None:
    flat, valid = np.zeros((9, 9)), np.ones((9, 9), bool)
    assert math.isnan(epi_correlation(flat, flat, valid))
    assert math.isnan(epi_ratio(flat, flat, valid))
    assert math.isnan(epi_correlation(flat[:2], flat[:2], valid[:2]))
    assert math.isnan(epi_ratio(flat, flat, ~valid))


def test_bd_rate_of_a_curve_against_itself_is_zero_and_at_half_the_rate_minus_fifty() -> None:
    rate, rmse = [0.05, 0.1, 0.2, 0.4], [2.4, 2.1, 1.7, 1.2]
    assert bd_rate(rate, rmse, rate, rmse) == metrics.BdRate(0, 1.2, 2.4, 1)
    assert bd_rate(rate, rmse, [r / 2 for r in rate], rmse).percent == pytest.approx(-50)


@pytest.mark.parametrize(
    ("test", "overlap"),
    [([1.0, 2.0], 1.0), ([1.5, 2.0], 0.5), ([1.75, 2.75], 0.25), ([0.0, 4.0], 0.25), ([1.5, 3.5], 0.25)],
)
def test_overlap_is_the_common_interval_over_the_longer_curve(test: list[float], overlap: float) -> None:
    assert bd_rate([2, 1], [1, 2], [2, 1], test).overlap == pytest.approx(overlap)
    assert bd_rate([2, 1], test, [2, 1], [1, 2]).overlap == pytest.approx(overlap)


def test_bd_rate_of_a_constant_saving_is_that_saving() -> None:
    rate, rmse = [0.05, 0.1, 0.2, 0.4], [2.4, 2.1, 1.7, 1.2]
    found = bd_rate(rate, rmse, [0.8 * r for r in rate], rmse)
    assert found.percent == pytest.approx(-20)
    assert (found.low_db, found.high_db) == (1.2, 2.4)


def test_bd_rate_of_two_straight_lines_is_known_in_closed_form() -> None:
    # Log rates 0..-2 and 0..-1 over RMSE 0..1: the mean difference is +0.5 on 0..1.
    found = bd_rate([1, math.exp(-2)], [0, 1], [math.exp(1), 1, math.exp(-1)], [-1, 0, 1])
    assert found.percent == pytest.approx(100 * math.expm1(0.5))
    assert (found.low_db, found.high_db) == (0, 1)


@st.composite
def curves(draw: st.DrawFn) -> tuple[list[float], list[float]]:
    count = draw(st.integers(4, 6))
    gaps = draw(st.lists(st.floats(0.05, 0.6), min_size=count, max_size=count))
    steps = draw(st.lists(st.floats(0.01, 1.2), min_size=count, max_size=count))
    rmse = draw(st.floats(0.2, 1.0)) + np.cumsum(gaps)
    return [float(r) for r in np.exp(-np.cumsum(steps))], [float(e) for e in rmse]


@given(curves(), curves())
@settings(max_examples=60, deadline=None)
def test_bd_rate_agrees_with_the_bjontegaard_package(
    reference: tuple[list[float], list[float]], test: tuple[list[float], list[float]]
) -> None:
    low, high = max(reference[1][0], test[1][0]), min(reference[1][-1], test[1][-1])
    if high - low < 1e-3:
        return
    pytest.importorskip("bjontegaard")
    oracle = importlib.import_module("bjontegaard")
    # It wants a quality that rises with rate; the negated error is one.
    (r_ref, e_ref), (r_test, e_test) = (tuple(np.array(c)[::-1] for c in pair) for pair in (reference, test))
    expected = oracle.bd_rate(
        r_ref, -e_ref, r_test, -e_test, method="pchip", min_overlap=0, require_matching_points=False
    )
    assert bd_rate(*reference, *test).percent == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("slopes", [[1, -1, 1], [1, 1, 20], [20, 1, 1], [0, 0, 1], [1, -20, 1]])
def test_curves_that_turn_follow_scipy(slopes: list[float]) -> None:
    interpolate = pytest.importorskip("scipy.interpolate")
    x = np.array([0.0, 0.3, 1.0, 1.2])
    y = np.concatenate([[0], np.cumsum(np.diff(x) * slopes)])
    ours = bdrate._Curve.through(list(x), list(np.exp(y)))
    theirs = interpolate.PchipInterpolator(x, y)
    assert ours.integral(0.1, 1.1) == pytest.approx(float(theirs.integrate(0.1, 1.1)))


@pytest.mark.parametrize(
    ("rate", "rmse"),
    [([1.0], [1.0]), ([1.0, 2.0], [1.0, 1.0]), ([0.0, 2.0], [2.0, 1.0]), ([1.0, 2.0], [math.nan, 1.0])],
    ids=["one point", "same error", "no rate", "nan"],
)
def test_a_curve_that_is_none_is_refused(rate: list[float], rmse: list[float]) -> None:
    with pytest.raises(InputError):
        bd_rate([0.1, 0.2], [2, 1], rate, rmse)


def test_curves_without_a_common_error_are_refused_with_their_intervals() -> None:
    with pytest.raises(InputError, match=r"1.000..2.000 dB against 3.000..4.000"):
        bd_rate([0.1, 0.2], [2, 1], [0.1, 0.2], [4, 3])
