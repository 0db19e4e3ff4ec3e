"""Kernels of overviews: what the finer half of the branch adds to means of pixels, foretold at stride 16.

A least-squares fit: features of g_s at stride 16 against the means of whole decodes, less what the lapped
path of the latents that an overview decodes gives already.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from sarcodec.model.averaged import LappedMeans
from sarcodec.model.contents import OVERVIEWS, overview_kernel
from sarcodec.model.entropy import LatentCoder
from sarcodec.model.modelfile import Model
from sarcodec.model.reduce import needed_layers
from sarcodec.model.transforms import STRIDE, SynthesisTransform, to_blocks

RIDGE = 1e-6
"""Added to the diagonal of the normal equations, times its mean: features that are always 0 weigh nothing."""


class Fit:
    """Normal equations of the kernels of one factor."""

    def __init__(self, model: Model, g_s: SynthesisTransform, factor: int) -> None:
        self.model, self.g_s, self.factor = model, g_s, factor
        self.channels = sum(model.layers[: needed_layers(model, g_s, factor)])
        self.kernel = overview_kernel(model.shape)
        self.lapped = LappedMeans(g_s, factor, self.channels)
        size, cells = model.shape.deep * self.kernel**2 + 1, (STRIDE // factor) ** 2
        self.left, self.right = np.zeros((size, size)), np.zeros((size, cells))

    def add(self, y_hat: npt.NDArray[Any], level: int, means: Tensor) -> None:
        """Take in decoded latents and the means of their pixels, (1, 1, 16 h / factor, 16 w / factor)."""
        y, modulation = self.model.dequantised(y_hat[: self.channels], level)
        assert modulation is not None
        near = F.unfold(self.g_s.coarse(y, modulation), self.kernel, padding=self.kernel // 2)[0].T.numpy()
        wanted = to_blocks(means - self.lapped(y), STRIDE // self.factor)[0].flatten(1).T.numpy()
        features = np.column_stack((near, np.ones(len(near), np.float32)))
        self.left += features.T @ features
        self.right += features.T @ wanted

    def solved(self) -> tuple[Tensor, Tensor]:
        """Weight (cells, deep, kernel, kernel) and bias (cells,)."""
        size = len(self.left)
        ridge = RIDGE * np.trace(self.left) / size * np.eye(size)
        found = torch.from_numpy(np.linalg.solve(self.left + ridge, self.right)).T.half()
        return found[:, :-1].reshape(len(found), -1, self.kernel, self.kernel), found[:, -1]


@torch.inference_mode()
def overviews(model: Model, crops: Iterable[npt.NDArray[Any]], levels: Sequence[int]) -> dict[str, Tensor]:
    """Tensors of a model file that make overviews; none where its g_s has no branch.

    Parameters
    ----------
    crops : iterable of float32 array, shape (h, w)
        In network units, multiples of 16; of training scenes.
    levels : sequence of int
        Rate levels that one crop after the other is coded at.
    """
    g_s = model.g_s
    if not isinstance(g_s, SynthesisTransform) or not g_s.branch:
        return {}
    fits = [Fit(model, g_s, factor) for factor in OVERVIEWS]
    for crop, level in zip(crops, cycle(levels), strict=False):
        y_hat = LatentCoder(model, level).encode(model.analyse(crop), dry=True).y_hat
        whole = torch.from_numpy(model.synthesise(y_hat, level))[None, None]
        for fit in fits:
            fit.add(y_hat, level, F.avg_pool2d(whole, fit.factor))
    solved = {fit.factor: fit.solved() for fit in fits}
    weights = {f"overview/{factor}.weight": weight for factor, (weight, _) in solved.items()}
    return weights | {f"overview/{factor}.bias": bias for factor, (_, bias) in solved.items()}
