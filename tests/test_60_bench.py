"""The rate-distortion bench: JPEG 2000 at a wanted size, comparison, reports, and the benchmark's chips."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sarcodec.bench import jpeg2000, report
from sarcodec.bench.images import images
from sarcodec.bench.rd import Comparison, RdPoint, compare, mean_percent, measure
from sarcodec.errors import InputError, VerifyError
from sarcodec.metrics import rmse_db
from sarcodec.types import Window

Array = npt.NDArray[Any]


def scene(shape: tuple[int, int] = (128, 128), seed: int = 3) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    db = 10 * np.log10(rng.gamma(4.4, 0.01, shape)) + np.linspace(-6, 6, shape[1])
    return db.astype(np.float32), np.ones(shape, bool)


def quantiser(db: Array, valid: Array, bpp: float, *, saving: float = 0.0) -> tuple[int, Array]:
    """Stand-in codec: uniform steps and zlib, the step found by halving."""
    low, high = 0.01, 100.0
    symbols, size = np.zeros(0), 0
    for _ in range(25):
        step = (low * high) ** 0.5
        symbols = np.rint(np.where(valid, db, 0) / step).astype(np.int16)
        size = len(zlib.compress(symbols.tobytes(), 1))
        low, high = (low, step) if 8 * size <= bpp * db.size else (step, high)
    return round(size * (1 - saving)), (symbols * step).astype(np.float32)


def cheaper(db: Array, valid: Array, bpp: float) -> tuple[int, Array]:
    return quantiser(db, valid, bpp, saving=0.2)


@pytest.fixture(scope="module")
def points() -> list[RdPoint]:
    codecs = {"ref": quantiser, "test": cheaper}
    found = [measure(f"scene {seed}", *scene(seed=seed), [1.0, 1.5, 2.0, 3.0], codecs) for seed in (1, 2)]
    return found[0] + found[1]


# --- JPEG 2000


def test_openjpeg_is_found_and_names_its_version() -> None:
    assert tuple(int(part) for part in jpeg2000.openjpeg_version().split(".")) >= (2, 4, 0)


def test_openjpeg_is_found_without_touching_home_or_environment(tmp_path: Path) -> None:
    script = (
        "import os; before = dict(os.environ)\n"
        "from sarcodec.bench import jpeg2000\n"
        "jpeg2000.openjpeg_version()\n"
        "assert dict(os.environ) == before\n"
        "import sys; print('rasterio' in sys.modules)\n"
    )
    env = {k: v for k, v in os.environ.items() if k != "XDG_CONFIG_HOME"} | {"HOME": str(tmp_path)}
    env["PYTHONPATH"] = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_jpeg2000_lands_near_the_wanted_size() -> None:
    db, valid = scene((512, 512))
    for bpp in (0.25, 1.0):
        size, _ = jpeg2000.encode_decode(db, valid, bpp)
        assert 8 * size / db.size == pytest.approx(bpp, rel=0.04)


def test_jpeg2000_error_falls_with_the_rate_down_to_the_rounding() -> None:
    db, valid = scene()
    errors = [rmse_db(db, jpeg2000.encode_decode(db, valid, bpp)[1], valid) for bpp in (0.2, 1, 4, 12)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.01


def test_jpeg2000_is_the_irreversible_transform_with_six_resolutions_and_one_layer() -> None:
    data = jpeg2000.encode(*scene(), 1.0).data
    cod = data.index(b"\xff\x52")
    assert int.from_bytes(data[cod + 6 : cod + 8], "big") == 1  # layers
    assert data[cod + 9] == 5  # decompositions
    assert data[cod + 13] == 0  # 9/7


@pytest.mark.parametrize(("shape", "tile"), [((300, 200), (300, 200)), ((40, 4100), (40, 4096))])
def test_jpeg2000_is_one_tile_up_to_4096_pixels(shape: tuple[int, int], tile: tuple[int, int]) -> None:
    data = jpeg2000.encode(*scene(shape), 1.0, tolerance=np.inf).data
    assert (int.from_bytes(data[28:32], "big"), int.from_bytes(data[24:28], "big")) == tile


def test_invalid_pixels_neither_widen_the_range_nor_cost_more_than_flat_ones() -> None:
    db, valid = scene()
    valid[:, :64] = False
    spoilt = np.where(valid, db, np.tile(np.array([np.nan, 3e38], np.float32), (128, 64)))
    flat = np.where(valid, db, db[valid].mean())
    codes = [jpeg2000.encode(image, valid, 1.0) for image in (spoilt, flat)]
    assert codes[0] == codes[1]
    assert codes[0].low_db == db[valid].min()


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (31, 100)])
def test_rasters_of_any_size_go_through_jpeg2000(shape: tuple[int, int]) -> None:
    db, valid = scene(shape)
    decoded = jpeg2000.decode(jpeg2000.encode(db, valid, 400.0))
    assert decoded.shape == shape
    assert rmse_db(db, decoded, valid) < 0.01


def test_a_constant_raster_comes_back_constant() -> None:
    db = np.full((64, 64), -12.5, np.float32)
    size, decoded = jpeg2000.encode_decode(db, db < 0, 0.5)
    assert size > 0
    assert (decoded == -12.5).all()


def test_a_raster_without_valid_pixels_is_refused() -> None:
    db, valid = scene()
    with pytest.raises(InputError):
        jpeg2000.encode(db, ~valid, 1.0)


# --- rate and distortion


def test_rates_are_those_of_whole_files_over_all_pixels() -> None:
    db, valid = scene()
    valid[:100] = False
    [point] = measure("s", db, valid, [1.0], {"c": lambda db, *_: (1000, np.where(valid, db + 3, np.nan))})
    assert point.bpp == 8000 / db.size
    assert point.rmse_db == pytest.approx(3)
    assert point.psnr_db == pytest.approx(20)


def test_a_codec_that_loses_pixels_is_reported() -> None:
    db, valid = scene()
    with pytest.raises(VerifyError, match=r"c at 1\.0 bpp"):
        measure("s", db, valid, [1.0], {"c": lambda db, *_: (9, np.where(db > -25, db, np.nan))})


def test_a_codec_of_four_fifths_the_size_has_a_bd_rate_of_minus_twenty(points: list[RdPoint]) -> None:
    found = compare(points, reference="ref", test="test")
    assert [c.scene for c in found] == ["scene 1", "scene 2"]
    assert mean_percent(found) == pytest.approx(-20, abs=0.2)


def test_decoded_images_are_handed_out() -> None:
    db, valid = scene((32, 32))
    seen: list[tuple[str, float]] = []
    measure(
        "s", db, valid, [2.0, 4.0], {"c": quantiser}, on_decoded=lambda p, d: seen.append((p.codec, d.size))
    )
    assert seen == [("c", 1024), ("c", 1024)]


def test_curves_without_common_error_compare_to_none(points: list[RdPoint]) -> None:
    ref = [p for p in points if p.codec == "ref" and p.wanted_bpp <= 1.5]
    test = [p for p in points if p.codec == "test" and p.wanted_bpp >= 2]
    found = compare(ref + test, reference="ref", test="test")
    assert [c.bd for c in found] == [None, None]
    assert mean_percent(found) is None


# --- reports


def test_the_table_lists_every_point_and_the_mean(points: list[RdPoint]) -> None:
    comparisons = [*compare(points, reference="ref", test="test"), Comparison("lost", None)]
    lines = report.table(points, comparisons).splitlines()
    assert sum(str(p.bytes) in line for p, line in zip(points, lines[1:], strict=False)) == len(points)
    assert lines[-1].split() == ["mean", f"{mean_percent(comparisons):+.2f}"]
    assert lines[-2].split() == ["lost", "n/a"]


def test_csv_holds_the_fields_of_every_point(points: list[RdPoint], tmp_path: Path) -> None:
    report.write_csv(points, tmp_path / "rd.csv")
    with (tmp_path / "rd.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["codec"], int(r["bytes"]), float(r["rmse_db"])) for r in rows] == [
        (p.codec, p.bytes, p.rmse_db) for p in points
    ]


def test_json_writes_null_for_what_is_not_finite(tmp_path: Path) -> None:
    db, valid = scene((8, 8))
    points = measure("s", db, valid, [1.0], {"same": lambda db, *_: (7, db)})
    report.write_json(points, [Comparison("s", None)], tmp_path / "rd.json", about={"threads": 2})

    def refuse(name: str) -> None:
        raise AssertionError(name)

    document = json.loads((tmp_path / "rd.json").read_text(), parse_constant=refuse)
    assert document["points"][0]["psnr_db"] is None
    assert document["points"][0]["rmse_db"] == 0
    assert document["bd_rate"] == [{"scene": "s", "percent": None}]
    assert document["about"] == {"threads": 2}


def test_pictures_are_pngs_with_something_in_them(points: list[RdPoint], tmp_path: Path) -> None:
    image = pytest.importorskip("matplotlib.image")
    db, valid = scene()
    valid[:5] = False
    report.plot(points, tmp_path / "rd.png")
    report.crops({"a": db, "b": -db}, valid, Window(90, 0, 64, 64), tmp_path / "crops.png")
    for name in ("rd.png", "crops.png"):
        pixels = image.imread(tmp_path / name)
        assert pixels.shape[1] > 700
        assert len(np.unique(pixels[..., 0])) > 20


# --- images


def test_images_are_bands_without_tags(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio")
    transform = rasterio.Affine(10, 0, 300000, 0, -10, 5000000)
    with rasterio.open(
        tmp_path / "chip.tif",
        "w",
        driver="GTiff",
        width=64,
        height=50,
        count=2,
        dtype="float32",
        nodata=0,
        crs="EPSG:32633",
        transform=transform,
    ) as sink:
        sink.write(np.full((2, 50, 64), [[[-10]], [[-20]]], np.float32))
        sink.update_tags(SCALE="db", SOURCE="made up")
        sink.descriptions = ("VV", "VH")
    found = list(images(tmp_path / "chip.tif"))
    assert [image.name for image in found] == ["chip VV", "chip VH"]
    found[1].write(tmp_path / "band.tif")
    with rasterio.open(tmp_path / "band.tif") as source:
        assert (source.read() == -20).all()
        assert (source.crs.to_epsg(), source.transform, source.nodata) == (32633, transform, 0)
        assert set(source.tags()) <= {"AREA_OR_POINT"}
        assert source.descriptions == (None,)
