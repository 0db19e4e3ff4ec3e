"""The codec as a whole: masks exact, windows equal crops, no seams, targets met, damage named."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from conftest import TOY
from sarcodec import api
from sarcodec.api import encode_array
from sarcodec.arrays import ArraySource
from sarcodec.bitstream.reader import Reader
from sarcodec.bitstream.tile import BandRecord, TileRecord
from sarcodec.bitstream.writer import Writer
from sarcodec.dataset import SarcDataset
from sarcodec.decoding.pipeline import read
from sarcodec.encoding import pipeline, survey
from sarcodec.encoding.analysis import analyse
from sarcodec.encoding.report import EncodeReport
from sarcodec.errors import ChecksumError, InputError, UsageError
from sarcodec.metadata import RasterMeta
from sarcodec.options import EncodeOptions
from sarcodec.progress import silent
from sarcodec.simulate import Scene, SceneSpec
from sarcodec.types import Place, Scale, Window
from testing.scenes import band_latents, db, decode_bytes, dn, open_bytes, power, rmse

Array = npt.NDArray[Any]


def coded(array: Array, **options: Any) -> bytes:
    return encode_array(array, model=TOY, jobs=1, **options)


def report(array: Array, model: str | None = TOY, **target: Any) -> tuple[bytes, EncodeReport]:
    """A file and what its encoder says of it."""
    cube = array if array.ndim == 3 else array[None]
    meta = RasterMeta(cube.shape[2], cube.shape[1], cube.shape[0], cube.dtype.name)
    file = io.BytesIO()
    options = EncodeOptions(**target, model=model, device="cpu", jobs=1)
    said = pipeline.encode(ArraySource(cube, meta), file, options)
    return file.getvalue(), said


def is_data(values: Array, scale: Scale, nodata: float | None) -> Array:
    """Written again here, pixel by pixel rules in words of numpy."""
    with np.errstate(invalid="ignore"):
        valid = np.isfinite(values) & (np.abs(values) <= 450 if scale is Scale.DB else values > 0)
        if nodata is not None:
            valid = valid & (values.astype(np.float64) != nodata)
    return np.asarray(valid)


@st.composite
def rasters(draw: st.DrawFn) -> tuple[Array, Scale, float | None]:
    """Speckle of any type and size, some of it overwritten by nodata, zeros, NaN or infinities."""
    shape = (draw(st.integers(1, 90)), draw(st.integers(1, 90)))
    kind: np.dtype[Any] = np.dtype(
        draw(st.sampled_from(["uint8", "int16", "uint16", "int32", "float32", "float64"]))
    )
    scale = Scale.DN if kind.kind in "iu" else draw(st.sampled_from([Scale.POWER, Scale.AMPLITUDE, Scale.DB]))
    linear = power(shape, draw(st.integers(0, 99)), contrast=draw(st.sampled_from([0.0, 2.0])))
    if kind.kind in "iu":
        values = np.clip(np.rint(200 * np.sqrt(linear)), 1, np.iinfo(kind).max).astype(kind)
    else:
        values = (10 * np.log10(linear) if scale is Scale.DB else linear).astype(kind)
    nodata = draw(st.sampled_from([None, 0, 7, 300] if kind.kind in "iu" else [None, 0.0, -9999.0, np.nan]))
    odd: list[float] = [0] if nodata is None or np.isnan(nodata) else [0, nodata]
    if kind.kind == "f":
        odd += [np.nan, np.inf, -np.inf]
    odd = [v for v in odd if kind.kind == "f" or v <= np.iinfo(kind).max]
    if scale is Scale.DB:
        odd = [v for v in odd if v != 0 or nodata == 0]
    for value in draw(st.lists(st.sampled_from(odd), max_size=3)) if odd else []:
        form = draw(st.sampled_from(["border", "scattered", "block", "all"]))
        where = np.zeros(shape, bool)
        if form == "border":
            where[:, : 1 + shape[1] // 4] = True
        elif form == "scattered":
            where = np.random.default_rng(draw(st.integers(0, 9))).random(shape) < 0.1
        elif form == "block":
            where[shape[0] // 3 : 1 + shape[0] // 2, shape[1] // 3 : 1 + shape[1] // 2] = True
        else:
            where[:] = True
        values[where] = value
    return values, scale, nodata


@given(rasters(), st.sampled_from([1, 50, 100]))
@settings(max_examples=50)
def test_any_raster_keeps_its_invalid_pixels_to_the_bit_and_its_valid_ones_valid(
    raster: tuple[Array, Scale, float | None], quality: float
) -> None:
    values, scale, nodata = raster
    back = decode_bytes(coded(values, quality=quality, scale=scale, nodata=nodata), TOY)
    assert back.dtype == values.dtype and back.shape == (1, *values.shape)
    valid = is_data(values, scale, nodata)
    view = f"u{values.dtype.itemsize}"
    assert np.array_equal(back[0].view(view)[~valid], values.view(view)[~valid])
    assert is_data(back[0], scale, nodata)[valid].all()
    if valid.any():
        assert values[valid].min() <= back[0][valid].min()
        assert back[0][valid].max() <= values[valid].max()


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=40),
        elements=st.floats(float(np.float32(1e-30)), float(np.float32(1e30)), width=32),
    )
)
@settings(max_examples=15)
def test_absurd_powers_are_coded_within_their_range_or_refused(values: Array) -> None:
    try:
        back = decode_bytes(coded(values, scale=Scale.POWER, quality=20), TOY)[0]
    except InputError:
        return
    assert np.isfinite(back).all() and values.min() <= back.min() and back.max() <= values.max()


@pytest.fixture(scope="module")
def large() -> tuple[Array, bytes]:
    """Four tiles with a hole across their common corner."""
    scene = dn((1100, 1100), 3)
    scene[1000:1050, 990:1040] = 0
    return scene, coded(scene, quality=60, nodata=0)


@pytest.mark.parametrize(
    "window",
    [
        (0, 0, 1, 1),
        (1023, 1023, 2, 2),
        (990, 5, 60, 40),
        (3, 1000, 77, 90),
        (1024, 1024, 76, 76),
        (0, 1099, 1100, 1),
    ],
)
def test_a_window_is_the_crop_of_the_whole(
    large: tuple[Array, bytes], window: tuple[int, int, int, int]
) -> None:
    scene, data = large
    with open_bytes(data, TOY) as dataset:
        whole = dataset.read(1)
        col, row, width, height = window
        part = dataset.read(1, window=window)
    assert part.shape == (height, width)
    crop = whole[row : row + height, col : col + width]
    assert np.abs(part.astype(int) - crop).max() <= 1
    assert np.array_equal(part == 0, scene[row : row + height, col : col + width] == 0)


def test_a_window_of_floats_is_the_crop_within_a_thousandth_of_a_decibel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(survey, "TILE_SIDE", 256)
    scene = (10 * np.log10(power((300, 520), 4))).astype(np.float32)
    with open_bytes(coded(scene, quality=70, scale="db"), TOY) as dataset:
        whole = dataset.read(1)
        for window in [(250, 250, 20, 20), (0, 255, 520, 2), (511, 0, 9, 300), (100, 100, 1, 1)]:
            col, row, width, height = window
            part = dataset.read(1, window=window)
            assert np.abs(part - whole[row : row + height, col : col + width]).max() < 0.001


def test_a_window_outside_is_refused(large: tuple[Array, bytes]) -> None:
    with open_bytes(large[1], TOY) as dataset:
        for window in [(1100, 0, 1, 1), (0, 0, 1101, 1), (-1, 0, 2, 2), (0, 0, 0, 1)]:
            with pytest.raises(UsageError):
                dataset.read(1, window=window)
        with pytest.raises(UsageError):
            dataset.read(2)


def test_there_is_no_seam_between_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Error within 2 pixels of tile borders against that near other multiples of 16, alike in a block."""
    monkeypatch.setattr(survey, "TILE_SIDE", 256)
    squares, count = {True: 0.0, False: 0.0}, {True: 0, False: 0}
    for seed in range(2):
        scene = dn((800, 800), seed, contrast=0.3)
        back = decode_bytes(coded(scene, quality=80), TOY)[0]
        error = (db(back) - db(scene)) ** 2
        for lines in (error, error.T):
            for at in range(32, 784, 16):
                near = lines[at - 2 : at + 2, 16:-16]
                squares[at % 256 == 0] += float(near.sum())
                count[at % 256 == 0] += near.size
    border, inside = ((squares[k] / count[k]) ** 0.5 for k in (True, False))
    assert count[True] > 30_000
    assert abs(border / inside - 1) < 0.02


