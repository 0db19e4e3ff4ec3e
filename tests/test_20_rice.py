"""Rice's code against an implementation with strings of digits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sarcodec.bitstream import rice

Rows = tuple[list[list[int]], tuple[int, ...]]


@st.composite
def coded(draw: st.DrawFn) -> Rows:
    """Rows of values, and the number of low bits of each column."""
    lows = tuple(draw(st.lists(st.integers(0, 12), min_size=1, max_size=3)))
    row = st.tuples(*(st.integers(0, 40 << low) for low in lows)).map(list)
    return draw(st.lists(row, max_size=30)), lows


def digits(rows: list[list[int]], lows: tuple[int, ...]) -> str:
    """Values as a string of 0 and 1."""
    out = ""
    for row in rows:
        for value, low in zip(row, lows, strict=True):
            out += "1" * (value >> low) + "0" + (f"{value % (1 << low):0{low}b}" if low else "")
    return out


def as_array(rows: list[list[int]], lows: tuple[int, ...]) -> rice.Integers:
    return np.array(rows, np.int64).reshape(-1, len(lows))


def parsed(text: str, lows: tuple[int, ...], most: int) -> tuple[list[int], str]:
    """Values in a string of 0 and 1, up to the first one that is not whole, and the rest."""
    values: list[int] = []
    while len(values) < most:
        low = lows[len(values) % len(lows)]
        zero = text.find("0")
        if zero < 0 or zero + 1 + low > len(text):
            break
        values.append((zero << low) + (int(text[zero + 1 : zero + 1 + low], 2) if low else 0))
        text = text[zero + 1 + low :]
    return values, text


@pytest.mark.parametrize("fill", [0, 1])
@given(drawn=coded())
def test_values_are_written_as_their_digits(drawn: Rows, fill: int) -> None:
    rows, lows = drawn
    text = digits(rows, lows)
    text += str(fill) * (-len(text) % 8)
    wanted = bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8))
    assert rice.write(as_array(rows, lows), lows, fill=fill) == wanted


@pytest.mark.parametrize("fill", [0, 1])
@given(drawn=coded(), behind=st.binary(max_size=4))
def test_values_come_back_with_the_bits_behind_them(drawn: Rows, behind: bytes, fill: int) -> None:
    rows, lows = drawn
    data = rice.write(as_array(rows, lows), lows, fill=fill) + behind
    values, rest = rice.read(data, lows, len(rows) * len(lows))
    assert values.tolist() == [value for row in rows for value in row]
    padding = -len(digits(rows, lows)) % 8
    tail = str(fill) * padding + "".join(f"{byte:08b}" for byte in behind)
    assert "".join(map(str, rest.tolist())) == tail


@given(st.binary(max_size=40), coded(), st.integers(0, 50))
def test_any_bytes_are_read_as_their_digits_are(data: bytes, drawn: Rows, most: int) -> None:
    values, rest = rice.read(data, drawn[1], most)
    wanted, left = parsed("".join(f"{byte:08b}" for byte in data), drawn[1], most)
    assert (values.tolist(), "".join(map(str, rest.tolist()))) == (wanted, left)


@given(st.lists(st.integers(0, 2**20), min_size=1, max_size=20), st.integers(0, 24))
def test_no_number_of_low_bits_takes_fewer_bits_than_the_one_that_is_found(
    values: list[int], most: int
) -> None:
    sizes = [sum((value >> low) + 1 + low for value in values) for low in range(most + 1)]
    assert rice.fewest(np.array(values), most) == sizes.index(min(sizes))
