"""`sarcodec train` as a command: configurations, what a run leaves, and a child that is killed."""

from __future__ import annotations

import csv
import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from safetensors.torch import load_file

from sarcodec.cli import main
from sarcodec.cli import train as command
from sarcodec.packing import to_codes
from testing.commands import finish, fork
from testing.files import UTM, tiff
from testing.needed import needed
from testing.scenes import dn

needed("compressai")
CONFIG = """
[model]
{model}
hyper = 4
hidden = 8
anchors = 3

[recipe]
name = "{recipe}"
lr = 2e-3
warmup = 3

[data]
crop = 64
batch = 2
holdout = 0.3

[run]
steps = {steps}
validate_every = 4
save_minutes = 0
"""
NOTES = {"recipe": "notes", "model": 'family = "residual"\nbase = 2\ngroups = [4]'}
LAPPED = {
    "recipe": "rate-distortion",
    "model": "groups = [8]\nwide = 4\ndeep = 4\nwide_blocks = 1\ndeep_blocks = 1",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packed scenes of four places."""
    path = tmp_path_factory.mktemp("train") / "packed.npy"
    rng = np.random.default_rng(1)
    names, side = ("a.tif", "b.tif", "c.tif", "d.tif"), 80
    codes = to_codes(rng.normal(-12, 4, (len(names), side, side)).astype(np.float32))
    np.save(path, codes.ravel())
    sizes = {"band": 1, "cls": "grd", "height": side, "width": side}
    rows = [{"name": name, "offset": n * side * side, **sizes} for n, name in enumerate(names)]
    path.with_suffix(".json").write_text(json.dumps(rows))
    return path


@pytest.fixture(autouse=True)
def few_crops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation on 4 crops takes next to no time."""
    monkeypatch.setattr("sarcodec.train.split.VALIDATION_CROPS", 4)


def config(folder: Path, recipe: dict[str, str], steps: int) -> Path:
    path = folder / f"{recipe['recipe']}-{steps}.toml"
    path.write_text(CONFIG.format(**recipe, steps=steps))
    return path


def train(data: Path, run: Path, file: Path, *more: object) -> list[str]:
    return ["train", str(data), "-o", str(run), "--config", str(file), "--device", "cpu", *map(str, more)]


def test_a_configured_run_leaves_weights_logs_and_pictures(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sarcodec.train.loop.LOG_EVERY", 2)
    run = tmp_path / "run"
    assert main(train(data, run, config(tmp_path, NOTES, 99), "--steps", 8)) == 0
    assert capsys.readouterr().out == f"{run}  step 8 of 8\n"
    assert sorted(path.name for path in run.iterdir()) == [
        "best.safetensors",
        "checkpoint.safetensors",
        "curves.png",
        "log.csv",
        "samples.png",
        "validation.csv",
    ]
    rows = list(csv.DictReader((run / "log.csv").read_text().splitlines()))
    assert [row["step"] for row in rows] == ["2", "4", "6", "8"]
    assert list(rows[0]) == [
        *("step", "minutes", "loss", "mse", "ssim", "psnr", "rmse_db", "skipped", "lr"),
    ]
    best, last = (load_file(run / f"{name}.safetensors") for name in ("best", "checkpoint"))
    assert best.keys() == {name for name in last if name.startswith("net/")}

    # the rate-distortion recipe goes on from those transforms
    codec = tmp_path / "codec"
    plain = NOTES | {"recipe": "rate-distortion"}
    start = ("--init", run / "best.safetensors", "--steps", 1)
    assert main(train(data, codec, config(tmp_path, plain, 9), *start)) == 0
    taken = load_file(codec / "checkpoint.safetensors")
    moved = [
        float((taken[name] - best[name]).abs().max())
        for name in best
        if name.startswith(("net/g_a", "net/g_s"))
    ]
    assert 0 < max(moved) <= 2e-3  # one step of Adam


@pytest.mark.parametrize("recipe", [NOTES, LAPPED], ids=lambda recipe: recipe["recipe"])
def test_a_killed_process_resumes_to_the_weights_of_an_unbroken_run(
    data: Path, tmp_path: Path, recipe: dict[str, str]
) -> None:
    file = config(tmp_path, recipe, 24)
    assert main(train(data, tmp_path / "whole", file, "--quiet")) == 0
    run = tmp_path / "parts"
    killed = 0
    for kill in range(2):
        child = fork(train(data, run, file, "--quiet"))
        before = stamp(run)
        while stamp(run) == before and not child.ended():
            time.sleep(0.001)
        time.sleep(0.02 * (kill + 1))
        child.send(signal.SIGKILL)
        finish(child)
        assert child.code in (0, -signal.SIGKILL), child.said
        killed += child.code != 0
    assert killed  # on a busy machine one may have ended before
    assert main(train(data, run, file, "--quiet")) == 0
    whole, parts = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert [name for name in whole if not torch.equal(whole[name], parts[name])] == []
    validations = [
        (tmp_path / name / "validation.csv").read_text().splitlines() for name in ("whole", "parts")
    ]
    steps = [[line.split(",")[0] for line in lines] for lines in validations]
    assert steps[0] == steps[1] == ["step", *map(str, range(4, 25, 4))]


def stamp(run: Path) -> int:
    path = run / "checkpoint.safetensors"
    return path.stat().st_mtime_ns if path.exists() else 0


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("[run]\nstepz = 3", 2, "unknown key stepz in [run]"),
        ("[run]\nsteps = 'many'", 2, "steps in [run] is 'many', not a whole number"),
        ("[recipe]\nstart_from = 'none.safetensors'", 3, "no checkpoint none.safetensors"),
        (None, 3, "cannot read"),
    ],
)
def test_a_wrong_configuration_is_one_error_and_leaves_nothing(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, code: int, said: str
) -> None:
    file = tmp_path / "c.toml"
    if text is not None:
        file.write_text(text)
    assert main(train(data, tmp_path / "run", file)) == code
    error = capsys.readouterr().err
    assert said in error and len(error.splitlines()) == 2
    assert not (tmp_path / "run").exists()


