"""Networks in bytes as they are trained: they round as integers would, and they learn."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sarcodec.errors import UsageError
from sarcodec.model.hyper import Shape
from sarcodec.model.lapped import LappedShape
from sarcodec.native import pixel_kernels
from testing.needed import needed

needed("compressai")
with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # CompressAI's own
    from sarcodec.train import checkpoint, loop
    from sarcodec.train.config import Settings, checked
    from sarcodec.train.recipes import recipe_of
    from sarcodec.train.whole.convolution import LARGEST, ByteConv2d, Bytes
    from sarcodec.train.whole.entropy import GroupHead
    from sarcodec.train.whole.lapped import LappedAnalysis, LappedSynthesis
    from sarcodec.train.whole.net import ByteNet

Array = npt.NDArray[Any]

TINY = Shape(
    transform=LappedShape(wide=4, deep=4, wide_blocks=2, deep_blocks=1),
    groups=(16, 8),
    hyper=4,
    hidden=8,
    anchors=3,
    quantiser="trellis",
)
SETTINGS = Settings(
    steps=12, batch=2, crop=64, lr=2e-3, warmup=3, hard_from=1.0, byte_networks=True, shape=TINY
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed file with one scene."""
    path = tmp_path_factory.mktemp("whole") / "packed.npy"
    rng = np.random.default_rng(1)
    np.save(path, rng.integers(12000, 13000, 150 * 140, dtype=np.uint16))
    path.with_suffix(".json").write_text(
        '[{"name": "a.tif", "band": 1, "cls": "grd", "offset": 0, "height": 150, "width": 140}]'
    )
    return path


