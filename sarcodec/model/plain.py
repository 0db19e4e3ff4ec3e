"""A plain convolutional autoencoder at stride 16."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from sarcodec.model.autoencoder_shape import AutoencoderShape
from sarcodec.model.convolve import Conv2d
from sarcodec.model.family import Arrays, Family, Training
from sarcodec.model.latent_scales import LatentScales
from sarcodec.model.network_transform import NetworkTransform, loaded
from sarcodec.model.schema import Schema, convolutions


@dataclass(frozen=True)
class PlainShape(AutoencoderShape):
    """Sizes: ``base`` channels at stride 2, twice and four times as many at strides 4 and 8."""

    family: ClassVar[str] = "plain"

    @property
    def reach(self) -> int:
        """30 pixels of kernels, in strides of 16."""
        return 2


def schema(shape: PlainShape, channels: int, anchors: int) -> Schema:
    """Tensors of a model file."""
    del anchors
    f = shape.base
    sizes = (1, f, 2 * f, 4 * f, channels)

    def analysis() -> Iterator[tuple[str, tuple[int, ...]]]:
        for k, (inputs, outputs) in enumerate(pairwise(sizes)):
            yield f"{2 * k}", (outputs, inputs, 5, 5)

    def synthesis() -> Iterator[tuple[str, tuple[int, ...]]]:
        for k, (inputs, outputs) in enumerate(pairwise(sizes[::-1])):
            yield f"net.{2 * k}", (inputs, outputs, 5, 5)

    claims = convolutions("analysis/g_a.", analysis())
    return Schema(claims | convolutions("synthesis/g_s.", synthesis(), transposed=True))


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

    def forward(self, y: Tensor, position: Tensor | None = None) -> Tensor:
        """(B, channels, h, w) -> (B, 1, 16 h, 16 w); the rate makes no difference."""
        del position
        x: Tensor = self.net(y)
        return x


def networks(shape: PlainShape, channels: int, anchors: int) -> tuple[nn.Module, nn.Module]:
    """g_a and g_s, freshly initialised."""
    del anchors
    return PlainAnalysis(channels, shape.base), PlainSynthesis(channels, shape.base)


def build(shape: PlainShape, scales: LatentScales, tensors: Arrays, device: str) -> NetworkTransform:
    """The transform of a model file."""
    g_a, g_s = loaded(lambda: networks(shape, scales.channels, scales.anchors), tensors, device)
    return NetworkTransform(shape.reach, scales, g_a, g_s, device)


FAMILY = Family(PlainShape, schema, build, Training(networks))
