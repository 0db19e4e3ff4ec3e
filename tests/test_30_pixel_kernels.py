"""Decibels and the lapped pair in every form of the processor, against their twins and against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sarcodec.native import library, pixel_kernels
from sarcodec.native.reference import decibels, lapped

Array = npt.NDArray[Any]

every_form = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
EDGES = [0.0, -0.0, -1.0, 1.0, 2.0, np.inf, -np.inf, np.nan, 0.5**0.5, 2.0**0.5]


def same_bits(a: Array, b: Array) -> bool:
    """To the bit, but for the bits of NaN."""
    nan = np.isnan(a)
    alike: bool = (
        a.dtype == b.dtype and np.array_equal(nan, np.isnan(b)) and a[~nan].tobytes() == b[~nan].tobytes()
    )
    return alike


def drawn(seed: int, n: int, dtype: Any) -> Array:
    """Floats of all exponents, subnormal ones too, and those at which something changes."""
    rng, info = np.random.default_rng(seed), np.finfo(dtype)
    bits = np.frombuffer(rng.bytes(n * info.dtype.itemsize), dtype)
    edges = np.array(
        [*EDGES, info.tiny, info.smallest_subnormal, info.max, 1 + info.eps, 1 - info.eps], dtype
    )
    return np.concatenate((bits, edges, np.abs(rng.standard_normal(n)).astype(dtype)))


@given(seed=st.integers(0, 10**6), n=st.integers(0, 200), dtype=st.sampled_from([np.float32, np.float64]))
@every_form
def test_logarithms_are_the_twins_and_those_of_numpy(form: str, seed: int, n: int, dtype: Any) -> None:
    with np.errstate(all="ignore"):
        values = drawn(seed, n, dtype)
        found = pixel_kernels.logarithms(values, 3.0)
        assert same_bits(found, decibels.logarithms(values, 3.0))
        known = (values > 0) & np.isfinite(values)
        assert np.array_equal(np.isnan(found), ~known)
        expected = 3 * np.log2(values[known].astype(np.longdouble))
        assert np.all(np.abs(found[known] - expected) <= 0.501 * np.spacing(np.abs(found[known])))


@given(
    seed=st.integers(0, 10**6),
    n=st.integers(0, 200),
    spread=st.sampled_from([0.1, 30.0, 400.0, 1e30]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
@every_form
def test_powers_are_the_twins_and_those_of_numpy(
    form: str, seed: int, n: int, spread: float, dtype: Any
) -> None:
    rng = np.random.default_rng(seed)
    edges = np.array(
        [0, -0.0, 0.5, -0.5, 1.5, np.inf, -np.inf, np.nan, 127.9, 1023.9, -1074, -149], np.float32
    )
    values = np.concatenate(((rng.standard_normal(n) * spread).astype(np.float32), edges))
    with np.errstate(all="ignore"):
        found = pixel_kernels.powers(values, 0.75, dtype)
        assert same_bits(found, decibels.powers(values, 0.75, dtype))
        expected = np.exp2(0.75 * values.astype(np.float64))
        finite = np.isfinite(expected) & (np.abs(expected) < np.finfo(dtype).max)
        gap = np.maximum(np.spacing(expected[finite].astype(dtype)), np.finfo(dtype).smallest_subnormal)
        assert np.all(np.abs(found[finite] - expected[finite]) <= (0.501 if dtype == np.float32 else 6) * gap)
        assert np.array_equal(np.isnan(found), np.isnan(values))
        assert np.all(found[values == np.inf] == np.inf)


def bases(rng: np.random.Generator) -> tuple[Array, Array]:
    rows, cols = rng.standard_normal((2, 16, 32)).astype(np.float32)
    return rows, cols


@given(seed=st.integers(0, 10**6), h=st.integers(1, 4), w=st.integers(1, 5))
@every_form
def test_the_lapped_pair_is_the_twins(form: str, seed: int, h: int, w: int) -> None:
    rng = np.random.default_rng(seed)
    rows, cols = bases(rng)
    coefficients = rng.standard_normal((h, w, 16, 16)).astype(np.float32)
    coefficients[rng.random((h, w)) < 0.3] = 0
    image = pixel_kernels.lapped_synthesis(coefficients, rows, cols)
    assert same_bits(image, lapped.lapped_synthesis(coefficients, rows, cols))
    back = pixel_kernels.lapped_analysis(image, rows, cols)
    assert same_bits(back, lapped.lapped_analysis(image, rows, cols))


def test_the_lapped_pair_is_products_of_its_functions(form: str) -> None:
    """Against matrices in double precision, and the adjoint of one is the other."""
    rng = np.random.default_rng(4)
    rows, cols = bases(rng)
    coefficients = rng.standard_normal((3, 2, 16, 16)).astype(np.float32)
    expected = np.zeros((64, 48))
    for i in range(3):
        for j in range(2):
            part = rows.T.astype(np.float64) @ coefficients[i, j] @ cols
            expected[16 * i : 16 * i + 32, 16 * j : 16 * j + 32] += part
    image = pixel_kernels.lapped_synthesis(coefficients, rows, cols)
    assert np.allclose(image, expected, atol=1e-3)
    other = rng.standard_normal(image.shape).astype(np.float32)
    found = pixel_kernels.lapped_analysis(other, rows, cols).astype(np.float64)
    assert np.isclose((found * coefficients).sum(), (expected * other).sum(), rtol=1e-5)


def test_the_modulated_lapped_transform_is_inverted(form: str) -> None:
    from sarcodec.model.lapped.basis import lapped_kernels

    rng = np.random.default_rng(1)
    basis = lapped_kernels().numpy().astype(np.float32)
    coefficients = rng.standard_normal((4, 4, 16, 16)).astype(np.float32)
    image = pixel_kernels.lapped_synthesis(coefficients, basis, basis)
    back = pixel_kernels.lapped_analysis(image, basis, basis)
    assert np.allclose(back[1:-1, 1:-1], coefficients[1:-1, 1:-1], atol=1e-5)


@pytest.mark.parametrize("shape", [(0, 1), (1, 0)])
def test_an_image_without_blocks_is_refused_or_empty(form: str, shape: tuple[int, int]) -> None:
    rows, cols = bases(np.random.default_rng(0))
    if form == library.NUMPY:
        assert not pixel_kernels.lapped_synthesis(np.zeros((*shape, 16, 16), np.float32), rows, cols).any()
        return
    with pytest.raises(ValueError, match="too short"):
        pixel_kernels.lapped_synthesis(np.zeros((*shape, 16, 16), np.float32), rows, cols)


@pytest.mark.parametrize(
    "call",
    [
        lambda a: pixel_kernels.lapped_synthesis(a((2, 2, 16, 15)), a((16, 32)), a((16, 32))),
        lambda a: pixel_kernels.lapped_synthesis(a((2, 2, 16, 16)), a((16, 31)), a((16, 32))),
        lambda a: pixel_kernels.lapped_synthesis(a((2, 2, 16, 16)), a((16, 32)), a((32, 16))),
        lambda a: pixel_kernels.lapped_analysis(a((47, 48)), a((16, 32)), a((16, 32))),
        lambda a: pixel_kernels.lapped_analysis(a((48, 48)), a((16, 32)), a((16, 32)).astype(np.float64)),
        lambda a: pixel_kernels.powers(a((4,)).astype(np.float64), 1.0, np.float32),
    ],
)
def test_arrays_of_another_kind_never_reach_c(form: str, call: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        call(lambda shape: np.zeros(shape, np.float32))
