"""Overviews from half of a branch: fitted exactly where that can be, near block means, apart from all."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from conftest import TOY
from sarcodec import zoo
from sarcodec.api import encode_array
from sarcodec.dataset import SarcDataset
from sarcodec.encoding import survey
from sarcodec.errors import UnsupportedError
from sarcodec.model import modelfile
from sarcodec.model.entropy import LatentCoder
from sarcodec.model.hyper import Shape
from sarcodec.model.lapped import LappedShape, LappedTransform
from sarcodec.model.lapped.averaged import LappedMeans
from sarcodec.model.lapped.fit_overviews import fit_overviews
from sarcodec.model.lapped.networks import SynthesisTransform
from sarcodec.model.modelfile import Model
from testing.needed import needed
from testing.scenes import dn

needed("compressai")
with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # CompressAI's own
    from sarcodec.train.calibrate import measured
    from sarcodec.train.export import tensors_of, write
    from sarcodec.train.network import SarNet

Array = npt.NDArray[Any]
FACTORS = (4, 8, 16)


def speckled(side: int, seed: int) -> Array:
    """Correlated noise in network units, float32."""
    x: Array = np.random.default_rng(seed).normal(0, 1, (side + 2, side + 2))
    x = x[2:, 2:] + x[1:-1, 1:-1] + x[:-2, 1:-1]
    return x.astype(np.float32)


def lapped(model: Model) -> LappedTransform:
    assert isinstance(model.transform, LappedTransform)
    return model.transform


def means(x: Array, factor: int) -> Array:
    rows, cols = (side // factor for side in x.shape)
    found: Array = x.reshape(rows, factor, cols, factor).mean((1, 3))
    return found


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> tuple[SarNet, dict[str, Tensor], Model]:
    """A model whose branch does nothing but linear things after its half at stride 16."""
    torch.manual_seed(4)
    sizes = LappedShape(wide=8, deep=8, wide_blocks=0, deep_blocks=1)
    net = SarNet(Shape(transform=sizes, groups=(16,), anchors=7))
    net.fit_deviation(torch.from_numpy(np.stack([speckled(64, seed)[None] for seed in range(8)])))
    assert isinstance(net.g_s, SynthesisTransform)
    with torch.no_grad():
        net.g_s.up.weight.abs_().mul_(4)
        torch.nn.init.zeros_(net.g_s.get_parameter("up.bias"))
        torch.nn.init.normal_(net.g_s.out.weight, std=0.3)
        torch.nn.init.normal_(net.g_s.join.weight, std=0.3)
    tensors = tensors_of(net)
    path = tmp_path_factory.mktemp("linear") / "m.safetensors"
    write(path, tensors, net, id="linear")
    return net, tensors, modelfile.load(path)


@pytest.fixture(scope="module")
def fitted(
    linear: tuple[SarNet, dict[str, Tensor], Model], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Model, Path, SarNet]:
    net, tensors, model = linear
    crops = (speckled(192, seed) for seed in range(6))
    made = measured(fit_overviews, model, crops, [800, 1200, 1536])
    path = tmp_path_factory.mktemp("fitted") / "m.safetensors"
    write(path, tensors | made, net, id="linear")
    return modelfile.load(path), path, net


@pytest.mark.parametrize("factor", FACTORS)
def test_a_branch_that_goes_on_linearly_is_foretold(fitted: tuple[Model, Path, SarNet], factor: int) -> None:
    model, _, _ = fitted
    transform = lapped(model)
    y_hat = LatentCoder(model, 1300).encode(model.analyse(speckled(160, 9)), dry=True).y_hat
    whole = means(model.synthesise(y_hat, 1300), factor)
    found = model.transform.overview(factor, 1).synthesise(y_hat, 1300)
    with torch.inference_mode():
        y, _ = transform.dequantised(y_hat, 1300)
        linear = LappedMeans(transform.g_s, factor, 16)(y)[0, 0].numpy()
    assert np.abs(whole - linear).std() > 0.1
    np.testing.assert_allclose(found, whole, atol=0.01 * float(np.abs(whole - linear).max()))


def test_overviews_change_no_digest_and_no_pixel(
    linear: tuple[SarNet, dict[str, Tensor], Model], fitted: tuple[Model, Path, SarNet]
) -> None:
    without, model = linear[2], fitted[0]
    assert lapped(without).overviews == {} and set(lapped(model).overviews) == set(FACTORS)
    assert model.entropy_digest == without.entropy_digest
    assert model.synthesis_digest == without.synthesis_digest
    y_hat = np.random.default_rng(0).integers(-99, 99, (16, 4, 5))
    assert np.array_equal(model.synthesise(y_hat, 7), without.synthesise(y_hat, 7))


def test_a_model_without_a_branch_has_none(tmp_path: Path) -> None:
    shape = Shape(transform=LappedShape(wide=0), groups=(8,), hyper=1, hidden=1)
    net = SarNet(shape)
    write(tmp_path / "m.safetensors", tensors_of(net), net, id="none")
    model = modelfile.load(tmp_path / "m.safetensors")
    assert measured(fit_overviews, model, [speckled(64, 0)], [0]) == {}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"overview/8.bias": None}, "overview/8.bias is missing"),
        ({"overview/4.weight": None, "overview/4.bias": None}, "overview/4.bias is missing"),
        ({"overview/4.weight": torch.zeros(16, 8, 5, 5).half()}, "overview/4.weight is"),
        ({"overview/8.bias": torch.full((4,), torch.inf).half()}, "not finite"),
        ({"overview/2.bias": torch.zeros(64).half()}, "belongs to no model"),
    ],
)
def test_kernels_that_no_sound_model_has_are_refused(
    fitted: tuple[Model, Path, SarNet], tmp_path: Path, change: dict[str, Tensor | None], reason: str
) -> None:
    tensors = load_file(fitted[1])
    for name, value in change.items():
        tensors.pop(name, None)
        if value is not None:
            tensors[name] = value
    write(tmp_path / "m.safetensors", tensors, fitted[2], id="linear")
    with pytest.raises(UnsupportedError, match=reason):
        modelfile.load(tmp_path / "m.safetensors")


@pytest.fixture(scope="module")
def coded() -> Iterator[bytes]:
    """2 x 3 tiles of 256 pixels by the model that ships."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(survey, "TILE_SIDE", 256)
        yield encode_array(dn((400, 600), 3), quality=60, nodata=0, jobs=1)


