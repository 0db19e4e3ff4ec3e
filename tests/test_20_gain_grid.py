"""Gain grids: any grid comes back, empty cells are free, damaged bytes are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from oracle import sarc_decoder as oracle
from sarcodec.bitstream import gaingrid
from sarcodec.bitstream.gaingrid import LARGEST, SIDES, GainGrid, pack, unpack
from sarcodec.bitstream.header import Band, Header, Layer, ModelRef
from sarcodec.bitstream.layout import LayerKind
from sarcodec.errors import FormatError
from sarcodec.types import Scale

Array = npt.NDArray[Any]
SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20)


def pixels(coded: Array, side: int) -> Array:
    """Valid pixels of a tile whose cells hold data where `coded` says, one each; the last row is cut."""
    out = np.zeros((coded.shape[0] * side, coded.shape[1] * side), bool)
    out[side - 1 :: side, ::side] = coded
    out[-side:, ::side] = coded[-1]
    return out[: out.shape[0] - side + 1]


@st.composite
def grids(draw: st.DrawFn, largest: int = LARGEST) -> tuple[GainGrid, Array]:
    """A grid, and which of its cells hold data."""
    shape = draw(SHAPES)
    codes = draw(hnp.arrays(np.int16, shape, elements=st.integers(-largest, largest)))
    coded = draw(hnp.arrays(np.bool_, shape))
    return GainGrid(codes, draw(st.sampled_from(SIDES)), draw(st.sampled_from(gaingrid.SHIFTS))), coded


def example() -> tuple[GainGrid, Array]:
    codes = np.array([[3, 4, 9], [3, 1, 0]], np.int16)
    return GainGrid(codes, 32, 2), np.array([[1, 1, 0], [0, 1, 1]], bool)


@given(grids() | grids(largest=3))
def test_any_grid_comes_back_and_cells_without_data_are_zero(drawn: tuple[GainGrid, Array]) -> None:
    grid, coded = drawn
    valid = pixels(coded, grid.side)
    assert np.array_equal(gaingrid.with_data(valid, grid.side), coded)
    body = pack(grid, valid)
    back = unpack(body, valid)
    assert back.codes.dtype == np.int16
    if body:
        assert (back.side, back.shift) == (grid.side, grid.shift)
        assert np.array_equal(back.codes, np.where(coded, grid.codes, 0))
    else:
        assert not grid.codes[coded].any() and not back.codes.any()


@given(grids(largest=9))
def test_the_specified_decoder_reads_the_same_gains(drawn: tuple[GainGrid, Array]) -> None:
    grid, coded = drawn
    valid = pixels(coded, grid.side)
    gains = oracle.read_gains(pack(grid, valid), valid)
    expected = np.where(coded, grid.codes, 0) * grid.step_db
    assert np.array_equal(gains[:: grid.side, :: grid.side], expected)


def test_a_small_grid_makes_the_bytes_worked_by_hand() -> None:
    grid, coded = example()
    # Predictions 0, 3 (left), 4 (above), 1 (left); differences 3, 1, -3, -1; folded 6, 2, 5, 1.
    # One low bit is shortest: 111 0 0, 1 0 0, 11 0 1, 0 1. Side 32 is 1 << 4, shift 2 is 2 << 6.
    body = bytes([0x91, 0b11100100, 0b11010100])
    assert pack(grid, pixels(coded, 32)) == body
    back = unpack(body, pixels(coded, 32))
    assert (back.codes.tolist(), back.side, back.step_db) == ([[3, 4, 0], [0, 1, 0]], 32, 0.25)


def test_a_prediction_between_two_neighbours_is_rounded_down() -> None:
    # -1, then left -1 and above -2, then their mean -1.5, which is -2: no difference.
    grid = GainGrid(np.array([[-1, -2], [-1, -2]], np.int16))
    assert pack(grid, np.ones((128, 128), bool)) == bytes([0, 0b10100000])


def test_gains_of_nothing_take_no_byte() -> None:
    zeros = np.zeros((16, 16), np.int16)
    assert pack(GainGrid(zeros), np.ones((1024, 1024), bool)) == b""
    assert pack(GainGrid(zeros + 5), np.zeros((1024, 1024), bool)) == b""


def test_cells_without_data_cost_nothing() -> None:
    codes = np.random.default_rng(1).integers(0, 12, (16, 16)).astype(np.int16)
    half = np.zeros((256, 256), bool)
    half[:128] = True
    assert len(pack(GainGrid(codes, 16), half)) == len(pack(GainGrid(codes[:8], 16), half[:128]))


def test_a_gain_beyond_the_largest_is_not_written() -> None:
    with pytest.raises(FormatError, match="beyond 256"):
        pack(GainGrid(np.array([[LARGEST + 1]], np.int16)), np.ones((1, 1), bool))


@given(grids(largest=40), st.data())
def test_damaged_bytes_are_refused_or_are_another_grid(
    drawn: tuple[GainGrid, Array], data: st.DataObject
) -> None:
    grid, coded = drawn
    valid = pixels(coded, grid.side)
    body = bytearray(pack(grid, valid) or b"\0\0")
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    del body[data.draw(st.integers(1, len(body))) :]
    assert_read_alike_or_refused(bytes(body), valid)


@given(st.binary(max_size=40), st.tuples(st.integers(1, 140), st.integers(1, 140)))
def test_any_bytes_are_a_grid_or_refused(body: bytes, shape: tuple[int, int]) -> None:
    assert_read_alike_or_refused(body, np.ones(shape, bool))


def assert_read_alike_or_refused(body: bytes, valid: Array) -> None:
    try:
        back = unpack(body, valid)
    except FormatError:
        with pytest.raises(oracle.RefusedError):
            oracle.read_gains(body, valid)
        return
    assert np.abs(back.codes).max(initial=0) <= LARGEST
    wide = (back.codes * back.step_db).repeat(back.side, 0).repeat(back.side, 1)
    assert np.array_equal(oracle.read_gains(body, valid), wide[: valid.shape[0], : valid.shape[1]])


def test_a_body_far_longer_than_its_cells_is_refused_unread() -> None:
    with pytest.raises(FormatError, match="4000001 bytes cannot be 4 cells"):
        unpack(b"\0" + b"\xff" * 4_000_000, np.ones((128, 128), bool))


def test_the_grid_of_a_file_is_the_first_skippable_one_without_channels() -> None:
    base, grid = Layer(LayerKind.BASE, 16), Layer(LayerKind.GAIN_GRID, 0, skippable=True)
    newer = Layer(LayerKind.GAIN_GRID, 3, skippable=True)

    def found(*layers: Layer) -> int | None:
        band, model = Band(0.0, 1.0, 0, 1, 2), ModelRef("toy", bytes(4), bytes(4))
        header = Header(300, 200, "uint16", Scale.DN, (band,), layers, model)
        return Header.from_bytes(header.to_bytes()).side_layer(LayerKind.GAIN_GRID)

    assert found(base) is found(base, newer) is None
    assert found(base, Layer(LayerKind.ENHANCEMENT, 4), newer, grid, grid) == 3


def test_a_step_is_a_sixteenth_of_a_db_or_a_power_of_two_more() -> None:
    nothing = np.zeros((1, 1), np.int16)
    assert [GainGrid(nothing, 64, shift).step_db for shift in range(4)] == [1 / 16, 1 / 8, 1 / 4, 1 / 2]
