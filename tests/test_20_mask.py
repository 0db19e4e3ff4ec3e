"""Class maps: exact, small for nodata borders, and refused where damaged."""

from __future__ import annotations

import time
import tracemalloc
import zlib

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sarcodec.bitstream import mask
from sarcodec.bitstream.layout import pack_uv
from sarcodec.errors import FormatError

ClassMap = npt.NDArray[np.uint8]
SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40)


def round_trip(class_map: ClassMap, classes: int = 255) -> bytes:
    """Pack, check that unpacking restores `class_map`, and return the bytes."""
    data = mask.pack(class_map)
    rows, cols = class_map.shape
    back = mask.unpack(data, (rows, cols), classes)
    assert back.dtype == np.uint8
    assert np.array_equal(back, class_map)
    return data


def deflated(data: bytes) -> bytes:
    """`data`, raw-deflated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


@given(hnp.arrays(np.uint8, SHAPES, elements=st.integers(0, 3)))
def test_any_map_of_few_classes_comes_back(class_map: ClassMap) -> None:
    round_trip(class_map, classes=3)


@given(hnp.arrays(np.uint8, SHAPES))
def test_any_map_of_256_classes_comes_back(class_map: ClassMap) -> None:
    round_trip(class_map)


@given(SHAPES, st.lists(st.tuples(st.integers(0, 1599), st.integers(0, 4)), max_size=6))
def test_any_map_of_few_runs_comes_back(shape: tuple[int, int], runs: list[tuple[int, int]]) -> None:
    flat = np.zeros(shape[0] * shape[1], np.uint8)
    for start, value in sorted(runs):
        flat[start:] = value
    round_trip(flat.reshape(shape), classes=4)


def test_a_valid_tile_costs_nothing() -> None:
    assert round_trip(np.zeros((1024, 1024), np.uint8)) == b""


def test_a_tile_of_one_class_costs_two_bytes() -> None:
    assert round_trip(np.full((1024, 700), 3, np.uint8)) == b"\x01\x03"


@pytest.mark.parametrize("slope", [-0.21, 0.0, 0.037, 0.21, 0.7, 3.3])
@pytest.mark.parametrize("sides", ["left", "right", "both"])
def test_slanted_nodata_edges_cost_less_than_a_byte_per_row(slope: float, sides: str) -> None:
    rows, cols = np.mgrid[:1024, :1024]
    left = cols < 300 + slope * rows
    right = cols > 650 + slope * 1.02 * rows
    outside = {"left": left, "right": right, "both": left | right}[sides]
    size = len(round_trip(outside.astype(np.uint8)))
    assert size < 1024 / 4


def test_jittered_edges_cost_less_than_a_byte_per_row() -> None:
    rng = np.random.default_rng(1)
    rows, cols = np.mgrid[:1024, :1024]
    left = cols < 100 + 0.213 * rows + rng.integers(0, 3, (1024, 1))
    right = cols > 700 + 0.217 * rows + rng.integers(0, 3, (1024, 1))
    assert len(round_trip((left | right).astype(np.uint8))) < 1024


def test_noise_costs_at_most_its_bits_and_half_a_second() -> None:
    rng = np.random.default_rng(2)
    for share in (0.001, 0.01, 0.05, 0.5):
        noise = (rng.random((1024, 1024)) < share).astype(np.uint8)
        start = time.process_time()
        data = mask.pack(noise)
        assert time.process_time() - start < 0.5  # a few hundredths on an idle core
        assert len(data) <= 1024 * 1024 / 8 + 64
        assert np.array_equal(mask.unpack(data, (1024, 1024), 1), noise)


def test_isolated_pixels_cost_few_bytes_each() -> None:
    rng = np.random.default_rng(3)
    dots = np.zeros((1024, 1024), np.uint8)
    dots.reshape(-1)[rng.choice(dots.size, 200, replace=False)] = 1
    assert len(round_trip(dots)) < 200 * 4


def test_runs_of_the_specification_written_by_hand() -> None:
    # 3 rows of 5: 0 0 1 1 1 | 0 0 0 1 1 | 0 0 0 0 1; changes at 2 5 8 10 14
    # even: 2-(-5)-5=2, 8-2-5=1, 14-8-5=1; odd: 5-(-5)-5=5, 10-5-5=0; zigzag doubles what is not negative
    inner = bytes([4, 2, 2, 10, 0])
    data = bytes([2, 2, 0, 1, 5]) + deflated(inner)
    expected = [[0, 0, 1, 1, 1], [0, 0, 0, 1, 1], [0, 0, 0, 0, 1]]
    assert mask.unpack(data, (3, 5), 1).tolist() == expected


def test_runs_of_three_classes_written_by_hand() -> None:
    # one row of 6: 1 1 0 2 2 1; changes at 2 3 5; even 2-(-6)-6=2, 5-2-6=-3; odd 3; by appearance 1 0 2
    inner = bytes([4, 5, 6]) + bytes([1, 2, 0])
    data = bytes([2, 3, 1, 0, 2, 3]) + deflated(inner)
    assert mask.unpack(data, (1, 6), 2).tolist() == [[1, 1, 0, 2, 2, 1]]


def test_planes_written_by_hand() -> None:
    # 2 rows of 9, bits of each row padded to bytes, most significant first
    data = bytes([3, 2, 1, 2]) + deflated(bytes([0x80, 0x80, 0x00, 0x00, 0x40, 0x00, 0x00, 0x80]))
    assert mask.unpack(data, (2, 9), 2).tolist() == [[1, 2, 0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 0, 0, 2]]


BAD = {
    "unknown mode": b"\x04\x01",
    "mode only": b"\x01",
    "valid everywhere": b"\x01\x00",
    "class beyond the palette": b"\x01\x03",
    "byte after the class": b"\x01\x01\x01",
    "runs of one class": bytes([2, 1, 1, 1]) + deflated(b"\x02"),
    "runs of no class": bytes([2, 0, 1]) + deflated(b"\x02"),
    "run class beyond the palette": bytes([2, 2, 0, 3, 1]) + deflated(b"\x02"),
    "a class twice": bytes([2, 2, 1, 1, 1]) + deflated(b"\x02"),
    "no changes": bytes([2, 2, 0, 1, 0]) + deflated(b""),
    "more changes than pixels": bytes([2, 2, 0, 1]) + pack_uv(2**32 - 1) + deflated(b"\x02"),
    "fewer integers than changes": bytes([2, 2, 0, 1, 2]) + deflated(b"\x02"),
    "more integers than changes": bytes([2, 2, 0, 1, 1]) + deflated(b"\x02\x02"),
    "a change at 0": bytes([2, 2, 0, 1, 1]) + deflated(b"\x00"),
    "a change at the end": bytes([2, 2, 0, 1, 1]) + deflated(b"\x30"),
    "a change before 0": bytes([2, 2, 0, 1, 1]) + deflated(b"\x01"),
    "changes that go back": bytes([2, 2, 0, 1, 2]) + deflated(b"\x08\x04"),
    "run class without number": bytes([2, 3, 0, 1, 2, 2]) + deflated(b"\x02\x04\x01\x03"),
    "run class repeated": bytes([2, 3, 0, 1, 2, 3]) + deflated(b"\x02\x04\x0a\x01\x01\x02"),
    "run class never used": bytes([2, 3, 0, 1, 2, 2]) + deflated(b"\x02\x04\x01\x00"),
    "classes not by appearance": bytes([2, 3, 0, 1, 2, 2]) + deflated(b"\x02\x04\x02\x01"),
    "no deflated bytes": bytes([2, 2, 0, 1, 1]),
    "deflated bytes cut": bytes([2, 2, 0, 1, 1]) + deflated(b"\x02")[:-1],
    "byte behind the deflated ones": bytes([2, 2, 0, 1, 1]) + deflated(b"\x02") + b"\0",
    "not deflated": bytes([2, 2, 0, 1, 1]) + b"\xff\xff",
    "no planes": bytes([3, 0]) + deflated(b""),
    "a plane of valid pixels": bytes([3, 1, 0]) + deflated(b"\x80\0\0\0"),
    "planes not ascending": bytes([3, 2, 2, 1]) + deflated(b"\x80\0\0\0\x40\0\0\0"),
    "planes that overlap": bytes([3, 2, 1, 2]) + deflated(b"\x80\0\0\0\x80\0\0\0"),
    "an empty plane": bytes([3, 1, 1]) + deflated(b"\0\0\0\0"),
    "a plane too short": bytes([3, 1, 1]) + deflated(b"\x80\0\0"),
    "a plane too long": bytes([3, 1, 1]) + deflated(b"\x80\0\0\0\0"),
    "bits beyond the row": bytes([3, 1, 1]) + deflated(b"\x81\0\0\0"),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_a_mask_with_one_fault_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError, match=r"mask|integer"):
        mask.unpack(data, (4, 6), 2)


def test_a_deflate_bomb_is_cut_off_at_the_size_of_the_tile() -> None:
    bomb = bytes([3, 1, 1]) + deflated(bytes(50_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="more than 32768 bytes"):
            mask.unpack(bomb, (512, 512), 1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


@given(st.data())
def test_a_damaged_mask_gives_a_map_in_range_or_a_format_error(data: st.DataObject) -> None:
    rows, cols = np.mgrid[:24, :31]
    whole = bytearray(mask.pack(np.where(cols < 5 + 0.3 * rows, 1, 2 * (cols > 27)).astype(np.uint8)))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        back = mask.unpack(bytes(whole), (24, 31), 2)
    except FormatError:
        return
    assert back.shape == (24, 31)
    assert back.max() <= 2
