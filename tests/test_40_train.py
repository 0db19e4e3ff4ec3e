"""Training: it learns, resumes to the bit, refuses what is not finite, and ends in a working model file."""

from __future__ import annotations

import csv
import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sarcodec.api import encode_array
from sarcodec.errors import InputError
from sarcodec.io.pack import pack_folder
from sarcodec.io.raster import RasterSink
from sarcodec.metadata import RasterMeta
from sarcodec.model.hyper import Shape
from sarcodec.packing import INVALID, STEP_DB, ZERO_DB, from_codes, to_codes
from sarcodec.types import Window
from testing.scenes import db, decode_bytes, dn, power, rmse

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # CompressAI's own
    from sarcodec.train import checkpoint, curves, loop
    from sarcodec.train.calibrate import calibrate
    from sarcodec.train.data import PackedScenes
    from sarcodec.train.network import UNIT_DB, SarNet

TINY = Shape(groups=(16, 8), wide=4, deep=4, wide_blocks=1, deep_blocks=1, hyper=4, hidden=8, anchors=3)
SETTINGS = loop.Settings(steps=12, batch=2, crop=64, lr=2e-3, warmup=3, shape=TINY)


def write_tif(path: Path, cube: npt.NDArray[Any], nodata: float | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    bands, height, width = cube.shape
    meta = RasterMeta(width, height, bands, cube.dtype.name, nodata=nodata)
    with RasterSink(path, meta, overwrite=False) as sink:
        for band in range(bands):
            sink.write(band + 1, cube[band], Window(0, 0, width, height))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes, three bands, packed; one with a nodata border."""
    folder = tmp_path_factory.mktemp("train")
    write_tif(folder / "in" / "grd" / "a.tif", np.stack([dn((150, 140), 1), dn((150, 140), 2)]))
    bordered = dn((100, 200), 3)
    bordered[:, :30] = 0
    write_tif(folder / "in" / "rtc" / "b.tif", bordered[None], nodata=0)
    assert pack_folder(folder / "in", folder / "packed.npy") == 3
    return folder / "packed.npy"


def test_codes_hold_decibels_to_half_a_step() -> None:
    values = np.linspace(ZERO_DB, 160, 4001).astype(np.float32)
    back, valid = from_codes(to_codes(values))
    assert valid.all()
    assert np.abs(back - values).max() <= STEP_DB / 2 + 5e-5
    assert not from_codes(to_codes(values) | np.uint16(INVALID))[1].any()
    assert to_codes(np.array([-1e9, 1e9], np.float32)).tolist() == [0, INVALID - 1]


def test_packed_scenes_are_the_pixels_of_the_rasters(data: Path) -> None:
    listing = json.loads(data.with_suffix(".json").read_text())
    assert [(s["name"], s["band"], s["cls"]) for s in listing] == [
        ("a.tif", 1, "grd"),
        ("a.tif", 2, "grd"),
        ("b.tif", 1, "rtc"),
    ]
    codes = np.load(data)
    assert codes.size == 2 * 150 * 140 + 100 * 200
    for entry, scene in zip(listing, (dn((150, 140), 1), dn((150, 140), 2), dn((100, 200), 3)), strict=True):
        part = codes[entry["offset"] :][: scene.size].reshape(entry["height"], entry["width"])
        values, valid = from_codes(part)
        expected = np.ones(scene.shape, bool)
        if entry["name"] == "b.tif":
            expected[:, :30] = False
        assert np.array_equal(valid, expected)
        assert np.abs(values - db(scene))[expected].max() < STEP_DB


def test_crops_are_centred_parts_of_scenes_and_depend_on_the_seed_alone(data: Path) -> None:
    scenes = PackedScenes(data, 64)
    x, valid = scenes.batch(6, np.random.default_rng(1), augment=False)
    again = scenes.batch(6, np.random.default_rng(1), augment=False)[0]
    assert x.shape == valid.shape == (6, 1, 64, 64)
    assert torch.equal(x, again)
    means = (x * valid).sum((1, 2, 3)) / valid.sum((1, 2, 3))
    assert float(means.abs().max()) < 1e-3
    assert float((x * UNIT_DB).std()) == pytest.approx(5, abs=2.5)
    turned = scenes.batch(6, np.random.default_rng(1), augment=True)[0]
    assert turned.shape == x.shape and not torch.equal(turned, x)


def test_scenes_smaller_than_a_crop_are_left_out(data: Path) -> None:
    assert len(PackedScenes(data, 101).scenes) == 2
    with pytest.raises(InputError, match="151x151"):
        PackedScenes(data, 151)
    with pytest.raises(InputError):
        PackedScenes(data.with_name("none.npy"), 64)


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    write_tif(tmp_path / "in" / "x" / "empty.tif", np.zeros((1, 40, 40), np.uint16), nodata=0)
    with pytest.raises(InputError, match="no raster with data"):
        pack_folder(tmp_path / "in", tmp_path / "out.npy")


def test_power_and_decibels_are_packed_alike(tmp_path: Path) -> None:
    linear = power((40, 50), 5).astype(np.float32)
    write_tif(tmp_path / "in" / "x" / "a_power.tif", linear[None])
    write_tif(tmp_path / "in" / "x" / "b_db.tif", 10 * np.log10(linear)[None])
    pack_folder(tmp_path / "in", tmp_path / "out.npy")
    first, second = np.split(np.load(tmp_path / "out.npy").astype(int), 2)
    assert np.abs(first - second).max() <= 1


def test_the_loss_falls(data: Path, tmp_path: Path) -> None:
    settings = replace(SETTINGS, steps=30, lr=4e-3)
    x, valid = PackedScenes(data, 64).batch(6, np.random.default_rng(3), augment=False)
    position = torch.tensor([0.2, 0.6, 1.0, 1.0, 1.4, 1.9])

    def loss(net: SarNet) -> float:
        torch.manual_seed(0)
        with torch.no_grad():
            return float(loop.loss_of(net.train(), x, valid, position, bf16=False, hard=False).total)

    assert loop.train(data, tmp_path / "start", replace(settings, steps=0)) == 0
    assert loop.train(data, tmp_path / "run", settings) == 30
    nets = []
    for run in ("start", "run"):
        net = SarNet(TINY)
        checkpoint.load(tmp_path / run / "checkpoint.safetensors", net, None)
        nets.append(net)
    assert loss(nets[1]) < 0.99 * loss(nets[0])  # the same noise: no step, no difference


class Clock:
    """Seconds that pass only when somebody looks."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def monotonic(self) -> float:
        self.now += self.step
        return self.now


def state(run: Path) -> dict[str, Tensor]:
    return load_file(run / "checkpoint.safetensors")


def test_a_resumed_run_equals_an_unbroken_one_to_the_bit(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop.train(data, tmp_path / "whole", SETTINGS)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "time", Clock(1.0))
        reached = loop.train(data, tmp_path / "parts", SETTINGS, max_minutes=0.2)
    assert 2 < reached < 8  # before and after the encoder's choices are trained with
    assert loop.train(data, tmp_path / "parts", SETTINGS) == 12
    whole, parts = state(tmp_path / "whole"), state(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    assert [name for name in whole if not torch.equal(whole[name], parts[name])] == []
    assert checkpoint.settings_of(tmp_path / "whole" / "checkpoint.safetensors")["batch"] == 2


def test_a_killed_run_resumes_from_its_last_checkpoint_to_the_bit(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SETTINGS, steps=24)
    loop.train(data, tmp_path / "whole", settings)

    def stop(_step: int, _figures: dict[str, float]) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "time", Clock(15.0))
        with pytest.raises(KeyboardInterrupt):
            loop.train(data, tmp_path / "parts", settings, progress=stop)
    step = checkpoint.load(tmp_path / "parts" / "checkpoint.safetensors", SarNet(TINY), None)
    assert 0 < step < 20
    loop.train(data, tmp_path / "parts", settings)
    whole, parts = state(tmp_path / "whole"), state(tmp_path / "parts")
    assert [name for name in whole if not torch.equal(whole[name], parts[name])] == []


def test_gradients_that_are_not_finite_end_the_run_and_leave_its_checkpoint(
    data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    loop.train(data, run, replace(SETTINGS, steps=1))
    path = run / "checkpoint.safetensors"
    poisoned = load_file(path)
    poisoned["net/g_a.lapped.weight"][0, 0, 0, 0] = float("nan")
    save_file(poisoned, path, {"step": "1", "settings": "{}"})
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="non-finite"):
        loop.train(data, run, replace(SETTINGS, steps=3))
    assert path.read_bytes() == before


def test_checkpoints_of_another_shape_or_cut_are_refused(data: Path, tmp_path: Path) -> None:
    loop.train(data, tmp_path / "run", replace(SETTINGS, steps=0))
    with pytest.raises(InputError, match="cannot resume"):
        loop.train(data, tmp_path / "run", replace(SETTINGS, shape=replace(TINY, hidden=16)))
    path = tmp_path / "run" / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="cannot resume"):
        loop.train(data, tmp_path / "run", SETTINGS)


