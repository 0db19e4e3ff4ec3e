"""Autoencoders of the founding notes: their sizes, their reach, a part computed as of the whole."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from sarcodec.model.autoencoder_shape import AutoencoderShape
from sarcodec.model.families import networks_of, schema_of
from sarcodec.model.hyper import Shape
from sarcodec.model.plain import PlainShape
from sarcodec.model.residual import ResidualShape

STRIDE = 16
FAMILIES = {
    "baseline": Shape(transform=PlainShape(base=64), groups=(16,)),
    "resnet-lite": Shape(transform=ResidualShape(base=32), groups=(16,)),
    "full resnet": Shape(transform=ResidualShape(base=64), groups=(16,)),
}
SMALL = [Shape(transform=kind(base=4), groups=(6,)) for kind in (PlainShape, ResidualShape)]


def test_an_autoencoder_without_a_base_is_refused() -> None:
    with pytest.raises(ValueError, match="base"):
        Shape(transform=PlainShape(), groups=(6,))


def speaking(shape: Shape) -> tuple[nn.Module, nn.Module]:
    """Transforms whose every weight matters, in double precision."""
    torch.manual_seed(1)
    g_a, g_s = networks_of(shape)
    for module in (g_a, g_s):
        for value in module.parameters():
            nn.init.normal_(value, std=0.2)
    return g_a.double(), g_s.double()


def image(h: int, w: int) -> Tensor:
    return torch.randn(1, 1, h, w, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


@pytest.mark.parametrize(("name", "millions"), [("baseline", 2.3), ("resnet-lite", 5.6), ("full resnet", 22)])
def test_parameters_are_as_many_as_the_notes_say(name: str, millions: float) -> None:
    sizes = [size for _, size in schema_of(FAMILIES[name]).required.values()]
    count = sum(math.prod(side or 0 for side in size) for size in sizes)
    assert abs(count / (millions * 1e6) - 1) < 0.05


@pytest.mark.parametrize("channels", [16, 32, 64])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_block_of_256_pixels_becomes_16_by_16_latents(name: str, channels: int) -> None:
    sizes = FAMILIES[name].transform
    assert isinstance(sizes, AutoencoderShape)
    shape = Shape(transform=replace(sizes, base=4), groups=(channels,))
    g_a, g_s = networks_of(shape)
    y = g_a(torch.zeros(1, 1, 256, 256))
    assert y.shape == (1, channels, 16, 16)
    assert g_s(y, None).shape == (1, 1, 256, 256)


@torch.no_grad()
@pytest.mark.parametrize("shape", SMALL, ids=lambda shape: shape.family)
def test_a_pixel_depends_on_latents_within_the_reach_and_no_further(shape: Shape) -> None:
    _, g_s = speaking(shape)
    side = 2 * shape.reach + 5
    y = torch.zeros(1, 6, side, side, dtype=torch.float64)
    changed = y.clone()
    changed[..., side // 2, side // 2] = 1
    seen = (g_s(y, None) != g_s(changed, None))[0, 0].any(1).nonzero()[:, 0] // STRIDE - side // 2
    assert -shape.reach <= int(seen.min()) <= -shape.reach + 1
    assert shape.reach - 1 <= int(seen.max()) <= shape.reach


@torch.no_grad()
@pytest.mark.parametrize("shape", SMALL, ids=lambda shape: shape.family)
def test_a_part_with_its_halo_gives_what_the_whole_gives(shape: Shape) -> None:
    g_a, g_s = speaking(shape)
    x, reach = image(480, 512), shape.reach
    whole = g_a(x)
    part = g_a(x[..., : STRIDE * (4 + reach), STRIDE * 8 :])[..., :4, reach:]
    assert torch.allclose(part, whole[..., :4, 8 + reach :], rtol=0, atol=1e-9)
    pixels = g_s(whole, None)
    piece = g_s(whole[..., 5 : 9 + 2 * reach, : 4 + reach], None)
    inner = slice(STRIDE * reach, STRIDE * (4 + reach))
    there = slice(STRIDE * (5 + reach), STRIDE * (9 + reach))
    assert torch.allclose(
        piece[..., inner, : STRIDE * 4], pixels[..., there, : STRIDE * 4], rtol=0, atol=1e-9
    )
