"""Synthesis at a fraction of the resolution: the mean over N x N pixels without making the pixels.

High frequencies all but vanish in the mean, and with them whole layers of latents. The convolutional branch
does not: without it means are off by a decibel. A model that has the kernels for it (`overviews`) makes means
over 4 x 4 pixels and more of the first half of the branch, at stride 16, and is off by 0.1 to 0.2 dB; others
run the whole branch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sarcodec.model.averaged import BranchMeans, CoarseMeans, LappedMeans, averaged
from sarcodec.model.modelfile import Model
from sarcodec.model.transforms import OVERLAP, STRIDE, SynthesisTransform

FACTORS = (2, 4, 8, 16)
"""Pixels a side that one pixel may stand for: divisors of a latent's own 16."""
DROPPED_DB = 0.25
"""Root mean square in dB, over data such as the model's training set, of what left-out layers would add."""


class Reduction(Protocol):
    """Makes means over `factor` x `factor` pixels from latents."""

    layers: int
    """Layers that are needed, from the base layer on."""

    def synthesise(self, y_hat: npt.NDArray[Any], level: int) -> npt.NDArray[Any]:
        """Latents of these layers, (c, h, w) -> (16 h / factor, 16 w / factor) float32, network units."""


def reduction(model: Model, factor: int, most: int) -> Reduction:
    """The cheapest way for a model.

    Parameters
    ----------
    factor : int
        One of `FACTORS`.
    most : int
        Layers that may be used.
    """
    if isinstance(model.g_s, SynthesisTransform):
        return Averaged(model, model.g_s, factor, most)
    return Whole(model, factor, most)


class Whole:
    """Means of a whole decode: right for any transform, no faster than that."""

    def __init__(self, model: Model, factor: int, layers: int) -> None:
        self.model, self.factor, self.layers = model, factor, layers

    def synthesise(self, y_hat: npt.NDArray[Any], level: int) -> npt.NDArray[Any]:
        """See :class:`Reduction`."""
        missing = self.model.shape.channels - len(y_hat)
        x = self.model.synthesise(np.pad(y_hat, ((0, missing), (0, 0), (0, 0))), level)
        rows, cols = (side // self.factor for side in x.shape)
        means: npt.NDArray[Any] = x.reshape(rows, self.factor, cols, self.factor).mean((1, 3))
        return means


class Averaged:
    """g_s of the lapped family without pixels, of the layers that matter."""

    def __init__(self, model: Model, g_s: SynthesisTransform, factor: int, most: int) -> None:
        self.model = model
        self.layers = min(most, needed_layers(model, g_s, factor))
        self._lapped = LappedMeans(g_s, factor, sum(model.layers[: self.layers]))
        self._branch: Callable[[Tensor, Tensor], Tensor] | None = None
        if g_s.branch and factor in model.overviews:
            self._branch = CoarseMeans(g_s, *model.overviews[factor])
        elif g_s.branch:
            self._branch = BranchMeans(g_s, factor)

    @torch.inference_mode()
    def synthesise(self, y_hat: npt.NDArray[Any], level: int) -> npt.NDArray[Any]:
        """See :class:`Reduction`."""
        y, modulation = self.model.dequantised(y_hat, level)
        x = self._lapped(y)
        if self._branch is not None and modulation is not None:
            x = x + self._branch(y, modulation)
        means: npt.NDArray[Any] = x[0, 0].cpu().numpy()
        return means


def needed_layers(model: Model, g_s: SynthesisTransform, factor: int) -> int:
    """Fewest layers such that what is left out adds less than `DROPPED_DB` to means over a factor."""
    flat = torch.ones(STRIDE, STRIDE, device=g_s.lapped.weight.device)
    kernels = averaged(g_s.lapped.weight, STRIDE, min(factor, OVERLAP), flat)
    energy = (kernels**2).sum((2, 3)).mean(0).detach().cpu().numpy()
    steps = model.entropy.mean_log2[-1] / 256  # a channel's deviation, at the finest steps
    deviation = 2.0 ** (model.inverse_log2[-1].cpu().numpy() + steps)
    power = energy * (deviation * model.unit_db) ** 2
    for layers in range(1, len(model.layers)):
        if power[sum(model.layers[:layers]) :].sum() < DROPPED_DB**2:
            return layers
    return len(model.layers)
