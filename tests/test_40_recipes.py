"""What a run is made of: settings from files, losses by hand, splits by place, simulated speckle."""

from __future__ import annotations

import json
import math
import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from sarcodec.errors import InputError, SarcError, UsageError
from sarcodec.model.hyper import Shape
from sarcodec.model.plain import PlainShape
from sarcodec.model.residual import ResidualShape
from sarcodec.packing import to_codes
from sarcodec.train import config
from sarcodec.train.config import Settings
from sarcodec.train.ssim import ssim
from testing.needed import needed

needed("compressai")
with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # CompressAI's own
    from sarcodec.train import checkpoint, recipes
    from sarcodec.train.data import UNIT_DB, PackedScenes, Scene, respeckled
    from sarcodec.train.split import place_of, scenes_of, split, subset

CONFIGS = Path(__file__).parents[1] / "configs"
SMALL = Shape(transform=ResidualShape(base=4), groups=(4,), hyper=4, hidden=8, anchors=3)
NOTES = Settings(recipe="notes", steps=2, batch=2, crop=64, shape=SMALL)


def pack(path: Path, rasters: dict[str, npt.NDArray[Any]], cls: str = "grd") -> Path:
    """Packed scenes of dB rasters by name."""
    listing, offset = [], 0
    for name, db in rasters.items():
        entry = {"name": name, "band": 1, "cls": cls, "offset": offset}
        listing.append({**entry, "height": db.shape[0], "width": db.shape[1]})
        offset += db.size
    np.save(path, np.concatenate([to_codes(db.astype(np.float32)).ravel() for db in rasters.values()]))
    path.with_suffix(".json").write_text(json.dumps(listing))
    return path