def test_tiles_do_not_change_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """One tile or nine: the same latent grid, so nearly the same pixels."""
    scene = dn((520, 600), 5)
    one = decode_bytes(coded(scene, quality=90), TOY)[0]
    monkeypatch.setattr(survey, "TILE_SIDE", 256)
    many = decode_bytes(coded(scene, quality=90), TOY)[0]
    apart = rmse(db(one), db(many))
    assert apart < 0.2 * rmse(db(one), db(scene))
    error = [rmse(db(x), db(scene)) for x in (one, many)]
    assert error[0] == pytest.approx(error[1], rel=0.01)


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_band_comes_back_the_same_alone_in_any_order_and_on_any_threads(
    jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "TILE_SIDE", 256)
    vv = dn((520, 300), 5)
    data = coded(np.stack([vv, vv // 3 + 1, dn((520, 300), 6)]), quality=70)
    cube = decode_bytes(data, TOY)
    with SarcDataset(io.BytesIO(data), "<bytes>", model=TOY, jobs=jobs) as scene:
        for band in (1, 2, 3):
            assert np.array_equal(scene.read(band), cube[band - 1])
        whole = Window(0, 0, 300, 520)
        assert np.array_equal(read(scene.decoder, whole, (2, 1, 0)), cube[::-1])


def test_the_base_layer_alone_is_worse_than_all_and_better_than_nothing() -> None:
    scene = dn((200, 180), 6)
    data = coded(scene, quality=90)
    full, base = decode_bytes(data, TOY)[0], decode_bytes(data, TOY, base_only=True)[0]
    flat = float(db(scene).std())
    assert rmse(db(full), db(scene)) < 0.995 * rmse(db(base), db(scene)) < 0.9 * flat


def test_error_falls_and_size_grows_with_quality() -> None:
    scene = dn((256, 256), 7)
    files = [coded(scene, quality=q) for q in (1, 20, 40, 60, 80, 100)]
    errors = [rmse(db(decode_bytes(f, TOY)[0]), db(scene)) for f in files]
    assert all(a > b for a, b in pairwise(errors))
    assert all(len(a) < len(b) for a, b in pairwise(files))
    assert errors[0] < db(scene).std()


def test_the_default_model_is_near_the_scene_at_its_best_quality() -> None:
    scene = dn((200, 200), 8)
    back = api.decode_array(encode_array(scene, quality=100, jobs=1), jobs=1)[0]
    assert rmse(db(back), db(scene)) < 0.5 * float(db(scene).std())


@pytest.mark.parametrize("wanted", [0.1, 0.4])
def test_the_wanted_size_is_met_within_two_percent(wanted: float) -> None:
    scene = dn((512, 512), 9)
    data, said = report(scene, None, bpp=wanted)
    assert said.reached
    assert said.bytes == len(data)
    assert said.bpp == pytest.approx(8 * len(data) / scene.size)
    assert said.bpp == pytest.approx(wanted, rel=0.02)


@pytest.mark.parametrize(
    ("side", "wanted"), [(512, 0.05), (512, 0.07), (256, 0.1), (512, 0.1), (512, 0.4), (256, 1.0)]
)
def test_the_wanted_size_is_met_within_a_percent(side: int, wanted: float) -> None:
    """Among others where a layer begins that pays at once, or not at all."""
    scene = Scene(SceneSpec(side, side, seed=9)).block(0, side).values[0]
    data, said = report(scene, None, bpp=wanted)
    assert said.reached
    assert said.bytes == len(data)
    assert said.bpp == pytest.approx(8 * len(data) / scene.size)
    assert said.bpp == pytest.approx(wanted, rel=0.01)


@pytest.mark.parametrize(("side", "wanted"), [(256, 2.1), (256, 1.95), (512, 1.98), (512, 0.7)])
def test_the_wanted_error_is_met_where_it_leaps(side: int, wanted: float) -> None:
    scene = Scene(SceneSpec(side, side, seed=9)).block(0, side).values[0]
    data, said = report(scene, None, rmse_db=wanted)
    valid = scene > 0
    assert said.reached
    error = rmse(db(decode_bytes(data, None)[0][valid]), db(scene[valid]))
    assert error == pytest.approx(wanted, rel=0.01)


@pytest.mark.parametrize(("wanted", "level"), [(0.0001, 0), (20.0, 512)])
def test_a_size_out_of_range_takes_the_nearest_and_says_so(wanted: float, level: int) -> None:
    data, said = report(dn((120, 120), 10), bpp=wanted)
    assert not said.reached
    assert said.level == level
    assert decode_bytes(data, TOY).shape == (1, 120, 120)


def test_the_wanted_error_is_met_within_three_percent() -> None:
    scene = dn((512, 400), 11)
    ends = [rmse(db(decode_bytes(coded(scene, quality=q), TOY)[0]), db(scene)) for q in (1, 100)]
    for model, wanted in ((TOY, sum(ends) / 2), (None, 2.0)):
        data, said = report(scene, model, rmse_db=wanted)
        assert said.reached
        assert rmse(db(decode_bytes(data, model)[0]), db(scene)) == pytest.approx(wanted, rel=0.03)


def test_an_error_out_of_range_is_not_called_reached() -> None:
    for wanted, level in ((0.01, 512), (50.0, 0)):
        _, said = report(dn((64, 64), 12), rmse_db=wanted)
        assert (said.reached, said.level) == (False, level)


@pytest.mark.parametrize(
    ("values", "scale", "nodata"),
    [
        (np.zeros((40, 50), np.uint16), None, 0),
        (np.full((40, 50), np.nan, np.float32), "power", None),
        (np.full((40, 50), np.nan, np.float32), "db", None),
        (np.full((40, 50), 0, np.float32), "db", 0.0),
        (np.full((40, 50), -9999, np.float32), "db", -9999.0),
        (np.full((40, 50), 7, np.uint8), None, 7),
    ],
    ids=["dn", "power", "db NaN", "db 0", "db -9999", "uint8"],
)
@pytest.mark.parametrize("target", [{"quality": 50}, {"bpp": 0.1}, {"rmse_db": 1.0}], ids=str)
def test_a_scene_without_data_comes_back(
    values: Array, scale: str | None, nodata: float | None, target: dict[str, float]
) -> None:
    data = coded(values, scale=scale, nodata=nodata, **target)
    assert np.array_equal(decode_bytes(data, TOY)[0], values, equal_nan=values.dtype.kind == "f")
    assert len(data) < 200


@pytest.mark.parametrize("value", [1, 500, 65535])
@pytest.mark.parametrize("target", [{"quality": 50}, {"bpp": 0.5}, {"rmse_db": 1.0}], ids=str)
def test_a_constant_scene_comes_back_exactly(value: int, target: dict[str, float]) -> None:
    scene = np.full((70, 33), value, np.uint16)
    assert np.array_equal(decode_bytes(coded(scene, scale="dn", **target), TOY)[0], scene)


def test_bright_targets_and_dark_pixels_keep_their_value() -> None:
    """Patches 60 dB above and 50 dB below the clutter: nothing is clipped."""
    scene = power((160, 160), 13, contrast=0.0).astype(np.float32)
    scene[40:56, 48:64] *= 1e6
    scene[100:116, 32:48] *= 1e-5
    back = decode_bytes(coded(scene, quality=100, scale="power"), TOY)[0]
    for rows, cols in ((slice(42, 54), slice(50, 62)), (slice(102, 114), slice(34, 46))):
        gone = 10 * np.log10(back[rows, cols].astype(np.float64)) - 10 * np.log10(scene[rows, cols])
        assert abs(float(gone.mean())) < 1.5
        assert rmse(gone, 0 * gone) < 6


def test_a_point_target_survives_the_default_model() -> None:
    """A point of 40 dB above the clutter, as wide as the response of a sensor that samples it twice."""
    amplitude = dn((128, 128), 14, contrast=0.0).astype(np.float64)
    rows, cols = np.mgrid[-64:64, -58:70]
    scene = np.rint(amplitude + 22000 * np.exp(-(rows**2 + cols**2) / 2.2**2)).astype(np.uint16)
    back = api.decode_array(encode_array(scene, quality=100, jobs=1), jobs=1)[0]
    near = (slice(63, 66), slice(57, 60))
    assert scene[near].max() == scene.max()
    assert abs(float((db(back[near]) - db(scene[near])).mean())) < 6
    row, col = divmod(int(back.argmax()), back.shape[1])
    assert abs(row - 64) <= 1 and abs(col - 58) <= 1


def rebuilt(data: bytes, change: Any) -> bytes:
    """A file whose layer bodies went through `change(tile, band, layer, body)`; all checksums are right."""
    reader, out = Reader(io.BytesIO(data)), io.BytesIO()
    writer = Writer(out, reader.header)
    for tile in range(reader.grid.count):
        record = reader.tile(*divmod(tile, reader.grid.cols))
        bands = [
            BandRecord(r.mask, tuple(change(tile, b, n, body) for n, body in enumerate(r.layers)))
            for b, r in enumerate(record.bands)
        ]
        writer.add_tile(TileRecord(tuple(bands)))
    writer.finish()
    return out.getvalue()


@pytest.fixture(scope="module")
def tiled() -> bytes:
    """Two bands of 2 x 3 tiles."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(survey, "TILE_SIDE", 256)
        return coded(np.stack([dn((300, 600), 15), dn((300, 600), 16)]), quality=70)


def test_rebuilding_a_file_changes_nothing(tiled: bytes) -> None:
    assert rebuilt(tiled, lambda *a: a[-1]) == tiled


@pytest.mark.parametrize("layer", [0, 1])
def test_a_wrong_latent_is_noticed_and_its_tile_named(tiled: bytes, layer: int) -> None:
    """The digest differs where every checksum of the file is right."""

    def change(tile: int, band: int, number: int, body: bytes) -> bytes:
        here = (tile, band, number) == (5, 1, layer)
        return bytes([body[0] ^ 1]) + body[1:] if here else body

    with open_bytes(rebuilt(tiled, change), TOY) as dataset:
        with pytest.raises(ChecksumError, match="tile row 1, column 2, band 2"):
            dataset.verify()
        with pytest.raises(ChecksumError, match="tile row 1, column 2, band 2"):
            dataset.read()
        assert dataset.read(1).shape == (300, 600)
        assert dataset.read(2, window=(0, 0, 100, 100)).shape == (100, 100)


def test_tiles_that_changed_places_are_noticed(tiled: bytes) -> None:
    bodies = Reader(io.BytesIO(tiled)).tile(0, 1).bands[0].layers

    def change(tile: int, band: int, number: int, body: bytes) -> bytes:
        return bodies[number] if (tile, band, number) == (0, 0, 1) else body

    with (
        open_bytes(rebuilt(tiled, change), TOY) as dataset,
        pytest.raises(ChecksumError, match="row 0, column 0"),
    ):
        dataset.verify()


def test_flipped_bytes_of_a_tile_are_noticed(tiled: bytes) -> None:
    reader = Reader(io.BytesIO(tiled))
    start = reader._span(0, 2)[0]
    for at in (start + 12, start + reader.tile_size(0, 2) // 2, start + reader.tile_size(0, 2) - 1):
        damaged = tiled[:at] + bytes([tiled[at] ^ 0x40]) + tiled[at + 1 :]
        with open_bytes(damaged, TOY) as dataset, pytest.raises(ChecksumError, match="tile row 0, column 2"):
            dataset.verify()


def test_whole_files_verify_and_count_their_tiles(tiled: bytes) -> None:
    with open_bytes(tiled, TOY) as dataset:
        assert dataset.verify() == 12


def test_decoded_latents_are_those_the_encoder_had(toy: Any, tiled: bytes) -> None:
    """Through the file, against the encoder's own y_hat of each tile."""
    from sarcodec.model.entropy import LatentCoder

    scene = dn((100, 90), 17)
    with open_bytes(coded(scene, quality=50), TOY) as dataset:
        level = dataset.decoder.header.bands[0].level
        source = ArraySource(scene[None], dataset.meta)
        found = survey.survey(source, EncodeOptions(jobs=1), silent)
        tile = analyse(found, toy, Place(0, 0, 0))
        assert np.array_equal(band_latents(dataset), LatentCoder(toy, level).encode(tile.y).y_hat)


@pytest.mark.parametrize("target", [{"quality": 5, "bpp": 1}, {"bpp": -1.0}, {"quality": 101}])
def test_an_impossible_rate_is_refused_before_anything_is_opened(
    tmp_path: Path, target: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        api.encode(tmp_path / "not there.tif", tmp_path / "a.sarc", **target)


def test_the_first_band_and_those_of_a_stack_are_coded_by_themselves() -> None:
    bands = [dn((60, 70), seed) for seed in range(18, 23)]
    alone = [decode_bytes(coded(band), TOY)[0] for band in bands]
    assert np.array_equal(decode_bytes(coded(np.stack(bands[:2])), TOY)[0], alone[0])
    assert np.array_equal(decode_bytes(coded(np.stack(bands)), TOY), alone)


def test_files_and_arrays_are_coded_alike(tmp_path: Path) -> None:
    from sarcodec.io.raster import RasterSink, RasterSource

    scene = dn((90, 80), 20)
    meta = RasterMeta(
        80, 90, 1, "uint16", nodata=0, crs="EPSG:32633", transform=(10.0, 0.0, 4e5, 0.0, -10.0, 5e6)
    )
    with RasterSink(tmp_path / "a.tif", meta, overwrite=False) as sink:
        sink.write(0, scene, Window(0, 0, 80, 90))
    said = api.encode(tmp_path / "a.tif", tmp_path / "a.sarc", quality=50, model=TOY, jobs=1)
    assert said.bytes == (tmp_path / "a.sarc").stat().st_size
    api.decode(tmp_path / "a.sarc", tmp_path / "b.tif", model=TOY, jobs=1)
    api.decode(tmp_path / "a.sarc", tmp_path / "c.tif", model=TOY, jobs=1, window=(10, 20, 30, 40))
    expected = decode_bytes(coded(scene, quality=50, nodata=0), TOY)[0]
    with RasterSource(tmp_path / "b.tif") as b, RasterSource(tmp_path / "c.tif") as c:
        assert np.array_equal(b.read(0, Window(0, 0, 80, 90)), expected)
        assert np.array_equal(c.read(0, Window(0, 0, 30, 40)), expected[20:60, 10:40])
        assert (b.meta.crs, b.meta.transform, b.meta.nodata) == (meta.crs, meta.transform, 0)
        assert c.meta.transform == (10.0, 0.0, 4e5 + 100, 0.0, -10.0, 5e6 - 200)


def test_arrays_that_are_no_raster_are_refused() -> None:
    for bad in (np.zeros(4), np.zeros((2, 0, 3)), np.zeros((2, 2, 2, 2)), np.zeros((4, 4), complex)):
        with pytest.raises(InputError):
            coded(bad)
    for target in (
        {"quality": 0.0},
        {"quality": 101.0},
        {"bpp": -1.0},
        {"bpp": np.nan},
        {"bpp": 1.0, "quality": 5.0},
    ):
        with pytest.raises(UsageError):
            coded(dn((4, 4)), **target)


def test_tiles_without_data_cost_next_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "TILE_SIDE", 256)
    scene = np.zeros((1024, 1024), np.uint16)
    scene[:256, :256] = dn((256, 256))
    alone = encode_array(scene[:256, :256], quality=20, nodata=0, jobs=1)
    framed = encode_array(scene, quality=20, nodata=0, jobs=1)
    # Of the 15 tiles without data only the three that touch the one with data have something to say.
    assert len(framed) < len(alone) + 3 * 250 + 12 * 10


def test_the_wanted_size_is_met_by_bands_unlike_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "TILE_SIDE", 256)
    rough, smooth = power((512, 768), 1, looks=1.0), power((512, 768), 2, looks=30.0)
    data = encode_array(np.stack([rough, smooth]), bpp=0.2, scale="power", jobs=1)
    assert 8 * len(data) / (2 * rough.size) == pytest.approx(0.2, rel=0.02)


def test_damage_far_from_a_window_does_not_matter_to_it(tiled: bytes) -> None:
    with open_bytes(tiled, TOY) as whole:
        side = whole.decoder.header.tile_side
        expected = whole.read(1, window=(0, 0, side - 80, 40))
        start, _ = whole.decoder.reader._spans[-1] or (0, 0)
    damaged = bytearray(tiled)
    damaged[start + 12] ^= 1
    with open_bytes(bytes(damaged), TOY) as coded_file:
        assert np.array_equal(coded_file.read(1, window=(0, 0, side - 80, 40)), expected)
        with pytest.raises(ChecksumError, match="tile row"):
            coded_file.read()
        with pytest.raises(ChecksumError, match="tile row"):
            coded_file.verify()


def test_masked_pixels_of_a_masked_array_are_not_data() -> None:
    hidden = np.zeros((40, 50), dtype=bool)
    hidden[10:20, 5:15] = True
    masked: Any = np.ma.MaskedArray
    back = decode_bytes(coded(masked(dn((40, 50)), mask=hidden), quality=50, nodata=0), TOY)[0]
    assert np.array_equal(back == 0, hidden)


def test_no_band_drops_out_of_the_estimate_of_many() -> None:
    bands = np.stack([power((96, 96), n, looks=1.0 + 9 * (n % 2)) for n in range(12)])
    data = encode_array(bands, bpp=0.4, scale="power", jobs=1)
    assert 8 * len(data) / bands.size == pytest.approx(0.4, rel=0.02)


@pytest.mark.parametrize("quality", [5, 95])
def test_an_undeclared_mask_comes_back_exactly_and_costs_what_a_declared_one_does(quality: float) -> None:
    values = dn((300, 280), 4)
    sea = np.add.outer(np.arange(300), np.arange(280)) < 250
    declared = coded(np.where(sea, 0, values).astype(np.uint16), quality=quality, scale="dn", nodata=0)
    values[sea] = 1
    file = coded(values, quality=quality, scale="dn")
    back = decode_bytes(file, TOY)[0]
    assert (back[sea] == 1).all() and (back[~sea] >= values[~sea].min()).all()
    assert np.array_equal(back[~sea], decode_bytes(declared, TOY)[0][~sea])
    assert abs(len(file) - len(declared)) < 20