@given(
    seed=st.integers(0, 10**6),
    kernel=st.sampled_from([1, 2, 3, 4]),
    stride=st.sampled_from([1, 2]),
    step_log2=st.integers(-6, 2),
    signed=st.booleans(),
)
@settings(max_examples=40)
def test_a_convolution_is_one_of_integers(
    seed: int, kernel: int, stride: int, step_log2: int, *, signed: bool
) -> None:
    """Of bytes and of weights within +-63, whose sums are times a power of two of the channel."""
    torch.manual_seed(seed)
    conv = ByteConv2d(3, 5, kernel, Bytes(step_log2, signed=signed), stride=stride, padding=kernel // 2)
    with torch.no_grad():
        conv.weight.mul_(torch.exp2(torch.randn(5))[:, None, None, None])
        conv.bias.add_(torch.randn(5))
    x = 40 * 2.0**step_log2 * torch.randn(2, 3, 9, 8)
    step = 2.0**step_log2
    low, high = (-128, 127) if signed else (0, 255)
    q = np.clip(np.rint(x.numpy().astype(np.float64) / step), low, high)
    unit = 2.0 ** conv.powers().numpy().astype(np.float64)
    w = np.clip(np.rint(conv.weight.detach().numpy() / unit[:, None, None, None]), -LARGEST, LARGEST)
    b = np.rint(conv.bias.detach().numpy() / (unit * step))
    assert np.abs(w).max() > LARGEST // 2 - 2  # the range is used
    p = kernel // 2
    padded = np.pad(q, ((0, 0), (0, 0), (p, p), (p, p)))
    view: Any = np.lib.stride_tricks.sliding_window_view
    windows = view(padded, (kernel, kernel), (2, 3))[:, :, ::stride, ::stride]
    sums = np.einsum("bcyxij,ocij->boyx", windows, w) + b[:, None, None]
    found = conv(x).detach().numpy()
    assert np.array_equal(found, (sums * (unit * step)[:, None, None]).astype(np.float32))


def test_gradients_pass_the_rounding_and_stop_beyond_the_range() -> None:
    given_bytes = Bytes(-2, signed=False)
    x = torch.tensor([-1.0, 0.3, 10.0, 70.0], requires_grad=True)
    given_bytes.rounded(x).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert x.grad.tolist() == [0, 1, 1, 0]
    assert given_bytes.rounded(torch.tensor([0.125, 0.375])).tolist() == [0.0, 0.5]  # halves to even


def test_a_head_weighs_features_and_latents_in_one_unit() -> None:
    """So that their sums are of one kind of integers."""
    torch.manual_seed(2)
    head = GroupHead(8, 6, 4, hidden=12)
    with torch.no_grad():
        assert head.context is not None
        head.features.mul_(0.1)
        head.context.add_(0.2 * torch.randn_like(head.context))
        head.bias.add_(torch.randn(12))
        head.out.weight.mul_(20)
    x = torch.cat(
        (torch.randint(0, 256, (1, 8, 5, 5)), torch.randint(-128, 128, (1, 6, 5, 5))), dim=1
    ).float()
    mean, log_scale = head(x)
    assert mean.shape == log_scale.shape == (1, 4, 5, 5)
    assert torch.equal(mean, mean.round())
    moved = x.clone()
    moved[:, :8, 0, 0] += 1  # features of a neighbour change nothing here
    assert torch.equal(head(moved)[0][..., 1:, 1:], mean[..., 1:, 1:])
    moved[:, 8:, 0, 0] += 40  # latents do
    assert not torch.equal(head(moved)[0][..., 1:, 1:], mean[..., 1:, 1:])


@pytest.mark.parametrize("channels", [256, 24])
def test_the_lapped_pair_is_that_of_the_kernels(channels: int) -> None:
    torch.manual_seed(3)
    analysis, synthesis = LappedAnalysis(channels), LappedSynthesis(channels)
    for part in (analysis, synthesis):
        for tensor in part.parameters():
            tensor.data += 0.1 * torch.randn_like(tensor)
    image = torch.randn(1, 1, 64, 48)
    place = analysis.place.numpy()
    y = analysis(image).detach().numpy()[0]
    rows, cols, gain = (t.detach().numpy() for t in (analysis.rows, analysis.cols, analysis.gain))
    found = pixel_kernels.lapped_analysis(image[0, 0].numpy(), rows, cols)
    expected = found.reshape(3, 2, 256)[..., place] * gain
    assert np.allclose(y.transpose(1, 2, 0), expected, atol=1e-4)
    rows, cols, gain = (t.detach().numpy() for t in (synthesis.rows, synthesis.cols, synthesis.gain))
    grid = np.zeros((3, 2, 256), np.float32)
    grid[..., place] = y.transpose(1, 2, 0) * gain
    whole = pixel_kernels.lapped_synthesis(grid.reshape(3, 2, 16, 16), rows, cols)[8:-8, 8:-8]
    made = synthesis(torch.from_numpy(y)[None])[0, 0].detach().numpy()
    assert np.allclose(made[8:-8, 8:-8], whole[8:-8, 8:-8], atol=1e-3)


def test_a_fresh_network_is_the_lapped_transform_and_brings_an_image_back() -> None:
    net = ByteNet(replace(TINY, groups=(256,)))
    x = torch.randn(1, 1, 64, 80)
    net.fit_deviation(x)
    y = net.g_a(x)
    assert torch.allclose(net.g_s(y, y, torch.zeros(1)), x, atol=1e-4)


def test_a_run_learns_and_goes_on_to_the_bit(data: Path, tmp_path: Path) -> None:
    rows: list[dict[str, float]] = []
    whole = replace(SETTINGS, steps=60, lr=5e-3)
    loop.train(data, tmp_path / "whole", whole, progress=lambda _, figures: rows.append(figures))
    assert rows[-1]["loss"] < rows[0]["loss"]
    steady = replace(SETTINGS, schedule="constant")
    loop.train(data, tmp_path / "broken", replace(steady, steps=5))
    loop.train(data, tmp_path / "broken", steady)
    loop.train(data, tmp_path / "unbroken", steady)
    nets = []
    for name in ("broken", "unbroken"):
        net = ByteNet(TINY)
        checkpoint.load(tmp_path / name / "checkpoint.safetensors", net, None)
        nets.append(net.state_dict())
    assert all(torch.equal(value, nets[1][key]) for key, value in nets[0].items())


def test_there_is_no_model_file_of_them_yet(data: Path, tmp_path: Path) -> None:
    recipe = recipe_of(SETTINGS)
    with pytest.raises(UsageError, match="no model file"):
        recipe.export(None, tmp_path / "a", id="a", progress=lambda *_: None)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="byte_networks needs"):
        checked(replace(SETTINGS, hard_from=0.5), "here")
