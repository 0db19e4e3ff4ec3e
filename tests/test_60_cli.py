"""The command line: results, one JSON document, exit codes, two lines of error, and its page in the docs."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from conftest import GOLDEN, TOY
from sarcodec import api, errors, limits
from sarcodec.bitstream.layout import FOOTER
from sarcodec.bitstream.reader import Reader
from sarcodec.cli import console, guard, main, reference
from sarcodec.cli.guard import EXIT_CODES
from sarcodec.io.simulated import write_scene
from sarcodec.simulate import SceneSpec
from sarcodec.train.config import default
from testing.needed import needed

ROOT = Path(__file__).parents[1]
WIDTH, HEIGHT = 200, 136


class Outcome:
    """Exit code and output of a command that ran in this process."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(a) for a in arguments])
        seen = capsys.readouterr()
        return Outcome(code, seen.out, seen.err)

    return call


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with scene.tif, and scene.sarc coded from it."""
    folder = tmp_path_factory.mktemp("made")
    write_scene(folder / "scene.tif", SceneSpec(WIDTH, HEIGHT, border=5))
    assert main(["encode", str(folder / "scene.tif"), "--quiet", "-j", "1"]) == 0
    return folder


@pytest.fixture
def scene(made: Path) -> Path:
    return made / "scene.tif"


@pytest.fixture
def coded(made: Path) -> Path:
    return made / "scene.sarc"


def start(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "sarcodec", *(str(a) for a in arguments)]
    return subprocess.Popen(command, env=env, **options)


def assert_two_lines(err: str) -> None:
    lines = err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("sarcodec: error: ")
    assert lines[1].startswith("  ")
    assert len(lines[1].strip()) > 10


# --- what commands do


def test_encode_prints_one_line_with_sizes_and_the_scale_it_found(
    run: Run, scene: Path, tmp_path: Path
) -> None:
    done = run("encode", scene, "-o", tmp_path / "a.sarc", "-q", 30, "-j", 2)
    assert (done.code, done.err) == (0, "")
    assert done.out.count("\n") == 1
    for part in (str(scene), " -> ", "a.sarc", " bpp ", "scale dn (from tag)"):
        assert part in done.out


def test_encode_reports_the_size_on_disk(run: Run, scene: Path, tmp_path: Path) -> None:
    facts = run("encode", scene, "-o", tmp_path / "a.sarc", "--bpp", 0.7, "--json").document
    size = (tmp_path / "a.sarc").stat().st_size
    assert facts["bytes"] == size
    assert facts["bpp"] == 8 * size / (WIDTH * HEIGHT)
    assert facts["reached"] is True
    assert facts["bpp"] == pytest.approx(0.7, rel=0.02)
    assert facts["input_bytes"] == scene.stat().st_size


def test_a_target_out_of_reach_warns_and_succeeds(run: Run, scene: Path, tmp_path: Path) -> None:
    done = run("encode", scene, "-o", tmp_path / "a.sarc", "--bpp", 30, "--json")
    assert done.code == 0
    assert done.err.startswith("sarcodec: warning: 30 bpp is out of reach")
    assert done.err.count("\n") == 1
    assert done.document["reached"] is False


def test_given_scale_and_quantity_end_in_the_file(run: Run, scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.sarc"
    done = run("encode", scene, "-o", out, "--scale", "amplitude", "--quantity", "beta0")
    assert "scale amplitude " in done.out
    facts = run("info", out, "--json").document
    assert (facts["scale"], facts["quantity"]) == ("amplitude", "beta0")


def test_number_of_threads_does_not_change_the_file(
    run: Run, scene: Path, coded: Path, tmp_path: Path
) -> None:
    run("encode", scene, "-o", tmp_path / "a.sarc", "-j", 2)
    assert (tmp_path / "a.sarc").read_bytes() == coded.read_bytes()


def test_decode_gives_a_raster_of_the_same_kind(run: Run, scene: Path, coded: Path, tmp_path: Path) -> None:
    done = run("decode", coded, "-o", tmp_path / "b.tif", "--co", "COMPRESS=LZW")
    assert (done.code, done.err) == (0, "")
    with rasterio.open(tmp_path / "b.tif") as back, rasterio.open(scene) as source:
        assert back.profile["compress"] == "lzw"
        assert (back.shape, back.dtypes, back.tags()) == (source.shape, source.dtypes, source.tags())
        np.testing.assert_array_equal(back.read() == 0, source.read() == 0)


def test_a_window_is_the_crop_of_the_whole(run: Run, coded: Path, tmp_path: Path) -> None:
    run("decode", coded, "-o", tmp_path / "b.tif")
    done = run("decode", coded, "-o", tmp_path / "w.tif", "--window", "30,20,64,48", "--json")
    assert (done.document["width"], done.document["height"]) == (64, 48)
    with rasterio.open(tmp_path / "b.tif") as whole, rasterio.open(tmp_path / "w.tif") as part:
        crop = whole.read(1)[20:68, 30:94].astype(int)
        assert np.abs(part.read(1) - crop).max() <= 1


def test_an_overview_has_means_of_decibels_and_lies_where_the_scene_does(
    run: Run, coded: Path, tmp_path: Path
) -> None:
    run("decode", coded, "-o", tmp_path / "b.tif", "-j", "1")
    done = run(
        "decode", coded, "-o", tmp_path / "o.tif", "--reduce", "4", "--window", "20,8,180,128", "--json"
    )
    assert (done.code, done.document["reduce"]) == (0, 4)
    with rasterio.open(tmp_path / "b.tif") as whole, rasterio.open(tmp_path / "o.tif") as small:
        assert small.shape == (32, 45) and small.dtypes == whole.dtypes and small.nodata == whole.nodata
        left, bottom, right, top = whole.bounds
        assert small.bounds == (left + 200, bottom, right, top - 80)  # pixels of 10 m
        assert small.res == (40, 40)
        assert small.crs == whole.crs
        assert small.tags(ns="SARCODEC")["REDUCED"] == "mean of decibels over 4 x 4 pixels"
        pixels = whole.read(1)[8:136, 20:200].reshape(32, 4, 45, 4)
        inner = (pixels > 0).all((1, 3))
        means = 20 * np.log10(np.maximum(pixels, 1).astype(float)).mean((1, 3))
        found = small.read(1)
        off = 20 * np.log10(found[inner].astype(float)) - means[inner]
        assert np.sqrt(np.mean(off**2)) < 0.25  # what layers that are left out may add
        assert np.abs(off).max() < 1
        assert np.array_equal(found > 0, 2 * (pixels > 0).sum((1, 3)) >= 16)


def test_an_overview_of_a_window_that_cuts_blocks_is_refused(run: Run, coded: Path, tmp_path: Path) -> None:
    done = run("decode", coded, "-o", tmp_path / "o.tif", "--reduce", "8", "--window", "4,8,64,64")
    assert done.code == 2
    assert "Give 0,8,72,64." in done.err
    assert list(tmp_path.iterdir()) == []
    done = run("decode", coded, "-o", tmp_path / "o.tif", "--reduce", "3")
    assert done.code == 2


def test_base_only_is_another_and_smoother_picture(run: Run, coded: Path, tmp_path: Path) -> None:
    run("decode", coded, "-o", tmp_path / "b.tif")
    run("decode", coded, "-o", tmp_path / "base.tif", "--base-only")
    deviations = []
    for name in ("b.tif", "base.tif"):
        with rasterio.open(tmp_path / name) as source:
            values = source.read(1)[5:-5, 5:-5].astype(float)
            deviations.append(np.abs(np.diff(values)).mean())
    assert deviations[1] < deviations[0]


def test_outputs_lie_beside_the_input_where_not_named(run: Run, scene: Path, tmp_path: Path) -> None:
    copy = tmp_path / "x.tiff"
    copy.write_bytes(scene.read_bytes())
    assert run("encode", copy).code == 0
    assert run("decode", tmp_path / "x.sarc").code == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.sarc", "x.tif", "x.tiff"]


def test_info_sizes_add_up_to_the_file(run: Run, coded: Path) -> None:
    facts = run("info", coded, "--json").document
    sizes = facts["sizes"]
    parts = sizes["overhead"] + sizes["masks"] + sum(layer["bytes"] for layer in facts["layers"])
    assert parts == facts["bytes"] == coded.stat().st_size
    assert sizes["header"] + sizes["records"] == facts["bytes"]  # one tile needs no index


def test_info_tells_what_rasterio_tells_of_the_source(run: Run, scene: Path, coded: Path) -> None:
    facts = run("info", coded, "--json").document
    with rasterio.open(scene) as source:
        assert (facts["width"], facts["height"], facts["dtype"]) == (source.width, source.height, "uint16")
        assert facts["georeferencing"]["crs"] == source.crs.to_string()
        assert facts["georeferencing"]["bounds"] == list(source.bounds)
        assert facts["tags"][""] == source.tags()
        assert facts["nodata"] == source.nodata
        values = source.read(1)
    (band,) = facts["bands"]
    assert (band["valid_min"], band["valid_max"]) == (values[values > 0].min(), values.max())
    assert band["invalid_values"] == [0]


def test_info_is_readable(run: Run, coded: Path) -> None:
    text = run("info", coded).out
    for part in ("EPSG:32632", "200 x 136", "lapped16, installed", "VV, ", "enhancement", "overhead"):
        assert part in text


def test_info_says_in_words_what_pixels_and_levels_are(run: Run, coded: Path) -> None:
    text = " ".join(run("info", coded).out.split())
    assert (
        "decoded values estimate the mean of decibels; encode --radiometry would allow decode --unbiased"
        in text
    )
    assert re.search(r"rate level \d+ \(0 is the coarsest\)", text)


def test_info_names_a_mask_that_was_not_declared(run: Run, scene: Path, tmp_path: Path) -> None:
    with rasterio.open(scene) as source:
        values, profile = source.read(1), source.profile
    values[:34, :] = 2
    with rasterio.open(tmp_path / "sea.tif", "w", **profile) as target:
        target.write(values, 1)
    assert run("encode", tmp_path / "sea.tif", "-j", "1").code == 0
    (band,) = run("info", tmp_path / "sea.sarc", "--json").document["bands"]
    assert band["masked"] == [{"value": 2, "share": 0.25, "constant": True}]
    assert (
        "constant areas of value 2, 25.0 % of the pixels, kept exactly"
        in run("info", tmp_path / "sea.sarc").out
    )
    assert run("decode", tmp_path / "sea.sarc", "-o", tmp_path / "back.tif", "-j", "1").code == 0
    with rasterio.open(tmp_path / "back.tif") as source:
        assert ((source.read(1) == 2) == (values == 2)).all()
    damaged(tmp_path / "sea.sarc", tmp_path / "bad.sarc")
    assert run("info", tmp_path / "bad.sarc").code == 0


def test_test_prints_ok_for_every_whole_file(run: Run, coded: Path) -> None:
    done = run("test", coded, coded)
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{coded}: OK, 1 tile\n" * 2


def test_test_looks_at_all_files_and_names_the_damaged_one(run: Run, coded: Path, tmp_path: Path) -> None:
    bad = damaged(coded, tmp_path / "bad.sarc")
    done = run("test", bad, coded, "--json")
    assert done.code == 5
    assert_two_lines(done.err)
    assert "bad.sarc: tile row 0, column 0" in done.err
    assert [(r["ok"], r["exit_code"]) for r in done.document] == [(False, 5), (True, 0)]


def test_models_lists_the_default_first_with_its_size(run: Run) -> None:
    first, *others = run("models", "--json").document
    assert first["id"] == "lapped16"
    assert first["default"] is True
    assert not any(model["default"] for model in others)
    assert first["bytes"] == Path(first["path"]).stat().st_size
    assert 100_000 < first["parameters"] < first["bytes"]
    assert run("models").out.startswith("lapped16 (default): ")


def test_simulate_writes_the_scene_it_tells_of(run: Run, tmp_path: Path) -> None:
    done = run("simulate", tmp_path / "s.tif", "--size", "90x70", "--bands", "VV,VH", "--json")
    assert (done.document["width"], done.document["height"], done.document["bands"]) == (90, 70, ["VV", "VH"])
    with rasterio.open(tmp_path / "s.tif") as source:
        assert (source.width, source.height, source.count) == (90, 70, 2)


def test_demo_reports_the_error_between_its_files(run: Run, tmp_path: Path) -> None:
    done = run("demo", "-o", tmp_path / "d", "--size", 128, "--bpp", 0.5, "--json")
    assert (done.code, done.err) == (0, "")
    with rasterio.open(tmp_path / "d/scene.tif") as a, rasterio.open(tmp_path / "d/decoded.tif") as b:
        before, after = a.read(1).astype(float), b.read(1).astype(float)
    before, after = before[before > 0], after[before > 0]
    rmse = np.sqrt(np.mean((20 * np.log10(after / before)) ** 2))
    assert done.document["rmse_db"] == pytest.approx(rmse, abs=1e-4)
    bias = 10 * np.log10((after**2).mean() / (before**2).mean())
    assert done.document["mean_power_bias_db"] == pytest.approx(bias, abs=1e-4)
    assert done.document["bytes"] == (tmp_path / "d/scene.sarc").stat().st_size
    assert (tmp_path / "d/comparison.png").read_bytes()[:4] == b"\x89PNG"


BENCH = ("--vs", "jpeg2000,zstd-cog", "--bpp", "0.8,0.4", "--no-speed")


def test_bench_writes_a_report_with_whole_file_rates(run: Run, scene: Path, tmp_path: Path) -> None:
    done = run("bench", scene, "-o", tmp_path / "r", *BENCH, "--json")
    assert (done.code, done.err) == (0, "")
    document = done.document
    assert document == json.loads((tmp_path / "r/bench.json").read_text())
    assert [(p["codec"], p["wanted_bpp"]) for p in document["points"]] == [
        ("sarcodec", 0.4), ("sarcodec", 0.8), ("jpeg2000", 0.4), ("jpeg2000", 0.8), ("zstd-cog", None)
    ]  # fmt: skip
    assert all(p["bpp"] == 8 * p["bytes"] / (WIDTH * HEIGHT) for p in document["points"])
    assert [row["test"] for row in document["bd_rate"]] == ["sarcodec"]
    names = {path.name for path in (tmp_path / "r").iterdir()}
    assert {"report.html", "bench.json", "points.csv", "rd.png", "crop-1-original.png"} <= names


def test_bench_says_what_it_found(run: Run, scene: Path, tmp_path: Path) -> None:
    done = run("bench", scene, "-o", tmp_path / "r", *BENCH)
    assert (done.code, done.err) == (0, "")
    assert "BD-rate" in done.out
    assert str(tmp_path / "r" / "report.html") in done.out


def test_bench_does_not_replace_a_report_unasked(run: Run, scene: Path, tmp_path: Path) -> None:
    (tmp_path / "bench.json").write_text("mine")
    done = run("bench", scene, "-o", tmp_path, *BENCH)
    assert (done.code, done.out) == (8, "")
    assert_two_lines(done.err)
    assert (tmp_path / "bench.json").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["bench.json"]


def test_bench_compares_two_dates(run: Run, tmp_path: Path) -> None:
    for date in "01":
        run("simulate", tmp_path / f"{date}.tif", "--size", 128, "--date", date)
    pair = f"{tmp_path / '0.tif'},{tmp_path / '1.tif'}"
    options = ("--vs", "none", "--bpp", 0.8, "--no-speed", "--json")
    done = run("bench", "--pair", pair, "-o", tmp_path / "r", *options)
    assert [scene["name"] for scene in done.document["scenes"]] == ["0 VV", "1 VV"]
    found = [point["measures"]["change_iou"] for point in done.document["points"]]
    assert found[0] is None
    assert 0 <= found[1] <= 1


class FakeLoop:
    """Stands in for `sarcodec.train.loop`, which takes long to import and longer to run."""

    def __init__(self) -> None:
        self.calls: list[tuple[Path, object, float]] = []

    def train(self, data: Path, out: Path, settings: Any, *, max_minutes: float, progress: Any) -> int:
        self.calls.append((data, settings, max_minutes))
        progress(20, {"loss": 9.0, "bpp": 0.25, "hyper_bpp": 0.01, "rmse_db": 1.5})
        rows = ["step,loss,bpp,rmse_db", "200,9,0.3,1.6", "400,8,0.2,1.5"]
        (out / "log.csv").write_text("\n".join(rows) + "\n")
        return 20


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> FakeLoop:
    needed("compressai")
    fake = FakeLoop()
    monkeypatch.setitem(sys.modules, "sarcodec.train.loop", fake)
    monkeypatch.setattr("sarcodec.train.loop", fake, raising=False)
    return fake


def test_training_without_compressai_is_refused_with_what_to_install(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "compressai", None)
    done = run("train", tmp_path, "-o", tmp_path / "run")
    assert done.code == 2
    assert "needs the package compressai" in done.err
    assert 'pip install "sarcodec[train]"' in done.err
    assert list(tmp_path.iterdir()) == []


def test_what_trains_no_network_needs_no_compressai() -> None:
    script = (
        "import sys\n"
        "sys.modules['compressai'] = None\n"
        "from sarcodec.train import checkpoint, config, curves, data, pack, split, ssim, unet\n"
        "from sarcodec.errors import UsageError\n"
        "try:\n"
        "    from sarcodec.train import loop\n"
        "except UsageError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert 'pip install "sarcodec[train]"' in done.stdout


def test_train_packs_a_folder_once_and_draws_curves(
    run: Run, loop: FakeLoop, scene: Path, tmp_path: Path
) -> None:
    data, out = tmp_path / "data" / "grd", tmp_path / "run"
    data.mkdir(parents=True)
    (data / "a.tif").write_bytes(scene.read_bytes())
    options = (
        "--steps",
        20,
        "--batch",
        2,
        "--crop",
        128,
        "--lr",
        1e-3,
        "--seed",
        4,
        "--device",
        "cpu",
        "--bf16",
    )
    first = run("train", data.parent, "-o", out, *options, "--max-minutes", 2)
    second = run("train", data.parent, "-o", out, *options)
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert "1 scenes -> " in first.out
    assert first.out.endswith(f"{out}  step 20 of 20  0.250 bpp  RMSE 1.500 dB\n")
    assert "remove it to pack" in second.out
    wanted = replace(default(), steps=20, batch=2, crop=128, lr=1e-3, seed=4, device="cpu", bf16=True)
    assert loop.calls == [(out / "scenes.npy", wanted, 2), (out / "scenes.npy", wanted, np.inf)]
    assert (out / "curves.png").read_bytes()[:4] == b"\x89PNG"


def test_train_looks_at_its_files_before_it_begins(run: Run, loop: FakeLoop, tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    export = ("--export", tmp_path / "mine")
    assert run("train", tmp_path, "-o", tmp_path / "run", *export).code == 8
    assert run("train", tmp_path, "-o", tmp_path / "run", "--init", tmp_path / "nix").code == 3
    assert loop.calls == []
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_quiet_says_nothing_on_success(run: Run, scene: Path, coded: Path, tmp_path: Path) -> None:
    for arguments in (
        ("encode", scene, "-o", tmp_path / "a.sarc"),
        ("decode", coded, "-o", tmp_path / "a.tif"),
        ("test", coded),
        ("simulate", tmp_path / "s.tif", "--size", 64),
    ):
        done = run(*arguments, "--quiet")
        assert (done.code, done.out, done.err) == (0, "", "")


def test_progress_is_shown_on_a_terminal_and_only_on_stderr(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = start(
        "simulate", tmp_path / "s.tif", "--size", "64x2048", stdout=subprocess.PIPE, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux says so once the other side is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    out, _ = process.communicate()
    assert process.returncode == 0
    assert b"simulate" in shown
    assert out.count(b"\n") == 1
    assert b"\x1b" not in out


# --- exit codes


def damaged(coded: Path, to: Path) -> Path:
    """A copy with one wrong byte in the middle of its only tile."""
    data = bytearray(coded.read_bytes())
    with coded.open("rb") as file:
        reader = Reader(file)
        data[len(reader.header.to_bytes()) + reader.tile_size(0, 0) // 2] ^= 0x10
    to.write_bytes(data)
    return to


def altered(coded: Path, to: Path, at: int, value: int) -> Path:
    data = bytearray(coded.read_bytes())
    data[at] = value
    to.write_bytes(data)
    return to


@pytest.mark.parametrize(
    "arguments",
    [
        ("encode", "{tif}", "-q", 50, "--bpp", 0.2),
        ("encode", "{tif}", "--rmse-db", 1, "--bpp", 0.2),
        ("encode", "{tif}", "-q", 101),
        ("encode", "{tif}", "--bpp", 0),
        ("encode", "{tif}", "--bpp", "nan"),
        ("encode", "{tif}", "--scale", "loud"),
        ("encode", "{tif}", "-j", 0, "-f"),
        ("encode", "{tif}", "-o", "{tif}", "-f"),
        ("encode",),
        ("encode", "{tif}", "--nix"),
        ("decode", "{sarc}", "-o", "{new}", "--window", "0,0,10"),
        ("decode", "{sarc}", "-o", "{new}", "--window", "0,0,10,0"),
        ("decode", "{sarc}", "-o", "{new}", "--window", "0,0,10,500"),
        ("decode", "{sarc}", "-o", "{new}", "--co", "COMPRESS"),
        ("decode", "{sarc}", "-o", "{new}", "--co", "COMPRESS=NIX"),
        ("bench", "{tif}", "-o", "{new}", "--bpp", "0.1,x"),
        ("bench", "{tif}", "-o", "{new}", "--vs", "jpeg2001"),
        ("bench", "{tif}", "-o", "{new}", "--vs", ","),
        ("bench", "{tif}", "-o", "{new}", "--pair", "{tif}"),
        ("train", "{tif}", "-o", "{new}", "--crop", 100),
        ("nix",),
    ],
)
def test_usage_errors_exit_2(
    run: Run, scene: Path, coded: Path, tmp_path: Path, arguments: tuple[object, ...]
) -> None:
    names = {"tif": scene, "sarc": coded, "new": tmp_path / "new"}
    done = run(*(str(a).format(**names) for a in arguments))
    assert (done.code, done.out) == (2, "")
    assert_two_lines(done.err)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["encode", "decode", "info", "test"])
def test_a_missing_input_exits_3(run: Run, tmp_path: Path, command: str) -> None:
    done = run(command, tmp_path / "nix")
    assert (done.code, done.out) == (3, "")
    assert_two_lines(done.err)
    assert "nix" in done.err


def test_what_is_no_raster_exits_3(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_text("not a raster")
    done = run("encode", tmp_path / "a.tif")
    assert done.code == 3
    assert_two_lines(done.err)
    assert run("train", tmp_path / "nix", "-o", tmp_path / "run").code == 3


@pytest.mark.parametrize("command", ["decode", "info", "test"])
def test_what_is_no_sarc_file_exits_4(run: Run, scene: Path, tmp_path: Path, command: str) -> None:
    copy = tmp_path / "a.dat"
    copy.write_bytes(scene.read_bytes())
    done = run(command, copy)
    assert (done.code, done.out) == (4, "")
    assert_two_lines(done.err)
    assert [p.name for p in tmp_path.iterdir()] == ["a.dat"]


@pytest.mark.parametrize("command", ["decode", "info", "test"])
def test_a_cut_file_exits_4(run: Run, coded: Path, tmp_path: Path, command: str) -> None:
    (tmp_path / "a.sarc").write_bytes(coded.read_bytes()[:-7])
    assert run(command, tmp_path / "a.sarc").code == 4


@pytest.mark.parametrize("command", ["decode", "test"])
def test_a_damaged_tile_exits_5_and_is_named(run: Run, coded: Path, tmp_path: Path, command: str) -> None:
    done = run(command, damaged(coded, tmp_path / "a.sarc"))
    assert done.code == 5
    assert_two_lines(done.err)
    assert "tile row 0, column 0" in done.err
    assert [p.name for p in tmp_path.iterdir()] == ["a.sarc"]


def test_a_damaged_index_exits_5(run: Run, tmp_path: Path) -> None:
    whole = GOLDEN / "two_tiles.sarc"
    data = whole.read_bytes()
    bad = altered(whole, tmp_path / "a.sarc", len(data) - FOOTER.size - 1, data[-FOOTER.size - 1] ^ 1)
    assert run("info", bad).code == 5


def test_a_newer_format_exits_6(run: Run, coded: Path, tmp_path: Path) -> None:
    done = run("info", altered(coded, tmp_path / "a.sarc", 8, 2))
    assert done.code == 6
    assert "newer" in done.err


@pytest.mark.parametrize("command", ["encode", "decode", "test"])
def test_an_unknown_model_exits_6(run: Run, scene: Path, coded: Path, tmp_path: Path, command: str) -> None:
    source = scene if command == "encode" else coded
    output = [] if command == "test" else ["-o", tmp_path / "out"]
    done = run(command, source, *output, "--model", "nix")
    assert done.code == 6
    assert "lapped16" in done.err
    assert_two_lines(done.err)
    assert list(tmp_path.iterdir()) == []


def test_too_many_bands_exit_7(run: Run, tmp_path: Path) -> None:
    profile = {"driver": "GTiff", "width": 8, "height": 8, "count": 65, "dtype": "uint8"}
    transform = rasterio.Affine(1, 0, 5, 0, -1, 5)
    with rasterio.open(tmp_path / "a.tif", "w", **profile, transform=transform) as sink:
        sink.write(np.full((65, 8, 8), 9, np.uint8))
    done = run("encode", tmp_path / "a.tif")
    assert done.code == 7
    assert_two_lines(done.err)
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


@pytest.mark.parametrize("command", ["encode", "decode", "simulate", "demo"])
def test_an_existing_output_exits_8_and_stays(
    run: Run, scene: Path, coded: Path, tmp_path: Path, command: str
) -> None:
    mine = tmp_path / ("scene.sarc" if command == "encode" else "scene.tif")
    mine.write_bytes(b"mine")
    arguments = {
        "encode": (scene, "-o", mine),
        "decode": (coded, "-o", mine),
        "simulate": (mine, "--size", 64),
        "demo": ("-o", tmp_path, "--size", 64),
    }[command]
    done = run(command, *arguments)
    assert (done.code, done.out) == (8, "")
    assert_two_lines(done.err)
    assert "-f" in done.err
    assert mine.read_bytes() == b"mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_force_replaces_an_existing_output(run: Run, coded: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.tif"
    mine.write_bytes(b"mine")
    assert run("decode", coded, "-o", mine, "-f").code == 0
    assert mine.read_bytes()[:2] == b"II"


@pytest.mark.parametrize("command", ["encode", "decode", "simulate"])
def test_a_missing_folder_exits_9(run: Run, scene: Path, coded: Path, tmp_path: Path, command: str) -> None:
    out = tmp_path / "no" / ("a.sarc" if command == "encode" else "a.tif")
    arguments = {"encode": (scene, "-o", out), "decode": (coded, "-o", out), "simulate": (out,)}[command]
    done = run(command, *arguments)
    assert done.code == 9
    assert_two_lines(done.err)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_exits_9(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert run("bench", "-o", tmp_path / "file").code == 9
    assert run("demo", "-o", tmp_path / "file" / "sub").code == 9


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(api, "decode", fail)


@pytest.mark.parametrize(
    "kind", [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.SarcError)]
)
def test_every_error_of_the_package_ends_in_its_code_and_two_lines(
    run: Run, monkeypatch: pytest.MonkeyPatch, kind: type[errors.SarcError]
) -> None:
    raising(monkeypatch, kind("something is wrong,\n here"))
    done = run("decode", "a.sarc")
    assert done.code == kind.exit_code
    assert done.code in EXIT_CODES
    name = "a.sarc: " if issubclass(kind, errors.FormatError) else ""
    assert done.err.startswith(f"sarcodec: error: {name}something is wrong, here\n")
    assert_two_lines(done.err)


def test_any_other_exception_exits_1_and_asks_for_debug(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, ZeroDivisionError("oh"))
    done = run("decode", "a.sarc")
    assert (done.code, done.out) == (1, "")
    assert_two_lines(done.err)
    assert "ZeroDivisionError: oh" in done.err
    assert "--debug" in done.err


@pytest.mark.parametrize("arguments", [("--debug", "decode", "a.sarc"), ("decode", "a.sarc", "--debug")])
def test_debug_shows_the_traceback_wherever_it_stands(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    raising(monkeypatch, errors.VerifyError("bad"))
    done = run(*arguments)
    assert done.code == 10
    assert "Traceback" in done.err
    assert done.err.endswith("\n".join(["sarcodec: error: bad", *done.err.splitlines()[-1:], ""]))


def test_a_file_may_be_named_like_an_option_after_two_dashes(run: Run) -> None:
    assert "--debug" in run("info", "--", "--debug").err


def test_an_interrupt_in_this_process_exits_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, KeyboardInterrupt())
    done = run("decode", "a.sarc")
    assert done.code == 130
    assert_two_lines(done.err)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_a_command_and_leave_nothing_behind(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    process = start("simulate", tmp_path / "big.tif", "--size", 20000, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert list(tmp_path.iterdir())
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert_two_lines(err.decode())
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away_ends_the_command_quietly(coded: Path) -> None:
    process = start("info", coded, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(30), err) == (141, b"")


@pytest.mark.parametrize("arguments", [["--help"], ["encode", "--help"], ["--version"]])
def test_help_for_a_reader_that_goes_away_is_done(arguments: list[str]) -> None:
    process = start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(30), err) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_standard_output_is_no_word_against_the_file(scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.sarc"
    with Path("/dev/full").open("w") as full:
        process = start("encode", scene, "-o", out, "--model", TOY, stdout=full, stderr=subprocess.PIPE)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 9
    assert_two_lines(err.decode())
    assert "standard output could not be written" in err.decode()
    assert "Nothing was left behind" not in err.decode()
    assert main(["test", str(out), "--model", TOY, "--quiet"]) == 0


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_change_neither_exit_code_nor_file(
    scene: Path, tmp_path: Path, closed: str
) -> None:
    out = tmp_path / "a.sarc"
    for arguments, code in ((f"encode {scene} -o {out} --model {TOY}", 0), (f"info {scene}", 4), ("no", 2)):
        done = subprocess.run(
            ["sh", "-c", f"exec {sys.executable} -m sarcodec {arguments} {closed}"],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            check=False,
        )
        assert done.returncode == code, arguments
    assert main(["test", str(out), "--model", TOY, "--quiet"]) == 0


def test_no_arguments_show_the_help(run: Run) -> None:
    done = run()
    assert done.code == 0
    assert "encode" in done.out
    assert "Exit codes" in done.out


# --- formatting


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (9994, "9.99 kB"),
        (9996, "10.0 kB"),
        (99_940, "99.9 kB"),
        (99_960, "100 kB"),
        (999_499, "999 kB"),
        (999_600, "1.00 MB"),
        (41_200_000, "41.2 MB"),
        (1_600_000_000, "1.60 GB"),
    ],
)
def test_sizes_have_three_digits(count: int, text: str) -> None:
    assert console.size_text(count) == text


def test_numbers_that_json_lacks_are_texts(capsys: pytest.CaptureFixture[str]) -> None:
    console.say_json({"a": [float("nan"), float("-inf")], "p": Path("x"), "t": (1, True, None)})
    assert json.loads(capsys.readouterr().out) == {"a": ["nan", "-inf"], "p": "x", "t": [1, True, None]}


# --- docs/cli.md


def page() -> str:
    return (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def test_the_page_is_up_to_date() -> None:
    assert reference.replaced(page()) == page(), "run: python -m sarcodec.cli.reference docs/cli.md"


def test_the_page_gives_every_limit_with_its_default() -> None:
    rows = [line.split("|")[1:3] for line in page().split("\n## Limits\n")[1].split("\n## ")[0].splitlines()]
    told = {row[0].strip(" `"): row[1].strip() for row in rows if len(row) == 2 and "`" in row[0]}
    assert told == {name: str(getattr(limits.DEFAULT, name)) for name in limits.SETTABLE}


def test_the_page_names_every_option_that_help_names(run: Run) -> None:
    text = page()
    for name, command in reference.commands().items():
        section = text.split(f"## sarcodec {name}\n")[1].split("\n## ")[0]
        shown = run(name, "--help").out
        for parameter in reference.parameters(command.callback):
            for option in parameter.names.split(", "):
                assert option.strip("[].") in shown
                assert option in section


def test_documented_json_keys_are_those_printed(run: Run, scene: Path, coded: Path, tmp_path: Path) -> None:
    documented = {}
    for line in page().splitlines():
        cells = line.split("|")
        if len(cells) == 4 and cells[1].strip("` ") in reference.commands():
            documented[cells[1].strip("` ")] = set(cells[2].split("`")[1::2])
    arguments: dict[str, tuple[object, ...]] = {
        "encode": (scene, "-o", tmp_path / "a.sarc"),
        "decode": (coded, "-o", tmp_path / "a.tif"),
        "extract": (coded, "-o", tmp_path / "b.sarc"),
        "info": (coded,),
        "test": (coded,),
        "models": (),
        "simulate": (tmp_path / "s.tif", "--size", 64),
        "demo": ("-o", tmp_path / "d", "--size", 64, "--bpp", 1),
        "bench": (scene, "-o", tmp_path / "r", "--bpp", 0.5, "--vs", "none", "--no-speed"),
    }
    assert set(documented) == set(arguments)
    for command, rest in arguments.items():
        document = run(command, *rest, "--json").document
        keys = set(document[0] if isinstance(document, list) else document)
        assert documented[command] <= keys
        assert command == "models" or keys <= documented[command]


def test_sigterm_just_as_a_command_ends_is_its_exit_code_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes while the handler for it is about to be put back, where no `except` of the command is left."""

    @contextmanager
    def late(*, debug: bool) -> Iterator[None]:
        yield
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(guard, "_warnings_shown", late)
    before = signal.getsignal(signal.SIGTERM)
    assert guard.guarded(lambda: 0, debug=False) == 143
    assert signal.getsignal(signal.SIGTERM) == before
