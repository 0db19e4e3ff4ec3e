"""Decoding what damage has left: which pixels go, which stay exactly as they were, what the output says."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

import sarcodec
from conftest import TOY
from sarcodec.api import encode_array
from sarcodec.bitstream.reader import Reader
from sarcodec.cli import main
from sarcodec.dataset import SarcDataset
from sarcodec.decoding.decoder import Latents
from sarcodec.encoding import survey
from sarcodec.errors import ChecksumError, FormatError, LimitError, SarcError, UsageError
from sarcodec.limits import DEFAULT, Limits, limits_from
from sarcodec.types import Place
from testing.scenes import db, dn

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

REACH = 32  # pixels: two latents of the toy model


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "TILE_SIDE", 256)


def coded(cube: Any, **options: Any) -> bytes:
    return encode_array(cube, model=TOY, jobs=1, quality=40, **options)


def opened(data: bytes, **options: Any) -> SarcDataset:
    return SarcDataset(io.BytesIO(data), "<bytes>", model=TOY, jobs=2, allow_partial=True, **options)


def damaged(data: bytes, row: int, col: int, band: int = 0, segment: int = 1) -> bytes:
    """One bit of a segment's body (0 the mask, 1.. layers) is another one."""
    reader = Reader(io.BytesIO(data))
    found = reader.record(row, col).segments[band][segment]
    assert found.size
    at = reader._span(row, col)[0] + found.start + found.size - 1
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


SCENE = dn((600, 700), 5)


def test_a_lost_tile_takes_itself_and_the_reach_of_the_synthesis_and_nothing_else() -> None:
    data = coded(SCENE)
    with opened(data) as whole, opened(damaged(data, 1, 1)) as part:
        expected, found = whole.read(1), part.read(1)
        assert (whole.damaged, whole.fill) == ((), 0)
    lost = np.zeros(SCENE.shape, bool)
    lost[256 - REACH : 512 + REACH, 256 - REACH : 512 + REACH] = True
    assert (found[lost] == 0).all()
    assert np.array_equal(found[~lost], expected[~lost])
    (tile,) = part.damaged
    assert (tile.band, tile.row, tile.col) == (1, 1, 1)
    assert "checksum" in tile.reason or "CRC" in tile.reason


def test_the_reach_is_as_far_as_a_latent_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    data = coded(SCENE)
    with opened(data) as whole:
        expected = whole.read(1)
        mute = Place(0, 1, 1)
        latents = whole.decoder.latents

        def louder(place: Place, *rest: Any) -> Latents:
            return latents(place, *rest) + np.int32(160 * (place == mute))

        monkeypatch.setattr(whole.decoder, "latents", louder)
        changed = whole.read(1) != expected
    rows, cols = changed.any(1).nonzero()[0], changed.any(0).nonzero()[0]
    assert 256 - REACH <= rows.min() < 256 - REACH + 32
    assert 512 + REACH - 32 <= cols.max() < 512 + REACH


def test_a_lost_mask_takes_its_own_tile_alone() -> None:
    scene = SCENE.copy()
    scene[300:340, 300:330] = 0
    data = coded(scene, nodata=0)
    with opened(data) as whole, opened(damaged(data, 1, 1, segment=0)) as part:
        expected, found = whole.read(1), part.read(1)
    assert (found[256:512, 256:512] == 0).all()
    found[256:512, 256:512] = expected[256:512, 256:512]
    assert np.array_equal(found, expected)
    assert [tile.row for tile in part.damaged] == [1]


def test_damage_in_one_band_leaves_the_other() -> None:
    data = coded(np.stack([SCENE, dn((600, 700), 6)]))
    with opened(data) as whole, opened(damaged(data, 0, 2, band=1)) as part:
        assert np.array_equal(part.read(1), whole.read(1))
        assert not np.array_equal(part.read(2), whole.read(2))
    assert [str(tile) for tile in part.damaged] == ["band 2 row 0 column 2"]


