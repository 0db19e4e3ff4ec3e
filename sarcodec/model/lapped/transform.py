"""The lapped family as a transform of a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sarcodec.model import products
from sarcodec.model.family import Arrays
from sarcodec.model.lapped import filling
from sarcodec.model.lapped.branch import Analysis, Synthesis
from sarcodec.model.lapped.networks import SLICE, AnalysisTransform, SynthesisTransform
from sarcodec.model.lapped.overview import Averaged
from sarcodec.model.lapped.shape import OVERVIEWS, STEPS_LOG2, LappedShape
from sarcodec.model.latent_scales import LatentScales
from sarcodec.model.network_transform import NetworkTransform, loaded, part
from sarcodec.model.transforms import STRIDE, Pixels, Reduction


class LappedTransform(NetworkTransform):
    """See :class:`sarcodec.model.transforms.Transform`."""

    g_a: AnalysisTransform
    g_s: SynthesisTransform

    def __init__(
        self,
        shape: LappedShape,
        scales: LatentScales,
        nets: tuple[nn.Module, nn.Module],
        overviews: dict[int, tuple[Tensor, Tensor]],
        device: str,
    ) -> None:
        super().__init__(shape.reach, scales, *nets, device)
        self.shape = shape
        self.overviews = overviews
        """Weight and bias that make means over so many pixels a side, see :class:`CoarseMeans`."""

    def dequantised(self, y_hat: npt.NDArray[Any], level: int) -> tuple[Tensor, Tensor]:
        """As in the class above, of fewer channels if the last ones are zero, as they often are."""
        while len(y_hat) > SLICE and not y_hat[-SLICE:].any():
            y_hat = y_hat[:-SLICE]
        return super().dequantised(y_hat, level)

    def analyse_seen(self, x: Pixels, valid: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        """See :class:`Transform`; blocks that no valid pixel depends on have latents of zero."""
        if valid.all() or not valid.any():
            return self.analyse(x)
        seen = filling.seen_blocks(valid)
        return np.where(seen, self.analyse(filling.filled(x, valid, seen, self.scales)), np.float32(0))

    def overview(self, factor: int, most: int) -> Reduction:
        """See :class:`Transform`."""
        return Averaged(self, factor, most)


def networks(shape: LappedShape, channels: int, anchors: int) -> tuple[AnalysisTransform, SynthesisTransform]:
    """g_a and g_s, freshly initialised."""
    sizes = (channels, shape.wide, shape.deep, shape.wide_blocks, shape.deep_blocks)
    return AnalysisTransform(*sizes), SynthesisTransform(*sizes, anchors)


def build(shape: LappedShape, scales: LatentScales, tensors: Arrays, device: str) -> LappedTransform:
    """The transform of a model file."""
    nets = loaded(lambda: networks(shape, scales.channels, scales.anchors), tensors, device)
    transform = LappedTransform(shape, scales, nets, _overviews(part(tensors, "overview/"), device), device)
    if STEPS_LOG2[0] in tensors:
        whole = torch.device(device).type == "cpu" and products.exact()
        of_analysis, of_synthesis = (tensors[name].tolist() for name in STEPS_LOG2)
        transform.g_a.in_bytes = Analysis(transform.g_a, of_analysis, whole=whole)
        transform.g_s.in_bytes = Synthesis(transform.g_s, of_synthesis, whole=whole)
    return transform


def _overviews(stored: Arrays, device: str) -> dict[int, tuple[Tensor, Tensor]]:
    """Kernels of each factor that there are any for; one of 16 is the mean of the four of 8."""
    if not stored:
        return {}
    own = {name: torch.from_numpy(value).float().to(device) for name, value in stored.items()}
    made = {factor: (own[f"{factor}.weight"], own[f"{factor}.bias"]) for factor in OVERVIEWS}
    weight, bias = made[max(OVERVIEWS)]
    made[STRIDE] = (weight.mean(0, keepdim=True), bias.mean(0, keepdim=True))
    return made
