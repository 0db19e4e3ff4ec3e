"""Overviews of the lapped family: means over N x N pixels without making the pixels.

High frequencies all but vanish in the mean, and with them whole layers of latents. The convolutional branch
does not: without it means are off by a decibel. A model that has the kernels for it (`overviews`) makes means
over 4 x 4 pixels and more of the first half of the branch, at stride 16, and is off by 0.1 to 0.2 dB; others
run the whole branch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
import torch
from torch import Tensor

from sarcodec.model.lapped.averaged import BranchMeans, CoarseMeans, LappedMeans, averaged
from sarcodec.model.lapped.basis import OVERLAP
from sarcodec.model.lapped.networks import SynthesisTransform
from sarcodec.model.latent_scales import LatentScales
from sarcodec.model.levels import STEPS
from sarcodec.model.transforms import STRIDE

if TYPE_CHECKING:
    from sarcodec.model.lapped.transform import LappedTransform

DROPPED_DB = 0.25
"""Root mean square in dB, over data such as the model's training set, of what left-out layers would add."""


class Averaged:
    """g_s without pixels, of the layers that matter."""

    def __init__(self, transform: LappedTransform, factor: int, most: int) -> None:
        self.transform, g_s, scales = transform, transform.g_s, transform.scales
        self.layers = min(most, needed_layers(g_s, scales, factor))
        self._lapped = LappedMeans(g_s, factor, sum(scales.layers[: self.layers]))
        self._branch: Callable[[Tensor, Tensor], Tensor] | None = None
        if g_s.branch and factor in transform.overviews:
            self._branch = CoarseMeans(g_s, *transform.overviews[factor])
        elif g_s.branch:
            self._branch = BranchMeans(g_s, factor)

    @torch.inference_mode()
    def synthesise(self, y_hat: npt.NDArray[Any], level: int) -> npt.NDArray[Any]:
        """See :class:`sarcodec.model.transforms.Reduction`."""
        y, position = self.transform.dequantised(y_hat, level)
        x = self._lapped(y)
        if self._branch is not None:
            x = x + self._branch(y, self.transform.g_s.modulation(position))
        means: npt.NDArray[Any] = x[0, 0].cpu().numpy()
        return means


def needed_layers(g_s: SynthesisTransform, scales: LatentScales, factor: int) -> int:
    """Fewest layers such that what is left out adds less than `DROPPED_DB` to means over a factor."""
    flat = torch.ones(STRIDE, STRIDE, device=g_s.lapped.weight.device)
    kernels = averaged(g_s.lapped.weight, STRIDE, min(factor, OVERLAP), flat)
    energy = (kernels**2).sum((2, 3)).mean(0).detach().cpu().numpy()
    steps = scales.mean_log2[-1] / STEPS  # a channel's deviation, at the finest steps
    deviation = 2.0 ** (scales.inverse_log2[-1] + steps)
    power = energy * (deviation * scales.unit_db) ** 2
    for layers in range(1, len(scales.layers)):
        if power[sum(scales.layers[:layers]) :].sum() < DROPPED_DB**2:
            return layers
    return len(scales.layers)