def oracle(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    """SSIM by scikit-image, peak 1, the window of the original paper."""
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(structural_similarity(a, b, data_range=1.0, **window))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("seed", range(3))
def test_ssim_is_that_of_scikit_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.random((2, 40, 57)).astype(np.float32)
    b = (0.7 * a + 0.4 * rng.random(a.shape)).astype(np.float32)
    expected = [oracle(x, y) for x, y in zip(a, b, strict=True)]
    one, other = (torch.from_numpy(t)[:, None] for t in (a, b))
    assert ssim(one, other, torch.ones_like(one)).tolist() == pytest.approx(expected, abs=2e-6)


def test_ssim_looks_at_no_window_with_an_invalid_pixel() -> None:
    rng = np.random.default_rng(1)
    a, b = (torch.from_numpy(rng.random((1, 1, 30, 40), np.float32)) for _ in range(2))
    valid = torch.ones_like(a)
    valid[..., 18:] = 0
    spoiled = a.clone()
    spoiled[..., 18:] = float("nan")
    whole = torch.ones(1, 1, 30, 18)
    expected = ssim(a[..., :18], b[..., :18], whole)
    assert torch.allclose(ssim(spoiled, b, valid), expected, atol=1e-6)
    assert ssim(spoiled, b, torch.zeros_like(a)).tolist() == [1.0]


def test_ssim_is_float32_under_autocast_and_for_half_precision_inputs() -> None:
    rng = np.random.default_rng(2)
    a, b = (
        torch.from_numpy(0.5 + 0.01 * rng.random((1, 1, 32, 32), np.float32)).bfloat16() for _ in range(2)
    )
    valid = torch.ones(1, 1, 32, 32)
    expected = ssim(a.float(), b.float(), valid)
    with torch.autocast("cpu", torch.bfloat16):
        found = ssim(a, b, valid)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


def test_ssim_has_the_gradient_of_its_differences() -> None:
    rng = np.random.default_rng(3)
    a, b = (torch.from_numpy(rng.random((1, 1, 14, 14), np.float32)) for _ in range(2))
    a.requires_grad_()
    valid = torch.ones(1, 1, 14, 14)
    (slope,) = torch.autograd.grad(ssim(a, b, valid).sum(), a)
    step = torch.zeros_like(a)
    step[0, 0, 6, 7] = 1e-2
    with torch.no_grad():
        numeric = float(ssim(a + step, b, valid) - ssim(a - step, b, valid)) / 2e-2
    assert float(slope[0, 0, 6, 7]) == pytest.approx(numeric, rel=0.02, abs=1e-6)


def test_the_notes_loss_is_half_the_error_and_half_the_dissimilarity_on_the_scale_of_the_percentiles() -> (
    None
):
    recipe = recipes.Notes(NOTES)
    recipe.net.low_db.fill_(-8.0)
    recipe.net.high_db.fill_(12.0)
    rng = np.random.default_rng(4)
    db = rng.normal(0, 9, (2, 1, 64, 64)).astype(np.float32)
    x, valid = torch.from_numpy(db / UNIT_DB), torch.ones(2, 1, 64, 64)
    with torch.no_grad():
        back = recipe.net.g_s(recipe.net.g_a(torch.from_numpy(np.clip(db, -8, 12) / UNIT_DB)), None)
        found = recipe.loss(x, valid, np.random.default_rng(0), 0)
    target = (np.clip(db, -8, 12).astype(np.float64) + 8) / 20
    out = (back.numpy().astype(np.float64) * 4 + 8) / 20
    mse = np.mean((out - target) ** 2)
    similarity = np.mean([oracle(a, b) for a, b in zip(out[:, 0], target[:, 0], strict=True)])
    assert float(found.total) == pytest.approx(0.5 * mse + 0.5 * (1 - similarity), rel=1e-4)
    assert found.figures["psnr"] == pytest.approx(-10 * math.log10(mse), abs=1e-3)
    assert found.figures["rmse_db"] == pytest.approx(20 * math.sqrt(mse), rel=1e-4)
    assert found.figures["ssim"] == pytest.approx(similarity, abs=1e-4)


def test_invalid_pixels_do_not_reach_the_notes_loss() -> None:
    recipe = recipes.Notes(NOTES)
    x = torch.from_numpy(np.random.default_rng(5).normal(0, 0.2, (1, 1, 64, 64)).astype(np.float32))
    valid = torch.ones_like(x)
    valid[..., 40:] = 0
    with torch.no_grad():
        bias = recipe.net.g_s.get_parameter("net.9.bias")  # of the last convolution
        bias.fill_(0.3)
        # the network sees what fills a hole, so the comparison is with the loss's own target
        target = recipe.net(recipe.net.clipped(x), autocast=False)
        found = recipe.loss(x, valid, np.random.default_rng(0), 0).figures["mse"]
    squares = (recipe.net.scaled(target) - recipe.net.scaled(recipe.net.clipped(x))) ** 2
    assert found == pytest.approx(float(squares[..., :40].mean()), rel=1e-5)


def test_the_percentiles_are_those_of_pixels_about_their_scenes_mean(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    rasters = {
        f"{name}.tif": level + rng.uniform(-10, 10, (80, 90)) for name, level in (("a", -30), ("b", 20))
    }
    low, high = recipes.ends_of(PackedScenes(pack(tmp_path / "p.npy", rasters), 64), seed=1)
    assert (low, high) == pytest.approx((-9.8, 9.8), abs=0.1)


def test_crops_about_the_mean_of_the_scene_are_its_pixels_in_one_of_eight_positions(tmp_path: Path) -> None:
    ramp = np.add.outer(np.arange(70) * 0.08, np.arange(80) * 0.8) - 20
    scenes = PackedScenes(pack(tmp_path / "p.npy", {"a.tif": ramp}), 64)
    x, _ = scenes.batch(40, np.random.default_rng(7), augment=True, level="scene")
    db = x[:, 0].numpy() * UNIT_DB + ramp.mean()
    assert db.min() >= ramp.min() - 0.01 and db.max() <= ramp.max() + 0.01
    slopes = {tuple(round(float(v), 1) for v in (d[1, 0] - d[0, 0], d[0, 1] - d[0, 0])) for d in db}
    signs = [(s * a, t * b) for a, b in ((0.1, 0.8), (0.8, 0.1)) for s in (1, -1) for t in (1, -1)]
    assert slopes == set(signs)


def test_a_start_takes_transforms_of_another_recipe_and_everything_of_the_same(tmp_path: Path) -> None:
    torch.manual_seed(1)
    notes = recipes.Notes(NOTES)
    checkpoint.save(tmp_path / "n.safetensors", notes.net, notes.optimiser(), 5, asdict(NOTES))
    torch.manual_seed(2)
    codec = recipes.RateDistortion(replace(NOTES, recipe="rate-distortion"))
    fresh = {k: v.clone() for k, v in codec.net.state_dict().items()}
    assert not checkpoint.start(tmp_path / "n.safetensors", codec.net)
    taken = codec.net.state_dict()
    for name, value in notes.net.state_dict().items():
        if name.startswith(("g_a.", "g_s.")):
            assert torch.equal(taken[name], value)
    rest = [name for name in fresh if not name.startswith(("g_a.", "g_s."))]
    assert rest and all(torch.equal(taken[name], fresh[name]) for name in rest)

    checkpoint.save(tmp_path / "c.safetensors", codec.net, None, 5, {})
    torch.manual_seed(3)
    again = recipes.RateDistortion(replace(NOTES, recipe="rate-distortion"))
    assert checkpoint.start(tmp_path / "c.safetensors", again.net)
    assert all(torch.equal(v, taken[k]) for k, v in again.net.state_dict().items())

    other = recipes.Notes(replace(NOTES, shape=replace(SMALL, transform=ResidualShape(base=8))))
    with pytest.raises(InputError, match=r"cannot start from .*n\.safetensors"):
        checkpoint.start(tmp_path / "n.safetensors", other.net)
    with pytest.raises(InputError, match="cannot start from"):
        checkpoint.start(tmp_path / "none.safetensors", other.net)


PLACES = {
    "grd/reservoir_01_Jan.tif": "reservoir",
    "grd/reservoir_12_Dec.tif": "reservoir",
    "rtc/opera_T137-292318-IW1_VH_mosaic100.tif": "opera_t137_292318_iw1_mosaic100",
    "town_20200104_vv.tif": "town",
    "town_20200116T0534_vh.tif": "town",
    "losangeles_003.tif": "losangeles",
    "0001.tif": "0001",
}


def scene(name: str, band: int = 1, height: int = 10, width: int = 10) -> Scene:
    return Scene(name, band, "grd", 0, height, width)


@pytest.mark.parametrize(("name", "place"), PLACES.items())
def test_bands_dates_and_numbers_make_no_other_place(name: str, place: str) -> None:
    assert place_of(scene(name)) == place


names = st.lists(
    st.builds(
        scene,
        st.builds(
            "{}_{}_{}.tif".format,
            st.sampled_from("abcdefg"),
            st.integers(0, 3),
            st.sampled_from(["vv", "vh"]),
        ),
        st.integers(1, 2),
        st.integers(1, 50),
        st.integers(1, 50),
    ),
    min_size=2,
)


@examples(max_examples=60)
@given(names, st.floats(0.01, 0.99), st.integers(0, 9))
def test_a_split_never_has_one_place_on_two_sides(scenes: list[Scene], share: float, seed: int) -> None:
    letters = {s.name[0] for s in scenes}
    if len(letters) < 2:
        with pytest.raises(InputError, match="cannot be split"):
            split(scenes, share, seed)
        return
    rest, apart = split(scenes, share, seed)
    assert rest and apart
    assert sorted([*rest, *apart], key=repr) == sorted(scenes, key=repr)
    assert {s.name[0] for s in rest}.isdisjoint(s.name[0] for s in apart)
    assert split(scenes, share, seed) == (rest, apart)


@examples(max_examples=60)
@given(names, st.floats(0.01, 1.0), st.integers(0, 9))
def test_a_subset_is_whole_places_with_at_least_its_share(
    scenes: list[Scene], share: float, seed: int
) -> None:
    some = subset(scenes, share, seed)
    chosen = {s.name[0] for s in some}
    assert some == [s for s in scenes if s.name[0] in chosen]
    assert sum(s.height * s.width for s in some) >= share * sum(s.height * s.width for s in scenes) * (
        1 - 1e-9
    )


def test_validation_crops_come_from_places_that_are_not_trained_on(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    rasters = {f"p{k}x_{n}.tif": rng.normal(0, 5, (70, 70)) for k in range(5) for n in range(2)}
    path = pack(tmp_path / "p.npy", rasters)
    kept, apart = scenes_of(path, replace(NOTES, holdout=0.3, subset=0.5))
    assert apart is not None and apart[0].shape == (32, 1, 64, 64)
    held = split(PackedScenes(path, 64).scenes, 0.3, NOTES.seed)[1]
    assert {place_of(s) for s in kept.scenes}.isdisjoint(place_of(s) for s in held)
    assert 2 <= len(kept.scenes) < 8
    assert scenes_of(path, NOTES)[1] is None


def test_simulated_speckle_keeps_the_mean_power_and_lies_on_scenes_without_any(tmp_path: Path) -> None:
    flat = np.full((128, 128), -12.0)
    db = np.stack([respeckled(flat, np.random.default_rng(n)) for n in range(24)])
    power = 10 ** (db / 10)
    assert float(power.mean()) == pytest.approx(10**-1.2, rel=0.03)
    looks = power.mean((1, 2)) ** 2 / power.var((1, 2))
    assert looks.min() > 0.8 and looks.max() < 7.5 and looks.max() > 3 and looks.min() < 2

    for cls, spread in (("clean", True), ("grd", False)):
        path = pack(tmp_path / f"{cls}.npy", {"a.tif": flat}, cls)
        x, _ = PackedScenes(path, 64, respeckle=1.0).batch(
            2, np.random.default_rng(0), augment=True, level="scene"
        )
        assert (float(x.std()) > 0.3) == spread


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_file_says_what_a_run_is_and_options_count_before_it(tmp_path: Path) -> None:
    path = write(
        tmp_path / "c.toml",
        '[model]\nfamily = "plain"\nbase = 64\ngroups = [16, 48]\nid = "four"\n'
        '[recipe]\nname = "notes"\nlr = 1\nclip = inf\n[data]\nsubset = 0.2\n'
        "[run]\nsteps = 70\nbf16 = true\n",
    )
    found = config.load(path, steps=9, device="cuda")
    assert found.shape == Shape(transform=PlainShape(base=64), groups=(16, 48))
    assert (found.recipe, found.lr, found.clip, found.subset) == ("notes", 1.0, math.inf, 0.2)
    assert (found.steps, found.bf16, found.device, found.id) == (9, True, "cuda", "four")
    assert config.load(write(tmp_path / "e.toml", "")) == Settings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[modle]", r"unknown section \[modle\]"),
        ("steps = 3", r"unknown section \[steps\]"),
        ("[run]\nstep = 3", r"unknown key step in \[run\]"),
        ("[data]\nsteps = 3", r"unknown key steps in \[data\]"),
        ("[run]\nsteps = 3.5", r"steps in \[run\] is 3.5, not a whole number"),
        ("[run]\nsteps = true", r"steps in \[run\] is True, not a whole number"),
        ('[run]\nbf16 = "yes"', r"bf16 in \[run\] is 'yes', not true or false"),
        ('[recipe]\nlr = "1e-4"', r"lr in \[recipe\] is '1e-4', not a number"),
        ("[recipe]\nname = 3", r"name in \[recipe\] is 3, not a text in quotes"),
        ("[model]\ngroups = 16", r"groups in \[model\] is 16, not a list of whole numbers"),
        ("[model]\ngroups = [16, 1.5]", "not a list of whole numbers"),
        ("[model]\ngroups = [0]", "must be positive"),
        ('[recipe]\nname = "note"', "name = 'note' is unknown"),
        ('[model]\nfamily = "unet"', "family = 'unet' is unknown|unet"),
        ('[model]\nfamily = "residual"', "base"),
        ('[recipe]\nname = "notes"', "lapped"),
        ("[data]\ncrop = 100", "crop = 100 is not a multiple of 64"),
        ("[data]\nbatch = 0", "batch = 0 is below 1"),
        ("[data]\nsubset = 1.5", "subset = 1.5 is not within"),
        ("[data]\nsubset = 0", "subset = 0.0 must be positive"),
        ("[recipe]\nlr = nan", "lr = nan, .* must be positive"),
        ("[recipe]\nweight_decay = nan", "weight_decay = nan is below 0"),
        ("[run\n", "is not a TOML file"),
    ],
)
def test_a_wrong_file_is_one_error_that_names_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "wrong.toml", text)
    with pytest.raises(UsageError, match=message) as caught:
        config.load(path)
    assert "wrong.toml" in caught.value.message and "\n" not in caught.value.message