def test_curves_are_drawn_from_the_log(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no curve"):
        curves.draw(tmp_path)
    with (tmp_path / "log.csv").open("w", newline="") as file:
        csv.writer(file).writerows([loop.COLUMNS, *[[n, 1, 2 / n, 0.5, 0.01, 1.5, 1e-3] for n in (200, 400)]])
    assert curves.draw(tmp_path).read_bytes().startswith(b"\x89PNG")


def test_learning_rates_rise_then_fall() -> None:
    rates = [loop.learning_rate(SETTINGS, step) for step in range(SETTINGS.steps)]
    assert rates[:3] == sorted(rates[:3]) and rates[3:] == sorted(rates[3:], reverse=True)
    assert max(rates) == pytest.approx(SETTINGS.lr)


def test_a_trained_net_becomes_a_model_that_encodes_and_decodes(data: Path, tmp_path: Path) -> None:
    loop.train(data, tmp_path / "run", replace(SETTINGS, steps=2))
    net = SarNet(TINY)
    checkpoint.load(tmp_path / "run" / "checkpoint.safetensors", net, None)
    ticks: list[tuple[int, int]] = []
    path = tmp_path / "tiny.safetensors"
    calibrate(
        net, PackedScenes(data, 64), path, id="tiny", crops=3, rounds=2, progress=lambda *t: ticks.append(t)
    )
    assert ticks[-1] == (6, 6)
    scene = dn((100, 90), 9)
    coded = encode_array(scene, model=str(path), quality=70, jobs=1)
    back = decode_bytes(coded, str(path))
    assert back.dtype == scene.dtype
    assert rmse(db(back[0]), db(scene)) < db(scene).std()
