"""The transforms: exact to the edge, orthonormal, of bounded reach, the same on a part as on the whole."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from sarcodec.model.convolve import convolve
from sarcodec.model.families import networks_of
from sarcodec.model.hyper import Shape
from sarcodec.model.lapped import LappedShape, LappedTransform
from sarcodec.model.lapped.basis import (
    from_blocks,
    lapped_basis,
    to_blocks,
)
from sarcodec.model.lapped.networks import AnalysisTransform, SynthesisTransform
from sarcodec.model.modelfile import Model
from sarcodec.model.transforms import STRIDE

SIZES = [(16, 16), (16, 64), (48, 32), (80, 112)]
SHAPES = [
    Shape(transform=LappedShape(wide=4, deep=4, wide_blocks=1, deep_blocks=1), groups=(16, 8)),
    Shape(transform=LappedShape(wide=4, deep=4, wide_blocks=3, deep_blocks=2), groups=(12,)),
    Shape(transform=LappedShape(wide=4, deep=4, wide_blocks=2, deep_blocks=0), groups=(12,)),
    Shape(transform=LappedShape(wide=4, deep=4, wide_blocks=0, deep_blocks=1), groups=(12,)),
]


def image(h: int, w: int, seed: int = 0) -> Tensor:
    made = torch.Generator().manual_seed(seed)
    return torch.randn(1, 1, h, w, generator=made, dtype=torch.float64)


def linear() -> tuple[AnalysisTransform, SynthesisTransform]:
    """All 256 channels without branches, in double precision."""
    return AnalysisTransform(256, 0, 0, 0, 0).double(), SynthesisTransform(256, 0, 0, 0, 0, 1).double()


def branched(shape: Shape) -> tuple[AnalysisTransform, SynthesisTransform]:
    """Transforms whose branches speak up."""
    torch.manual_seed(3)
    g_a, g_s = (net.double() for net in networks_of(shape))
    assert isinstance(g_a, AnalysisTransform)
    assert isinstance(g_s, SynthesisTransform)
    for module in (g_a, g_s):
        for name, value in module.named_parameters():
            if "lapped" not in name:
                torch.nn.init.normal_(value, std=0.3)
    return g_a, g_s


@torch.no_grad()
def synthesised(g_s: SynthesisTransform, y: Tensor) -> Tensor:
    out: Tensor = g_s(y, torch.zeros(1))
    return out


@pytest.mark.parametrize(("h", "w"), SIZES)
@torch.no_grad()
def test_all_channels_give_the_image_back_up_to_its_edges(h: int, w: int) -> None:
    g_a, g_s = linear()
    x = image(h, w)
    assert float((g_s(g_a(x)) - x).abs().max()) < 2e-6


@pytest.mark.parametrize(("h", "w"), SIZES)
@torch.no_grad()
def test_latents_hold_the_energy_of_the_image_edges_included(h: int, w: int) -> None:
    g_a, _ = linear()
    x = image(h, w)
    assert float((g_a(x) ** 2).sum()) == pytest.approx(float((x**2).sum()), rel=1e-6)


@torch.no_grad()
def test_inner_latents_are_windowed_cosine_sums() -> None:
    """Against the formula of the MDCT, written out in numpy for a latent away from the edges."""
    g_a, _ = linear()
    x = image(64, 64)
    n, k = np.arange(32), np.arange(16)[:, None]
    basis = np.sqrt(2 / 16) * np.sin(np.pi * (n + 0.5) / 32) * np.cos(np.pi / 16 * (n + 0.5 + 8) * (k + 0.5))
    patch = x[0, 0, 16 - 8 : 16 + 24, 32 - 8 : 32 + 24].numpy()
    expected = basis @ patch @ basis.T
    pairs = sorted(
        ((u, v) for u in range(16) for v in range(16)),
        key=lambda p: (p[0] ** 2 + p[0] + p[1] ** 2 + p[1], p),
    )
    got = g_a(x)[0, :, 1, 2].numpy()
    assert np.allclose(got, [expected[p] for p in pairs], atol=1e-6)


def test_basis_functions_are_orthonormal_also_under_shifts() -> None:
    basis = lapped_basis(256).double()
    flat = basis.reshape(256, -1)
    assert torch.allclose(flat @ flat.T, torch.eye(256, dtype=torch.float64), atol=1e-6)
    head, tail = basis[:, :, 16:].reshape(256, -1), basis[:, :, :16].reshape(256, -1)
    assert float((head @ tail.T).abs().max()) < 1e-6


@torch.no_grad()
def test_fewer_channels_hold_a_smooth_image_and_their_share_of_noise() -> None:
    g_a = AnalysisTransform(24, 0, 0, 0, 0).double()
    rows = torch.linspace(0, math.pi, 64, dtype=torch.float64)
    smooth = (torch.cos(rows)[:, None] * torch.cos(rows))[None, None]
    noise = image(64, 64)
    smooth_kept, noise_kept = (float((g_a(x) ** 2).sum() / (x**2).sum()) for x in (smooth, noise))
    assert 0.95 < smooth_kept <= 1
    assert noise_kept == pytest.approx(24 / 256, rel=0.25)


@pytest.mark.parametrize("size", [8, 16])
def test_blocks_come_back(size: int) -> None:
    x = image(48, 32)
    blocks = to_blocks(x, size)
    assert blocks.shape == (1, size * size, 48 // size, 32 // size)
    assert torch.equal(blocks[0, :, 2, 1].reshape(size, size), x[0, 0, 2 * size : 3 * size, size : 2 * size])
    assert torch.equal(from_blocks(blocks, size), x)


def blocks_changed(a: Tensor, b: Tensor) -> npt.NDArray[Any]:
    """Which 16x16 blocks of pixels differ, bool, shape (h, w)."""
    changed: npt.NDArray[Any] = to_blocks((a != b).double(), STRIDE)[0].amax(0).numpy() > 0
    return changed


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@torch.no_grad()
def test_no_pixel_depends_on_latents_beyond_the_reach(shape: Shape) -> None:
    _, g_s = branched(shape)
    reach = shape.reach
    side = 2 * reach + 5
    middle = reach + 2
    y = torch.randn(1, shape.channels, side, side, dtype=torch.float64)
    other = y.clone()
    other[:, :, middle, middle] += 100
    changed = blocks_changed(synthesised(g_s, y), synthesised(g_s, other))
    near = np.zeros((side, side), bool)
    near[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1] = True
    assert not changed[~near].any()
    assert changed[middle - 1 : middle + 2, middle - 1 : middle + 2].all()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@torch.no_grad()
def test_no_latent_depends_on_pixels_beyond_the_reach(shape: Shape) -> None:
    g_a, _ = branched(shape)
    reach = shape.reach
    side = 2 * reach + 5
    middle = reach + 2
    x = image(16 * side, 16 * side)
    other = x.clone()
    other[..., 16 * middle : 16 * middle + 16, 16 * middle : 16 * middle + 16] += 100
    changed = (g_a(x) != g_a(other))[0].any(0).numpy()
    near = np.zeros((side, side), bool)
    near[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1] = True
    assert not changed[~near].any()
    assert changed[middle - 1 : middle + 2, middle - 1 : middle + 2].all()


@pytest.mark.parametrize("shape", SHAPES[:2], ids=str)
@torch.no_grad()
def test_a_part_with_its_halo_is_the_crop_of_the_whole(shape: Shape) -> None:
    g_a, g_s = branched(shape)
    reach, side = shape.reach, 4 * shape.reach + 3
    x = image(16 * side, 16 * side)
    y = g_a(x)
    x_hat = synthesised(g_s, y)
    for top, left, h, w in [
        (0, 0, 2, 3),
        (reach, 1, 2, 2),
        (side - 2, side - 1, 2, 1),
        (2 * reach, reach, 1, 1),
    ]:
        a, b = max(0, top - reach), max(0, left - reach)
        c, d = min(side, top + h + reach), min(side, left + w + reach)
        rows, cols = slice(top - a, top - a + h), slice(left - b, left - b + w)
        part = g_a(x[..., 16 * a : 16 * c, 16 * b : 16 * d])[..., rows, cols]
        assert torch.allclose(part, y[..., top : top + h, left : left + w], rtol=0, atol=1e-10)
        pixels = synthesised(g_s, y[..., a:c, b:d])
        got = to_blocks(pixels, STRIDE)[..., rows, cols]
        assert torch.allclose(
            got, to_blocks(x_hat, STRIDE)[..., top : top + h, left : left + w], rtol=0, atol=1e-10
        )


def test_the_models_own_calls_agree_with_its_transforms(toy: Model) -> None:
    x = image(48, 32)[0, 0].float().numpy()
    y = toy.analyse(x)
    nets = toy.transform
    assert isinstance(nets, LappedTransform)
    with torch.no_grad():
        direct = nets.g_a(torch.from_numpy(x)[None, None])[0].numpy()
    assert y.shape == (24, 3, 2)
    assert np.allclose(y, direct, atol=1e-6)
    top = toy.synthesise(np.rint(y * 16).astype(np.int32), toy.top_level)
    scaled = np.rint(y * 16) / 16 * 2.0 ** toy.scales.inverse_log2[-1][:, None, None]
    with torch.no_grad():
        last = torch.tensor([toy.shape.anchors - 1.0])
        again = nets.g_s(torch.from_numpy(scaled).float()[None], last)[0, 0].numpy()
    assert top.shape == (48, 32)
    assert np.allclose(top, again, atol=1e-5)


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_convolutions_are_those_of_double_precision_whichever_library_makes_them(
    kernel: int, stride: int, layout: torch.memory_format
) -> None:
    torch.manual_seed(1)
    x, weight, bias = torch.randn(1, 12, 18, 14), torch.randn(7, 12, kernel, kernel), torch.randn(7)
    more = ((stride, stride), (kernel // 2, kernel // 2))
    expected = torch.nn.functional.conv2d(x.double(), weight.double(), bias.double(), *more)
    x, weight = (t.contiguous(memory_format=layout) for t in (x, weight))
    with torch.inference_mode():
        whole = convolve(x[:, :, 1:-1], weight, bias, *more)
        assert torch.allclose(convolve(x, weight, bias, *more).double(), expected, atol=1e-5)
    assert torch.allclose(whole, convolve(x[:, :, 1:-1], weight, bias, *more), atol=1e-5)


def test_convolutions_can_be_differentiated() -> None:
    weight = torch.ones(3, 2, 1, 1, requires_grad=True)
    slope = torch.autograd.grad(convolve(torch.ones(1, 2, 4, 5), weight).sum(), weight)[0]
    assert torch.equal(slope, torch.full_like(weight, 20))
