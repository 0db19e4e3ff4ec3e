"""g_a and g_s of the lapped family: the lapped pair, and beside it a branch of byte convolutions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sarcodec.model.lapped.basis import OVERLAP, Border, from_blocks, to_blocks
from sarcodec.model.levels import interpolate
from sarcodec.model.transforms import STRIDE
from sarcodec.train.whole.convolution import ByteConv2d, Bytes
from sarcodec.train.whole.lapped import LappedAnalysis, LappedSynthesis

DEVIATIONS = Bytes(-3, signed=True)
"""Latents that an encoder's network takes, in deviations of their channel."""
SEEN = Bytes(-4, signed=True)
"""Decoded latents that a decoder's networks take, in deviations of their channel."""
PIXELS = Bytes(-4, signed=True)
"""Pixels that the analysis takes, in units of 4 dB about the scene's mean: steps of 0.25 dB."""


TAKEN, WITHIN = Bytes(-5, signed=True), Bytes(-6, signed=False)
"""What residual blocks take, and what is within them, before steps are fitted."""


class Residual(nn.Module):
    """x + 1x1(relu(3x3(x))); x itself is not rounded."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv3 = ByteConv2d(channels, channels, 3, TAKEN, padding=1)
        self.conv1 = ByteConv2d(channels, channels, 1, WITHIN)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape in and out."""
        step: Tensor = self.conv1(self.conv3(x))
        return x + step


def residuals(channels: int, blocks: int) -> nn.Sequential:
    """Residual blocks in a row."""
    return nn.Sequential(*(Residual(channels) for _ in range(blocks)))


@dataclass(frozen=True)
class Branch:
    """Sizes of the branch of one direction."""

    wide: int = 64
    """Channels at stride 8."""
    deep: int = 128
    """Channels at stride 16."""
    wide_blocks: int = 2
    deep_blocks: int = 1


class Analysis(nn.Module):
    """g_a: image -> latents.

    Parameters
    ----------
    channels : int
        Latent channels.
    branch : Branch
    """

    deviation_log2: Tensor

    def __init__(self, channels: int, branch: Branch) -> None:
        super().__init__()
        wide, deep = branch.wide, branch.deep
        self.border = Border()
        self.lapped = LappedAnalysis(channels)
        self.stem = ByteConv2d((STRIDE // 2) ** 2, wide, 2, PIXELS)
        self.wide = residuals(wide, branch.wide_blocks)
        self.down = ByteConv2d(wide, deep, 2, TAKEN, stride=2)
        self.join = ByteConv2d(channels, deep, 1, DEVIATIONS)
        self.deep = residuals(deep, branch.deep_blocks)
        self.out = ByteConv2d(deep, channels, 1, WITHIN)
        self.register_buffer("deviation_log2", torch.zeros(channels))
        for tensor in (self.out.weight, self.out.bias):
            nn.init.zeros_(tensor)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, H, W) normalised dB, H and W multiples of 16 -> (B, C, H/16, W/16)."""
        extended = self.border.extend(x)
        y: Tensor = self.lapped(extended)
        crop = OVERLAP // 2
        inner = extended[:, :, crop:-crop, crop:-crop]
        h = self.wide(F.relu(self.stem(to_blocks(inner, STRIDE // 2))))
        joined = self.join(y * torch.exp2(-self.deviation_log2)[:, None, None])
        step: Tensor = self.out(self.deep(self.down(h) + joined))
        return y + step


class Synthesis(nn.Module):
    """g_s: dequantised latents -> image. As :class:`Analysis`, with a number of rate anchors."""

    def __init__(self, channels: int, branch: Branch, anchors: int) -> None:
        super().__init__()
        wide, deep = branch.wide, branch.deep
        self.lapped = LappedSynthesis(channels)
        self.join = ByteConv2d(channels, deep, 1, SEEN)
        self.modulate = nn.Parameter(torch.zeros(anchors, 2 * deep))
        self.deep = residuals(deep, branch.deep_blocks)
        self.up = ByteConv2d(deep, 4 * wide, 1, WITHIN)
        self.wide = residuals(wide, branch.wide_blocks)
        self.out = ByteConv2d(wide, (STRIDE // 2) ** 2, 2, TAKEN, padding=1)
        for tensor in (self.out.weight, self.out.bias):
            nn.init.zeros_(tensor)

    def forward(self, y: Tensor, seen: Tensor, position: Tensor) -> Tensor:
        """Latents in network units, and in deviations, (B, C, h, w) -> (B, 1, 16 h, 16 w) normalised dB.

        `position` is the fractional anchor of the rate level, shape (B,) or (1,).
        """
        fine = from_blocks(self.out(self.features(seen, position)), STRIDE // 2)
        crop = OVERLAP // 2
        image: Tensor = self.lapped(y) + fine[:, :, crop:-crop, crop:-crop]
        return image

    def features(self, seen: Tensor, position: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, wide, 2 h, 2 w), of which the last convolution makes pixels."""
        gain, shift = interpolate(self.modulate, position)[:, :, None, None].chunk(2, dim=1)
        h = self.deep(self.join(seen) * (1 + gain) + shift)
        wide: Tensor = self.wide(F.relu(F.pixel_shuffle(self.up(h), 2)))
        return wide