def test_a_run_without_a_rate_is_exported_with_its_best_weights_and_codes_rasters(
    data: Path, tmp_path: Path
) -> None:
    run, model = tmp_path / "run", tmp_path / "m.safetensors"
    file = config(tmp_path, NOTES, 6)  # validated at step 4
    assert main(train(data, run, file, "--export", model, "--id", "mine")) == 0
    best, last = (load_file(run / f"{name}.safetensors") for name in ("best", "checkpoint"))
    name = "g_s.net.0.weight"
    exported = load_file(model)[f"synthesis/{name}"]
    assert torch.equal(exported, best[f"net/{name}"].half())
    assert not torch.equal(exported, last[f"net/{name}"].half())
    scene, coded, back = (tmp_path / f"x{suffix}" for suffix in (".tif", ".sarc", ".back.tif"))
    tiff(scene, dn((70, 90), 3), **UTM)
    assert main(["encode", str(scene), "-o", str(coded), "--model", str(model), "-q", "80", "--quiet"]) == 0
    assert main(["decode", str(coded), "-o", str(back), "--model", str(model), "--quiet"]) == 0
    with rasterio.open(scene) as there, rasterio.open(back) as again:
        assert again.crs == there.crs and again.transform == there.transform
        assert again.read().shape == there.read().shape


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"bpp": 0.25, "rmse_db": 1.5, "skipped": 0}, "0.250 bpp  RMSE 1.500 dB"),
        ({"psnr": 20.471, "rmse_db": 2.0, "skipped": 3}, "PSNR 20.47 dB  RMSE 2.000 dB  3 batches skipped"),
    ],
)
def test_progress_says_rate_or_psnr_the_error_and_what_was_skipped(
    figures: dict[str, float], said: str
) -> None:
    assert command._summary(figures) == said
