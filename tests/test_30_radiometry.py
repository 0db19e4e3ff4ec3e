"""Scales, decibels, and the exactness of what is not data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sarcodec.errors import FormatError, InputError
from sarcodec.invalid import InvalidPalette, valid_mask
from sarcodec.radiometry import BandRange, check_dtype, finish, from_db, to_db
from sarcodec.types import Scale

Array = npt.NDArray[Any]
LINEAR = [Scale.DN, Scale.AMPLITUDE, Scale.POWER]
FLOATS = ["float32", "float64"]
# Quiet and signalling NaN with payloads, -0.0, the smallest and largest subnormal, infinities, a sentinel.
ODD_BITS = [0x7FC00000, 0xFFC12345, 0x7F812345, 0x80000000, 0x00000001, 0x007FFFFF, 0x7F800000, 0xFF800000]
ODD = np.array(ODD_BITS, dtype=np.uint32).view(np.float32)


def float_rasters() -> st.SearchStrategy[Array]:
    """Small float32 rasters that mix plausible pixels, any bits, and a few repeated odd values."""
    plausible = st.floats(-60, 60, width=32)
    odd = st.sampled_from(ODD_BITS)
    bits = st.one_of(plausible.map(lambda x: int(np.float32(x).view(np.uint32))), odd)
    return hnp.arrays(np.uint32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=bits).map(
        lambda a: a.view(np.float32)
    )


# --- types


@pytest.mark.parametrize("dtype", ["complex64", "bool", "int64", "float16"])
def test_types_that_cannot_be_coded_are_refused_with_a_hint(dtype: str) -> None:
    with pytest.raises(InputError) as caught:
        check_dtype(dtype)
    assert dtype in caught.value.message
    assert caught.value.hint


# --- decibels


@pytest.mark.parametrize(
    ("value", "dtype", "scale", "decibels"),
    [
        (100, "uint16", Scale.DN, 40),
        (10, "int16", Scale.AMPLITUDE, 20),
        (255, "uint8", Scale.DN, 48.130804),
        (100000, "uint32", Scale.DN, 100),
        (0.01, "float32", Scale.POWER, -20),
        (0.1, "float64", Scale.AMPLITUDE, -20),
        (1e-45, "float32", Scale.POWER, -448.5347),
        (-17.25, "float32", Scale.DB, -17.25),
        (-17, "int16", Scale.DB, -17),
    ],
)
def test_decibels_are_those_of_power(value: float, dtype: str, scale: Scale, decibels: float) -> None:
    db = to_db(np.array([[value]], dtype), scale)
    assert db.dtype == np.float32
    assert db[0, 0] == pytest.approx(decibels, abs=1e-4)


def test_values_without_a_logarithm_become_nan() -> None:
    values = np.array([0.0, -0.0, -1.0, np.nan, np.inf, -np.inf], np.float32)
    assert np.isnan(to_db(values, Scale.POWER)).all()
    assert np.isnan(to_db(np.array([0, -3], np.int16), Scale.DN)).all()


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
@pytest.mark.parametrize("scale", LINEAR)
def test_every_positive_integer_survives_decibels(dtype: str, scale: Scale) -> None:
    every = np.arange(1, int(np.iinfo(dtype).max) + 1).astype(dtype)
    np.testing.assert_array_equal(from_db(to_db(every, scale), scale, dtype), every)


@given(st.floats(-300, 300), st.sampled_from(LINEAR), st.sampled_from(FLOATS))
def test_from_db_undoes_to_db_on_floats(decibels: float, scale: Scale, dtype: str) -> None:
    value = np.array([10 ** (decibels / (10 if scale is Scale.POWER else 20))], dtype)
    back = from_db(to_db(value, scale), scale, dtype)
    np.testing.assert_allclose(back, value, rtol=1e-5)


def test_integers_are_held_within_their_type() -> None:
    db = np.array([-500, 0, 500, np.inf], np.float32)
    np.testing.assert_array_equal(from_db(db, Scale.DN, "uint8"), [0, 1, 255, 255])
    np.testing.assert_array_equal(from_db(db, Scale.DB, "int8"), [-128, 0, 127, 127])


# --- what is data


def test_zeros_negatives_and_the_non_finite_are_not_data_on_linear_scales() -> None:
    values = np.array([*ODD, -3, 2], np.float32)
    expected = [False] * 4 + [True, True, False, False, False, True]
    np.testing.assert_array_equal(valid_mask(values, Scale.POWER, None), expected)


def test_on_the_db_scale_zero_is_data_and_sentinels_are_not() -> None:
    values = np.array([0.0, -0.0, -30, 60, np.nan, np.inf, -9999, -3.4028235e38], np.float32)
    expected = [True, True, True, True, False, False, False, False]
    np.testing.assert_array_equal(valid_mask(values, Scale.DB, None), expected)


@pytest.mark.parametrize(
    ("dtype", "nodata", "value", "is_data"),
    [
        ("uint16", 7.0, 7, False),
        ("uint16", -9999.0, 55537, True),
        ("uint16", 7.5, 7, True),
        ("uint16", float("nan"), 7, True),
        ("uint8", float("inf"), 255, True),
        ("float32", 0.1, 0.1, False),
        ("float64", 1e300, 1e300, False),
    ],
)
def test_nodata_is_compared_as_a_pixel_can_hold_it(
    dtype: str, nodata: float, value: float, is_data: bool
) -> None:
    assert valid_mask(np.array([value], dtype), Scale.POWER, nodata)[0] == is_data


@given(float_rasters(), st.sampled_from([Scale.POWER, Scale.DB]))
def test_invalid_pixels_come_back_bit_by_bit(values: Array, scale: Scale) -> None:
    valid = valid_mask(values, scale, None)
    palette = InvalidPalette.of(values, valid, limit=36)
    classes = palette.class_map(values)
    np.testing.assert_array_equal(classes == 0, valid)
    stored = InvalidPalette.from_values(palette.values)
    back = stored.restore(np.full(values.shape, 5, np.float32), classes)
    np.testing.assert_array_equal(back.view(np.uint32)[~valid], values.view(np.uint32)[~valid])
    assert (back[valid] == 5).all()


def test_a_palette_does_not_depend_on_the_order_of_windows() -> None:
    parts = [InvalidPalette.of(ODD[i : i + 1], np.array([False])) for i in range(len(ODD))]
    joined = parts[0].union(parts[1:])
    assert joined == parts[-1].union(parts[:-1]) == InvalidPalette.of(ODD, np.zeros(len(ODD), bool))


def test_signed_power_is_refused_with_a_hint() -> None:
    values = np.random.default_rng(1).gamma(4.4, 0.05 / 4.4, 4000).astype(np.float32) - np.float32(0.03)
    valid = valid_mask(values, Scale.POWER, None)
    with pytest.raises(InputError, match="16 distinct") as caught:
        InvalidPalette.of(values, valid)
    assert "noise floor" in caught.value.hint
    assert "--scale db" in caught.value.hint


def test_too_many_values_are_refused_when_windows_are_joined() -> None:
    halves = [InvalidPalette.of(-np.arange(n, n + 10.0), np.zeros(10, bool)) for n in (1, 11)]
    with pytest.raises(InputError):
        halves[0] | halves[1]


def test_a_mask_class_without_a_value_is_a_format_error() -> None:
    palette = InvalidPalette.from_values(np.array([0], np.uint16))
    with pytest.raises(FormatError):
        palette.restore(np.ones((1, 1), np.uint16), np.array([[2]], np.uint8))


# --- finishing


@given(
    st.lists(st.integers(1, 12), min_size=1),
    st.sets(st.integers(1, 12), max_size=8),
    st.integers(0, 12),
    st.lists(st.integers(1, 14).map(lambda dn: 20 * math.log10(dn)) | st.sampled_from([-60, 60, math.nan])),
)
@settings(max_examples=200)
def test_a_valid_integer_never_becomes_an_invalid_one(
    pixels: list[int], invalid: set[int], nodata: int, db: list[float]
) -> None:
    data = np.array(sorted(set(pixels) - invalid - {nodata}), np.uint8)
    if not data.size:
        return
    palette = InvalidPalette.from_values(np.array([0, *invalid], np.uint8))
    band = BandRange(int(data[0]), int(data[-1]))
    out = finish(np.array(db, np.float32), band, Scale.DN, palette, nodata)
    assert out.dtype == np.uint8
    assert all(band.vmin <= value <= band.vmax for value in out)
    assert not set(out.tolist()) & (invalid | {0, nodata})


@given(
    float_rasters(),
    st.sampled_from([None, 0.0, -0.0, -20.0, 1e-45, float("nan")]),
    st.sampled_from([Scale.POWER, Scale.DB]),
    hnp.arrays(np.float32, 8, elements=st.floats(width=32) | st.sampled_from([0.0, -0.0, -20.0, 1.0])),
)
@settings(max_examples=200)
def test_a_valid_float_never_becomes_an_invalid_one(
    values: Array, nodata: float | None, scale: Scale, db: Array
) -> None:
    valid = valid_mask(values, scale, nodata)
    band = BandRange.of(values, valid)
    if band is None:
        assert not valid.any()
        return
    palette = InvalidPalette.of(values, valid, limit=36)
    out = finish(db, band, scale, palette, nodata)
    assert valid_mask(out, scale, nodata).all()
    assert not palette.class_map(out).any()
    assert band.vmin <= out.min()
    assert out.max() <= band.vmax


@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
def test_what_a_decoder_cannot_express_ends_at_the_range(dtype: str) -> None:
    db = np.array([np.nan, -np.inf, -999, 999, np.inf], np.float32)
    out = finish(db, BandRange(2, 300), Scale.AMPLITUDE, InvalidPalette(np.dtype(dtype)))
    np.testing.assert_array_equal(out, np.array([2, 2, 2, 300, 300], dtype))


def test_a_run_of_invalid_values_gives_way_to_the_nearest_valid_one() -> None:
    palette = InvalidPalette.from_values(np.array([5, 6, 7], np.uint8))
    db = to_db(np.arange(3, 12, dtype=np.uint8), Scale.DN)
    out = finish(db, BandRange(2, 10), Scale.DN, palette, 8)
    np.testing.assert_array_equal(out, [3, 4, 4, 4, 9, 9, 9, 10, 10])


def test_a_float_next_to_nodata_keeps_clear_of_it() -> None:
    palette = InvalidPalette(np.dtype("float32"))
    out = finish(np.array([-20, 0], np.float32), BandRange(-30, 5), Scale.DB, palette, -20.0)
    assert 2 * np.spacing(np.float32(20)) < abs(out[0] + 20) < 1e-4
    assert out[1] == 0


@pytest.mark.parametrize(
    "band",
    [BandRange(5, 4), BandRange(0, 4), BandRange(2, 9), BandRange(3, 7)],
    ids=["empty", "zero", "ends in nodata", "starts invalid"],
)
def test_an_impossible_range_is_a_format_error(band: BandRange) -> None:
    palette = InvalidPalette.from_values(np.array([3], np.uint8))
    with pytest.raises(FormatError):
        finish(np.zeros(1, np.float32), band, Scale.DN, palette, 9)


def test_the_range_covers_valid_pixels_only() -> None:
    values = np.array([[0, 4, 65535], [9, 2, 0]], np.uint16)
    valid = valid_mask(values, Scale.DN, 65535)
    band = BandRange.of(values, valid)
    assert band == BandRange(2, 9)
    assert band | BandRange(1, 3) == BandRange(1, 9)
    assert BandRange.of(values, np.zeros_like(valid)) is None
