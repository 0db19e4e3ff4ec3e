"""Convolutional autoencoders at stride 16: a plain one and a residual one.

Both look at the raster as one image: they have no normalisation over an image or a batch, so that a tile with
its halo gives what the whole raster would give.
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from sarcodec.model.convolve import Conv2d

PLAIN_REACH, RESIDUAL_REACH = 2, 7
"""Latents on each side that a pixel depends on: 30 and 106 pixels of kernels, in strides of 16."""


class PlainAnalysis(nn.Sequential):
    """Four 5x5 convolutions of stride 2: (B, 1, H, W) -> (B, channels, H/16, W/16).

    Parameters
    ----------
    channels : int
        Latent channels.
    base : int
        Channels at stride 2; strides 4 and 8 have twice and four times as many.
    """

    def __init__(self, channels: int, base: int) -> None:
        sizes = (1, base, 2 * base, 4 * base, channels)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layers += [Conv2d(inputs, outputs, 5, stride=2, padding=2), nn.ReLU()]
        super().__init__(*layers[:-1])


class PlainSynthesis(nn.Module):
    """Four transposed 5x5 convolutions of stride 2, the mirror of :class:`PlainAnalysis`."""

    branch = False

    def __init__(self, channels: int, base: int) -> None:
        super().__init__()
        sizes = (channels, 4 * base, 2 * base, base, 1)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            layers += [
                nn.ConvTranspose2d(inputs, outputs, 5, stride=2, padding=2, output_padding=1),
                nn.ReLU(),
            ]
        self.net = nn.Sequential(*layers[:-1])

    def forward(self, y: Tensor, modulation: Tensor | None = None) -> Tensor:
        """(B, channels, h, w) -> (B, 1, 16 h, 16 w); there is nothing to modulate."""
        del modulation
        x: Tensor = self.net(y)
        return x


class Block(nn.Module):
    """x + 3x3(relu(3x3(relu(x)))); it starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = Conv2d(channels, channels, 3, padding=1)
        self.second = Conv2d(channels, channels, 3, padding=1)
        _silence(self.second)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape in and out."""
        step: Tensor = self.second(F.relu(self.first(F.relu(x))))
        return x + step


class Down(nn.Module):
    """Half the resolution: two 3x3 convolutions, the first of stride 2, beside a 1x1 of every 2nd value."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = Conv2d(inputs, outputs, 3, stride=2, padding=1)
        self.second = Conv2d(outputs, outputs, 3, padding=1)
        self.skip = Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h/2, w/2)."""
        step: Tensor = self.second(F.relu(self.first(F.relu(x))))
        # Not a convolution of stride 2: torch's backward pass of one of 1x1 with few channels, channels last,
        # writes beyond its memory (2.15, CPU).
        beside: Tensor = self.skip(x[:, :, ::2, ::2])
        return beside + step


class Up(nn.Module):
    """Twice the resolution: the mirror of :class:`Down`; beside it a 1x1 whose values are repeated."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = Conv2d(inputs, inputs, 3, padding=1)
        self.second = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)
        self.skip = Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, 2 h, 2 w)."""
        step: Tensor = self.second(F.relu(self.first(F.relu(x))))
        return F.interpolate(self.skip(x), scale_factor=2.0, mode="nearest") + step


class ResidualAnalysis(nn.Sequential):
    """A 3x3 stem, then a :class:`Down` and a :class:`Block` at each of the strides 2, 4, 8 and 16.

    Parameters
    ----------
    channels : int
        Latent channels.
    base : int
        Channels of the stem and at stride 2; each further stride has twice as many.
    """

    def __init__(self, channels: int, base: int) -> None:
        sizes = (base, base, 2 * base, 4 * base, 8 * base)
        layers: list[nn.Module] = [Conv2d(1, base, 3, padding=1)]
        for inputs, outputs in pairwise(sizes):
            layers += [Down(inputs, outputs), Block(outputs)]
        super().__init__(*layers, Conv2d(8 * base, channels, 1))


class ResidualSynthesis(nn.Module):
    """The mirror of :class:`ResidualAnalysis`."""

    branch = False

    def __init__(self, channels: int, base: int) -> None:
        super().__init__()
        sizes = (8 * base, 4 * base, 2 * base, base, base)
        layers: list[nn.Module] = [Conv2d(channels, 8 * base, 1)]
        for inputs, outputs in pairwise(sizes):
            layers += [Block(inputs), Up(inputs, outputs)]
        self.net = nn.Sequential(*layers, Conv2d(base, 1, 3, padding=1))

    def forward(self, y: Tensor, modulation: Tensor | None = None) -> Tensor:
        """(B, channels, h, w) -> (B, 1, 16 h, 16 w); there is nothing to modulate."""
        del modulation
        x: Tensor = self.net(y)
        return x


def _silence(conv: Conv2d) -> None:
    nn.init.zeros_(conv.weight)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
