"""Hyperprior with an integer hyper-synthesis, and channel groups conditioned on those before them.

The latents are coded in groups of channels (the first is the base layer). The mean and scale of a group come
from the hyper-latents and from the groups already decoded, all in integers: see `docs/FORMAT.md`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sarcodec.model.convolve import Conv2d
from sarcodec.model.integer import IntConv2d
from sarcodec.model.schema import TransformShape

HYPER_STRIDE = 4
"""Latents between two hyper-latents."""
FRACTION = 32
"""Means and log-scales leave the networks in units of 1/32 (of the channel's deviation, of an octave)."""
CONTEXT_CHANNELS = 64
"""Decoded channels that a group sees at most: those right before it."""
CONTEXT_MAX = 127
"""Hyper-latents and decoded latents enter the networks clamped to this magnitude, in units of 1/16."""
QUANTISERS = ("scalar", "trellis")
"""How latents become symbols."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes of a model: those of its transform, and those of the entropy part that all families have."""

    transform: TransformShape
    groups: tuple[int, ...] = (16, 32, 80)
    hyper: int = 32
    hidden: int = 64
    anchors: int = 6
    quantiser: str = "scalar"

    @property
    def family(self) -> str:
        """Name of the family of transforms."""
        return self.transform.family

    @property
    def channels(self) -> int:
        """All latent channels."""
        return sum(self.groups)

    @property
    def reach(self) -> int:
        """Latents on each side that a pixel depends on; a latent depends on 16 times as many pixels."""
        return self.transform.reach

    @property
    def starts(self) -> tuple[int, ...]:
        """First channel of each group."""
        return tuple(sum(self.groups[:i]) for i in range(len(self.groups)))

    def context(self, group: int) -> slice:
        """Decoded channels that a group is conditioned on."""
        start = self.starts[group]
        return slice(max(0, start - CONTEXT_CHANNELS), start)


class HyperAnalysis(nn.Module):
    """h_a: latents -> hyper-latents, encoder only, floating point."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        n = shape.hidden
        self.net = nn.Sequential(
            Conv2d(2 * shape.channels, n, 3, padding=1),
            nn.ReLU(),
            Conv2d(n, n, 4, stride=2, padding=1),
            nn.ReLU(),
            Conv2d(n, shape.hyper, 4, stride=2, padding=1),
        )
        self.start: Callable[[Tensor], Tensor] | None = None
        """What stands for magnitudes and the first convolution, where bytes do."""

    def forward(self, v: Tensor) -> Tensor:
        """(B, C, h, w) latents in units of the channels' deviation -> (B, hyper, h/4, w/4), rounded up."""
        h, w = v.shape[-2:]
        v = F.pad(v, (0, -w % HYPER_STRIDE, 0, -h % HYPER_STRIDE))
        first = self.net[0](torch.cat((v, v.abs()), dim=1)) if self.start is None else self.start(v)
        z: Tensor = self.net[1:](first)
        return z


class HyperSynthesis(nn.Module):
    """h_s: integer hyper-latents -> integer features on the latents' grid."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        n = shape.hidden
        self.first = IntConv2d(shape.hyper, 96, 3)
        self.up1 = IntConv2d(96, 4 * n, 1)
        self.middle = IntConv2d(n, n, 3)
        self.up2 = IntConv2d(n, 4 * 48, 3)
        self.last = IntConv2d(48, n, 3)

    def forward(self, z: Tensor) -> Tensor:
        """(B, hyper, h, w) in -127..127 -> (B, hidden, 4 h, 4 w) in 0..255."""
        x = F.pixel_shuffle(self.up1(self.first(z)), 2)
        x = F.pixel_shuffle(self.up2(self.middle(x)), 2)
        features: Tensor = self.last(x)
        return features


class GroupHead(nn.Module):
    """Means and log-scales of one group from the features and the groups before it."""

    def __init__(self, inputs: int, outputs: int, *, context: bool) -> None:
        super().__init__()
        n = 96 if context else 64
        self.mix = IntConv2d(inputs, n, 3 if context else 1)
        self.out = IntConv2d(n, 2 * outputs, 1, relu=False, gain_bits=1)
        nn.init.normal_(self.out.weight, std=0.01)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, inputs, h, w) -> mean and log2 scale, each (B, outputs, h, w), in units of 1/32."""
        mean, log_scale = self.out(self.mix(x)).chunk(2, dim=1)
        return mean, log_scale


class EntropyNetworks(nn.Module):
    """The part of a model that decides symbols: h_a, h_s and a head for each group."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.h_a = HyperAnalysis(shape)
        self.h_s = HyperSynthesis(shape)
        self.heads = nn.ModuleList(
            GroupHead(shape.hidden + min(start, CONTEXT_CHANNELS), size, context=start > 0)
            for start, size in zip(shape.starts, shape.groups, strict=True)
        )

    def features(self, z: Tensor) -> Tensor:
        """See :class:`HyperSynthesis`."""
        features: Tensor = self.h_s(z)
        return features

    def codes(self, group: int, features: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Means and log-scales of a group, see :class:`GroupHead`, of features and latents before it."""
        mean, log_scale = self.heads[group](torch.cat((features, seen), dim=1))
        return mean, log_scale
