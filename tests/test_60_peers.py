"""The codecs to compare with: what each returns, at which size, and what is said where one is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sarcodec.bench.codecs import registry
from sarcodec.bench.codecs.interface import Codec
from sarcodec.bench.codecs.samples import Samples, centred, decibels, integers
from sarcodec.bench.codecs.search import Domain, nearest
from sarcodec.bench.images import Image
from sarcodec.errors import InputError, UsageError, WriteError
from sarcodec.io import cog
from sarcodec.metadata import BandMeta, RasterMeta
from sarcodec.metrics import rmse_db
from sarcodec.types import Scale
from testing.needed import needed

Array = npt.NDArray[Any]

ALWAYS = {"jpeg2000", "webp", "zstd-cog"}
LOSSY = [name for name in registry.names() if name != "zstd-cog"]
COARSE = {
    "lerc": (0.5, 1.5, 4.0),  # below, blocks turn into their smallest value
    "zfp": (0.5, 1.5, 4.0),  # below, all but a few blocks turn into the mean
}
JUMPS = {
    "avif": 0.13,  # half a step of its quality, of which some versions of libaom have fewer
    "jpeg2000": 0.08,  # OpenJPEG cuts between coding passes
    "sz3": 0.2,  # another predictor
}


def made(db: Array, dtype: str = "float32", nodata: float | None = None) -> Image:
    height, width = db.shape
    scale = Scale.DB if dtype == "float32" else Scale.DN
    meta = RasterMeta(
        width=width,
        height=height,
        count=1,
        dtype=dtype,
        nodata=nodata,
        bands=(BandMeta(colorinterp="gray"),),
    )
    return Image("made", db.astype(dtype), scale, meta)


def speckle(shape: tuple[int, int], seed: int = 5) -> Array:
    """Speckle of 4.4 looks, correlated as in a GRD, on a slope of 12 dB."""
    rng = np.random.default_rng(seed)
    power = rng.gamma(4.4, 0.01, (shape[0] + 1, shape[1] + 1))
    smooth = (power[1:, 1:] + power[:-1, 1:] + power[1:, :-1] + power[:-1, :-1]) / 4
    return np.asarray(10 * np.log10(smooth) + np.linspace(-6, 6, shape[1]), np.float32)


def codec_of(name: str) -> Codec:
    if name not in ALWAYS:
        needed("imagecodecs")
    return registry.make(name)


@pytest.fixture(scope="module")
def image() -> Image:
    return made(speckle((256, 256)))


def bpp_of(data: bytes, image: Image) -> float:
    return 8 * len(data) / image.values.size


# --- what a codec returns


@pytest.mark.parametrize("name", LOSSY)
def test_every_valid_pixel_comes_back_with_an_error_that_falls_with_the_rate(name: str) -> None:
    image, codec = made(speckle((96, 128))), codec_of(name)
    prepared, errors = codec.prepare(image), []
    for bpp in COARSE.get(name, (0.2, 0.5, 1.2)):
        decoded = codec.decode(prepared, codec.search(prepared, bpp).data)
        assert decoded.shape == image.values.shape
        assert np.isfinite(decoded).all()
        errors.append(rmse_db(image.db, decoded, image.valid))
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 1.5 * errors[-1]


@pytest.mark.parametrize("name", LOSSY)
@pytest.mark.parametrize("bpp", [0.25, 1.0])
def test_the_search_lands_near_the_wanted_rate_and_its_setting_makes_the_same_file(
    name: str, bpp: float, image: Image
) -> None:
    codec = codec_of(name)
    prepared = codec.prepare(image)
    coded = codec.search(prepared, bpp)
    assert bpp_of(coded.data, image) == pytest.approx(bpp, rel=JUMPS.get(name, 0.02))
    assert codec.encode(prepared, coded.setting) == coded.data


@pytest.mark.parametrize("name", LOSSY)
def test_invalid_pixels_neither_widen_the_range_nor_cost_more_than_flat_ones(name: str) -> None:
    codec, db = codec_of(name), speckle((128, 128))
    spoilt, flat = db.copy(), db.copy()
    spoilt[:, :48] = np.nan
    flat[:, :48] = db[:, 48:].mean(dtype=np.float64)
    prepared = codec.prepare(made(spoilt))
    coded = codec.search(prepared, 2.0)
    assert abs(len(coded.data) / len(codec.encode(codec.prepare(made(flat)), coded.setting)) - 1) < 0.01
    decoded = codec.decode(prepared, coded.data)[:, 48:]
    assert np.isfinite(decoded).all()
    assert np.sqrt(np.mean((decoded - db[:, 48:]) ** 2)) < 1.2


@pytest.mark.parametrize("name", LOSSY)
def test_a_decoder_needs_no_more_of_what_was_prepared_than_shape_and_range(name: str) -> None:
    codec, image = codec_of(name), made(speckle((96, 64)))
    prepared = codec.prepare(image)
    data = codec.search(prepared, 0.4).data
    known = Samples(np.zeros_like(prepared.values), prepared.low_db, prepared.high_db)
    assert np.array_equal(codec.decode(known, data), codec.decode(prepared, data))


@pytest.mark.parametrize("name", LOSSY)
@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (31, 100)])
def test_rasters_of_any_size_go_through(name: str, shape: tuple[int, int]) -> None:
    codec, db = codec_of(name), speckle(shape)
    prepared = codec.prepare(made(db))
    decoded = codec.decode(prepared, codec.search(prepared, 400.0).data)
    assert decoded.shape == shape
    assert np.abs(decoded - db).max() < 1


@pytest.mark.parametrize("name", LOSSY)
def test_a_constant_raster_comes_back_constant(name: str) -> None:
    codec = codec_of(name)
    prepared = codec.prepare(made(np.full((64, 64), -12.5)))
    decoded = codec.decode(prepared, codec.search(prepared, 0.5).data)
    assert np.abs(decoded + 12.5).max() < 1e-3


@pytest.mark.parametrize("name", LOSSY)
def test_a_raster_without_valid_pixels_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        codec_of(name).prepare(made(np.full((8, 8), np.nan)))


# --- lossless


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_the_cog_returns_every_stored_value(dtype: str) -> None:
    codec = registry.make("zstd-cog")
    db = speckle((100, 130))
    stored = np.rint(10 ** (db / 20 + 3)) if dtype == "uint16" else db
    stored[:3] = 0
    image = made(stored, dtype, nodata=0)
    coded = codec.search(codec.prepare(image), 0.1)
    assert codec.info().lossless
    assert np.array_equal(cog.decode(coded.data), image.values)
    decoded = codec.decode(codec.prepare(image), coded.data)
    assert np.array_equal(decoded[image.valid], image.db[image.valid])


def test_the_cog_is_tiled_zstd_without_overviews_and_the_smallest_of_its_predictors() -> None:
    rasterio = pytest.importorskip("rasterio")
    codec, image = registry.make("zstd-cog"), made(speckle((600, 700)))
    image = replace(image, meta=replace(image.meta, transform=(10, 0, 3e5, 0, -10, 5e6)))
    coded = codec.search(image, 0.1)
    sizes = {setting: len(codec.encode(image, setting)) for setting in (1, 2, 3)}
    assert len(coded.data) == min(sizes.values()) == sizes[round(coded.setting)]
    with rasterio.MemoryFile(coded.data) as memory, memory.open() as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["COMPRESSION"] == "ZSTD"
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.block_shapes == [(512, 512)]
        assert dataset.overviews(1) == []


def test_gdal_failing_is_a_write_error() -> None:
    with pytest.raises(WriteError, match="WEBP"):
        cog.encode_webp(np.zeros((1, 20000), np.uint8), 50, {})


# --- samples


def test_integers_reach_both_ends_of_the_valid_range_and_return_to_the_decibel() -> None:
    db = np.array([[-30.0, -10.0, np.nan], [3e38, -20.0, -25.0]], np.float32)
    valid = np.array([[True, True, False], [False, True, True]])
    for bits, dtype in ((8, np.uint8), (10, np.uint16), (16, np.uint16)):
        samples = integers(db, valid, bits)
        assert samples.values.dtype == dtype
        assert (samples.values[valid].min(), samples.values[valid].max()) == (0, 2**bits - 1)
        back = decibels(samples.values, samples, bits)
        assert np.abs(back - db)[valid].max() <= 10.001 / (2**bits - 1)
        assert back[~valid] == pytest.approx(db[valid].mean(), abs=20 / 2**bits)


def test_centred_samples_are_the_decibels_less_their_mean() -> None:
    db = np.array([[-30.0, -10.0, np.nan]], np.float32)
    samples = centred(db, np.isfinite(db))
    assert samples.low_db == -20
    assert samples.values.tolist() == [[-10, 10, 0]]


# --- the search


def file_of(size: Callable[[float], float], calls: list[float]) -> Callable[[float], bytes]:
    def encode(setting: float) -> bytes:
        calls.append(setting)
        return bytes(min(max(1, round(size(setting))), 10**7))

    return encode


@pytest.mark.parametrize("power", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("start", [1e-2, 1.0, 1e2])
def test_the_search_finds_a_size_far_from_its_start_in_twelve_attempts(power: float, start: float) -> None:
    calls: list[float] = []
    domain = Domain(1e-6, 1e6, rising=False, start=lambda _: start, slope=1.0)
    coded = nearest(file_of(lambda s: 5000 * s**-power, calls), 80000, 1.0, domain)
    assert len(coded.data) == pytest.approx(10000, rel=0.01)
    assert calls.count(coded.setting) == 1
    assert len(calls) <= 12


def test_a_search_over_whole_settings_tries_whole_ones_and_ends_at_the_nearest() -> None:
    calls: list[float] = []
    domain = Domain(0, 100, rising=True, start=lambda _: 20, slope=1 / 16, whole=True)
    coded = nearest(file_of(lambda q: 300 * 1.1**q, calls), 8000, 1.0, domain)
    assert coded.setting == 13  # 300 * 1.1 ** 13 is 1036, and 12 and 14 give 942 and 1139
    assert all(call == round(call) for call in calls)
    assert len(calls) == len(set(calls)) <= 12


@pytest.mark.parametrize(("wanted", "end"), [(1e6, 0.1), (1e-3, 50.0)])
def test_a_rate_out_of_reach_gives_the_nearest_end(wanted: float, end: float) -> None:
    domain = Domain(0.1, 50, rising=False, start=lambda _: 3, slope=1.0)
    assert nearest(file_of(lambda s: 5000 / s, []), 80000, wanted, domain).setting == pytest.approx(end)


def test_a_codec_that_jumps_over_the_wanted_size_gives_the_nearer_side() -> None:
    calls: list[float] = []
    domain = Domain(1e-3, 1e3, rising=False, start=lambda _: 1, slope=1.0)
    coded = nearest(file_of(lambda s: 1300 if s < 2 else 900, calls), 8000, 1.0, domain)
    assert len(coded.data) == 900
    assert len(calls) <= 12


# --- names and packages


def test_the_reference_is_the_first_name_and_every_name_says_what_it_is() -> None:
    assert registry.names()[0] == "jpeg2000"
    infos = [codec_of(name).info() for name in registry.names()]
    assert [info.name for info in infos] == list(registry.names())
    assert all(any(char.isdigit() for char in info.library) and info.settings for info in infos)
    assert [info.name for info in infos if info.lossless] == ["zstd-cog"]


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        registry.make("bmp")
    assert all(name in caught.value.hint for name in registry.names())


@pytest.mark.parametrize("name", [name for name in registry.names() if name not in ALWAYS])
def test_a_missing_package_is_refused_with_what_to_install(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(UsageError) as caught:
        registry.make(name)
    assert 'pip install "sarcodec[peers]"' in caught.value.hint


def test_a_build_without_the_codec_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    stub = SimpleNamespace(__version__="2026.1.14", AVIF=SimpleNamespace(available=False))
    monkeypatch.setitem(sys.modules, "imagecodecs", stub)
    with pytest.raises(UsageError, match="AVIF"):
        registry.make("avif")
