"""A new family of transforms is one registration: this file has one, and no file of the package knows it."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from sarcodec.api import decode_array, encode_array
from sarcodec.errors import UnsupportedError, UsageError
from sarcodec.model import contents, families, latent_scales, modelfile, schema, transforms
from sarcodec.model.family import Arrays, Family, Training
from sarcodec.model.hyper import Shape
from sarcodec.model.latent_scales import LatentScales
from sarcodec.model.schema import Schema, TransformShape, setting
from sarcodec.model.transforms import STRIDE, Transform
from testing.needed import needed
from testing.scenes import db, dn, open_bytes, rmse

needed("compressai")
with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # CompressAI's own
    from sarcodec.train import config
    from sarcodec.train.export import tensors_of, write
    from sarcodec.train.network import SarNet

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class CosineShape(TransformShape):
    """A cosine transform of blocks of 16 x 16 pixels."""

    family: ClassVar[str] = "cosine"
    louder: int = setting(0, 0, 4)
    """Latents are 2 to this power times as large."""

    @property
    def reach(self) -> int:
        """No pixel depends on another block."""
        return 0


def tensors_of_file(shape: CosineShape, channels: int, anchors: int) -> Schema:
    del shape, anchors
    weight = (channels, 1, STRIDE, STRIDE)
    return Schema({"analysis/g_a.weight": ("F16", weight), "synthesis/g_s.weight": ("F16", weight)})


class CosineTransform(Transform):
    """Without torch."""

    def __init__(self, shape: CosineShape, scales: LatentScales, tensors: Arrays) -> None:
        self.reach, self.channels, self.scales = shape.reach, scales.channels, scales
        weights = (
            tensors[name].astype(np.float32) for name in ("analysis/g_a.weight", "synthesis/g_s.weight")
        )
        there, back = (weight.reshape(scales.channels, -1) for weight in weights)
        self.there, self.back = there * 2.0**shape.louder, back / 2.0**shape.louder

    def analyse(self, x: Array) -> Array:
        h, w = (side // STRIDE for side in x.shape)
        blocks = x.reshape(h, STRIDE, w, STRIDE).swapaxes(1, 2).reshape(h, w, -1)
        y: Array = np.moveaxis(blocks @ self.there.T, 2, 0).astype(np.float32)
        return y

    def synthesise(self, y_hat: Array, level: int) -> Array:
        blocks = np.moveaxis(self.scales.dequantised(y_hat, level), 0, 2) @ self.back
        h, w, _ = blocks.shape
        x: Array = blocks.reshape(h, w, STRIDE, STRIDE).swapaxes(1, 2).reshape(h * STRIDE, w * STRIDE)
        return x.astype(np.float32)


class CosineNetwork(nn.Module):
    """For training."""

    def __init__(self, shape: CosineShape, channels: int, *, back: bool) -> None:
        super().__init__()
        k = torch.arange(STRIDE, dtype=torch.float64)
        waves = torch.cos(math.pi / STRIDE * (k + 0.5) * k[:, None]) * math.sqrt(2 / STRIDE)
        waves[0] /= math.sqrt(2)
        order = sorted(((u, v) for u in range(STRIDE) for v in range(STRIDE)), key=lambda uv: (sum(uv), uv))
        kernels = torch.stack([waves[u][:, None] * waves[v] for u, v in order[:channels]])
        self.weight = nn.Parameter(kernels[:, None].float())
        self.back, self.factor = back, 2.0**shape.louder

    def forward(self, given: Tensor, position: Tensor | None = None) -> Tensor:
        del position
        if self.back:
            return F.conv_transpose2d(given / self.factor, self.weight, stride=STRIDE)
        return F.conv2d(given, self.weight, stride=STRIDE) * self.factor


def networks(shape: CosineShape, channels: int, anchors: int) -> tuple[nn.Module, nn.Module]:
    del anchors
    return CosineNetwork(shape, channels, back=False), CosineNetwork(shape, channels, back=True)


def build(shape: CosineShape, scales: LatentScales, tensors: Arrays, device: str) -> CosineTransform:
    del device
    return CosineTransform(shape, scales, tensors)


FAMILY = Family(CosineShape, tensors_of_file, build, Training(networks))
SHAPE = Shape(transform=CosineShape(louder=1), groups=(10, 26), hyper=2, hidden=4, anchors=4)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(families.REGISTRY, "cosine", FAMILY)
    yield
    modelfile._parsed.cache_clear()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A model file of the family, as training writes it."""
    torch.manual_seed(1)
    net = SarNet(SHAPE)
    net.fit_deviation(torch.from_numpy(scene_units())[None, None])
    there = tmp_path / "cosine.safetensors"
    write(there, tensors_of(net), net, id="cosine")
    return there


def scene_units() -> Array:
    decibels = db(dn((192, 192), 4))
    return np.asarray((decibels - decibels.mean()) / 4, np.float32)


