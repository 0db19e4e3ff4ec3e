"""The hash of noise, against the example of docs/FORMAT.md and against plain integers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sarcodec.bitstream.noise_hash import hash32


def as_specified(words: list[int]) -> int:
    x = 0
    for word in words:
        x = (x ^ word % 2**32) * 0x9E3779B1 % 2**32
        x = (x ^ x >> 15) * 0x85EBCA6B % 2**32
        x ^= x >> 13
    x = x * 0xC2B2AE35 % 2**32
    return x ^ x >> 16


def test_the_examples_of_the_specification() -> None:
    assert hash32(1, 2, 3, 4).tolist() == [0x8F108705]
    assert hash32(0, 0, -1, 7).tolist() == [0x39975DEB]


@given(st.lists(st.integers(-(2**31), 2**32 - 1), min_size=1, max_size=5))
def test_words_are_mixed_as_specified(words: list[int]) -> None:
    assert hash32(*words).tolist() == [as_specified(words)]


def test_arrays_of_places_are_hashed_place_by_place() -> None:
    rows, cols = np.arange(-1, 3)[:, None], np.arange(5, 8)
    found = hash32(9, 1, rows, cols)
    assert found.dtype == np.uint32 and found.shape == (4, 3)
    assert [[as_specified([9, 1, r, c]) for c in (5, 6, 7)] for r in range(-1, 3)] == found.tolist()