def test_the_default_is_what_its_configuration_says() -> None:
    assert config.default() == config.load(CONFIGS / "lapped16.toml", id="")


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(SarcError, match=r"cannot read .*none\.toml") as caught:
        config.load(tmp_path / "none.toml")
    assert caught.value.exit_code == 3


SHIPPED = {
    "baseline-16x-notes": ("notes", "plain", (16,)),
    "baseline-16x-rd": ("rate-distortion", "plain", (16,)),
    "lapped16": ("rate-distortion", "lapped", (16, 16, 32, 64, 128)),
    "lapped16-bytes": ("rate-distortion", "lapped", (16, 16, 32, 64, 128)),
    "resnet-full-16x-rd": ("rate-distortion", "residual", (16,)),
    "resnet-lite-16x-notes": ("notes", "residual", (16,)),
    "resnet-lite-16x-rd": ("rate-distortion", "residual", (16,)),
    "resnet-lite-8x-rd": ("rate-distortion", "residual", (16, 16)),
}


def test_the_shipped_configurations_are_complete() -> None:
    assert sorted(path.stem for path in CONFIGS.glob("*.toml")) == sorted(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_configuration_is_what_its_name_says(name: str) -> None:
    found = config.load(CONFIGS / f"{name}.toml")
    assert found.id == name
    assert (found.recipe, found.shape.family, found.shape.groups) == SHIPPED[name]
    if found.start_from:
        other = config.load(CONFIGS / f"{Path(found.start_from).parent.name}.toml")
        assert other.recipe == "notes"
        assert other.shape == found.shape
