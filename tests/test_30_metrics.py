"""Errors in dB, SSIM and BD-rate, against hand-computed numbers and other implementations."""

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
from sarcodec.metrics import bd_rate, psnr_db, rmse_db, ssim

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
    ours = metrics._Curve.through(list(x), list(np.exp(y)))
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
