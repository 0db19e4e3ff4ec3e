"""The simulated scenes: speckle statistics against theory, streaming, border, seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats

from sarcodec.errors import LimitError, UsageError
from sarcodec.simulate import LowPass, Scene, SceneSpec, look_weights, reflectivity, scene, speckle
from sarcodec.types import Scale

SIDE = 768


def homogeneous(enl: float, oversampling: float, seed: int = 3) -> npt.NDArray[Any]:
    """Speckle of unit mean power, shape (SIDE, SIDE), float64."""
    psf = LowPass(oversampling)
    rows = range(-psf.reach, SIDE + psf.reach)
    ground = np.ones((len(rows), SIDE + 2 * psf.reach), np.float32)
    seen = speckle.multilook(ground, None, rows, seed=seed, band=0, weights=look_weights(enl), psf=psf)
    return seen.astype(np.float64)


def correlation(image: npt.NDArray[Any], axis: int, lag: int) -> float:
    centred = np.moveaxis(image - image.mean(), axis, 0)
    return float(np.mean(centred[lag:] * centred[:-lag]) / np.mean(centred**2))


@pytest.mark.parametrize("enl", [1.0, 2.5, 4.4, 9.0])
def test_homogeneous_speckle_has_the_equivalent_number_of_looks_asked_for(enl: float) -> None:
    image = homogeneous(enl, 1.3)
    assert image.mean() == pytest.approx(1.0, abs=0.01)
    assert image.mean() ** 2 / image.var() == pytest.approx(enl, rel=0.03)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("oversampling", [0.5, 1.0, 1.3, 1.5])
def test_speckle_correlation_follows_the_point_spread_function(oversampling: float, axis: int) -> None:
    image, psf = homogeneous(4.4, oversampling), LowPass(oversampling)
    for lag in (1, 2, 3):
        assert correlation(image, axis, lag) == pytest.approx(psf.correlation(lag), abs=0.015)


def test_default_speckle_is_correlated_like_sentinel_1_grd() -> None:
    psf = LowPass(SceneSpec(8, 8).oversampling)
    assert 0.6 < psf.correlation(1) < 0.7
    assert psf.correlation(2) < 0.2


@pytest.mark.parametrize("enl", [1.0, 4.4, 7.5])
def test_speckle_histogram_follows_the_gamma_law(enl: float) -> None:
    # Every sixth pixel is as good as independent, which the statistic's scale assumes.
    sample = homogeneous(enl, 1.3)[::6, ::6].ravel()
    distance = stats.kstest(sample, stats.gamma(enl, scale=1 / enl).cdf).statistic
    assert distance < 1.63 / np.sqrt(sample.size)  # 1 % level
    other = stats.kstest(sample, stats.gamma(enl * 1.3, scale=1 / (enl * 1.3)).cdf).statistic
    assert other > 1.63 / np.sqrt(sample.size)


@given(st.floats(1.0, 256.0))
def test_look_weights_reach_any_equivalent_number_of_looks(enl: float) -> None:
    weights = look_weights(enl).astype(np.float64)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1.0, rel=1e-5)
    assert 1 / np.sum(weights**2) == pytest.approx(enl, rel=1e-4)


def test_separable_filter_equals_a_direct_convolution() -> None:
    psf = LowPass(1.4)
    field = np.random.default_rng(0).standard_normal((2, 60, 90)).astype(np.float32)
    kernel = np.concatenate([psf.taps[:0:-1], psf.taps]).astype(np.float64)
    wanted = ndimage.convolve(field.astype(np.float64), np.outer(kernel, kernel)[None], mode="constant")
    inner = slice(psf.reach, -psf.reach)
    np.testing.assert_allclose(psf.apply(field), wanted[:, inner, inner], atol=1e-5)


def test_white_noise_is_standard_normal_and_uncorrelated() -> None:
    real, imaginary = speckle.white_noise(1, 0, 0, range(200), 1000).astype(np.float64)
    for part in (real, imaginary):
        assert stats.kstest(part.ravel(), "norm").statistic < 1.63 / np.sqrt(part.size)
    limit = 4 / np.sqrt(real.size)
    assert abs(np.mean(real * imaginary)) < limit
    assert abs(np.mean(real[1:] * real[:-1])) < limit
    assert abs(np.mean(real[:, 1:] * real[:, :-1])) < limit


@settings(max_examples=5, deadline=None)
@given(st.integers(40, 300), st.integers(0, 2**64 - 1))
def test_row_block_size_changes_no_byte(rows: int, seed: int) -> None:
    made = Scene(SceneSpec(150, 290, bands=("VV", "VH"), seed=seed))
    whole = made.block(0, 290, truth=True)
    blocks = list(made.blocks(rows, truth=True))
    assert np.concatenate([b.values for b in blocks], axis=1).tobytes() == whole.values.tobytes()
    assert np.concatenate([b.truth for b in blocks], axis=1).tobytes() == whole.truth.tobytes()


@pytest.mark.parametrize("strip", [3, 37, 500])
def test_internal_strip_height_changes_no_byte(strip: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Scene(SceneSpec(200, 150, seed=5))
    before = made.block(0, 150).values.tobytes()
    monkeypatch.setattr(scene, "STRIP", strip)
    monkeypatch.setattr(speckle, "_CHUNK", 1000)
    monkeypatch.setattr(reflectivity, "_CHUNK_ROWS", 7)
    assert made.block(0, 150).values.tobytes() == before


def test_a_wider_scene_continues_a_narrower_one() -> None:
    psf, weights = LowPass(1.3), look_weights(4.4)
    rows = range(40)
    narrow, wide = (
        speckle.multilook(np.ones((40, w), np.float32), None, rows, seed=1, band=0, weights=weights, psf=psf)
        for w in (81, 130)
    )
    np.testing.assert_array_equal(wide[:, : narrow.shape[1]], narrow)


def test_border_is_exactly_nodata_and_the_rest_is_data() -> None:
    spec = SceneSpec(400, 300, border=20)
    made = Scene(spec)
    values, valid = made.block(0, 300).values[0], made.valid(0, 300)
    np.testing.assert_array_equal(values == 0, ~valid)
    assert np.mean(valid) == pytest.approx((400 - 40) * (300 - 40) / (400 * 300), abs=0.01)
    # Slanted: no side is a straight row or column.
    assert len(set(np.argmax(valid[40:-40], axis=1))) > 5
    assert len(set(np.argmax(valid[:, 40:-40], axis=0))) > 5


@pytest.mark.parametrize("scale", [Scale.DN, Scale.POWER, Scale.DB])
def test_without_a_border_every_pixel_is_data(scale: Scale) -> None:
    values = Scene(SceneSpec(130, 90, scale=scale, border=0)).block(0, 90).values
    assert np.isfinite(values).all()
    if scale is not Scale.DB:
        assert values.min() > 0


def test_scales_describe_the_same_scene() -> None:
    dn, power, db = (
        Scene(SceneSpec(120, 100, scale=s, border=0, seed=2)).block(0, 100).values.astype(np.float64)
        for s in (Scale.DN, Scale.POWER, Scale.DB)
    )
    np.testing.assert_allclose(10 * np.log10(power), db, atol=1e-4)
    assert np.abs(dn - np.sqrt(power) * scene.DN_GAIN).max() < 0.51


def test_mean_of_many_looks_is_the_truth() -> None:
    spec = SceneSpec(160, 160, scale=Scale.POWER, enl=256, seed=11, border=0)
    block = Scene(spec).block(0, 160, truth=True)
    ratio = block.values.astype(np.float64) / block.truth
    assert ratio.mean() == pytest.approx(1.0, abs=0.005)
    assert ratio.std() == pytest.approx(1 / 16, rel=0.1)


def test_point_targets_add_to_the_truth_as_they_do_to_many_looks() -> None:
    psf = LowPass(1.3)
    size = 40 + 2 * psf.reach
    ground = np.full((size, size), 0.1, np.float32)
    points = np.zeros((2, size, size), np.float32)
    points[:, 20, 20], points[0, 21, 23] = (3.0, 2.0), -4.0
    mean = speckle.multilook(ground, points, range(size), seed=4, band=0, weights=look_weights(256), psf=psf)
    np.testing.assert_allclose(mean, speckle.expected(ground, points, psf), rtol=0.35)
    np.testing.assert_allclose(mean.max(), speckle.expected(ground, points, psf).max(), rtol=0.05)


def test_another_seed_changes_ground_and_speckle() -> None:
    one, two = (
        Scene(SceneSpec(256, 256, scale=Scale.DB, seed=s, border=0)).block(0, 256, truth=True) for s in (1, 2)
    )
    assert np.mean(one.truth == two.truth) < 0.001
    noise = [(made.values - made.truth).ravel() for made in (one, two)]
    assert abs(np.corrcoef(noise)[0, 1]) < 0.03


def test_cross_polarisation_is_weaker_and_has_speckle_of_its_own() -> None:
    spec = SceneSpec(512, 512, bands=("VV", "VH"), scale=Scale.DB, seed=7, border=0)
    block = Scene(spec).block(0, 512, truth=True)
    bright = block.truth[0] > -8  # far above the noise floor that both share
    assert bright.mean() > 0.01
    assert 5 < np.median((block.truth[0] - block.truth[1])[bright]) < 8
    noise = block.values - block.truth
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.02


def test_bands_do_not_depend_on_each_other() -> None:
    both = Scene(SceneSpec(140, 70, bands=("VV", "VH"))).block(0, 70).values
    only = Scene(SceneSpec(140, 70, bands=("VH",))).block(0, 70).values
    np.testing.assert_array_equal(both[1], only[0])


def test_scenes_hold_land_water_and_bright_targets_at_realistic_levels() -> None:
    values = Scene(SceneSpec(1024, 1024, seed=1, border=0)).block(0, 1024, truth=True)
    truth_db = 10 * np.log10(values.truth[0] / scene.DN_GAIN**2)
    assert 100 < np.median(values.values) < 400
    assert 0.003 < np.mean(truth_db < -18) < 0.5
    assert truth_db.max() > 8


@pytest.mark.parametrize(
    "change",
    [
        {"width": 0}, {"bands": ()}, {"bands": ("HH",)}, {"bands": ("VV", "VV")}, {"scale": Scale.AMPLITUDE},
        {"enl": 0.9}, {"enl": float("nan")}, {"oversampling": 0.1}, {"seed": -1},
        {"border": -1}, {"border": 40},
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        SceneSpec(**{"width": 64, "height": 64, **change})  # type: ignore[arg-type]


def test_sizes_above_the_limits_are_refused() -> None:
    with pytest.raises(LimitError):
        SceneSpec(2**20, 2**20)
