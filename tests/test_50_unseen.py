"""What invalid pixels hold is chosen so that it costs little, and by nothing but the valid ones."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sarcodec import zoo
from sarcodec.fill import fill_invalid
from sarcodec.model import modelfile
from sarcodec.model.entropy import LatentCoder
from sarcodec.model.lapped import LappedTransform, separable
from sarcodec.model.lapped.filling import PASSES, seen_blocks
from sarcodec.model.modelfile import Model
from sarcodec.radiometry import to_db
from sarcodec.simulate import Scene, SceneSpec
from sarcodec.types import Scale

Array = npt.NDArray[Any]
SIDE = 256


@cache
def shipped() -> Model:
    return modelfile.load(zoo.find())


@cache
def speckle() -> Array:
    """Network units, mean 0."""
    power = Scene(SceneSpec(SIDE, SIDE, scale=Scale.POWER, seed=3, border=0)).block(0, SIDE).values[0]
    db = to_db(power, Scale.POWER)
    return np.asarray((db - db.mean()) / shipped().unit_db, np.float32)


def swath_edge() -> Array:
    row, col = np.mgrid[:SIDE, :SIDE]
    return np.asarray(col + row / 4 < 180)


def filled(valid: Array) -> Array:
    return np.ascontiguousarray(fill_invalid(speckle(), valid, 0.0))


def cost(y: Array, valid: Array, level: int) -> tuple[float, float]:
    """Bits, and the mean square error of valid pixels."""
    coded = LatentCoder(shipped(), level).encode(y, dry=True)
    error = shipped().synthesise(coded.y_hat, level) - speckle()
    return coded.bits, float((error[valid] ** 2).mean())


@pytest.mark.parametrize("part", [0.2, 0.4, 0.6])
def test_an_edge_costs_less_than_with_a_smooth_filling(part: float) -> None:
    valid, level = swath_edge(), round(part * shipped().top_level)
    smooth = cost(shipped().analyse(filled(valid)), valid, level)
    chosen = cost(shipped().transform.analyse_seen(filled(valid), valid), valid, level)
    # Bits and error both differ: by the slope of the curve here, the one is worth so much of the other.
    dearer = cost(shipped().analyse(filled(valid)), valid, level - 64)
    slope = np.log(dearer[1] / smooth[1]) / np.log(smooth[0] / dearer[0])
    saved = np.log(smooth[0] / chosen[0]) - np.log(chosen[1] / smooth[1]) / slope
    assert saved > 0.01


def test_a_raster_without_invalid_pixels_is_analysed_as_it_is() -> None:
    valid = np.ones((SIDE, SIDE), bool)
    assert np.array_equal(shipped().transform.analyse_seen(speckle(), valid), shipped().analyse(speckle()))


def test_a_raster_without_valid_pixels_is_analysed_as_it_is() -> None:
    x = np.zeros((SIDE, SIDE), np.float32)
    assert np.array_equal(shipped().transform.analyse_seen(x, x > 0), shipped().analyse(x))


def test_blocks_far_from_valid_pixels_are_zero_and_the_others_are_not() -> None:
    valid = np.zeros((SIDE, SIDE), bool)
    valid[40:60, 102:109] = True
    y = shipped().transform.analyse_seen(filled(valid), valid)
    seen = np.zeros((16, 16), bool)
    seen[2:4, 6:8] = True  # the last valid column, 108, is within four pixels of block 7
    assert np.array_equal((y != 0).any(0), seen)


def test_models_of_another_family_see_the_smooth_filling() -> None:
    model = modelfile.load(zoo.installed("baseline-16x-rd"))
    valid = swath_edge()
    assert np.array_equal(model.transform.analyse_seen(filled(valid), valid), model.analyse(filled(valid)))


@given(st.integers(0, 2**30), st.sampled_from([0.02, 0.2, 0.6, 0.97]), st.booleans())
@settings(max_examples=25)
def test_filling_in_parts_is_filling_the_whole(seed: int, off: float, slanted: bool) -> None:
    rng = np.random.default_rng(seed)
    h, w = (16 * int(n) for n in rng.integers(1, 45, 2))
    x, (row, col) = rng.normal(0, 1, (h, w)).astype(np.float32), np.mgrid[:h, :w]
    patches = rng.random((h // 16, w // 16)).repeat(16, 0).repeat(16, 1) >= off
    valid = col + row / 4 > off * w if slanted else patches
    valid[0, 0], valid[-1, -1] = True, False
    x = np.asarray(fill_invalid(x, valid), np.float32)
    given_to: list[Array] = []

    def analyse(_: LappedTransform, x: Array) -> Array:
        given_to.append(x)
        return np.zeros((1, h // 16, w // 16), np.float32)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LappedTransform, "analyse", analyse)
        shipped().transform.analyse_seen(x, valid)
    low, high, expected = x[valid].min(), x[valid].max(), x
    for level in PASSES:
        least = 1 / shipped().steps(round(level * shipped().top_level))
        seen = seen_blocks(valid)
        expected = np.where(valid, x, separable.proposed(expected, seen, least).clip(low, high))
    np.testing.assert_allclose(given_to[0], expected, atol=2e-6 * np.abs(x).max())
