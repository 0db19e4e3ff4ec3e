"""A residual convolutional autoencoder at stride 16."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from sarcodec.model.autoencoder_shape import AutoencoderShape
from sarcodec.model.convolve import Conv2d
from sarcodec.model.family import Arrays, Family, Training
from sarcodec.model.latent_scales import LatentScales
from sarcodec.model.network_transform import NetworkTransform, loaded
from sarcodec.model.schema import Schema, convolutions


@dataclass(frozen=True)
class ResidualShape(AutoencoderShape):
    """Sizes: ``base`` channels at strides 1 and 2; each further stride has twice as many."""

    family: ClassVar[str] = "residual"

    @property
    def reach(self) -> int:
        """106 pixels of kernels, in strides of 16."""
        return 7


def schema(shape: ResidualShape, channels: int, anchors: int) -> Schema:
    """Tensors of a model file."""
    del anchors
    f = shape.base
    sizes = (f, f, 2 * f, 4 * f, 8 * f)

    def analysis() -> Iterator[tuple[str, tuple[int, ...]]]:
        yield "0", (f, 1, 3, 3)
        for k, (inputs, outputs) in enumerate(pairwise(sizes)):
            yield f"{2 * k + 1}.first", (outputs, inputs, 3, 3)
            yield f"{2 * k + 1}.second", (outputs, outputs, 3, 3)
            yield f"{2 * k + 1}.skip", (outputs, inputs, 1, 1)
            yield f"{2 * k + 2}.first", (outputs, outputs, 3, 3)
            yield f"{2 * k + 2}.second", (outputs, outputs, 3, 3)
        yield "9", (channels, 8 * f, 1, 1)

    def synthesis() -> Iterator[tuple[str, tuple[int, ...]]]:
        yield "net.0", (8 * f, channels, 1, 1)
        for k, (inputs, outputs) in enumerate(pairwise(sizes[::-1])):
            yield f"net.{2 * k + 1}.first", (inputs, inputs, 3, 3)
            yield f"net.{2 * k + 1}.second", (inputs, inputs, 3, 3)
            yield f"net.{2 * k + 2}.first", (inputs, inputs, 3, 3)
            yield f"net.{2 * k + 2}.skip", (outputs, inputs, 1, 1)
        yield "net.9", (1, f, 3, 3)

    def up() -> Iterator[tuple[str, tuple[int, ...]]]:
        for k, (inputs, outputs) in enumerate(pairwise(sizes[::-1])):
            yield f"net.{2 * k + 2}.second", (inputs, outputs, 3, 3)

    return Schema(
        convolutions("analysis/g_a.", analysis())
        | convolutions("synthesis/g_s.", synthesis())
        | convolutions("synthesis/g_s.", up(), transposed=True)
    )


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

    def __init__(self, channels: int, base: int) -> None:
        super().__init__()
        sizes = (8 * base, 4 * base, 2 * base, base, base)
        layers: list[nn.Module] = [Conv2d(channels, 8 * base, 1)]
        for inputs, outputs in pairwise(sizes):
            layers += [Block(inputs), Up(inputs, outputs)]
        self.net = nn.Sequential(*layers, Conv2d(base, 1, 3, padding=1))

    def forward(self, y: Tensor, position: Tensor | None = None) -> Tensor:
        """(B, channels, h, w) -> (B, 1, 16 h, 16 w); the rate makes no difference."""
        del position
        x: Tensor = self.net(y)
        return x


def _silence(conv: Conv2d) -> None:
    nn.init.zeros_(conv.weight)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)


def networks(shape: ResidualShape, channels: int, anchors: int) -> tuple[nn.Module, nn.Module]:
    """g_a and g_s, freshly initialised."""
    del anchors
    return ResidualAnalysis(channels, shape.base), ResidualSynthesis(channels, shape.base)


def build(shape: ResidualShape, scales: LatentScales, tensors: Arrays, device: str) -> NetworkTransform:
    """The transform of a model file."""
    g_a, g_s = loaded(lambda: networks(shape, scales.channels, scales.anchors), tensors, device)
    return NetworkTransform(shape.reach, scales, g_a, g_s, device)


FAMILY = Family(ResidualShape, schema, build, Training(networks, channels_last=False))
