"""Bright targets come back as bright as they were, and change nothing where they are not asked for."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import sarcodec
from conftest import GOLDEN, TOY
from sarcodec.api import decode_array, encode_array
from sarcodec.bitstream import targetlist
from sarcodec.bitstream.layout import LayerKind
from sarcodec.bitstream.reader import Reader
from sarcodec.bitstream.targetlist import TargetList
from sarcodec.cli import main
from sarcodec.corrections.bright_targets import LOW_DB, QUARTERS, find
from sarcodec.encoding import survey
from sarcodec.errors import ChecksumError, UsageError
from sarcodec.io.raster import RasterSink, RasterSource
from sarcodec.layers import keep_layers
from sarcodec.metadata import RasterMeta
from sarcodec.metrics.targets import compare, detect
from sarcodec.radiometry import to_db
from sarcodec.types import Place, Scale, Window
from testing.scenes import decode_bytes, dn, open_bytes

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

Array = npt.NDArray[Any]
SPOTS = [(20, 60), (140, 200), (100, 255), (101, 262), (255, 400), (256, 407), (305, 520), (5, 31), (200, 90)]


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "TILE_SIDE", 256)


def starred() -> Array:
    """Two by three tiles with a border, a hole and spots, some at edges of tiles and one by the border."""
    scene = dn((310, 530), 3)
    scene[:, :30] = scene[128:192, 64:192] = 0
    for row, col in SPOTS:
        part = scene[max(row - 1, 0) : row + 2, max(col - 1, 30) : col + 2]
        part[part > 0] = 2500
        scene[row, col] = 4000 + row
    return scene


def coded(array: Array, **options: Any) -> bytes:
    chosen: dict[str, Any] = {"model": TOY, "jobs": 1, "quality": 20, "nodata": 0, "targets": True}
    return encode_array(array, **chosen | options)


@cache
def raised() -> bytes:
    """A file of :func:`starred`."""
    return coded(starred())


def target_lists(data: bytes) -> dict[tuple[int, int], TargetList]:
    """Of all tiles of a file with one band."""
    with open_bytes(data, TOY) as scene:
        decoder, tiles = scene.decoder, scene.decoder.header.grid
        layer = decoder.header.side_layer(LayerKind.BRIGHT_TARGETS)
        assert layer is not None
        return {
            (row, col): targetlist.unpack(
                decoder.reader.record(row, col).layer(0, layer),
                decoder.classes(Place(0, row, col)) == 0,
            )
            for row in range(tiles.rows)
            for col in range(tiles.cols)
        }


def peaks(decoded: Array) -> Array:
    """dB of the brightest of 5 x 5 pixels around each spot."""
    around = [decoded[max(r - 2, 0) : r + 3, c - 2 : c + 3] for r, c in SPOTS]
    return np.array([np.nanmax(to_db(part, Scale.DN)) for part in around])


def test_peaks_come_back_within_a_step_and_none_too_low() -> None:
    wanted = to_db(np.array([starred()[spot] for spot in SPOTS]), Scale.DN)
    before, after = (peaks(decode_bytes(raised(), TOY, targets=on)[0]) - wanted for on in (False, True))
    assert before.max() < -2
    assert after.min() > -LOW_DB - 0.05 and after.max() < QUARTERS / 4 - LOW_DB + 0.05


def test_targets_count_as_a_detector_counts_them_on_a_simulated_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    rng = np.random.default_rng(4)
    scene = 300 * np.sqrt(rng.gamma(4.4, 1 / 4.4, (400, 420)))
    for row, col in rng.integers(3, 396, (60, 2)):
        scene[row - 1 : row + 2, col - 1 : col + 2] = 800 + 1200 * rng.random()
        scene[row, col] = 1500 + 3000 * rng.random()
    scene = np.rint(scene).astype(np.uint16)
    db, valid = to_db(scene, Scale.DN), np.ones(scene.shape, bool)
    wanted = detect(db, valid, enl=4.4, lag1=0.0)
    found = {}
    for on in (False, True):
        data = encode_array(scene, quality=25, scale="dn", jobs=1, targets=on)
        back = to_db(decode_array(data, jobs=1)[0], Scale.DN)
        found[on] = compare(wanted, detect(back, valid, enl=4.4, lag1=0.0), back)
    assert found[True].bright == found[True].bright_kept > 40
    plain, after = found[False].bright_peak_rms_db, found[True].bright_peak_rms_db
    assert plain is not None and after is not None and after < 1 < plain


def test_without_targets_nothing_changes() -> None:
    without = coded(starred(), targets=False)
    assert without == coded(starred(), targets=False, jobs=3)
    assert all(layer.kind != LayerKind.BRIGHT_TARGETS for layer in Reader(io.BytesIO(without)).header.layers)
    assert np.array_equal(decode_bytes(raised(), TOY, targets=False), decode_bytes(without, TOY))
    assert np.array_equal(decode_bytes(without, TOY, targets=False), decode_bytes(without, TOY))
    with open_bytes(raised(), TOY, base_only=True) as a, open_bytes(without, TOY, base_only=True) as b:
        assert np.array_equal(a.read(), b.read())


def test_only_pixels_next_to_targets_change_and_none_falls() -> None:
    plain, bright = (decode_bytes(raised(), TOY, targets=on)[0].astype(int) for on in (False, True))
    near = np.zeros(plain.shape, bool)
    for (row, col), found in target_lists(raised()).items():
        tile = near[256 * row : 256 * row + 256, 256 * col : 256 * col + 256]
        for r, c in zip(*np.unravel_index(found.places, tile.shape), strict=True):
            tile[max(r - 1, 0) : r + 2, max(c - 1, 0) : c + 2] = True
    assert np.array_equal(bright > plain, near & (bright != plain)) and (bright > plain).any()
    assert not (bright < plain).any() and np.array_equal(bright > 0, starred() > 0)


@pytest.mark.parametrize(
    "window",
    [Window(0, 0, 530, 310), Window(250, 10, 13, 300), Window(31, 255, 499, 2), Window(261, 100, 1, 1)],
)
@pytest.mark.parametrize("unbiased", [False, True])
def test_a_window_is_a_part_of_the_whole(window: Window, unbiased: bool) -> None:
    with open_bytes(both(), TOY, unbiased=unbiased) as scene:
        whole, part = scene.read(1), scene.read(1, window=window)
    assert np.array_equal(part, whole[window.inside(Window(0, 0, 530, 310))])


def test_bytes_do_not_depend_on_the_number_of_threads() -> None:
    cube = np.stack([starred(), starred()[::-1]])
    one = coded(cube, radiometry=True)
    assert all(coded(cube, radiometry=True, jobs=jobs) == one for jobs in (2, 5))


def test_several_bands_are_measured_by_themselves() -> None:
    quiet, alone = dn((310, 530), 9), decode_bytes(raised(), TOY)[0]
    back = decode_bytes(coded(np.stack([starred(), quiet])), TOY)
    assert np.array_equal(back[0], alone)
    stack = decode_bytes(coded(np.stack([quiet, quiet, quiet, quiet, starred()])), TOY)
    assert np.array_equal(stack[4], alone)
    assert np.array_equal(stack[0], decode_bytes(coded(quiet), TOY)[0])


def test_targets_of_a_band_that_another_predicts_are_raised() -> None:
    """They are measured on what a decoder returns of it, whatever that was made from."""
    data = coded(np.stack([dn((310, 530), 3), starred()]))
    alone, without = (decode_bytes(raised(), TOY, targets=on)[0].astype(float) for on in (True, False))
    back, low = (decode_bytes(data, TOY, targets=on)[1].astype(float) for on in (True, False))
    peaks = alone > 2 * without
    assert peaks.any()
    assert np.median(20 * np.log10(back[peaks] / low[peaks])) > 3
    assert np.abs(20 * np.log10(back[peaks] / alone[peaks])).mean() < 1.5


def test_speckle_and_nothing_at_all_take_no_bytes() -> None:
    for scene in (dn((300, 300), 1, contrast=0.0, looks=40.0), np.zeros((300, 300), np.uint16)):
        reader = Reader(io.BytesIO(coded(scene)))
        assert reader.layer_size(2) == 0


def test_of_equal_pixels_the_first_is_the_target() -> None:
    db = np.zeros((60, 60), np.float32)
    db[30:33, 30:34] = 20
    found = find(db, np.ones(db.shape, bool), Window(5, 7, 50, 40), np.zeros((40, 50), np.float32))
    assert found.places.tolist() == [23 * 50 + 25]
    assert found.codes.tolist() == [round((20 + QUARTERS / 8 - LOW_DB) / (QUARTERS / 4))]


def test_powers_beyond_all_measure_are_measured() -> None:
    db = np.full((60, 60), -3000, np.float32)
    db[30, 30], db[:, :20] = 6000, np.nan
    found = find(db, np.isfinite(db), Window(0, 0, 60, 60), np.full(db.shape, 6000, np.float32))
    assert found.places.size == 0
    db[30, 30] = 5000
    found = find(db, np.isfinite(db), Window(0, 0, 60, 60), np.full(db.shape, -400, np.float32))
    assert found.codes.tolist() == [targetlist.LARGEST]


@cache
def both() -> bytes:
    """A file with targets and gains."""
    return coded(starred(), radiometry=True)


def test_gains_are_those_of_raised_pixels() -> None:
    source, back = starred(), decode_bytes(both(), TOY, unbiased=True)[0]
    for row in range(0, 256, 64):
        for col in range(0, 512, 64):
            cell = (slice(row, row + 64), slice(col, col + 64))
            valid = source[cell] > 0
            if valid.any():
                mean = [(values[cell][valid].astype(float) ** 2).mean() for values in (back, source)]
                assert abs(10 * np.log10(mean[0] / mean[1])) < 0.3
    assert np.array_equal(decode_bytes(both(), TOY), decode_bytes(raised(), TOY))


def test_gains_without_the_targets_they_were_measured_with_are_refused() -> None:
    with pytest.raises(UsageError, match="bright targets are raised") as caught:
        decode_bytes(both(), TOY, unbiased=True, targets=False)
    assert "--no-targets" in str(caught.value.hint)
    plain = coded(starred(), targets=False, radiometry=True)
    assert decode_bytes(plain, TOY, unbiased=True, targets=False).shape == (1, 310, 530)


def damaged(data: bytes, row: int, col: int) -> bytes:
    """One bit of a list of targets is another one."""
    reader = Reader(io.BytesIO(data))
    found = reader.record(row, col).segments[0][3]
    at = reader._span(row, col)[0] + found.start + found.size - 1
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_a_damaged_list_costs_its_tile_and_nothing_where_targets_are_left_out() -> None:
    data = damaged(raised(), 0, 1)
    assert np.array_equal(decode_bytes(data, TOY, targets=False), decode_bytes(raised(), TOY, targets=False))
    with open_bytes(data, TOY) as scene, pytest.raises(ChecksumError, match="row 0, column 1"):
        scene.read()
    with open_bytes(data, TOY, targets=False) as scene, pytest.raises(ChecksumError, match="layer 2"):
        scene.verify()
    with open_bytes(data, TOY, allow_partial=True) as scene:
        found = scene.read(1)
        assert [(tile.row, tile.col) for tile in scene.damaged] == [(0, 1)]
    expected = decode_bytes(raised(), TOY)[0]
    expected[:256, 256:512] = 0
    assert np.array_equal(found, expected)


def test_targets_stay_with_all_layers_and_go_with_any() -> None:
    kinds = [layer.kind for layer in Reader(io.BytesIO(both())).header.layers]
    assert kinds[2:] == [LayerKind.BRIGHT_TARGETS, LayerKind.GAIN_GRID]

    def cut(layers: int) -> bytes:
        out = io.BytesIO()
        keep_layers(io.BytesIO(both()), out, layers, lambda *_: None)
        return out.getvalue()

    assert cut(2) == both()
    assert len(Reader(io.BytesIO(cut(1))).header.layers) == 1


@pytest.mark.parametrize("bpp", [0.2, 0.3])
def test_a_size_counts_the_bits_of_targets(bpp: float) -> None:
    assert abs(8 * len(coded(starred(), quality=None, bpp=bpp)) / starred().size / bpp - 1) < 0.02


def test_the_golden_file_gives_its_pixels_without_targets_of_old() -> None:
    data = (GOLDEN / "bright_targets.sarc").read_bytes()
    assert all(found.places.size for found in target_lists(data).values())
    with np.load(GOLDEN / "bright_targets.npz") as stored:
        expected, raised_then = stored["without_targets"].astype(int), stored["pixels"].astype(int)
    assert np.abs(decode_bytes(data, TOY, targets=False).astype(int) - expected).max() <= 1
    assert np.abs(raised_then - expected).max() > 500


def test_commands_store_raise_and_show_targets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene = starred()
    meta = RasterMeta(530, 310, 1, "uint16", nodata=0)
    with RasterSink(tmp_path / "a.tif", meta, overwrite=False) as sink:
        sink.write(0, scene, Window(0, 0, 530, 310))
    source, target = str(tmp_path / "a.tif"), str(tmp_path / "a.sarc")
    common = ["--model", TOY, "-j", "1"]
    assert main(["encode", source, "-q", "20", "--targets", "--json", *common]) == 0
    told = json.loads(capsys.readouterr().out)
    sarcodec.encode(source, tmp_path / "b.sarc", quality=20, model=TOY, jobs=3, targets=True)
    assert Path(target).read_bytes() == (tmp_path / "b.sarc").read_bytes()
    assert main(["info", target, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    layer = facts["layers"][2]
    assert facts["targets"] and (layer["kind"], layer["channels"]) == ("bright-targets", 0)
    assert layer["bpp"] == pytest.approx(8 * layer["bytes"] / scene.size)
    reader = Reader(io.BytesIO(Path(target).read_bytes()))
    lists = sum(reader.record(row, col).segments[0][3].size > 0 for row in range(2) for col in range(3))
    assert told["targets_bpp"] == pytest.approx(8 * (layer["bytes"] + 4 * lists) / scene.size)
    assert main(["info", target]) == 0
    assert "bright-targets, " in capsys.readouterr().out
    for options, on in (([], True), (["--no-targets"], False), (["--base-only"], False)):
        line = ["decode", target, "-o", str(tmp_path / "b.tif"), "-f", "--json", *options, *common]
        assert main(line) == 0
        assert json.loads(capsys.readouterr().out)["targets"] is on
        if options != ["--base-only"]:
            with RasterSource(tmp_path / "b.tif") as back:
                pixels = back.read(0, Window(0, 0, 530, 310))
            assert np.array_equal(pixels, decode_bytes(Path(target).read_bytes(), TOY, targets=on)[0])
    assert main(["encode", source, "-q", "20", "-f", "--json", *common]) == 0
    assert json.loads(capsys.readouterr().out)["targets_bpp"] is None
