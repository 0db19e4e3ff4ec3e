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

from sarcodec.model.family import Coded
from sarcodec.model.lapped.averaged import LappedMeans
from sarcodec.model.lapped.basis import to_blocks
from sarcodec.model.lapped.overview import needed_layers
from sarcodec.model.lapped.shape import OVERVIEWS
from sarcodec.model.lapped.transform import LappedTransform
from sarcodec.model.transforms import STRIDE, Transform

RIDGE = 1e-6
"""Added to the diagonal of the normal equations, times its mean: features that are always 0 weigh nothing."""


class Fit:
    """Normal equations of the kernels of one factor."""

    def __init__(self, transform: LappedTransform, factor: int) -> None:
        self.transform, self.factor = transform, factor
        g_s, scales, shape = transform.g_s, transform.scales, transform.shape
        self.channels = sum(scales.layers[: needed_layers(g_s, scales, factor)])
        self.kernel = shape.overview_kernel
        self.lapped = LappedMeans(g_s, factor, self.channels)
        size, cells = shape.deep * self.kernel**2 + 1, (STRIDE // factor) ** 2
        self.left, self.right = np.zeros((size, size)), np.zeros((size, cells))

    def add(self, y_hat: npt.NDArray[Any], level: int, means: Tensor) -> None:
        """Take in decoded latents and the means of their pixels, (1, 1, 16 h / factor, 16 w / factor)."""
        y, position = self.transform.dequantised(y_hat[: self.channels], level)
        coarse = self.transform.g_s.coarse(y, self.transform.g_s.modulation(position))
        near = F.unfold(coarse, self.kernel, padding=self.kernel // 2)[0].T.numpy()
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
def fit_overviews(
    transform: Transform, crops: Iterable[npt.NDArray[Any]], levels: Sequence[int], coded: Coded
) -> dict[str, Tensor]:
    """Kernels of overviews; nothing if there is no branch. Crops are coded at one level after the other.

    See :data:`sarcodec.model.family.Fit`.
    """
    assert isinstance(transform, LappedTransform)
    if not transform.g_s.branch:
        return {}
    fits = [Fit(transform, factor) for factor in OVERVIEWS]
    for crop, level in zip(crops, cycle(levels), strict=False):
        y_hat = coded(transform.analyse(crop), level)
        whole = torch.from_numpy(transform.synthesise(y_hat, level))[None, None]
        for fit in fits:
            fit.add(y_hat, level, F.avg_pool2d(whole, fit.factor))
    solved = {fit.factor: fit.solved() for fit in fits}
    weights = {f"overview/{factor}.weight": weight for factor, (weight, _) in solved.items()}
    return weights | {f"overview/{factor}.bias": bias for factor, (_, bias) in solved.items()}
