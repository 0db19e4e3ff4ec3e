"""Lists of bright targets: any list comes back, invalid pixels are free, damaged bytes are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from oracle import sarc_decoder as oracle
from sarcodec.bitstream.header import Band, Header, Layer, ModelRef
from sarcodec.bitstream.layout import LayerKind
from sarcodec.bitstream.targetlist import LARGEST, STEPS, TargetList, most, pack, unpack
from sarcodec.corrections import bright_targets as targets
from sarcodec.errors import FormatError
from sarcodec.types import Scale

Array = npt.NDArray[Any]
SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40)


def listed(places: list[int], codes: list[int], quarters: int = 6) -> TargetList:
    return TargetList(np.array(places, np.int64), np.array(codes, np.int64), quarters)


@st.composite
def lists(draw: st.DrawFn, largest: int = LARGEST) -> tuple[TargetList, Array]:
    """Targets of a tile, and its valid pixels."""
    valid = draw(hnp.arrays(np.bool_, draw(SHAPES), fill=st.just(value=True)))
    pixels = np.flatnonzero(valid).tolist()
    chosen = st.lists(st.sampled_from(pixels), max_size=most(valid), unique=True) if pixels else st.just([])
    places = sorted(draw(chosen))
    codes = draw(st.lists(st.integers(1, largest), min_size=len(places), max_size=len(places)))
    return listed(places, codes, draw(st.sampled_from(STEPS))), valid


def example() -> tuple[TargetList, Array]:
    valid = np.ones((4, 12), bool)
    valid[0, :3] = False
    return listed([17, 35], [2, 1]), valid


@given(lists() | lists(largest=3))
def test_any_list_comes_back(drawn: tuple[TargetList, Array]) -> None:
    targets, valid = drawn
    body = pack(targets, valid)
    back = unpack(body, valid)
    assert np.array_equal(back.places, targets.places) and np.array_equal(back.codes, targets.codes)
    assert bool(body) == bool(targets.codes.size)
    assert not body or back.quarters == targets.quarters


@given(lists(largest=9))
def test_the_specified_decoder_raises_the_same_pixels(drawn: tuple[TargetList, Array]) -> None:
    found, valid = drawn
    assert np.array_equal(oracle.read_targets(pack(found, valid), valid), targets.spread(found, valid.shape))


def test_a_small_list_makes_the_bytes_worked_by_hand() -> None:
    found, valid = example()
    # Pixels 14 and 32 of the valid ones: gaps 14 and 17. Three low bits: 1 0 110 and 11 0 001, as many as
    # with four, fewer than with two. Codes 2 and 1 without low bits: 10 and 0. Two ones fill the last byte.
    body = bytes([0x03, 6, 0b10110101, 0b10001011])
    assert pack(found, valid) == body
    back = unpack(body, valid)
    assert (back.places.tolist(), back.codes.tolist(), back.quarters) == ([17, 35], [2, 1], 6)


def test_a_target_raises_its_flanks_and_nothing_beyond_the_tile() -> None:
    found, valid = example()
    raised = targets.spread(found, valid.shape)
    assert raised.dtype == np.float32 and raised.shape == valid.shape
    flanks = np.array([[1.5, 1.875, 1.5], [1.875, 3, 1.875], [1.5, 1.875, 1.5]])
    assert np.array_equal(raised[0:3, 4:7], flanks)
    assert np.array_equal(raised[1:4, 10:], flanks[:, :2] / 2)
    assert np.count_nonzero(raised) == 9 + 6


def test_what_targets_near_each_other_add_is_summed() -> None:
    raised = targets.spread(listed([0, 1], [1, 2], 16), (2, 17))
    assert raised[0, :4].tolist() == [4 + 2 * 2.5, 2.5 + 8, 2 * 2.5, 0]


def test_no_targets_take_no_byte() -> None:
    assert pack(listed([], []), np.ones((1024, 1024), bool)) == b""
    assert unpack(b"", np.zeros((3, 4), bool)).places.size == 0
    assert not targets.spread(unpack(b"", np.ones((3, 4), bool)), (3, 4)).any()


def test_pixels_without_data_cost_nothing() -> None:
    half = np.ones((64, 64), bool)
    half[:32] = False
    rng = np.random.default_rng(1)
    places, codes = np.sort(rng.choice(2048, 40, replace=False)), rng.integers(1, 4, 40)
    shifted = pack(TargetList(places + 2048, codes), half)
    assert shifted == pack(TargetList(places, codes), np.ones((32, 64), bool))


@pytest.mark.parametrize(
    ("places", "codes", "quarters"),
    [
        ([17], [0], 6),
        ([17], [LARGEST + 1], 6),
        ([17], [1], 0),
        ([17], [1], 17),
        ([1], [1], 6),
        ([35, 17], [1, 1], 6),
        ([17, 17], [1, 1], 6),
        ([17, 18, 19, 20], [1, 1, 1, 1], 6),
    ],
)
def test_what_the_format_does_not_have_is_not_written(
    places: list[int], codes: list[int], quarters: int
) -> None:
    with pytest.raises(FormatError):
        pack(listed(places, codes, quarters), example()[1])


@pytest.mark.parametrize(
    "body",
    [
        "03",
        "0306",
        "1906ffff",
        "c306b58b",
        "0300b58b",
        "0311b58b",
        "0306ffff",
        "0306b58a",
        "0306b58bff",
        "0306b4",
        "0006ffffffffffff00",
        "00060003",
        "0006" + "ff" * 9 + "00",
    ],
)
def test_hostile_bodies_are_refused(body: str) -> None:
    with pytest.raises(FormatError, match="bright targets"):
        unpack(bytes.fromhex(body), example()[1])
    with pytest.raises(oracle.RefusedError):
        oracle.read_targets(bytes.fromhex(body), example()[1])


@given(lists(largest=40), st.data())
def test_damaged_bytes_are_refused_or_are_another_list(
    drawn: tuple[TargetList, Array], data: st.DataObject
) -> None:
    found, valid = drawn
    body = bytearray(pack(found, valid) or b"\0\0\0")
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    del body[data.draw(st.integers(1, len(body))) :]
    assert_read_alike_or_refused(bytes(body), valid)


@given(st.binary(max_size=40), st.tuples(st.integers(1, 140), st.integers(1, 140)))
def test_any_bytes_are_a_list_or_refused(body: bytes, shape: tuple[int, int]) -> None:
    assert_read_alike_or_refused(body, np.ones(shape, bool))


def assert_read_alike_or_refused(body: bytes, valid: Array) -> None:
    try:
        back = unpack(body, valid)
    except FormatError:
        with pytest.raises(oracle.RefusedError):
            oracle.read_targets(body, valid)
        return
    assert back.places.size <= most(valid) and valid.ravel()[back.places].all()
    assert back.codes.max(initial=1) <= LARGEST and (np.diff(back.places) > 0).all()
    assert np.array_equal(oracle.read_targets(body, valid), targets.spread(back, valid.shape))


def test_a_body_far_longer_than_its_pixels_is_refused_unread() -> None:
    with pytest.raises(FormatError, match="4000002 bytes cannot be those of 16384 pixels"):
        unpack(b"\0\6" + b"\xff" * 4_000_000, np.ones((128, 128), bool))


def test_the_targets_of_a_file_are_the_first_skippable_ones_without_channels() -> None:
    base, bright = Layer(LayerKind.BASE, 16), Layer(LayerKind.BRIGHT_TARGETS, 0, skippable=True)
    newer = Layer(LayerKind.BRIGHT_TARGETS, 3, skippable=True)

    def found(*layers: Layer) -> int | None:
        band, model = Band(0.0, 1.0, 0, 1, 2), ModelRef("toy", bytes(4), bytes(4))
        header = Header(300, 200, "uint16", Scale.DN, (band,), layers, model)
        return Header.from_bytes(header.to_bytes()).side_layer(LayerKind.BRIGHT_TARGETS)

    assert found(base) is found(base, newer) is None
    assert found(base, Layer(LayerKind.ENHANCEMENT, 4), newer, bright, bright) == 3
