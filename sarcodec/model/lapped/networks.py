"""The networks g_a and g_s of the lapped family.

Both start as a modulated lapped transform and add a convolutional branch whose output starts at zero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sarcodec.model.convolve import Conv2d, convolve
from sarcodec.model.lapped.basis import OVERLAP, Border, from_blocks, lapped_basis, quarters, to_blocks
from sarcodec.model.levels import interpolate
from sarcodec.model.transforms import STRIDE

SLICE = 64
"""Channels that the synthesis leaves out together where all are zero."""


def of_latents(conv: Conv2d, y: Tensor) -> Tensor:
    """`conv` of the first latents, without the work for those that are all zero, as the last ones often are.

    The sum is that of slices of channels either way, so that a window is bit for bit a crop of the whole.
    """
    if torch.is_grad_enabled() or y.is_meta:  # in training, or counting what is to be multiplied
        whole: Tensor = conv(y)
        return whole
    assert isinstance(conv.padding, tuple)
    channels = y.shape[1]
    ends = [(first, min(first + SLICE, channels)) for first in range(0, channels, SLICE)]
    first, end = ends[0]
    total = convolve(y[:, first:end], conv.weight[:, first:end], conv.bias, padding=conv.padding)
    for first, end in ends[1:]:
        if y[:, first:end].any():
            total += convolve(y[:, first:end], conv.weight[:, first:end], padding=conv.padding)
    return total


class Residual(nn.Module):
    """x + 1x1(relu(3x3(x)))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv3 = Conv2d(channels, channels, 3, padding=1)
        self.conv1 = Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape in and out."""
        step: Tensor = self.conv1(F.relu(self.conv3(x)))
        return x + step


class AnalysisTransform(nn.Module):
    """g_a: image -> latents.

    `in_bytes`, where it is set, computes the branch in 8 bits, see :mod:`sarcodec.model.lapped.branch`.

    Parameters
    ----------
    channels : int
        Latent channels.
    wide, deep : int
        Channels of the branch at strides 8 and 16.
    wide_blocks, deep_blocks : int
        Residual blocks at strides 8 and 16.
    """

    def __init__(self, channels: int, wide: int, deep: int, wide_blocks: int, deep_blocks: int) -> None:
        super().__init__()
        self.border = Border()
        self.lapped = Conv2d(STRIDE**2, channels, 2, bias=False)
        self.lapped.weight.data = quarters(lapped_basis(channels)).to(self.lapped.weight.device)
        self.in_bytes: Callable[[Tensor, Tensor], Tensor] | None = None
        self.branch = wide > 0
        if self.branch:
            self.stem = Conv2d(64, wide, 2)
            self.wide = nn.Sequential(*(Residual(wide) for _ in range(wide_blocks)))
            self.down = Conv2d(wide, deep, 2, stride=2)
            self.join = Conv2d(channels, deep, 1)
            self.deep = nn.Sequential(*(Residual(deep) for _ in range(deep_blocks)))
            self.out = Conv2d(deep, channels, 1)
            nn.init.zeros_(self.out.weight)
            nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, H, W) normalised dB, H and W multiples of 16 -> (B, C, H/16, W/16)."""
        e = self.border.extend(x)
        y: Tensor = self.lapped(to_blocks(e, STRIDE))
        if self.branch:
            inner = e[:, :, OVERLAP // 2 : -(OVERLAP // 2), OVERLAP // 2 : -(OVERLAP // 2)]
            stem, joined = self.stem(to_blocks(inner, STRIDE // 2)), self.join(y)
            if self.in_bytes is not None:
                return y + self.in_bytes(stem, joined)
            h = self.down(self.wide(F.relu(stem))) + joined
            y = y + self.out(F.relu(self.deep(h)))
        return y


class ByteBranch(Protocol):
    """The branch of g_s in 8 bits, see :mod:`sarcodec.model.lapped.branch`."""

    def __call__(self, y: Tensor, modulation: Tensor) -> Tensor:
        """See :meth:`SynthesisTransform.features`."""

    def coarse(self, y: Tensor, modulation: Tensor) -> Tensor:
        """See :meth:`SynthesisTransform.coarse`."""


class SynthesisTransform(nn.Module):
    """g_s: dequantised latents -> image. As :class:`AnalysisTransform`; `levels` is how many rate anchors."""

    def __init__(
        self, channels: int, wide: int, deep: int, wide_blocks: int, deep_blocks: int, levels: int
    ) -> None:
        super().__init__()
        self.border = Border()
        self.lapped = Conv2d(channels, STRIDE**2, 2, padding=1, bias=False)
        kernels = quarters(lapped_basis(channels)).permute(1, 0, 2, 3).flip(2, 3).contiguous()
        self.lapped.weight.data = kernels.to(self.lapped.weight.device)
        self.in_bytes: ByteBranch | None = None
        self.branch = wide > 0
        if self.branch:
            self.join = Conv2d(channels, deep, 1)
            self.modulate = nn.Parameter(torch.zeros(levels, 2 * deep))
            self.deep = nn.Sequential(*(Residual(deep) for _ in range(deep_blocks)))
            self.up = Conv2d(deep, 4 * wide, 1)
            self.wide = nn.Sequential(*(Residual(wide) for _ in range(wide_blocks)))
            self.out = Conv2d(wide, 64, 2, padding=1)
            nn.init.zeros_(self.out.weight)
            nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, y: Tensor, position: Tensor | None = None) -> Tensor:
        """(B, C, h, w) -> (B, 1, 16 h, 16 w) normalised dB.

        `position` is the fractional anchor of the rate level, shape (B,) or (1,).
        """
        blocks = of_latents(self.lapped, y)
        x = from_blocks(blocks, STRIDE)[:, :, OVERLAP:-OVERLAP, OVERLAP:-OVERLAP]
        x = self.border.correct(x)
        if self.branch:
            assert position is not None
            fine = self.out(self.features(y, self.modulation(position)))
            crop = OVERLAP // 2
            x += from_blocks(fine, STRIDE // 2)[:, :, crop:-crop, crop:-crop]
        return x

    def modulation(self, position: Tensor) -> Tensor:
        """Gains, less 1, and shifts of the branch's first features, (B,) -> (B, 2 * deep)."""
        return interpolate(self.modulate, position)

    def features(self, y: Tensor, modulation: Tensor) -> Tensor:
        """The first latents (B, c, h, w) -> (B, wide, 2 h, 2 w), from which the branch makes its pixels."""
        if self.in_bytes is not None:
            return self.in_bytes(y, modulation)
        wide: Tensor = self.wide(F.relu(F.pixel_shuffle(self.up(self.coarse(y, modulation)), 2)))
        return wide

    def coarse(self, y: Tensor, modulation: Tensor) -> Tensor:
        """The first latents (B, c, h, w) -> (B, deep, h, w), what the branch has at stride 16."""
        if self.in_bytes is not None:
            return self.in_bytes.coarse(y, modulation)
        scale, shift = modulation[:, :, None, None].chunk(2, dim=1)
        return F.relu(self.deep(of_latents(self.join, y) * (1 + scale) + shift))
