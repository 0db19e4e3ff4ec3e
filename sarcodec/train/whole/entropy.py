"""The networks that decide symbols, in byte convolutions: h_a, h_s and a head for each group of channels.

Features have seen their neighbours in h_s, so a head weighs them by 1x1, and the latents before it by 3x3.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sarcodec.model.hyper import CONTEXT_CHANNELS, HYPER_STRIDE, Shape
from sarcodec.train.whole.convolution import (
    ByteConv2d,
    Bytes,
    powers_of,
    rounded_bias,
    rounded_weights,
    straight_through,
)
from sarcodec.train.whole.transforms import DEVIATIONS, WITHIN

FEATURES, SEEN = Bytes(0, signed=False), Bytes(0, signed=True)
"""What h_s and heads take: whole numbers; of decoded latents sixteenths of a deviation."""
LEAST_POWER = -9
"""Logarithm of the smallest step of weights."""
BIAS_SIZE = 16.0
"""What a unit of a bias parameter is worth."""
HIDDEN = 96
"""Channels within a head."""
OUT_GAIN = 2.0
"""Means and scales are this many times what a head's weights make, so that small weights are fine enough."""


def layer(inputs: int, outputs: int, kernel: int, given: Bytes = FEATURES) -> ByteConv2d:
    """A convolution that keeps the size."""
    return ByteConv2d(
        inputs, outputs, kernel, given, padding=kernel // 2, least_power=LEAST_POWER, bias_size=BIAS_SIZE
    )


class HyperAnalysis(nn.Module):
    """h_a: latents -> hyper-latents, encoder only."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        n = shape.hidden
        self.first = ByteConv2d(2 * shape.channels, n, 3, DEVIATIONS, padding=1)
        self.middle = ByteConv2d(n, n, 4, WITHIN, stride=2, padding=1)
        self.last = ByteConv2d(n, shape.hyper, 4, WITHIN, stride=2, padding=1)

    def forward(self, v: Tensor) -> Tensor:
        """(B, C, h, w) latents in units of the channels' deviation -> (B, hyper, h/4, w/4), rounded up."""
        h, w = v.shape[-2:]
        v = F.pad(v, (0, -w % HYPER_STRIDE, 0, -h % HYPER_STRIDE))
        z: Tensor = self.last(self.middle(self.first(torch.cat((v, v.abs()), dim=1))))
        return z


class HyperSynthesis(nn.Module):
    """h_s: whole hyper-latents -> features on the latents' grid."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        n = shape.hidden
        self.first = layer(shape.hyper, 96, 3, SEEN)
        self.up1 = layer(96, 4 * n, 1)
        self.middle = layer(n, n, 3)
        self.up2 = layer(n, 4 * 48, 3)
        self.last = layer(48, n, 3)

    def forward(self, z: Tensor) -> Tensor:
        """(B, hyper, h, w) in -127..127 -> (B, hidden, 4 h, 4 w), whole numbers of 0..255."""
        x = F.pixel_shuffle(self.up1(self.first(z)), 2)
        x = F.pixel_shuffle(self.up2(self.middle(x)), 2)
        return FEATURES.rounded(self.last(x))


class GroupHead(nn.Module):
    """Means and log-scales of one group from the features and the latents before it."""

    def __init__(self, features: int, context: int, outputs: int, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.features = nn.Parameter(torch.empty(hidden, features, 1, 1))
        self.context = nn.Parameter(torch.zeros(hidden, context, 3, 3)) if context else None
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.out = layer(hidden, 2 * outputs, 1)
        nn.init.kaiming_normal_(self.features, nonlinearity="relu")
        nn.init.normal_(self.out.weight, std=0.01)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, features + context, h, w) -> mean and log2 scale, each (B, outputs, h, w), in units of 1/32."""
        weights = [self.features] if self.context is None else [self.features, self.context]
        power = powers_of(*weights).clamp_min(LEAST_POWER)
        bias = rounded_bias(BIAS_SIZE * self.bias, power)
        count = self.features.shape[1]
        sums = F.conv2d(FEATURES.rounded(x[:, :count]), rounded_weights(self.features, power), bias)
        if self.context is not None:
            sums = sums + F.conv2d(
                SEEN.rounded(x[:, count:]), rounded_weights(self.context, power), padding=1
            )
        codes = OUT_GAIN * self.out(sums)
        mean, log_scale = straight_through(codes, torch.round(codes)).chunk(2, dim=1)
        return mean, log_scale


class EntropyNetworks(nn.Module):
    """The part of a model that decides symbols; as :class:`sarcodec.model.hyper.EntropyNetworks`."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.h_a = HyperAnalysis(shape)
        self.h_s = HyperSynthesis(shape)
        self.heads = nn.ModuleList(
            GroupHead(shape.hidden, min(start, CONTEXT_CHANNELS), size)
            for start, size in zip(shape.starts, shape.groups, strict=True)
        )
