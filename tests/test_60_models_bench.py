"""The notes' convention, the tables of docs/models.md, and the two programs that measure for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from conftest import TOY
from sarcodec.bench import modelpage, notes
from sarcodec.errors import InputError
from sarcodec.packing import INVALID, to_codes
from sarcodec.train.pack import pack_folder
from testing.files import UTM, tiff
from testing.scenes import dn

Array = npt.NDArray[Any]

ROOT = Path(__file__).parents[1]
WIDTH = notes.HIGH_DB - notes.LOW_DB


def flat(shape: tuple[int, int] = (40, 50)) -> tuple[Array, Array]:
    """Noise well inside the range about -12 dB, all valid."""
    return np.random.default_rng(1).normal(-12, 1, shape).astype(np.float32), np.ones(shape, bool)


# --- the notes' convention


def test_a_constant_error_has_the_psnr_of_its_part_of_the_range() -> None:
    db, valid = flat()
    score = notes.score(db, db + 0.1 * WIDTH, valid)
    assert score.psnr == pytest.approx(20, abs=1e-4)


def test_the_level_of_a_scene_does_not_matter() -> None:
    db, valid = flat()
    decoded = (db + np.random.default_rng(2).normal(0, 0.5, db.shape)).astype(np.float32)
    here, there = notes.score(db, decoded, valid), notes.score(db + 40.0, decoded + 40.0, valid)
    assert (here.psnr, here.ssim) == pytest.approx((there.psnr, there.ssim), abs=1e-4)


def test_what_lies_beyond_the_percentiles_is_clipped_in_both_images() -> None:
    db = np.zeros((32, 32), np.float32)
    db[:, 16:] = 60  # 30 dB on either side of the mean
    valid = np.ones(db.shape, bool)
    assert notes.score(db, np.where(db > 0, 45, 5), valid).psnr == np.inf
    image = notes.scaled(db, valid, 30.0)
    assert image.min() == 0 and image.max() == 1


def test_pixels_that_are_not_data_do_not_count() -> None:
    db, valid = flat()
    valid[5:20, 5:20] = False
    broken = np.where(valid, db, np.float32(np.nan))
    score = notes.score(broken, np.where(valid, db + 0.1 * WIDTH, np.float32(99)), valid)
    assert score.psnr == pytest.approx(20, abs=1e-4)
    assert np.isfinite(score.ssim)
    with pytest.raises(InputError):
        notes.score(db, db, np.zeros_like(valid))


def test_ssim_is_that_of_scikit_image_with_peak_1() -> None:
    structural_similarity = pytest.importorskip("skimage.metrics").structural_similarity
    db, valid = flat((64, 80))
    decoded = 0.7 * (db + 12) - 12 + np.random.default_rng(2).normal(0, 1, db.shape)
    a, b = (notes.scaled(image, valid, notes.mean_db(db, valid)) for image in (db, decoded))
    _, index = structural_similarity(
        a, b, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    assert notes.ssim(a, b, valid) == pytest.approx(index[5:-5, 5:-5].mean(), abs=1e-6)


def packed(path: Path, scenes: list[tuple[str, Array, Array]]) -> Path:
    """A packed file of scenes: class, dB of shape (h, w), valid."""
    codes, rows, offset = [], [], 0
    for number, (cls, db, valid) in enumerate(scenes):
        codes.append((to_codes(db) | np.where(valid, 0, INVALID).astype(np.uint16)).ravel())
        size = {"height": db.shape[0], "width": db.shape[1]}
        rows.append({"name": str(number), "band": 1, "cls": cls, "offset": offset, **size})
        offset += db.size
    np.save(path, np.concatenate(codes))
    path.with_suffix(".json").write_text(json.dumps(rows))
    return path


def ramp(low: float, high: float, shape: tuple[int, int] = (50, 200)) -> Array:
    return np.linspace(low, high, shape[0] * shape[1], dtype=np.float32).reshape(shape)


def test_percentiles_are_those_of_decibels_about_each_scenes_mean(tmp_path: Path) -> None:
    every = np.ones((50, 200), bool)
    scenes = [("other", ramp(-20, -10), every), ("other", ramp(30, 40), every)]
    low, high = notes.percentiles(packed(tmp_path / "p.npy", scenes))
    assert (low, high) == pytest.approx((-4.9, 4.9), abs=0.02)


def test_percentiles_weigh_scenes_as_training_does_and_leave_out_what_is_no_data(tmp_path: Path) -> None:
    every = np.ones((50, 200), bool)
    wide, half = ramp(-100, 60), every.copy()
    half[25:] = False
    # A narrow scene of weight 4 and a wide one of weight 1: the wide one holds all of both tails.
    low, _ = notes.percentiles(
        packed(tmp_path / "a.npy", [("grd", ramp(0, 1), every), ("other", wide, every)])
    )
    assert low == pytest.approx(-80 + 160 * 0.05, abs=0.1)
    low, high = notes.percentiles(packed(tmp_path / "b.npy", [("other", ramp(0, 10), half)]))
    assert (low, high) == pytest.approx((-2.45, 2.45), abs=0.02)
    with pytest.raises(InputError):
        notes.percentiles(packed(tmp_path / "c.npy", [("other", wide, ~every)]))


# --- the page


def point(codec: str, wanted: float, bpp: float, psnr: float, scene: str = "a") -> dict[str, Any]:
    figures = {"psnr_db": psnr, "rmse_db": 30 / 10 ** (psnr / 20), "notes_psnr": psnr - 1, "notes_ssim": 0.5}
    return {"scene": scene, "codec": codec, "wanted_bpp": wanted, "bpp": bpp, **figures}


def model(name: str, psnr: float, **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "family": "residual",
        "base": 32,
        "channels": 16,
        "parameters": 5_600_000,
        "kmacs_per_pixel": {"analysis": 1.0, "synthesis": 2.0},
        "training": {"recipe": None, "steps": 1200, "pixels": 30e6},
        "points": [point(name, 0.1, 0.1, psnr), point(name, 0.44, 0.4, psnr + 2)],
        "bd_rate": [{"scene": "a", "percent": -12.5, "low_db": 1.0, "high_db": 2.0}],
        "unquantised": [point(name, 0, 0, psnr + 3)],
    } | changes


def document(*models: dict[str, Any]) -> dict[str, Any]:
    return {
        "about": {"openjpeg": "2.5", "low_db": -1.0, "high_db": 1.0, "scenes": ["a"], "rates": [0.1, 0.44]},
        "sizes": {
            system.name: {"parameters": 7e6, "kmacs_per_pixel": {"a": 20.0, "b": 22.5}}
            for system in modelpage.SYSTEMS
        },
        "jpeg2000": [point("jpeg2000", r, r, p) for r, p in ((0.05, 20), (0.2, 22), (0.44, 25), (0.5, 26))],
        "linear": {"16": [point("16", 0, 0, 23)]},
        "models": list(models),
    }


def cells(table: str, start: str) -> list[str]:
    """The only row that starts so, cell by cell."""
    (row,) = [line for line in table.splitlines() if line.startswith(f"| {start}")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_jpeg_2000_is_read_off_at_the_size_of_the_file() -> None:
    table = modelpage.rates(document(model("resnet-lite-16x", 22.0)))
    row = cells(table, "`resnet-lite-16x` | 0.1 ")
    assert row[4:6] == ["22.00", "21.00"]  # 0.1 is half way from 0.05 to 0.2 in the logarithm


def test_a_ceiling_is_the_difference_to_jpeg_2000_at_044_bpp() -> None:
    table = modelpage.ceilings(document(model("resnet-lite-16x", 20.0)))
    assert cells(table, "a ") == ["a", "0.440", "25.00", "-2.00", "-2.00"]
    assert cells(table, "**mean**")[3:] == ["-2.00", "-2.00"]


def test_a_system_without_a_model_is_not_shipped_and_a_model_without_a_system_is_named() -> None:
    lapped = model("lapped16", 24.0, family="lapped", base=0, channels=128)
    table = modelpage.systems(document(model("resnet-lite-16x", 20.0), lapped), None)
    assert cells(table, "Baseline")[1:5] == ["not shipped", "2.3 M", "7.00 M", "42.5"]
    assert cells(table, "ResNet-Lite 16x")[1:7] == [
        "`resnet-lite-16x`",
        "5.6 M",
        "5.60 M",
        "3.0",
        "1,200",
        "30",
    ]
    assert len({line.count("|") for line in table.splitlines()}) == 1
    assert cells(table, "not in the notes")[1] == "`lapped16`"
    assert "-12.5 % (1 bands" in table


def test_recipes_of_one_network_are_compared_at_equal_bytes() -> None:
    old, new = model("resnet-lite-16x-notes", 19.0), model("resnet-lite-16x", 21.5)
    assert cells(modelpage.recipes(document(old, new)), "`resnet-lite-16x-notes`")[2:] == [
        "0.1000",
        "19.00",
        "+2.50",
        "+2.50",
        "18.00",
        "+2.50",
    ]
    alone = modelpage.recipes(document(new))
    assert "No network" in alone


def test_the_gap_to_jpeg_2000_is_what_the_latents_lack_and_what_coding_costs() -> None:
    row = cells(modelpage.gaps(document(model("resnet-lite-16x", 20.0))), "`resnet-lite-16x`")
    assert row[1:5] == ["16", "-2.00", "-1.00", "-3.00"]  # 23 not rounded, 22 as a file, against 25
    assert row[5:] == ["-2.00", "-1.00", "-3.00", "0.400"]


def test_a_page_is_filled_between_its_markers_and_nowhere_else() -> None:
    page = "one\n<!-- x: begin -->\nold\n<!-- x: end -->\ntwo\n"
    once = modelpage.filled(page, {"x": "new"})
    assert once == "one\n<!-- x: begin -->\n\nnew\n\n<!-- x: end -->\ntwo\n"
    assert modelpage.filled(once, {"x": "new"}) == once
    with pytest.raises(InputError, match="no place for y"):
        modelpage.filled(page, {"y": "new"})


def test_the_committed_page_holds_every_section_once() -> None:
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    for name in modelpage.sections(document(), None):
        assert page.count(f"<!-- {name}: begin -->") == page.count(f"<!-- {name}: end -->") == 1


# --- the programs


def run(program: str, *arguments: object) -> str:
    env = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    env.pop("SARCODEC_DATA", None)
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / program), *map(str, arguments)],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chips")
    tiff(folder / "chip.tif", dn((72, 80)), **UTM)
    tiff(folder / "small.tif", dn((40, 80)), **UTM)
    return folder


def test_the_models_program_measures_and_fills_a_page(chips: Path, tmp_path: Path) -> None:
    page, figures = tmp_path / "page.md", tmp_path / "figures.json"
    names = modelpage.sections(document(), None)
    page.write_text("\n".join(f"<!-- {name}: begin -->\n<!-- {name}: end -->" for name in names))
    options = ["--model", TOY, "--images", chips, "--side", 64, "-o", figures, "--page", page]
    run("models.py", *options, "--leak", tmp_path / "none.json")
    found = json.loads(figures.read_text())
    assert found["about"]["scenes"] == ["chip b1"]
    (toy,) = found["models"]
    assert toy["parameters"] == toy_parameters()
    assert all(p["bytes"] * 8 / (72 * 80) == pytest.approx(p["bpp"]) for p in toy["points"])
    ceilings = [found["linear"][n][0]["psnr_db"] for n in ("16", "32", "64")]
    assert ceilings == sorted(ceilings)
    text = page.read_text()
    assert f"`{toy['id']}`" in text and "not shipped" in text
    run("models.py", *options, "--leak", tmp_path / "none.json", "--keep")
    assert page.read_text() == text


def toy_parameters() -> int:
    """From the tensors themselves."""
    from safetensors.numpy import load_file

    tensors = load_file(TOY)
    return sum(t.size for n, t in tensors.items() if n.startswith(("analysis/g_a.", "synthesis/g_s.")))


def test_the_leak_test_runs_and_resumes_and_the_page_shows_it(chips: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scenes"
    folder.mkdir()
    tiff(folder / "a.tif", dn((96, 96)), **UTM)
    data, figures = tmp_path / "p.npy", tmp_path / "leak.json"
    pack_folder(folder, data)
    options = [data, "-o", figures, "--run", tmp_path / "run", "--images", chips, "--side", 64, "--quick"]
    run("leak_test.py", *options)
    once = json.loads(figures.read_text())
    assert once["steps"] == 40
    scores, skips = once["scores"], once["skips"]
    assert set(scores) == {"with skips", "skips zeroed", "skips at their mean", "code zeroed"}
    assert 0 <= skips["psnr_drop_db"] <= 0.1
    assert skips["bpp_table_a_channel"] <= skips["bpp_one_table"]
    assert [part["stride"] for part in skips["parts"]] == [1, 2, 4, 8]
    assert sum(part["bpp"] for part in skips["parts"]) == pytest.approx(skips["bpp_table_a_channel"])
    run("leak_test.py", *options)  # the run is complete: it is measured again, to the same figures
    again = json.loads(figures.read_text())
    assert {k: v for k, v in again.items() if k != "minutes"} == {
        k: v for k, v in once.items() if k != "minutes"
    }
    assert f"{scores['skips zeroed']['psnr']:.2f}" in modelpage.leak_table(once)
