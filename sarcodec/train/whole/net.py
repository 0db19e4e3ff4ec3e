"""The whole network in bytes as it is trained."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from sarcodec.model.hyper import Shape
from sarcodec.model.lapped.shape import LappedShape
from sarcodec.model.levels import interpolate
from sarcodec.train.network import SarNet
from sarcodec.train.whole.entropy import EntropyNetworks
from sarcodec.train.whole.transforms import Analysis, Branch, Synthesis


class ByteNet(SarNet):
    """A trainable codec whose networks round as those of its model file; see :class:`SarNet`."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        sizes = shape.transform
        assert isinstance(sizes, LappedShape)
        branch = Branch(sizes.wide, sizes.deep, sizes.wide_blocks, sizes.deep_blocks)
        self.g_a = Analysis(shape.channels, branch)
        # An encoder may take longer than a decoder.
        smaller = replace(branch, wide_blocks=max(1, sizes.wide_blocks - 1))
        self.g_s = Synthesis(shape.channels, smaller, shape.anchors)
        self.entropy = EntropyNetworks(shape)  # type: ignore[assignment]

    @torch.no_grad()
    def fit_deviation(self, x: Tensor) -> None:
        """As for the networks in floats; g_a knows the deviations, too."""
        super().fit_deviation(x)
        self.g_a.get_buffer("deviation_log2").copy_(self.deviation_log2)

    def synthesise(self, y_hat: Tensor, position: Tensor, *, autocast: bool) -> Tensor:
        """As for the networks in floats; the branch sees what the heads of groups see."""
        del autocast  # products of bytes are exact in float32 only
        size = torch.exp2(interpolate(self.inverse_log2, position))
        unit = torch.exp2(interpolate(self.gain_log2.detach(), position) + self.deviation_log2)
        y, seen = y_hat * size[:, :, None, None], y_hat / unit[:, :, None, None]
        x_hat: Tensor = self.g_s(y, seen, position)
        return x_hat
