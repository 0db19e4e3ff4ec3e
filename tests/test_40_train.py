"""Training: it learns, resumes to the bit, refuses what is not finite, and ends in a working model file."""

from __future__ import annotations

import csv
import itertools
import json
import warnings
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from sarcodec.api import encode_array
from sarcodec.errors import InputError
from sarcodec.io.raster import RasterSink
from sarcodec.metadata import RasterMeta
from sarcodec.model import modelfile
from sarcodec.model.hyper import Shape
from sarcodec.model.lapped import LappedShape, LappedTransform
from sarcodec.model.residual import ResidualShape
from sarcodec.packing import INVALID, STEP_DB, ZERO_DB, from_codes, to_codes
from sarcodec.train.pack import pack_folder
from sarcodec.types import Window
from testing.needed import needed
from testing.scenes import db, decode_bytes, dn, power, rmse

needed("compressai")
with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # CompressAI's own
    from sarcodec.train import checkpoint, curves, loop, split
    from sarcodec.train.calibrate import calibrate
    from sarcodec.train.config import Settings
    from sarcodec.train.data import UNIT_DB, PackedScenes
    from sarcodec.train.network import SarNet
    from sarcodec.train.recipes import Loss, loss_of, recipe_of

TINY = Shape(
    transform=LappedShape(wide=4, deep=4, wide_blocks=1, deep_blocks=1),
    groups=(16, 8),
    hyper=4,
    hidden=8,
    anchors=3,
)
SETTINGS = Settings(steps=12, batch=2, crop=64, lr=2e-3, warmup=3, shape=TINY)
SMALL = Shape(transform=ResidualShape(base=2), groups=(4,))
NOTES = replace(SETTINGS, recipe="notes", shape=SMALL)


