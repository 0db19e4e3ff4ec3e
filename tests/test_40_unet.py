"""The U-Net: its size, what takes the way of the skips, and the counting of what they would cost."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sarcodec.model.families import networks_of
from sarcodec.model.hyper import Shape
from sarcodec.model.residual import ResidualShape
from sarcodec.train.unet import (
    STRIDES,
    Activations,
    UNet,
    channel_bits,
    coarsest,
    entropy_bits,
    noise_gains,
    rounded,
    step_shapes,
    without_skips,
)


@pytest.fixture
def net() -> UNet:
    """A small network whose every weight matters."""
    torch.manual_seed(1)
    small = UNet(channels=3, base=4)
    for value in small.parameters():
        nn.init.normal_(value, std=0.15)
    return small


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 1, 48, 64, generator=torch.Generator().manual_seed(2))


def test_the_u_net_is_resnet_lite_and_four_joins_of_1x1() -> None:
    lite = networks_of(Shape(transform=ResidualShape(base=32), groups=(16,)))
    count = sum(parameter.numel() for net in lite for parameter in net.parameters())
    joins = sum(2 * n * n + n for n in (32, 32, 64, 128))
    assert sum(p.numel() for p in UNet().parameters()) == count + joins


def test_activations_have_the_sizes_of_their_strides(net: UNet, x: Tensor) -> None:
    seen = net.encode(x)
    assert seen.code.shape == (2, 3, 3, 4)
    assert STRIDES == (1, 2, 4, 8)
    assert [tuple(s.shape) for s in seen.skips] == [
        (2, 4, 48, 64),
        (2, 4, 24, 32),
        (2, 8, 12, 16),
        (2, 16, 6, 8),
    ]
    assert net(x).shape == x.shape


@torch.no_grad()
def test_zeroed_skips_leave_what_the_code_says_and_nothing_else(net: UNet, x: Tensor) -> None:
    bare = net(x, skips=False)
    assert not torch.allclose(bare, net(x), atol=1e-3)
    seen = net.encode(x)
    other = Activations(seen.code, net.encode(x + 1).skips)
    assert torch.equal(net.decode(without_skips(other)), bare)


@torch.no_grad()
@pytest.mark.parametrize("which", range(4))
def test_every_skip_reaches_the_image(net: UNet, x: Tensor, which: int) -> None:
    seen = net.encode(x)
    skips = list(seen.skips)
    skips[which] = skips[which] + 1
    assert not torch.allclose(net.decode(Activations(seen.code, tuple(skips))), net.decode(seen), atol=1e-4)


class Linear(UNet):
    """A decoder whose noise gains are known: the first channel of the first skip, times 3."""

    def decode(self, seen: Activations) -> Tensor:
        return 3 * seen.skips[0][:, :1] + 0 * sum(t.sum() for t in seen.tensors())


def test_noise_gains_are_the_squares_of_a_linear_decoder(x: Tensor) -> None:
    net = Linear(channels=3, base=4)
    gains = noise_gains(net, net.encode(x))
    assert float(gains[1][0]) == pytest.approx(9, rel=0.1)  # an estimate from 6144 pixels
    assert float(gains[1][1:].abs().max()) == 0
    assert all(float(gains[k].abs().max()) == 0 for k in (0, 2, 3, 4))


@torch.no_grad()
def test_steps_of_these_shapes_spread_an_error_evenly(net: UNet, x: Tensor) -> None:
    seen = net.encode(x)
    gains = [torch.rand(t.shape[1]) + 0.1 for t in seen.tensors()]
    for gain, step, tensor in zip(gains, step_shapes(gains, seen), seen.tensors(), strict=True):
        places = tensor.numel() / tensor.shape[1]
        assert torch.allclose(gain * step[:, 0, 0] ** 2 / places, torch.ones(()), rtol=1e-5)


@torch.no_grad()
def test_rounding_keeps_within_half_a_step_and_leaves_what_has_none(net: UNet, x: Tensor) -> None:
    seen = net.encode(x)
    step = torch.tensor([0.5, 0.1, 2.0])[:, None, None]
    values, symbols = rounded(seen, [step, None, None, None, None])
    assert bool(((values.code - seen.code).abs() <= step / 2 + 1e-6).all())
    assert all(a is b for a, b in zip(values.skips, seen.skips, strict=True))
    assert symbols[1:] == [None] * 4
    assert symbols[0] is not None
    assert np.allclose(symbols[0] * step.numpy(), values.code.numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    ("counts", "bits"), [((8,), 0.0), ((4, 4), 1.0), ((2, 2, 2, 2), 2.0), ((4, 2, 1, 1), 1.75)]
)
def test_entropy_of_known_distributions(counts: tuple[int, ...], bits: float) -> None:
    symbols = np.repeat(np.arange(len(counts)) * 7 - 3, counts)
    assert entropy_bits(symbols) == pytest.approx(8 * bits)


def test_entropy_of_finely_rounded_gaussian_noise_is_its_differential_entropy() -> None:
    symbols = np.rint(np.random.default_rng(3).normal(0, 20, 200_000)).astype(np.int64)
    expected = 0.5 * math.log2(2 * math.pi * math.e * 20**2)
    assert entropy_bits(symbols) / symbols.size == pytest.approx(expected, abs=0.01)


def test_a_table_for_each_channel_is_shared_by_the_images() -> None:
    first = np.array([[[[0, 0]], [[5, 6]]]])  # channel 0 constant in an image but not over both
    second = np.array([[[[1, 1]], [[5, 6]]]])
    assert channel_bits([first, second]) == [4.0, 4.0]
    assert channel_bits([first, first]) == [0.0, 4.0]
    assert entropy_bits(np.concatenate((first, first))) == pytest.approx(8 * 1.5)


@pytest.mark.parametrize("limit", [1e-5, 0.3, 700.0])
def test_the_coarsest_step_loses_no_more_than_allowed_and_hardly_less(limit: float) -> None:
    step = coarsest(lambda s: (s / limit) ** 2, 1.0)
    assert 0.97 * limit < step <= limit