def test_a_raster_is_coded_by_a_family_that_only_this_file_knows(path: Path) -> None:
    scene = dn((150, 130), 2)
    errors, sizes = [], []
    for quality in (30, 90):
        data = encode_array(scene, quality=quality, model=path, jobs=1)
        back = decode_array(data, model=path, jobs=1)
        assert back.shape == (1, 150, 130) and back.dtype == np.uint16
        errors.append(rmse(db(np.maximum(back[0], 1)), db(scene)))
        sizes.append(len(data))
    assert errors[1] < errors[0] < db(scene).std()
    assert sizes[0] < sizes[1]


def test_it_has_invalid_pixels_windows_and_overviews_without_code_of_its_own(path: Path) -> None:
    scene = dn((160, 160), 3)
    scene[30:90, 50:] = 0
    data = encode_array(scene, quality=80, nodata=0, model=path, jobs=1)
    with open_bytes(data, str(path)) as coded:
        whole = coded.read(1)
        assert np.array_equal(whole == 0, scene == 0)
        assert np.array_equal(coded.read(1, window=(16, 70, 64, 40)), whole[70:110, 16:80])
        assert coded.read(1, reduce=4).shape == (40, 40)


def test_its_arrays_are_what_its_networks_make(path: Path) -> None:
    model, x = modelfile.load(path), scene_units()
    with torch.inference_mode():
        expected = networks(CosineShape(louder=1), 36, 4)[0](torch.from_numpy(x)[None, None])[0].numpy()
    y = model.analyse(x)
    np.testing.assert_allclose(y, expected, atol=0.02)
    fine = np.rint(16 * y * model.steps(model.top_level)[:, None, None]).astype(np.int32)
    assert rmse(model.synthesise(fine, model.top_level), x) < x.std()


def test_the_digest_of_the_synthesis_covers_its_name_and_its_settings(path: Path, tmp_path: Path) -> None:
    louder = tmp_path / "louder.safetensors"
    model = modelfile.load(path)
    shape = replace(SHAPE, transform=CosineShape(louder=2))
    rest = {"layers": model.layers, "unit_db": model.unit_db, "first_coded": model.first_coded}
    modelfile.write(louder, load_file(path), id="cosine", shape=shape, **rest)  # type: ignore[arg-type]
    other = modelfile.load(louder)
    assert other.synthesis_digest != model.synthesis_digest
    assert other.entropy_digest == model.entropy_digest
    names = modelfile.digested(SHAPE)["synthesis"]
    assert set(names) == {"groups", "anchors", "family", "louder"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"louder": 5}, "louder is 5, not a whole number of 0 to 4"),
        ({"louder": True}, "louder is True"),
        ({"louder": None}, "louder"),
        ({"family": "sine"}, "'sine' is none of lapped, plain, residual, cosine"),
    ],
)
def test_a_file_with_settings_out_of_range_is_refused(
    path: Path, changes: dict[str, object], reason: str
) -> None:
    with safe_open(path, "pt") as file:
        config_of_file = json.loads(file.metadata()["config"])
    with pytest.raises((ValueError, LookupError), match=reason):
        contents.settings_of(config_of_file | changes)


def test_a_file_without_one_of_its_tensors_is_refused(path: Path, tmp_path: Path) -> None:
    tensors = load_file(path)
    del tensors["synthesis/g_s.weight"]
    rest: dict[str, Any] = {"layers": (10, 26), "unit_db": 4.0, "first_coded": 5}
    modelfile.write(tmp_path / "m.safetensors", tensors, id="cosine", shape=SHAPE, **rest)
    with pytest.raises(UnsupportedError, match=r"synthesis/g_s\.weight is missing"):
        modelfile.load(tmp_path / "m.safetensors")


def test_a_configuration_of_a_training_run_names_it(tmp_path: Path) -> None:
    there = tmp_path / "c.toml"
    there.write_text('[model]\nfamily = "cosine"\nlouder = 3\ngroups = [8]\n')
    assert config.load(there).shape == Shape(transform=CosineShape(louder=3), groups=(8,))
    there.write_text('[model]\nfamily = "cosine"\nwide = 3\n')
    with pytest.raises(UsageError, match="unknown key wide"):
        config.load(there)


def test_a_family_cannot_take_the_name_of_a_setting_of_all_models() -> None:
    @dataclass(frozen=True)
    class Taken(CosineShape):
        hyper: int = setting(1, 1, 2)

    with pytest.raises(ValueError, match="hyper"):
        Family(Taken, tensors_of_file, build)


def test_a_family_that_only_codes_says_so_when_it_is_to_be_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(families.REGISTRY, "cosine", replace(FAMILY, training=None))
    with pytest.raises(UnsupportedError, match="cannot be trained"):
        SarNet(SHAPE)


@pytest.mark.parametrize("module", [transforms, schema, latent_scales])
def test_what_a_family_must_know_is_written_without_torch(module: ModuleType) -> None:
    assert "torch" not in Path(str(module.__file__)).read_text("utf-8")