def write_tif(path: Path, cube: npt.NDArray[Any], nodata: float | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    bands, height, width = cube.shape
    meta = RasterMeta(width, height, bands, cube.dtype.name, nodata=nodata)
    with RasterSink(path, meta, overwrite=False) as sink:
        for band in range(bands):
            sink.write(band, cube[band], Window(0, 0, width, height))


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


@pytest.fixture(autouse=True)
def few_crops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation on 4 crops takes next to no time."""
    monkeypatch.setattr("sarcodec.train.split.VALIDATION_CROPS", 4)


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
            return float(loss_of(net.train(), x, valid, position, bf16=False, hard=False).total)

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


RECIPES = pytest.mark.parametrize("settings", [SETTINGS, NOTES], ids=["rate-distortion", "notes"])


@RECIPES
def test_a_resumed_run_equals_an_unbroken_one_to_the_bit(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    loop.train(data, tmp_path / "whole", settings)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "time", Clock(1.0))
        reached = loop.train(data, tmp_path / "parts", settings, max_minutes=0.2)
    assert 2 < reached < 9  # before the encoder's choices are trained with
    assert loop.train(data, tmp_path / "parts", settings) == 12
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")
    assert checkpoint.settings_of(tmp_path / "whole" / "checkpoint.safetensors")["batch"] == 2


@RECIPES
@pytest.mark.parametrize("seed", range(2))
def test_a_run_killed_at_any_moment_ends_with_the_weights_of_an_unbroken_one(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings, seed: int
) -> None:
    """Stopped at random steps, saved at random steps, validated on the way and with a skipped batch."""
    rng = np.random.default_rng(seed)
    settings = replace(settings, holdout=0.3, validate_every=2, skips_share=1.0)
    monkeypatch.setattr(loop, "TELL_EVERY", 1)
    monkeypatch.setattr(loop, "LOG_EVERY", 3)
    bad = int(rng.integers(12))
    loss = type(recipe_of(settings)).loss

    def spoiled(self: Any, x: Tensor, valid: Tensor, source: np.random.Generator, step: int) -> Any:
        found = loss(self, x, valid, source, step)
        found.total = found.total * float("nan") if step == bad and x.shape[0] == 2 else found.total
        return found

    monkeypatch.setattr(type(recipe_of(settings)), "loss", spoiled)
    loop.train(data, tmp_path / "whole", settings)
    for _ in range(3):
        until = int(rng.integers(1, 13))

        def stop(step: int, _figures: dict[str, float], until: int = until) -> None:
            if step >= until:
                raise KeyboardInterrupt

        part = replace(settings, save_minutes=float(rng.choice([0.0, 1.0])))
        with monkeypatch.context() as patch:
            patch.setattr(loop, "time", Clock(float(rng.uniform(5, 15))))
            with suppress(KeyboardInterrupt):
                loop.train(data, tmp_path / "parts", part, progress=stop)
    loop.train(data, tmp_path / "parts", settings)
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")
    assert without_minutes(tmp_path / "whole") == without_minutes(tmp_path / "parts")
    best = [load_file(tmp_path / run / "best.safetensors") for run in ("whole", "parts")]
    assert all(torch.equal(best[0][name], best[1][name]) for name in best[0])


def assert_same_weights(first: Path, second: Path) -> None:
    one, other = state(first), state(second)
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def without_minutes(run: Path) -> list[list[str]]:
    """Steps and figures of the validation, and the steps of the log."""
    rows = list(csv.reader((run / "validation.csv").read_text().splitlines()))
    log = csv.DictReader((run / "log.csv").read_text().splitlines())
    return [row[:1] + row[2:] for row in rows] + [[row["step"] for row in log]]


def poison(monkeypatch: pytest.MonkeyPatch, steps: Collection[int], where: str) -> None:
    """Make batches, or only the gradients of them, NaN: those of the `steps`-th calls."""
    whole, calls = PackedScenes.batch, itertools.count()

    def batch(self: PackedScenes, size: int, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        x, valid = whole(self, size, *args, **kwargs)
        if where == "batch" and size == 2 and next(calls) in steps:
            x[1, 0, 5, 7] = float("nan")
        return x, valid

    monkeypatch.setattr(PackedScenes, "batch", batch)
    if where == "gradient":
        clip = torch.nn.utils.clip_grad_norm_
        rounds = itertools.count()

        def spoiled(parameters: list[Tensor], most: float) -> Tensor:
            norm = clip(parameters, most)
            return norm * float("nan") if next(rounds) in steps else norm

        monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", spoiled)


@RECIPES
@pytest.mark.parametrize("where", ["batch", "gradient"])
def test_a_batch_that_is_not_finite_is_skipped_and_counted(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings, where: str
) -> None:
    settings = replace(settings, steps=6, save_minutes=0.0)
    skipped: list[float] = []
    weights: dict[int, dict[str, Tensor]] = {}

    def tell(step: int, figures: dict[str, float]) -> None:
        skipped.append(figures["skipped"])
        if step > 1:  # told before the weights of this step are saved
            weights[step - 1] = state(tmp_path / "run")

    monkeypatch.setattr(loop, "TELL_EVERY", 1)
    monkeypatch.setattr(loop, "LOG_EVERY", 6)
    with monkeypatch.context() as patch:
        poison(patch, {3}, where)
        assert loop.train(data, tmp_path / "run", settings, progress=tell) == 6
    assert skipped == [0, 0, 0, 1, 1, 1]
    before, after = weights[3], weights[4]
    assert [name for name in before if not torch.equal(before[name], after[name])] == []
    end = state(tmp_path / "run")
    assert any(not torch.equal(after[name], end[name]) for name in end)
    assert all(bool(tensor.isfinite().all()) for tensor in end.values())
    rows = list(csv.DictReader((tmp_path / "run" / "log.csv").read_text().splitlines()))
    assert [(row["step"], row["skipped"]) for row in rows] == [("6", "1")]
    assert float(rows[0]["loss"]) > 0
    assert checkpoint.state_of(tmp_path / "run" / "checkpoint.safetensors")["skipped"] == 1


@RECIPES
def test_a_run_without_a_finite_batch_stops_and_keeps_its_last_good_weights(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    run = tmp_path / "run"
    loop.train(data, run, replace(settings, steps=1))
    before = (run / "checkpoint.safetensors").read_bytes()
    poison(monkeypatch, range(1000), "batch")
    with pytest.raises(loop.UnstableError, match="in 5 of 6 batches, 5 of them in a row") as caught:
        loop.train(data, run, replace(settings, steps=300, skips_in_a_row=4))
    assert "learning rate" in caught.value.hint and caught.value.exit_code == 3
    assert (run / "checkpoint.safetensors").read_bytes() == before


def test_too_large_a_share_of_skipped_batches_stops_a_run(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "FIRST_JUDGED", 8)
    poison(monkeypatch, {0, 4, 8, 9}, "batch")
    with pytest.raises(loop.UnstableError, match="in 3 of 9 batches, 1 of them in a row"):
        loop.train(data, tmp_path / "run", replace(NOTES, steps=12, skips_share=0.25))


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
        csv.writer(file).writerows([["step", "loss", "bpp"], *[[n, 2 / n, 0.5] for n in (200, 400)]])
    assert curves.draw(tmp_path).read_bytes().startswith(b"\x89PNG")


def test_learning_rates_rise_then_fall() -> None:
    rates = [loop.learning_rate(SETTINGS, step) for step in range(SETTINGS.steps)]
    assert rates[:3] == sorted(rates[:3]) and rates[3:] == sorted(rates[3:], reverse=True)
    assert max(rates) == pytest.approx(SETTINGS.lr)
    constant = replace(SETTINGS, schedule="constant")
    assert [loop.learning_rate(constant, step) for step in (0, 2, 3, 11)] == pytest.approx(
        [SETTINGS.lr / 3, SETTINGS.lr, SETTINGS.lr, SETTINGS.lr]
    )


def test_a_run_without_a_better_validation_ends_early_and_keeps_its_best(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([3.0, 1.0, 2.0, 1.5, 0.5])
    monkeypatch.setattr(
        type(recipe_of(NOTES)), "validate", lambda *_: Loss(torch.tensor(next(losses)), {"psnr": 1.0})
    )
    settings = replace(NOTES, holdout=0.3, validate_every=2, patience=2, batch=split.VALIDATION_CROPS)
    assert loop.train(data, tmp_path / "run", settings) == 8
    with safe_open(tmp_path / "run" / "best.safetensors", "pt") as best:
        assert best.metadata()["step"] == "4"
    rows = list(csv.DictReader((tmp_path / "run" / "validation.csv").read_text().splitlines()))
    assert [float(row["loss"]) for row in rows] == [3.0, 1.0, 2.0, 1.5]
    assert loop.train(data, tmp_path / "run", settings) == 8  # it is over


def test_where_a_compiler_fails_the_run_goes_on_without(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def compile_badly(part: torch.nn.Module) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("no C++ compiler")

        part._compiled_call_impl = fail

    loop.train(data, tmp_path / "plain", replace(NOTES, steps=2))
    monkeypatch.setattr(torch.nn.Module, "compile", compile_badly)
    loop.train(data, tmp_path / "compiled", replace(NOTES, steps=2, compile=True))
    assert "not compiled: no C++ compiler" in caplog.text
    assert_same_weights(tmp_path / "plain", tmp_path / "compiled")


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
    transform = modelfile.load(path).transform
    assert isinstance(transform, LappedTransform) and set(transform.overviews) == {4, 8, 16}
    scene = dn((100, 90), 9)
    coded = encode_array(scene, model=str(path), quality=70, jobs=1)
    back = decode_bytes(coded, str(path))
    assert back.dtype == scene.dtype
    assert rmse(db(back[0]), db(scene)) < db(scene).std()