def test_a_cut_file_gives_the_tiles_that_are_there() -> None:
    data = coded(SCENE)
    reader = Reader(io.BytesIO(data))
    with opened(data) as whole, opened(data[: reader._span(1, 0)[1] + 9]) as part:
        expected, found = whole.read(1), part.read(1)
    assert [(tile.row, tile.col) for tile in part.damaged] == [(1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]
    assert np.array_equal(found[: 256 - REACH], expected[: 256 - REACH])
    assert np.array_equal(found[: 512 - REACH, : 256 - REACH], expected[: 512 - REACH, : 256 - REACH])
    assert (found[512 - REACH :] == 0).all()


def test_without_allow_partial_damage_is_an_error() -> None:
    data = damaged(coded(SCENE), 1, 1)
    with SarcDataset(io.BytesIO(data), "<bytes>", model=TOY, jobs=1) as part:
        assert part.fill is None
        with pytest.raises(ChecksumError, match="tile row 1, column 1"):
            part.read()
        assert part.read(window=(0, 0, 190, 190)).shape == (1, 190, 190)
    with pytest.raises(FormatError):
        SarcDataset(io.BytesIO(data[:-1]), "<bytes>", model=TOY)


@pytest.mark.parametrize(
    ("values", "options", "fill"),
    [
        (SCENE[:200], {"nodata": 7}, 7),
        (SCENE[:200], {"nodata": -9999}, 0),
        (SCENE[:200], {"nodata": 70000}, 0),
        (db(SCENE[:200]).astype(np.float32), {"scale": "db", "nodata": -9999}, -9999),
        (db(SCENE[:200]).astype(np.float32), {"scale": "db"}, np.nan),
        (np.rint(10 * db(SCENE[:200])).astype(np.int16), {"scale": "db"}, -32768),
        (np.rint(db(SCENE[:200]) - db(SCENE[:200]).min()).astype(np.uint8), {"scale": "db"}, 255),
    ],
    ids=["declared", "out of range", "too large", "float", "nan", "int16 dB", "uint8 dB from 0"],
)
def test_the_fill_is_a_value_that_no_valid_pixel_has(values: Any, options: Any, fill: float) -> None:
    data = coded(values, **options)
    with opened(damaged(data, 0, 1)) as part:
        assert np.array_equal(part.fill, fill, equal_nan=True)
        pixels = part.read(1)
        assert np.array_equal(pixels[:, 256:512], np.full((200, 256), fill, values.dtype), equal_nan=True)
        assert not np.isin(pixels[:, :190], [fill]).any()


def test_integers_that_are_all_taken_leave_no_fill() -> None:
    values = np.arange(256 * 256).reshape(256, 256).astype(np.uint8)
    with pytest.raises(UsageError, match="no uint8 value is left"):
        opened(coded(values, scale="db"))


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A damaged file of two bands without nodata, and where to decode it."""
    path = tmp_path / "hurt.sarc"
    cube = np.stack([SCENE, dn((600, 700), 6)]).astype(np.float32)
    path.write_bytes(damaged(damaged(coded(cube, scale="amplitude"), 1, 1), 0, 0, band=1))
    return path, tmp_path / "back.tif"


def decode(path: Path, out: Path, *options: str) -> int:
    return main(["decode", str(path), "-o", str(out), "--model", TOY, "-j", "1", *options])


def test_the_command_writes_what_is_whole_names_the_rest_and_ends_with_11(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert decode(*files, "--allow-partial", "--json") == 11
    said = capsys.readouterr()
    named = [(tile["band"], tile["row"], tile["col"]) for tile in json.loads(said.out)["damaged"]]
    assert named == [(1, 1, 1), (2, 0, 0), (2, 1, 1)]  # the first band predicts the second
    assert "band 1 row 1 column 1: " in said.err
    assert "3 damaged tiles" in said.err
    with rasterio.open(files[1]) as raster:
        assert np.isnan(raster.nodata)
        places = "band 1 row 1 column 1; band 2 row 0 column 0; band 2 row 1 column 1"
        assert raster.tags(ns="SARCODEC")["DAMAGED_TILES"] == places
        valid = raster.read_masks() > 0
        assert np.isnan(raster.read()[~valid]).all()
    assert not valid[:, 256 - REACH : 512 + REACH, 256 - REACH : 512 + REACH].any()
    assert not valid[1, : 256 + REACH, : 256 + REACH].any()
    lost = 2 * (256 + 2 * REACH) ** 2 + (256 + REACH) ** 2 - (2 * REACH) ** 2  # two squares of band 2 overlap
    assert valid.sum() == valid.size - lost


@pytest.mark.parametrize("creation", ["COMPRESS=NONE", "SPARSE_OK=YES", "TILED=NO", "COMPRESS=ZSTD"])
@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_zeros_far_from_damage_stay_zeros(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, creation: str
) -> None:
    """GDAL leaves blocks of zeros out of a file without nodata, and there is nodata once a tile is lost."""
    monkeypatch.setattr(survey, "TILE_SIDE", 256)
    scene = dn((520, 1030), 4).astype(dtype)
    scene[:, :512] = 0
    data = bytearray(encode_array(scene, quality=40, scale="dn", model=TOY))
    with sarcodec.open(bytes(data), model=TOY) as whole:
        expected, end = whole.read(1), whole.coded.reader._span(1, 3)[1]
    data[end - 5] ^= 1
    assert (expected == 0).sum() == 520 * 512
    path, out = tmp_path / "hurt.sarc", tmp_path / "back.tif"
    path.write_bytes(data)
    assert decode(path, out, "--allow-partial", "--co", creation) == 11
    with rasterio.open(out) as raster:
        found, valid = raster.read(1), raster.read_masks(1) > 0
        assert raster.tags(ns="SARCODEC")["DAMAGED_TILES"] == "band 1 row 1 column 3"
        assert not valid[256:512, 768:1024].any()
        if dtype == "float32":
            assert np.isnan(raster.nodata)
            assert (found[:, :512] == 0).all() and valid[:, :512].all()
        assert np.array_equal(found[:, : 768 - REACH], expected[:, : 768 - REACH])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["back.tif", "hurt.sarc"]


def test_the_command_without_the_option_writes_nothing(files: tuple[Path, Path]) -> None:
    assert decode(*files) == 5
    assert sorted(path.name for path in files[0].parent.iterdir()) == ["hurt.sarc"]


def test_a_window_that_damage_does_not_reach_is_whole(files: tuple[Path, Path]) -> None:
    assert decode(*files, "--allow-partial", "--window", "600,0,100,190") == 0
    with rasterio.open(files[1]) as raster:
        assert raster.nodata is None
        assert "DAMAGED_TILES" not in raster.tags(ns="SARCODEC")


def test_a_whole_file_decodes_to_the_same_with_and_without_the_option(tmp_path: Path) -> None:
    path = tmp_path / "a.sarc"
    path.write_bytes(coded(SCENE))
    assert decode(path, tmp_path / "a.tif") == decode(path, tmp_path / "b.tif", "--allow-partial") == 0
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_a_file_without_its_header_is_lost(files: tuple[Path, Path]) -> None:
    files[0].write_bytes(files[0].read_bytes()[:60])
    assert decode(*files, "--allow-partial") == 4
    assert not files[1].exists()


def test_limits_are_raised_by_name() -> None:
    assert limits_from(["pixels=4e9", "bands=70"]) == Limits(pixels=4 * 10**9, bands=70)
    for wrong in ("pixels", "pixels=", "pixels=-1", "pixels=many", "symbol=3", "colour=4", "=4", "bands=inf"):
        with pytest.raises(UsageError, match="is no limit"):
            limits_from([wrong])


@pytest.mark.parametrize("limits", [Limits(pixels=419_999), Limits(side=699), Limits(tile_side=255)], ids=str)
def test_what_is_above_a_limit_is_refused_until_it_is_raised(limits: Limits) -> None:
    data = coded(SCENE)
    with pytest.raises(LimitError, match="above the limit"):
        opened(data, limits=limits)


def test_memory_is_limited_for_working_tiles_and_for_arrays() -> None:
    scene = opened(coded(SCENE), limits=Limits(memory=10**6))
    with pytest.raises(LimitError, match="memory for decoding"):
        scene.read(window=(0, 0, 10, 10))
    scene = opened(coded(SCENE), limits=Limits(memory=838_000))
    with pytest.raises(LimitError, match="array to return in bytes is 840000"):
        scene.read()


def test_the_command_takes_a_raised_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cube = np.repeat(dn((40, 40), 1)[None], 65, axis=0)
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", width=40, height=40, count=65, dtype="uint16"
    ) as raster:
        raster.write(cube)
    encode = ["encode", str(tmp_path / "a.tif"), "-o", str(tmp_path / "a.sarc"), "--model", TOY, "-j", "1"]
    assert main(encode) == 7
    assert "--limit bands=65" in capsys.readouterr().err
    assert main([*encode, "--limit", "bands=65"]) == 0
    assert main(["info", str(tmp_path / "a.sarc")]) == 7
    assert main(["info", str(tmp_path / "a.sarc"), "--limit", "bands=65"]) == 0
    assert decode(tmp_path / "a.sarc", tmp_path / "b.tif") == 7
    assert decode(tmp_path / "a.sarc", tmp_path / "b.tif", "--limit", "bands=65") == 0


def test_reading_a_closed_dataset_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "a.sarc").write_bytes(coded(SCENE[:50, :50]))
    with sarcodec.open(tmp_path / "a.sarc", model=TOY) as scene:
        pass
    with pytest.raises(UsageError, match="is closed"):
        scene.read()


def test_defaults_hold_a_whole_scene_of_sentinel_1() -> None:
    assert DEFAULT.pixels > 5 * 25_000 * 16_000 / 2
    assert issubclass(LimitError, SarcError)
