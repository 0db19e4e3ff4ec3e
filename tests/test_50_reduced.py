"""Overviews: means of decibels, masks by majority, windows equal crops, damage and nonsense named."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from conftest import TOY
from sarcodec.api import encode_array
from sarcodec.bitstream.reader import Reader
from sarcodec.dataset import SarcDataset
from sarcodec.decoding.overview import reduced_classes, reduced_window
from sarcodec.encoding import survey
from sarcodec.errors import ChecksumError, UsageError
from sarcodec.invalid import InvalidPalette
from sarcodec.model.transforms import FACTORS
from sarcodec.types import Window
from testing.scenes import dn, open_bytes, power

Array = npt.NDArray[Any]


@pytest.fixture(scope="module")
def decibels() -> Iterator[tuple[Array, bytes]]:
    """A dB raster of 2 x 3 tiles of 256 with two kinds of invalid pixels, and its file."""
    values = (10 * np.log10(power((300, 530), 1))).astype(np.float32)
    values[:40, :333] = np.nan
    values[100:190, 250:] = -9999
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(survey, "TILE_SIDE", 256)
        yield values, encode_array(values, quality=70, scale="db", nodata=-9999, model=TOY, jobs=1)


def blocks(values: Array, factor: int) -> Iterator[tuple[tuple[int, int], Array]]:
    rows, cols = (-(-side // factor) for side in values.shape)
    for i, j in np.ndindex(rows, cols):
        yield (i, j), values[i * factor : (i + 1) * factor, j * factor : (j + 1) * factor]


@pytest.mark.parametrize("factor", FACTORS)
def test_a_reduced_pixel_is_the_mean_of_the_decibels_it_stands_for(
    decibels: tuple[Array, bytes], factor: int
) -> None:
    source, data = decibels
    with open_bytes(data, TOY) as coded:
        whole, small = coded.read(1), coded.read(1, reduce=factor)
        exact = coded.reduced(factor, Window(0, 0, 530, 300))[0].layers == 2
    assert small.dtype == np.float32 and small.shape == (-(-300 // factor), -(-530 // factor))
    worst = 0.0
    for at, block in blocks(whole, factor):
        data_in = np.isfinite(block) & (block > -450)
        if 2 * data_in.sum() >= block.size:
            assert -450 < small[at] < 100
            if data_in.all() and block.size == factor**2:
                worst = max(worst, abs(float(block.mean(dtype=np.float64)) - float(small[at])))
        else:
            lost = np.isnan(block).sum(), (block == -9999).sum()
            assert np.isnan(small[at]) if lost[0] > lost[1] else small[at] == -9999
    # Pixels are held within the band's range one by one, so not even all layers give exactly their mean.
    assert worst < (0.05 if exact else 1.5)
    assert np.isnan(source[0, 0]) and np.isnan(small[0, 0])


@given(st.data(), st.sampled_from(FACTORS), st.integers(1, 3))
@settings(max_examples=25)
def test_a_reduced_window_equals_the_crop_on_any_number_of_threads(
    decibels: tuple[Array, bytes], data: st.DataObject, factor: int, jobs: int
) -> None:
    _, file = decibels
    rows, cols = -(-300 // factor), -(-530 // factor)
    top, left = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, cols - 1))
    bottom, right = data.draw(st.integers(top + 1, rows)), data.draw(st.integers(left + 1, cols))
    edge = min(right * factor, 530), min(bottom * factor, 300)
    window = (left * factor, top * factor, edge[0] - left * factor, edge[1] - top * factor)
    with open_bytes(file, TOY) as one, SarcDataset(io.BytesIO(file), "x", model=TOY, jobs=jobs) as many:
        whole, part = one.read(1, reduce=factor), many.read(1, window=window, reduce=factor)
    assert np.array_equal(part, whole[top:bottom, left:right], equal_nan=True)


@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.integers(0, 3)),
    st.sampled_from(FACTORS),
)
def test_a_block_is_valid_where_half_of_it_is_else_what_most_of_the_rest_is(
    classes: npt.NDArray[np.uint8], factor: int
) -> None:
    palette = InvalidPalette(np.dtype("uint16"), (0, 1, 9))
    small = reduced_classes(classes, factor, palette)
    for at, block in blocks(classes, factor):
        counts = [int((block == k).sum()) for k in range(4)]
        if 2 * counts[0] >= block.size:
            assert small[at] == 0
        else:
            assert counts[small[at]] == max(counts[1:]) and small[at] == 1 + counts[1:].index(max(counts[1:]))


@pytest.mark.parametrize("kind", ["all invalid", "constant", "one pixel"])
def test_odd_rasters_are_reduced(kind: str) -> None:
    values = {
        "all invalid": np.zeros((70, 33), np.uint16),
        "constant": np.full((70, 33), 77, np.uint16),
        "one pixel": np.full((1, 1), 5, np.uint16),
    }[kind]
    with open_bytes(encode_array(values, scale="dn", nodata=0, model=TOY, jobs=1), TOY) as coded:
        for factor in FACTORS:
            small = coded.read(1, reduce=factor)
            assert (small == values[0, 0]).all()
            assert small.shape == tuple(-(-side // factor) for side in values.shape)


def test_models_without_layers_to_skip_give_the_means_of_a_whole_decode() -> None:
    values = dn((64, 96), 2)
    data = encode_array(values, scale="dn", model="baseline-16x-rd", jobs=1)
    with open_bytes(data, None) as coded:
        whole = 20 * np.log10(coded.read(1).astype(float))
        for factor in FACTORS:
            small = 20 * np.log10(coded.read(1, reduce=factor).astype(float))
            for at, block in blocks(whole, factor):
                assert abs(block.mean() - small[at]) < 0.3  # pixels and means are rounded to whole DN


def test_base_layer_alone_is_reduced(decibels: tuple[Array, bytes]) -> None:
    _, data = decibels
    with open_bytes(data, TOY, base_only=True) as coded:
        assert coded.reduced(2, Window(0, 0, 530, 300))[0].layers == 1
        assert coded.read(1, reduce=2).shape == (150, 265)


@pytest.mark.parametrize("factor", [0, -2, 3, 32])
def test_other_factors_are_refused(decibels: tuple[Array, bytes], factor: int) -> None:
    with open_bytes(decibels[1], TOY) as coded, pytest.raises(UsageError, match="cannot be reduced"):
        coded.read(1, reduce=factor)


def test_gains_and_means_are_not_mixed() -> None:
    data = encode_array(dn((64, 64), 1), scale="dn", radiometry=True, model=TOY, jobs=1)
    with open_bytes(data, TOY, unbiased=True) as coded, pytest.raises(UsageError, match="gains"):
        coded.read(1, reduce=2)


def test_a_window_that_cuts_blocks_is_refused_with_the_one_that_does_not() -> None:
    assert reduced_window(Window(32, 16, 68, 34), 16, 100, 50) == Window(2, 1, 5, 3)
    with pytest.raises(UsageError) as caught:
        reduced_window(Window(33, 16, 40, 34), 16, 100, 50)
    assert caught.value.hint == "Give 32,16,48,34."


def test_damage_is_named_and_takes_no_more_than_its_reach(decibels: tuple[Array, bytes]) -> None:
    _, data = decibels
    reader = Reader(io.BytesIO(data))
    bad = bytearray(data)
    (band,) = reader.record(0, 2).segments
    bad[reader._span(0, 2)[0] + band[1].start + band[1].size // 2] ^= 1
    with open_bytes(bytes(bad), TOY) as coded, pytest.raises(ChecksumError, match="column 2"):
        coded.read(1, reduce=4)
    with open_bytes(data, TOY) as coded:
        sound = coded.read(1, reduce=4)
    with open_bytes(bytes(bad), TOY, allow_partial=True) as coded:
        part = coded.read(1, reduce=4)
        assert [(tile.row, tile.col) for tile in coded.damaged] == [(0, 2)]
    lost = np.zeros(part.shape, bool)
    lost[: (256 + 32) // 4, (512 - 32) // 4 :] = True  # the toy model reaches two latents
    assert np.array_equal(part[~lost], sound[~lost], equal_nan=True)
    assert (part[lost] == -9999).all()


def test_reading_reduced_and_whole_by_turns_changes_neither(decibels: tuple[Array, bytes]) -> None:
    with open_bytes(decibels[1], TOY) as coded:
        first = coded.read(1), coded.read(1, reduce=8)
        again = coded.read(1), coded.read(1, reduce=8)
    for a, b in zip(first, again, strict=True):
        assert np.array_equal(a, b, equal_nan=True)
