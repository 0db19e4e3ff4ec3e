"""The whole network in bytes as it is trained."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from sarcodec.model.hyper import Shape
from sarcodec.model.lapped.shape import LappedShape
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
        """As for the networks in floats; both branches know the deviations, too."""
        super().fit_deviation(x)
        for part in (self.g_a, self.g_s):
            part.get_buffer("deviation_log2").copy_(self.deviation_log2)