@pytest.mark.parametrize("factor", FACTORS)
def test_windows_of_the_model_that_ships_equal_crops(coded: bytes, factor: int) -> None:
    with (
        SarcDataset(io.BytesIO(coded), "x", jobs=1) as one,
        SarcDataset(io.BytesIO(coded), "x", jobs=3) as many,
    ):
        assert factor in lapped(one.decoder.model).overviews
        whole = one.read(1, reduce=factor)
        for window in ((0, 0, 256, 256), (96, 192, 400, 208), (240, 240, 32, 32)):
            col, row, width, height = (side // factor for side in window)
            part = many.read(1, window=window, reduce=factor)
            assert np.array_equal(part, whole[row : row + height, col : col + width])


@pytest.mark.parametrize(("factor", "most"), [(4, 0.25), (8, 0.25), (16, 0.15)])
@pytest.mark.parametrize("level", [200, 700, 1300])
def test_the_model_that_ships_stays_near_block_means(level: int, factor: int, most: float) -> None:
    model = modelfile.load(zoo.find())
    db = 20 * np.log10(dn((256, 256), 8, looks=4.4))
    x = ((db - db.mean()) / model.unit_db).astype(np.float32)
    y_hat = LatentCoder(model, level).encode(model.analyse(x), dry=True).y_hat
    way = model.transform.overview(factor, len(model.layers))
    found = way.synthesise(y_hat[: sum(model.layers[: way.layers])], level)
    wrong = model.unit_db * (found - means(model.synthesise(y_hat, level), factor))
    assert np.sqrt((wrong**2).mean()) < most


def test_the_toy_is_reduced_by_its_whole_branch() -> None:
    assert lapped(modelfile.load(Path(TOY))).overviews == {}
