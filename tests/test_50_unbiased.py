"""Gains bring mean power back, cell by cell, and change nothing where they are not asked for."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio

import sarcodec
from conftest import GOLDEN, TOY
from sarcodec.api import decode_array, encode_array
from sarcodec.bitstream import gaingrid
from sarcodec.bitstream.gaingrid import GainGrid
from sarcodec.bitstream.layout import LayerKind
from sarcodec.bitstream.reader import Reader
from sarcodec.cli import main
from sarcodec.encoding import survey
from sarcodec.errors import ChecksumError, UsageError
from sarcodec.invalid import native_nodata, valid_mask
from sarcodec.metadata import RasterMeta
from sarcodec.metrics import power_bias
from sarcodec.radiometry import to_db
from sarcodec.simulate import Scene, SceneSpec
from sarcodec.types import Place, Scale, Window
from testing.scenes import decode_bytes, dn, open_bytes, power

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

Array = npt.NDArray[Any]


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "TILE_SIDE", 256)


def coded(array: Array, **options: Any) -> bytes:
    chosen: dict[str, Any] = {"model": TOY, "jobs": 1, "quality": 40, "radiometry": True}
    return encode_array(array, **chosen | options)


@cache
def gained() -> bytes:
    """A file of :func:`bordered`."""
    return coded(bordered(), nodata=0)


def bordered() -> Array:
    """Two by three tiles with a border, a hole of whole cells and one across a border of tiles."""
    scene = dn((310, 530), 3)
    scene[:, :30] = scene[128:192, 64:192] = scene[240:300, 250:260] = 0
    return scene


def cell_gains(source: Array, decoded: Array, scale: Scale, side: int, tile: int = 256) -> list[float]:
    """dB by which each cell of each tile has too much power; written again here, pixel by pixel."""
    factor = {Scale.DN: 20, Scale.AMPLITUDE: 20, Scale.POWER: 10, Scale.DB: None}[scale]

    def mean(values: Array) -> float:
        wide = values.astype(np.float64)
        return float((10 ** (wide / 10) if factor is None else wide ** (factor / 10)).mean())

    valid, found = valid_mask(source, scale, 0 if source.dtype == np.uint16 else None), []
    for top in range(0, source.shape[0], tile):
        for left in range(0, source.shape[1], tile):
            part = (slice(top, top + tile), slice(left, left + tile))
            for row in range(0, tile, side):
                for col in range(0, tile, side):
                    cell = (slice(row, row + side), slice(col, col + side))
                    here = valid[part][cell]
                    if here.any():
                        ratio = mean(decoded[part][cell][here]) / mean(source[part][cell][here])
                        found.append(10 * np.log10(ratio))
    return found


def gain_grids(data: bytes) -> list[GainGrid]:
    """Of all tiles of a file with one band."""
    with open_bytes(data, TOY, unbiased=True) as scene:
        decoder, tiles = scene.decoder, scene.decoder.header.grid
        layer = decoder.header.side_layer(LayerKind.GAIN_GRID)
        assert layer is not None
        return [
            gaingrid.unpack(
                decoder.reader.record(row, col).layer(0, layer),
                decoder.classes(Place(0, row, col)) == 0,
            )
            for row in range(tiles.rows)
            for col in range(tiles.cols)
        ]


@pytest.mark.parametrize(
    ("scale", "side"), [(Scale.DN, 64), (Scale.DN, 16), (Scale.POWER, 32), (Scale.DB, 64)]
)
def test_mean_power_of_every_cell_is_the_sources_within_half_a_step(scale: Scale, side: int) -> None:
    scene, options = bordered(), {"nodata": 0}
    if scale is not Scale.DN:
        scene = power((260, 280), 4).astype(np.float32)
        scene = (10 * np.log10(scene)).astype(np.float32) if scale is Scale.DB else scene
        scene[60:70, 100:200] = np.nan
        options = {}
    data = coded(scene, scale=scale, radiometry=side, **options)
    step = max(grid.step_db for grid in gain_grids(data))
    before = cell_gains(scene, decode_bytes(data, TOY)[0], scale, side)
    after = cell_gains(scene, decode_bytes(data, TOY, unbiased=True)[0], scale, side)
    assert np.abs(before).max() > 2 * step
    assert np.abs(after).max() <= step / 2 + (0.01 if scale is Scale.DN else 1e-4)


def test_rounding_to_small_integers_is_measured_too() -> None:
    """Numbers of about 3: rounding alone adds 0.04 dB, and a gain of half a dB moves none of most of them."""
    rng = np.random.default_rng(5)
    scene = np.maximum(np.rint(3 * np.sqrt(rng.gamma(4, 0.25, (256, 256)))), 1).astype(np.uint8)
    back = decode_bytes(coded(scene, scale="dn"), TOY, unbiased=True)[0]
    assert np.abs(cell_gains(scene, back, Scale.DN, 64)).max() < 0.05
    assert abs(10 * np.log10((back.astype(float) ** 2).mean() / (scene.astype(float) ** 2).mean())) < 0.03


@pytest.mark.parametrize(("bpp", "bar"), [(0.2, 0.1), (0.8, 0.05)])
def test_bias_of_a_simulated_scene_with_the_default_model(
    bpp: float, bar: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    scene = Scene(SceneSpec(512, 512, seed=5)).block(0, 512).values[0]
    data = encode_array(scene, bpp=bpp, nodata=0, jobs=1, radiometry=True)
    assert abs(8 * len(data) / scene.size / bpp - 1) < 0.01
    original, valid = to_db(scene, Scale.DN), scene > 0
    plain, unbiased = (
        power_bias(original, to_db(decode_array(data, jobs=1, unbiased=on)[0], Scale.DN), valid)
        for on in (False, True)
    )
    assert unbiased.abs_p95_db < bar
    assert unbiased.abs_p95_db < 0.6 * plain.abs_p95_db
    assert abs(unbiased.global_db) < 0.01


def test_what_decode_returns_by_default_is_that_of_a_file_without_gains() -> None:
    without = coded(bordered(), nodata=0, radiometry=False)
    assert len(gained()) > len(without)
    assert np.array_equal(decode_bytes(gained(), TOY), decode_bytes(without, TOY))


@pytest.mark.parametrize(
    "window", [Window(0, 0, 530, 310), Window(250, 10, 13, 300), Window(31, 255, 499, 2)]
)
def test_a_window_is_a_part_of_the_whole(window: Window) -> None:
    with open_bytes(gained(), TOY, unbiased=True) as scene:
        whole, part = scene.read(1), scene.read(1, window=window)
    assert np.array_equal(part, whole[window.inside(Window(0, 0, 530, 310))])


def test_bytes_do_not_depend_on_the_number_of_threads() -> None:
    cube = np.stack([bordered(), bordered()[::-1]])
    one = coded(cube, nodata=0)
    assert all(coded(cube, nodata=0, jobs=jobs) == one for jobs in (2, 5))


def test_several_bands_are_measured_by_themselves() -> None:
    a, b = bordered(), dn((310, 530), 9)
    both = decode_bytes(coded(np.stack([a, b]), nodata=0), TOY, unbiased=True)
    assert np.array_equal(both[0], decode_bytes(gained(), TOY, unbiased=True)[0])
    stack = decode_bytes(coded(np.stack([a, b, b, b, b]), nodata=0), TOY, unbiased=True)
    assert np.array_equal(stack[0], both[0])
    assert np.array_equal(stack[4], decode_bytes(coded(b, nodata=0), TOY, unbiased=True)[0])


def test_gains_of_a_band_that_another_predicts_are_those_of_its_decode() -> None:
    a, b = bordered(), dn((310, 530), 9)
    data = coded(np.stack([a, b]), nodata=0)
    for band, source in enumerate((a, b)):
        plain, gained = (decode_bytes(data, TOY, unbiased=on)[band] for on in (False, True))
        errors = [np.abs(cell_gains(source, decoded, Scale.DN, 64)).mean() for decoded in (plain, gained)]
        assert errors[1] < 0.1 < errors[0]


def test_a_raster_without_data_has_gains_of_no_bytes() -> None:
    data = coded(np.full((300, 300), np.nan, np.float32))
    assert np.isnan(decode_bytes(data, TOY, unbiased=True)).all()
    reader = Reader(io.BytesIO(data))
    assert all(reader.record(row, col).layer(0, 2) == b"" for row in (0, 1) for col in (0, 1))


@pytest.mark.parametrize("kind", ["uint8", "int16", "uint16", "float32", "float64"])
def test_unbiased_pixels_are_valid_ones(kind: str) -> None:
    """Never nodata, in range and above 0, whatever gains ask for."""
    scene = np.minimum(dn((200, 200), 6) / 4, 250).astype(kind)
    scene[scene == 40] = 41
    back = decode_bytes(coded(scene, nodata=40, scale="amplitude"), TOY, unbiased=True)[0]
    assert back.dtype == scene.dtype
    assert scene.min() <= back.min() and back.max() <= scene.max()
    assert native_nodata(40, back.dtype) is not None and not (back == 40).any()


def damaged(data: bytes, row: int, col: int) -> bytes:
    """One bit of a gain grid is another one."""
    reader = Reader(io.BytesIO(data))
    found = reader.record(row, col).segments[0][3]
    at = reader._span(row, col)[0] + found.start + found.size - 1
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_a_damaged_grid_costs_its_tile_and_only_where_gains_are_asked_for() -> None:
    whole = gained()
    data = damaged(whole, 1, 1)
    assert np.array_equal(decode_bytes(data, TOY), decode_bytes(whole, TOY))
    with (
        open_bytes(data, TOY) as scene,
        pytest.raises(ChecksumError, match="column 1, band 1, layer 2"),
    ):
        scene.verify()
    with open_bytes(data, TOY, unbiased=True) as scene, pytest.raises(ChecksumError, match="row 1, column 1"):
        scene.read()
    with open_bytes(data, TOY, unbiased=True, allow_partial=True) as scene:
        found = scene.read(1)
        assert [(tile.row, tile.col) for tile in scene.damaged] == [(1, 1)]
    expected = decode_bytes(whole, TOY, unbiased=True)[0]
    expected[256:, 256:512] = 0
    assert np.array_equal(found, expected)
    with open_bytes(data, TOY, allow_partial=True) as scene:
        scene.read()
        assert scene.damaged == ()


def test_gains_are_refused_where_there_are_none_or_of_the_base_layer_alone() -> None:
    plain = coded(dn((60, 60)), radiometry=False)
    with pytest.raises(UsageError, match="no gain grid") as caught:
        decode_array(plain, model=TOY, unbiased=True)
    assert "--radiometry" in str(caught.value.hint)
    with pytest.raises(UsageError, match="base layer"):
        open_bytes(coded(dn((60, 60))), TOY, unbiased=True, base_only=True)
    with pytest.raises(UsageError, match="cells of 48 pixels"):
        coded(dn((60, 60)), radiometry=48)


def test_the_golden_file_gives_its_unbiased_pixels_of_old() -> None:
    with np.load(GOLDEN / "gain_grid.npz") as stored:
        expected, valid = stored["unbiased"].astype(int), stored["pixels"] > 0
    back = decode_bytes((GOLDEN / "gain_grid.sarc").read_bytes(), TOY, unbiased=True).astype(int)
    assert np.abs(back - expected).max() <= 1
    assert np.array_equal(back > 0, valid)


def test_commands_store_apply_and_show_gains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from sarcodec.io.raster import RasterSink

    scene = dn((300, 280), 7)
    meta = RasterMeta(280, 300, 1, "uint16", tags={"SARCODEC": {"DAMAGED_TILES": "of old"}})
    with RasterSink(tmp_path / "a.tif", meta, overwrite=False) as sink:
        sink.write(0, scene, Window(0, 0, 280, 300))
    source, target = str(tmp_path / "a.tif"), str(tmp_path / "a.sarc")
    common = ["--model", TOY, "-j", "1"]
    assert main(["encode", source, "-q", "40", "--radiometry", "--gain-cell", "32", *common]) == 0
    assert Path(target).read_bytes() == sarcodec_bytes(tmp_path, radiometry=32)
    for name, options in (("plain", []), ("power", ["--unbiased"])):
        assert main(["decode", target, "-o", str(tmp_path / f"{name}.tif"), *options, *common]) == 0
    with rasterio.open(tmp_path / "plain.tif") as plain, rasterio.open(tmp_path / "power.tif") as unbiased:
        assert "MEANING" not in plain.tags(ns="SARCODEC")
        assert unbiased.tags(ns="SARCODEC")["DAMAGED_TILES"] == "of old"
        assert unbiased.tags(ns="SARCODEC")["MEANING"] == "unbiased power"
        assert np.array_equal(unbiased.read(), decode_bytes(Path(target).read_bytes(), TOY, unbiased=True))
        assert not np.array_equal(unbiased.read(), plain.read())
    capsys.readouterr()
    assert main(["info", target]) == 0
    shown = capsys.readouterr().out
    assert (
        "decoded values estimate the mean of decibels; decode --unbiased brings mean power back"
        in " ".join(shown.split())
    )
    assert "gain-grid, " in shown
    assert main(["encode", source, "-f", "--gain-cell", "16", *common]) == 2
    assert main(["encode", source, "-q", "40", "-f", *common]) == 0
    assert main(["decode", target, "-o", str(tmp_path / "b.tif"), "--unbiased", *common]) == 2
    assert "Encode the source anew with --radiometry" in capsys.readouterr().err
    assert not (tmp_path / "b.tif").exists()


def sarcodec_bytes(folder: Path, **options: Any) -> bytes:
    sarcodec.encode(folder / "a.tif", folder / "b.sarc", quality=40, model=TOY, jobs=3, **options)
    return (folder / "b.sarc").read_bytes()


def test_the_layer_stands_last_skippable_and_without_channels() -> None:
    layers = Reader(io.BytesIO(coded(dn((60, 60))))).header.layers
    assert (layers[-1].kind, layers[-1].channels) == (LayerKind.GAIN_GRID, 0)
    assert [layer.skippable for layer in layers] == [False, False, True]


def test_cells_are_as_large_as_the_bar_allows_and_no_smaller_than_32() -> None:
    """Speckle of many looks leaves 64 within the bar, where it is left out; of one look it does not."""
    for looks, side in ((100.0, 64), (1.0, 32)):
        scene = power((256, 256), 8, looks=looks, contrast=0.0).astype(np.float32)
        assert {grid.side for grid in gain_grids(coded(scene, scale=Scale.POWER))} == {side}
    assert {grid.side for grid in gain_grids(coded(scene, scale=Scale.POWER, radiometry=16))} == {16}
