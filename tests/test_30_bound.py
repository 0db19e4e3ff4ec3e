"""The Gaussian rate-distortion bound against closed forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, signal

from sarcodec.metrics.bound import Spectrum, spectrum

Array = npt.NDArray[Any]

SIDE = 512
RHO = 0.7


def of(image: Array, **options: int) -> Spectrum:
    found = spectrum(image, np.ones(image.shape, bool), **options)
    assert found is not None
    return found


def white(sigma: float = 3.0, side: int = SIDE) -> Array:
    return np.random.default_rng(1).normal(-10, sigma, (side, side))


def autoregressive() -> Array:
    """Separable AR(1) of unit variance."""
    noise = np.random.default_rng(2).normal(0, 1 - RHO**2, (SIDE + 100, SIDE + 100))
    for axis in (0, 1):
        noise = signal.lfilter([1], [1, -RHO], noise, axis=axis)
    return noise[100:, 100:]


@pytest.mark.parametrize("bpp", [0.0, 0.1, 0.5, 1.0, 3.0])
def test_white_noise_needs_a_bit_for_six_db(bpp: float) -> None:
    assert of(white()).rmse_db(bpp) == pytest.approx(3 * 2**-bpp, rel=0.01)


def test_density_averages_to_the_variance() -> None:
    assert of(white()).density.mean() == pytest.approx(9, rel=0.01)
    assert of(autoregressive()).density.mean() == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("bpp", [1.5, 2.0, 4.0])
def test_an_autoregressive_field_reaches_the_closed_form_at_high_rate(bpp: float) -> None:
    # The water lies below the whole spectrum: D = variance * (1 - rho^2)^2 * 4^-R.
    assert of(autoregressive()).rmse_db(bpp) == pytest.approx((1 - RHO**2) * 2**-bpp, rel=0.015)


@pytest.mark.parametrize("bpp", [0.05, 0.2, 0.5])
def test_an_autoregressive_field_follows_its_own_spectrum_at_low_rate(bpp: float) -> None:
    omega = 2 * np.pi * (np.arange(1024) + 0.5) / 1024
    line = (1 - RHO**2) / (1 - 2 * RHO * np.cos(omega) + RHO**2)
    density = np.outer(line, line)

    def excess(log: float) -> float:
        return float(np.mean(np.maximum(0, 0.5 * (np.log2(density) - log)))) - bpp

    level = 2 ** optimize.brentq(excess, -20, 20)
    wanted = math.sqrt(float(np.mean(np.minimum(level, density))))
    assert of(autoregressive()).rmse_db(bpp) == pytest.approx(wanted, rel=0.02)


def test_a_spectrum_of_two_levels_is_filled_as_by_hand() -> None:
    spectrum_ = Spectrum(np.array([[16.0, 16.0], [1.0, 1.0]]), 1)
    # Water at 4: half of the frequencies give a bit each; error (4 + 4 + 1 + 1) / 4.
    assert spectrum_.rmse_db(0.5) == pytest.approx(math.sqrt(2.5))
    assert spectrum_.bpp(math.sqrt(2.5)) == pytest.approx(0.5)
    # Water at 1/4: (3 + 3 + 1 + 1) / 4 bits.
    assert spectrum_.rmse_db(2.0) == pytest.approx(0.5)
    assert spectrum_.bpp(0.5) == pytest.approx(2.0)
    assert spectrum_.rmse_db(0.0) == pytest.approx(math.sqrt(8.5))


def test_frequencies_without_power_cost_nothing() -> None:
    half = Spectrum(np.array([[4.0, 4.0], [0.0, 0.0]]), 1)
    assert half.rmse_db(1.0) == pytest.approx(math.sqrt(4 * 2**-4 / 2))
    assert half.bpp(half.rmse_db(1.0)) == pytest.approx(1.0)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 6.0))
def test_rate_and_error_are_each_others_inverse(seed: int, bpp: float) -> None:
    density = np.exp(np.random.default_rng(seed).normal(0, 3, (8, 8)))
    found = Spectrum(density, 1)
    assert found.bpp(found.rmse_db(bpp)) == pytest.approx(bpp, abs=1e-6)


def test_error_falls_with_rate_and_its_square_is_convex() -> None:
    rates = np.linspace(0, 4, 81)
    errors = np.array([error for _, error in of(autoregressive()).curve(rates)])
    assert (np.diff(errors) < 0).all()
    assert (np.diff(errors**2, 2) > -1e-9).all()


@pytest.mark.parametrize("factor", [0.1, 2.0])
def test_scaling_the_image_scales_the_error(factor: float) -> None:
    image = autoregressive()
    once, scaled = of(image), of(factor * image + 5)
    for bpp in (0.0, 0.3, 2.0):
        assert scaled.rmse_db(bpp) == pytest.approx(factor * once.rmse_db(bpp), rel=1e-6)


def test_structure_larger_than_a_block_is_paid_for() -> None:
    noise = white(1.0)
    halves = noise + np.where(np.arange(SIDE) < SIDE // 2, -8, 8)
    assert of(halves).rmse_db(0) == pytest.approx(math.sqrt(65), rel=0.05)
    assert of(halves).bpp(0.5) > of(noise).bpp(0.5)


def test_the_curve_holds_the_rates_it_was_asked_for() -> None:
    found = of(white())
    assert found.curve((0.2, 0.1)) == ((0.2, found.rmse_db(0.2)), (0.1, found.rmse_db(0.1)))


def test_errors_at_and_beyond_the_ends_have_the_rates_of_the_limits() -> None:
    found = of(white())
    assert found.bpp(found.rmse_db(0)) == pytest.approx(0, abs=1e-12)
    assert found.bpp(100) == 0
    assert found.bpp(0) == math.inf
    assert found.bpp(1e-9) > 20


def test_a_constant_image_needs_no_bit() -> None:
    found = of(np.full((80, 80), -7.25))
    assert (found.rmse_db(0), found.bpp(0)) == (0, 0)


def test_blocks_with_invalid_pixels_are_left_out() -> None:
    image = white(side=256)
    valid = np.ones(image.shape, bool)
    valid[:, 200:] = False
    spoilt = np.where(valid, image, np.nan)
    found, wanted = spectrum(spoilt, valid), of(image[:, :192])
    assert found is not None
    assert found.blocks == 7 * 5 == wanted.blocks
    assert found.rmse_db(0.5) == pytest.approx(wanted.rmse_db(0.5), rel=1e-3)


def test_the_last_block_ends_at_the_edge() -> None:
    image = np.zeros((64, 99))
    image[:, 98] = 40.0
    found = of(image)
    assert found.blocks == 3  # from columns 0, 32 and 35
    assert found.density.mean() > 0


def test_an_image_without_a_whole_block_has_no_spectrum() -> None:
    assert spectrum(np.zeros((63, 200)), np.ones((63, 200), bool)) is None
    assert spectrum(np.zeros((64, 64)), np.zeros((64, 64), bool)) is None
    assert spectrum(np.zeros((32, 32)), np.ones((32, 32), bool), block=32) is not None
