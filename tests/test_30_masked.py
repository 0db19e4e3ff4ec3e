"""Undeclared masks: found where they are a cliff, not mistaken for in data."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sarcodec.arrays import ArraySource
from sarcodec.metadata import RasterMeta
from sarcodec.scan import BandScan, scan_band
from sarcodec.simulate import Scene, SceneSpec
from sarcodec.types import Scale, TileGrid
from testing.reported import amplitude, ground_db, inside
from testing.scenes import dn, power

Array = npt.NDArray[Any]


def scan(values: Array, scale: Scale, *, side: int = 64, nodata: float | None = None) -> BandScan:
    """Scan of an array that is cut into small tiles."""
    meta = RasterMeta(values.shape[1], values.shape[0], 1, values.dtype.name, nodata=nodata)
    grid = TileGrid(meta.width, meta.height, side)
    return scan_band(ArraySource(values[None], meta), 0, scale, grid, 2, lambda: None)


def found(values: Array, scale: Scale, **options: Any) -> list[float]:
    palette: list[float] = scan(values, scale, **options).palette.values.tolist()
    return palette


def slanted(shape: tuple[int, int], share: float) -> npt.NDArray[np.bool_]:
    """A coast at 45 degrees that leaves about `share` of the pixels to the sea."""
    row, col = np.indices(shape)
    reach = row + 0.5 * col
    return np.asarray(reach <= np.quantile(reach, share))


@pytest.mark.parametrize(
    ("values", "scale", "value"),
    [
        (dn((200, 160), 1), Scale.DN, 1),
        (dn((200, 160), 1).astype(np.int32), Scale.AMPLITUDE, 65535 * 4),
        (power((200, 160), 2).astype(np.float32), Scale.POWER, 1e-6),
        (power((200, 160), 3).astype(np.float64), Scale.POWER, 1e9),
        (10 * np.log10(power((200, 160), 4)).astype(np.float32), Scale.DB, -99.0),
        (np.rint(10 * np.log10(power((200, 160), 4))).astype(np.int16), Scale.DB, -9999),
        (np.rint(10 * np.log10(power((200, 160), 4)) + 150).astype(np.uint8), Scale.DB, 0),
    ],
)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_a_constant_far_from_the_data_is_a_mask(
    values: Array, scale: Scale, value: float, share: float
) -> None:
    sea = slanted((200, 160), share)
    other = -9 if scale is Scale.DB and values.dtype.kind == "i" else 0
    values[values == other] = 11
    bare = scan(np.where(sea, np.array(other, values.dtype), values), scale, nodata=other)
    values = np.where(sea, np.array(value, values.dtype), values)
    done = scan(values, scale)
    assert done.palette.values.tolist() == [values[0, 0]]
    # What the encoder goes by is what it would be had the value been declared.
    assert done.span == bare.span and done.counts == bare.counts
    assert done.mean_db == bare.mean_db and done.deviation_db == bare.deviation_db


def test_two_masks_and_a_nodata_border_are_three_values() -> None:
    values = dn((200, 160), 5)
    values[:20], values[20:40], values[40:60] = 0, 1, 60000
    assert found(values, Scale.DN, nodata=0) == [0, 1, 60000]


def test_a_stray_pixel_near_a_mask_does_not_hide_it() -> None:
    values = dn((200, 160), 6)
    values[:100] = 1
    values[50, 50], values[0, 159], values[199, 0] = 2, 3, 2
    assert found(values, Scale.DN) == [1]


def test_what_is_rare_or_the_only_thing_there_is_no_mask() -> None:
    values = dn((200, 160), 7)
    values[np.random.default_rng(7).random(values.shape) < 0.005] = 1
    assert found(values, Scale.DN) == []
    for constant in (1, 255):
        assert found(np.full((99, 130), constant, np.uint8), Scale.DN) == []
    drawing = np.repeat(np.array([1, 20, 400, 8000], np.uint16), 4000).reshape(100, 160)
    assert found(drawing, Scale.DN) == []


def in_runs(same: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """True for pixels that stand in a row or column of at least eight of them, counted one by one."""
    out = np.zeros(same.shape, bool)
    for lines, marks in ((same, out), (same.T, out.T)):
        for line, mark in zip(lines, marks, strict=True):
            start = 0
            for equal, group in itertools.groupby(line.tolist()):
                size = len(list(group))
                if equal and size >= 8:
                    mark[start : start + size] = True
                start += size
    return out


# --- borders and areas of one value, however near to the data


@pytest.mark.parametrize("width", [1, 3, 40])
def test_a_border_as_dark_as_the_data_is_found(width: int) -> None:
    values = dn((200, 160), 7)
    values[:width] = np.percentile(values, 30)
    assert found(values, Scale.DN) == [values[0, 0]]


@pytest.mark.parametrize("mean", [-20.0, -11.0, 0.0, 6.0])
@pytest.mark.parametrize("fill", [0.0, -5.0, -11.5, -9999.0])
def test_a_slanted_border_on_the_db_scale_is_found_whatever_the_scene(mean: float, fill: float) -> None:
    values = np.where(inside(), ground_db(mean), fill).astype(np.float32)
    assert found(values, Scale.DB) == [fill]


def test_a_saturated_border_of_bytes_is_found_beside_saturated_pixels() -> None:
    values = ((ground_db() + 30) / 35 * 253 + 1).clip(1, 254).astype(np.uint8)
    values[np.random.default_rng(1).random(values.shape) < 0.01] = 255
    values[~inside()] = 255
    assert found(values, Scale.DN) == [255]


@pytest.mark.parametrize("fill", [150, 130, 255])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_thin_border_of_a_value_that_the_scene_has_too_is_found(fill: int, width: int) -> None:
    values = np.rint(amplitude(ground_db(shape=(200, 300))) * 470).clip(1, 255).astype(np.uint8)
    values[5, 5] = fill
    values[:, :width] = fill
    assert found(values, Scale.DN) == [fill]


@pytest.mark.parametrize("low", [True, False])
def test_clipped_decibels_are_data(low: bool) -> None:
    db = ground_db(0.0)
    clipped = np.maximum(db, 0) if low else np.minimum(db, 0)
    assert found(clipped.astype(np.float32), Scale.DB) == []


def test_many_looks_in_whole_decibels_are_data() -> None:
    rows, cols = np.indices((300, 413))
    speckle = 10 * np.log10(np.random.default_rng(3).gamma(60, 1 / 60, rows.shape))
    db = -12 + 3 * np.sin(rows / 50) + 3 * np.cos(cols / 60) + speckle
    assert found(np.rint(db).astype(np.int8), Scale.DB) == []


def test_scattered_zeros_on_the_db_scale_are_a_fill() -> None:
    values = ground_db(0.0).astype(np.float32)
    assert found(values, Scale.DB) == []
    values.ravel()[::5000] = 0
    assert found(values, Scale.DB) == [0.0]


def test_zeros_of_rounded_decibels_are_data() -> None:
    assert found(np.round(ground_db(0.0), 1).astype(np.float32), Scale.DB) == []


def test_a_picture_without_speckle_has_no_masks_but_what_stands_out() -> None:
    rows, cols = np.indices((300, 413))
    smooth = (60 + 20 * np.sin(rows / 60) + 20 * np.cos(cols / 80)).astype(np.uint8)
    assert found(smooth, Scale.DN) == []
    smooth[~inside()] = 7
    assert found(smooth, Scale.DN) == [7]


@pytest.mark.parametrize("seed", range(4))
def test_dense_integers_are_data_however_frequent_each_is(seed: int) -> None:
    speckle = np.random.default_rng(seed).gamma(1.0, 1.0, (256, 256))
    water = np.maximum(np.rint(1.5 * np.sqrt(speckle)), 1).astype(np.uint16)
    water[:, 128:] = dn((256, 128), seed)
    bright = np.clip(np.rint(150 * np.sqrt(speckle)), 1, 255).astype(np.uint8)
    decibels = np.clip(np.rint(10 * np.log10(speckle) + 40), 0, 50).astype(np.uint8)
    assert (water == 1).mean() > 0.02 and (bright == 255).mean() > 0.02
    assert found(water, Scale.DN) == found(bright, Scale.AMPLITUDE) == found(decibels, Scale.DB) == []


@pytest.mark.parametrize("scale", [Scale.DN, Scale.POWER, Scale.DB])
@pytest.mark.parametrize("enl", [1, 4.4])
def test_simulated_scenes_have_no_masks(scale: Scale, enl: float) -> None:
    block = Scene(SceneSpec(width=512, height=256, scale=scale, enl=enl, seed=3)).block(0, 256)
    values = block.values[0]
    odd = [value for value in found(values, scale, nodata=0) if value > 0]
    assert odd == []


@given(
    st.integers(0, 9),
    st.floats(1, 60),
    st.sampled_from([1, 2, 7]),
    st.floats(0, 1),
    st.sampled_from(["border", "scattered"]),
)
@settings(max_examples=60)
def test_a_mask_is_found_or_not_however_the_band_is_cut(
    seed: int, gain: float, value: int, share: float, form: str
) -> None:
    values = np.maximum(np.rint(gain * np.sqrt(power((96, 130), seed))), 1).astype(np.uint16)
    chance = np.random.default_rng(seed).random(values.shape)
    values[slanted(values.shape, share) if form == "border" else chance < share] = value
    whole, cut = scan(values, Scale.DN, side=256), scan(values, Scale.DN, side=96)
    assert whole.palette == cut.palette and whole.span == cut.span
    for bits in whole.palette.values.tolist():
        # Independent of levels and tiles: this value fills a hundredth, and next to nothing is near it;
        # or most of its pixels stand in a row or column of eight and more.
        same = values == bits
        near = (values > bits / 3.8) & (values < bits * 3.8) & ~same
        cliff = same.mean() >= 0.01 and near.sum() <= 0.01 * same.sum()
        assert cliff or in_runs(same).sum() >= 0.5 * same.sum()
