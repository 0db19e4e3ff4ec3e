"""What holds for any raster: masks to the bit, valid pixels valid, windows, threads, metadata, open files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

import sarcodec
from conftest import GOLDEN, TOY
from sarcodec import api
from sarcodec.arrays import ArraySource
from sarcodec.bitstream.header import Header
from sarcodec.dataset import SarcDataset
from sarcodec.encoding import pipeline, survey
from sarcodec.errors import SarcError
from sarcodec.invalid import InvalidPalette, valid_mask
from sarcodec.metadata import BandMeta, RasterMeta
from sarcodec.options import EncodeOptions
from sarcodec.types import Quantity, Scale
from testing.rasters import DTYPES, QUALITIES, TILED, Raster, is_data, rasters, windows
from testing.scenes import db, decode_bytes, dn, open_bytes, power, rmse
from testing.strategies import raster_metas

Array = npt.NDArray[Any]


@pytest.fixture
def small_tiles() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(survey, "TILE_SIDE", 256)
        yield


def coded(raster: Raster, **options: Any) -> bytes:
    options = {"model": TOY, "jobs": 1, "scale": raster.scale, "nodata": raster.nodata, **options}
    return api.encode_array(raster.cube, **options)


def check_decoded(raster: Raster, back: Array) -> None:
    """Everything but the error of valid pixels."""
    assert back.dtype == raster.cube.dtype and back.shape == raster.cube.shape
    data = raster.data
    assert np.array_equal(back.view(raster.bits.dtype)[~data], raster.bits[~data])
    assert is_data(back, raster.scale, raster.nodata)[data].all()
    for source, decoded, here in zip(raster.cube, back, data, strict=True):
        if here.any():
            assert source[here].min() <= decoded[here].min()
            assert decoded[here].max() <= source[here].max()
            invalid = set(source[~here].tolist())
            assert not invalid & set(np.unique(decoded[here]).tolist())


@given(rasters(), QUALITIES)
@settings(max_examples=40)
def test_any_raster_comes_back_with_its_mask_exact_and_its_pixels_valid(
    raster: Raster, quality: float
) -> None:
    data = coded(raster, quality=quality)
    check_decoded(raster, api.decode_array(data, model=TOY, jobs=1))
    check_decoded(raster, decode_bytes(data, TOY, base_only=True))


def apart(a: Array, b: Array, scale: Scale) -> float:
    """Largest difference: DN of integers, dB of floats; 0 where bits are equal."""
    differ = a.view(f"u{a.itemsize}") != b.view(f"u{b.itemsize}")
    if not differ.any():
        return 0.0
    x, y = a[differ].astype(np.float64), b[differ].astype(np.float64)
    if a.dtype.kind == "f" and scale is not Scale.DB:
        x, y = ((10 if scale is Scale.POWER else 20) * np.log10(v) for v in (x, y))
    return float(np.abs(x - y).max())


@pytest.mark.usefixtures("small_tiles")
@given(st.data(), rasters(sides=TILED, most_bands=2), QUALITIES)
@settings(max_examples=25)
def test_any_window_is_the_crop_of_the_whole(drawn: st.DataObject, raster: Raster, quality: float) -> None:
    bands, height, width = raster.cube.shape
    with open_bytes(coded(raster, quality=quality), TOY) as dataset:
        whole = dataset.read()
        check_decoded(raster, whole)
        for _ in range(2):
            window = drawn.draw(windows(height, width))
            band = drawn.draw(st.integers(1, bands))
            col, row, wide, high = window
            crop = whole[band - 1, row : row + high, col : col + wide]
            part = dataset.read(band, window=window)
            assert part.shape == (high, wide) and part.dtype == crop.dtype
            most = 1 if part.dtype.kind in "iu" else 0.001
            assert apart(part, np.ascontiguousarray(crop), raster.scale) <= most


@pytest.mark.usefixtures("small_tiles")
@given(rasters(sides=TILED), st.sampled_from([{"quality": 1}, {"quality": 77}, {"bpp": 0.2}, {"rmse_db": 2}]))
@settings(max_examples=8)
def test_bytes_do_not_depend_on_threads_or_on_the_run(raster: Raster, target: dict[str, float]) -> None:
    files = {coded(raster, jobs=jobs, **target) for jobs in (1, 2, 3, 1)}
    assert len(files) == 1
    pixels = {api.decode_array(next(iter(files)), model=TOY, jobs=jobs).tobytes() for jobs in (1, 2, 3)}
    assert len(pixels) == 1


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 99), st.integers(1, 99))
@settings(max_examples=12)
def test_error_does_not_grow_with_quality(seed: int, looks: int, low: int, more: int) -> None:
    """Weakly for any two qualities, up to what rounding to levels and thresholds may do."""
    scene = dn((128, 144), seed, looks=looks)
    high = min(100, low + more)
    errors = [
        rmse(db(decode_bytes(api.encode_array(scene, quality=q, model=TOY, jobs=1), TOY)[0]), db(scene))
        for q in (low, high)
    ]
    note(str(errors))
    assert errors[1] <= 1.01 * errors[0]


def test_mean_error_falls_with_quality_on_every_scale() -> None:
    qualities = (1, 25, 50, 75, 100)
    squares = np.zeros(len(qualities))
    for seed in range(3):
        linear = power((160, 160), 100 + seed)
        for scale, exponent in ((Scale.POWER, 1.0), (Scale.AMPLITUDE, 0.5)):
            values = (linear**exponent).astype(np.float32)
            for at, quality in enumerate(qualities):
                data = api.encode_array(values, quality=quality, scale=scale, model=TOY, jobs=1)
                back = decode_bytes(data, TOY)[0].astype(np.float64)
                squares[at] += float(np.mean((10 / exponent * np.log10(back / values)) ** 2))
    assert all(a > b for a, b in pairwise(squares))


def encoded_with(meta: RasterMeta, cube: Array, scale: Scale, quality: float) -> bytes:
    file = io.BytesIO()
    quantity = Quantity.SIGMA0
    options = EncodeOptions(quality=quality, scale=scale, quantity=quantity, model=TOY, device="cpu", jobs=1)
    pipeline.encode(ArraySource(cube, meta), file, options)
    return file.getvalue()


def invalid_ones(header: Header, number: int, nodata: float | None) -> tuple[Any, ...]:
    """Invalid values of a band but for those of constant areas, by their bits."""
    palette = InvalidPalette.of_band(header.bands[number], header.dtype)
    valid = valid_mask(palette.values, header.pixel_scale(number), nodata)
    return tuple(v.tobytes() for v in palette.values[~valid])


def codable(band: BandMeta) -> BandMeta:
    """The band with a gain under which its pixels keep their sign, and without a soft alpha."""
    plain = band.scale == 0 or (band.scale, band.offset) == (1, 0)
    color = "undefined" if band.colorinterp == "alpha" else band.colorinterp
    kept = replace(band, colorinterp=color)
    return kept if plain else replace(kept, scale=2.0 ** (len(band.tags) - 2), offset=0.0)


@given(raster_metas(), rasters(sides=st.integers(1, 40), most_bands=3), QUALITIES)
@settings(max_examples=25)
def test_metadata_pass_through_any_number_of_generations(
    meta: RasterMeta, raster: Raster, quality: float
) -> None:
    """Decoded and encoded again: the header but for ranges and means, masks and invalid pixels stay.

    Constant areas may come and go: coarse steps leave few values, and make areas of one.
    """
    count, height, width = raster.cube.shape
    bands = tuple(map(codable, (meta.bands * 3)[:count]))
    meta = replace(
        meta,
        width=width,
        height=height,
        count=count,
        bands=bands,
        dtype=raster.cube.dtype.name,
        nodata=raster.nodata,
    )
    first = encoded_with(meta, raster.cube, raster.scale, quality)
    with open_bytes(first, TOY) as a:
        assert a.meta == meta
        back = a.read()
        second = encoded_with(a.meta, back, a.decoder.header.scale, quality)
        with open_bytes(second, TOY) as b:
            assert b.meta == meta
            old, new = a.decoder.header, b.decoder.header
            for number, (was, now) in enumerate(zip(old.bands, new.bands, strict=True)):
                assert invalid_ones(new, number, meta.nodata) == invalid_ones(old, number, meta.nodata)
                assert now.level == was.level
                if now.palette == was.palette:
                    assert was.vmin <= now.vmin <= now.vmax <= was.vmax
            assert replace(new, bands=old.bands) == old
            for band in range(count):
                if new.bands[band].palette != old.bands[band].palette:
                    continue
                assert b.decoder.reader.record(0, 0).mask(band) == a.decoder.reader.record(0, 0).mask(band)
            again = b.read()
    data = raster.data
    assert np.array_equal(again.view(raster.bits.dtype)[~data], raster.bits[~data])


class OpenFile(RuleBasedStateMachine):
    """A file that is read in any order, by one thread or three, closed, read again, opened again."""

    expected: Array
    dataset: SarcDataset
    is_open: bool
    path: str

    @initialize(name=st.sampled_from(["two_tiles", "two_bands", "float32_db"]))
    def begin(self, name: str) -> None:
        self.path = str(GOLDEN / f"{name}.sarc")
        with np.load(GOLDEN / f"{name}.npz") as stored:
            self.expected = stored["pixels"]
        self.reopen()

    def reopen(self) -> None:
        self.dataset = sarcodec.open(self.path, model=TOY, jobs=1)
        self.is_open = True

    def check(self, part: Array, band: int, window: tuple[int, int, int, int]) -> None:
        col, row, width, height = window
        crop = np.ascontiguousarray(self.expected[band - 1, row : row + height, col : col + width])
        assert part.shape == crop.shape
        assert np.array_equal(np.isnan(part), np.isnan(crop))
        scale = self.dataset.decoder.header.scale
        assert apart(part, crop, scale) <= (1 if part.dtype.kind in "iu" else 0.001)

    def draw(self, drawn: st.DataObject) -> tuple[int, tuple[int, int, int, int]]:
        bands, height, width = self.expected.shape
        return drawn.draw(st.integers(1, bands)), drawn.draw(windows(height, width))

    @precondition(lambda self: self.is_open)
    @rule(drawn=st.data())
    def read_a_window(self, drawn: st.DataObject) -> None:
        band, window = self.draw(drawn)
        self.check(self.dataset.read(band, window=window), band, window)

    @precondition(lambda self: self.is_open)
    @rule(drawn=st.data())
    def read_three_windows_at_once(self, drawn: st.DataObject) -> None:
        wanted = [self.draw(drawn) for _ in range(3)]
        with ThreadPoolExecutor(3) as pool:
            parts = list(pool.map(lambda w: self.dataset.read(w[0], window=w[1]), wanted))
        for part, (band, window) in zip(parts, wanted, strict=True):
            self.check(part, band, window)

    @precondition(lambda self: self.is_open)
    @rule()
    def verify_all(self) -> None:
        assert self.dataset.verify() == len(self.expected) * self.dataset.decoder.header.grid.count

    @precondition(lambda self: self.is_open)
    @rule(drawn=st.data())
    def read_beyond_the_edge(self, drawn: st.DataObject) -> None:
        _, height, width = self.expected.shape
        window = (drawn.draw(st.integers(0, width)), height, 1, 1)
        with pytest.raises(SarcError):
            self.dataset.read(1, window=window)

    @rule()
    def close(self) -> None:
        self.dataset.close()
        self.is_open = False
        with pytest.raises(SarcError):
            self.dataset.read(1, window=(0, 0, 1, 1))
        with pytest.raises(SarcError):
            self.dataset.verify()

    @precondition(lambda self: not self.is_open)
    @rule()
    def open_again(self) -> None:
        self.reopen()

    def teardown(self) -> None:
        if hasattr(self, "dataset"):
            self.dataset.close()


TestOpenFile = OpenFile.TestCase
TestOpenFile.settings = settings(max_examples=8, stateful_step_count=12)

assert set(DTYPES) == set(sarcodec.radiometry.DTYPES)
