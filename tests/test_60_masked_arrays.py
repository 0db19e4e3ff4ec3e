"""Masked arrays: every masked pixel comes back as the declared nodata value, and no other pixel does."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import TOY
from sarcodec.api import encode_array
from sarcodec.errors import InputError, UsageError
from sarcodec.metadata import RasterMeta
from sarcodec.model.modelfile import Model
from sarcodec.scale import DTYPES
from testing.reported import amplitude, ground_db, inside, power
from testing.scenes import open_bytes, usual_scale

Array = npt.NDArray[Any]
MASKED: Any = np.ma.MaskedArray
NAN = float("nan")


@pytest.fixture(autouse=True)
def _toy_loaded_once(monkeypatch: pytest.MonkeyPatch, toy: Model) -> None:
    monkeypatch.setattr("sarcodec.model.modelfile.load", lambda path, device: toy)


def there_and_back(array: Any, **options: Any) -> tuple[Array, float | int | None]:
    """Decoded pixels and the declared nodata value."""
    options.setdefault("scale", usual_scale((array[0] if isinstance(array, list) else array).dtype))
    data = encode_array(array, quality=30, model=TOY, jobs=1, **options)
    with open_bytes(data, TOY) as coded:
        return coded.read(), coded.meta.nodata


def equal(pixels: Array, nodata: float | None) -> Array:
    """True where pixels are `nodata`."""
    assert nodata is not None
    return np.asarray(np.isnan(pixels) if math.isnan(nodata) else pixels == nodata)


def masks(array: Any) -> npt.NDArray[np.bool_]:
    """The mask of each pixel."""
    return np.broadcast_to(array.mask, array.shape)


def assert_mask_survives(array: Any, **options: Any) -> float | int | None:
    """Check it; returns the declared nodata value."""
    source = array[None] if array.ndim == 2 else array
    pixels, hidden = np.asarray(source.data), masks(source)
    back, nodata = there_and_back(array, **options)
    assert back.dtype == pixels.dtype
    if nodata is None:
        assert not hidden.any()
        return nodata
    assert pixels.dtype.type(nodata) == nodata or math.isnan(nodata)
    assert equal(back[hidden], nodata).all()
    assert not equal(back[~hidden], nodata).any()
    assert not equal(pixels[~hidden], nodata).any()
    if pixels.dtype.kind == "f":
        assert np.array_equal(np.isnan(back[~hidden]), np.isnan(pixels[~hidden]))
    return nodata


def scene(dtype: str) -> Array:
    """Backscatter as this type may hold it: DN in integers, power in floats."""
    db = ground_db(shape=(48, 56))
    if dtype.startswith("float"):
        return np.asarray(power(db), dtype)
    return np.asarray(np.rint(amplitude(db) * 400).clip(1, min(np.iinfo(dtype).max, 60000)), dtype)


HIDDEN = ~inside((48, 56))
FILLS = (0, 1, 63, 127, 200, 255, -9999, -32768, 32767, 65535, 999999, 1e20, -1e30, 0.05, NAN, math.inf)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_mask_survives_with_the_default_fill_value(dtype: str) -> None:
    assert assert_mask_survives(MASKED(scene(dtype), mask=HIDDEN)) is not None


@pytest.mark.filterwarnings("ignore:NumPy will stop allowing conversion:DeprecationWarning")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fill", FILLS)
def test_a_mask_survives_with_any_fill_value_that_numpy_takes(dtype: str, fill: float) -> None:
    array = MASKED(scene(dtype), mask=HIDDEN)
    with np.errstate(over="ignore"), suppress(TypeError, OverflowError):  # NumPy may refuse it
        array.fill_value = fill
    assert_mask_survives(array)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("nodata", FILLS)
def test_an_explicit_nodata_value_is_kept_or_refused(dtype: str, nodata: float) -> None:
    array = MASKED(scene(dtype), mask=HIDDEN)
    if may_be_nodata(nodata, array.dtype, array.data[~HIDDEN]):
        found = assert_mask_survives(array, nodata=nodata)
        assert equal(array.dtype.type(nodata), found)
    else:
        with pytest.raises(UsageError, match="nodata"):
            there_and_back(array, nodata=nodata)


def test_the_default_fill_value_of_bytes_is_not_wrapped() -> None:
    """999999 in eight bits is 63, which is data here: the case that users reported."""
    db = ground_db()
    pixels = np.rint(amplitude(db) * 400).clip(1, 255).astype(np.uint8)
    array = MASKED(pixels, mask=~inside())
    back, nodata = there_and_back(array)
    assert (pixels == 63).any()
    assert nodata == 0
    assert (back[0][~inside()] == 0).all() and (back[0][inside()] > 0).all()


def test_a_fill_value_that_occurs_as_data_is_not_taken() -> None:
    pixels = np.rint(amplitude(ground_db()) * 470).clip(1).astype(np.uint16)
    assert (pixels[inside()] == 200).any()
    back, nodata = there_and_back(MASKED(pixels, mask=~inside(), fill_value=200))
    assert nodata == 0
    assert (back[0] == 0).sum() == (~inside()).sum()


def test_a_fill_value_that_no_pixel_has_is_taken() -> None:
    pixels = scene("uint16")
    pixels[pixels == 200] = 201
    assert assert_mask_survives(MASKED(pixels, mask=HIDDEN, fill_value=200)) == 200


def test_unmasked_nan_comes_back_as_nan_and_stays_unmasked() -> None:
    pixels = scene("float32")
    pixels[20:24, 20:30] = np.nan
    hidden = np.zeros(pixels.shape, bool)
    hidden[:, :9] = True
    for options in ({}, {"nodata": -5.0}):
        array = MASKED(pixels, mask=hidden, fill_value=np.nan)
        nodata = assert_mask_survives(array, **options)
        assert nodata == options.get("nodata", -9999)
    with pytest.raises(UsageError, match="not masked"):
        there_and_back(MASKED(pixels, mask=hidden), nodata=np.nan)


def test_unmasked_zeros_and_infinities_stay_unmasked() -> None:
    pixels = scene("float64")
    pixels[5, 30:34] = 0, np.inf, -np.inf, -9999
    pixels[6, 30] = np.nan
    assert not HIDDEN[5:7, 30:34].any()
    assert assert_mask_survives(MASKED(pixels, mask=HIDDEN, fill_value=0)) == -10000


def test_a_value_between_others_is_taken_if_both_ends_of_the_type_are_in_use() -> None:
    pixels = np.tile(np.arange(256, dtype=np.uint8), (16, 1))
    pixels[pixels == 77] = 78
    hidden = np.zeros(pixels.shape, bool)
    hidden[3] = True
    assert assert_mask_survives(MASKED(pixels, mask=hidden)) == 77


def test_bytes_of_which_all_values_are_in_use_are_refused_with_a_way_out() -> None:
    pixels = np.tile(np.arange(256, dtype=np.uint8), (16, 1))
    hidden = np.zeros(pixels.shape, bool)
    hidden[3] = True
    with pytest.raises(UsageError, match="all values of uint8 are in use") as caught:
        there_and_back(MASKED(pixels, mask=hidden))
    assert "uint16" in caught.value.hint
    # None is masked, so that none needs a value.
    assert there_and_back(MASKED(pixels))[1] is None


@pytest.mark.parametrize(
    "mask", [np.ma.nomask, False, True, np.zeros((48, 56), bool), np.ones((48, 56), bool)]
)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_masks_that_are_empty_full_or_one_value_survive(mask: Any, dtype: str) -> None:
    assert_mask_survives(MASKED(scene(dtype), mask=mask))


def test_masks_of_bands_may_differ_and_a_list_of_masked_bands_keeps_them() -> None:
    bands = [MASKED(scene("uint16"), mask=HIDDEN), MASKED(scene("uint16"), mask=~HIDDEN)]
    assert_mask_survives(np.ma.stack(bands))
    assert np.array_equal(there_and_back(bands)[0][0] == 0, HIDDEN)


def test_big_endian_and_strided_masked_arrays_are_like_any_other() -> None:
    array = MASKED(scene("uint16"), mask=HIDDEN)
    assert np.array_equal(there_and_back(array.astype(">u2"))[0], there_and_back(array)[0])
    assert_mask_survives(array[::2, ::3])


def described(**known: Any) -> RasterMeta:
    return RasterMeta(56, 48, 1, "uint16", **known)


def test_the_nodata_value_of_meta_comes_before_the_fill_value() -> None:
    array = MASKED(scene("uint16"), mask=HIDDEN, fill_value=60001)
    assert assert_mask_survives(array, meta=described(nodata=60002)) == 60002
    assert assert_mask_survives(array, meta=described()) == 60001
    assert assert_mask_survives(array, meta=described(nodata=60002), nodata=60003) == 60003
    with pytest.raises(UsageError, match="nodata value of meta, -9999 is no uint16"):
        there_and_back(array, meta=described(nodata=-9999))


def test_nodata_of_an_array_without_a_mask_is_the_value_of_pixels() -> None:
    pixels = scene("uint16")
    pixels[HIDDEN] = 0
    back, nodata = there_and_back(pixels, nodata=0)
    assert nodata == 0 and np.array_equal(back[0] == 0, HIDDEN)
    # No pixel can be -9999: it is kept for those who expect to find it.
    back, nodata = there_and_back(pixels, nodata=-9999)
    assert nodata == -9999 and np.array_equal(back[0] == 0, HIDDEN)


@pytest.mark.parametrize(
    "array",
    [
        MASKED(np.ones((4, 4), [("a", "u2"), ("b", "f4")])),
        MASKED(np.full((4, 4), None)),
        MASKED(np.ones((4, 4), complex)),
        MASKED(np.ones((4, 4), "datetime64[s]")),
        MASKED(np.ones((4, 4), bool)),
        np.ma.masked,
    ],
    ids=lambda array: str(array.dtype),
)
def test_masked_arrays_that_are_no_rasters_are_refused(array: Any) -> None:
    with pytest.raises(InputError):
        there_and_back(array)


@st.composite
def masked_arrays(draw: st.DrawFn) -> Any:
    """Small masked arrays with few distinct values, so that fill values often occur among them."""
    kind: np.dtype[Any] = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(st.sampled_from([(1, 1), (3, 5), (20, 17), (2, 6, 7)]))
    size = math.prod(shape)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if kind.kind == "f":
        some = [0.02, 0.05, 0.4, 1.0, 0.0, -0.0, -9999.0, -1.0, 1e20, NAN, math.inf]
    else:
        info = np.iinfo(kind)
        some = [0, 1, 2, 63, 100, int(info.max), int(info.max) - 1, max(int(info.min), -9999), int(info.min)]
    values = draw(st.lists(st.sampled_from(some), min_size=1, max_size=6))
    with np.errstate(over="ignore"):
        pixels = np.array(values, kind)[rng.integers(len(values), size=size)].reshape(shape)
    mask: Any = draw(st.sampled_from(["none", "all", "some", "few", "nomask"]))
    share = {"none": 0.0, "all": 1.0, "some": 0.4, "few": 0.05, "nomask": 0.0}[mask]
    array = MASKED(pixels, mask=np.ma.nomask if mask == "nomask" else rng.random(shape) < share)
    fill = draw(st.none() | st.sampled_from(some))
    if fill is not None:
        with np.errstate(over="ignore"):
            array.fill_value = kind.type(fill)
    return array


@given(
    array=masked_arrays(), nodata=st.none() | st.sampled_from(FILLS), scale=st.sampled_from(["power", "db"])
)
def test_any_mask_survives_unless_nodata_is_that_of_another_pixel(
    array: Any, nodata: float | None, scale: str
) -> None:
    possible = nodata is None or may_be_nodata(nodata, array.dtype, array.data[~masks(array)])
    if possible:
        found = assert_mask_survives(array, nodata=nodata, scale=scale)
        assert nodata is None or equal(array.dtype.type(nodata), found)
    else:
        with pytest.raises(UsageError, match=r"nodata .* (is no|is the value)"):
            there_and_back(array, nodata=nodata, scale=scale)


def may_be_nodata(nodata: float, kind: np.dtype[Any], others: Array) -> bool:
    """Whether this type holds it, and no other pixel has it."""
    if kind.kind == "f":
        return not equal(others, float(kind.type(nodata))).any()
    whole = math.isfinite(nodata) and nodata == int(nodata)
    fits = whole and np.iinfo(kind).min <= nodata <= np.iinfo(kind).max
    return fits and int(nodata) not in others.tolist()
