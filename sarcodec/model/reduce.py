"""Synthesis at a fraction of the resolution: the mean over N x N pixels without making the pixels.

Averaging is linear, and so is the last step of both paths of a lapped model's g_s: averaged kernels give
averaged pixels. High frequencies all but vanish in the mean, and with them whole layers of latents. The
convolutional branch stays whole: without it means are off by 0.6 to 0.8 dB.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from sarcodec.model.convolve import convolve
from sarcodec.model.modelfile import Model
from sarcodec.model.transforms import OVERLAP, STRIDE, SynthesisTransform, from_blocks

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
    """g_s of the lapped family with averaged kernels, of the layers that matter."""

    def __init__(self, model: Model, g_s: SynthesisTransform, factor: int, most: int) -> None:
        self.model, self.g_s, self.factor = model, g_s, factor
        self.layers = min(most, needed_layers(model, g_s, factor))
        channels = sum(model.layers[: self.layers])
        kernels, cell = g_s.lapped.weight[:, :channels], min(factor, OVERLAP)
        gain = g_s.border.gain
        # Block rows or columns of 16 pixels: the first and last are corrected as the raster's border is.
        ones = torch.ones_like(gain)
        gains = (torch.cat((ones, gain)), torch.cat((ones, ones)), torch.cat((gain.flip(0), ones)))
        self._lapped = [
            [_averaged(kernels, STRIDE, cell, rows[:, None] * cols) for cols in gains] for rows in gains
        ]
        if g_s.branch:
            size, fine = STRIDE // 2, min(factor, OVERLAP // 2)
            assert g_s.out.bias is not None
            flat = torch.ones(size, size, device=gain.device)
            self._out = _averaged(g_s.out.weight, size, fine, flat)
            self._bias = _averaged(g_s.out.bias[:, None, None, None], size, fine, flat).flatten()

    @torch.inference_mode()
    def synthesise(self, y_hat: npt.NDArray[Any], level: int) -> npt.NDArray[Any]:
        """See :class:`Reduction`."""
        y, modulation = self.model.dequantised(y_hat, level)
        x = self._overlapped(y)
        if modulation is not None:
            h = self.g_s.features(y, modulation)
            fine = convolve(F.pad(h, (1, 1, 1, 1)), self._out, self._bias)
            x = x + self._assembled(fine, STRIDE // 2)
        means: npt.NDArray[Any] = x[0, 0].cpu().numpy()
        return means

    def _overlapped(self, y: Tensor) -> Tensor:
        """Means of the lapped path, whose outermost blocks have kernels of their own."""
        padded = F.pad(y, (1, 1, 1, 1))
        strips = []
        for row, rows in _thirds(y.shape[2]):
            strip = padded[:, :, rows]
            kernels = [kernel[:, : y.shape[1]] for kernel in self._lapped[row]]
            parts = [convolve(strip[..., cols], kernels[col]) for col, cols in _thirds(y.shape[3])]
            strips.append(torch.cat(parts, dim=3))
        return self._assembled(torch.cat(strips, dim=2), STRIDE)

    def _assembled(self, blocks: Tensor, size: int) -> Tensor:
        """Cells of blocks of `size` pixels that begin half a block outside, as one image of means."""
        side = int(blocks.shape[1] ** 0.5)
        crop = side // 2
        x = from_blocks(blocks, side)[:, :, crop:-crop, crop:-crop]
        left = self.factor * side // size
        return F.avg_pool2d(x, left) if left > 1 else x


def needed_layers(model: Model, g_s: SynthesisTransform, factor: int) -> int:
    """Fewest layers such that what is left out adds less than `DROPPED_DB` to means over a factor."""
    flat = torch.ones(STRIDE, STRIDE, device=g_s.lapped.weight.device)
    kernels = _averaged(g_s.lapped.weight, STRIDE, min(factor, OVERLAP), flat)
    energy = (kernels**2).sum((2, 3)).mean(0).detach().cpu().numpy()
    steps = model.entropy.mean_log2[-1] / 256  # a channel's deviation, at the finest steps
    deviation = 2.0 ** (model.inverse_log2[-1].cpu().numpy() + steps)
    power = energy * (deviation * model.unit_db) ** 2
    for layers in range(1, len(model.layers)):
        if power[sum(model.layers[:layers]) :].sum() < DROPPED_DB**2:
            return layers
    return len(model.layers)


def _averaged(kernels: Tensor, size: int, cell: int, gain: Tensor) -> Tensor:
    """(size * size, c, a, b) kernels of blocks times a gain (size, size), averaged over cells."""
    _, *rest = kernels.shape
    count = size // cell
    pixels = kernels.reshape(size, size, *rest) * gain.reshape(size, size, *(1 for _ in rest))
    means = pixels.reshape(count, cell, count, cell, *rest).mean((1, 3))
    return means.reshape(count * count, *rest).detach()


def _thirds(latents: int) -> Iterator[tuple[int, slice]]:
    """First, inner and last blocks of an axis of latents: number, and padded latents they are made of."""
    yield 0, slice(0, 2)
    if latents > 1:
        yield 1, slice(1, latents + 1)
    yield 2, slice(latents, latents + 2)
