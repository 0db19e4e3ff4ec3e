"""The two paths of a lapped g_s, each ending in means over squares of pixels instead of pixels.

Averaging is linear, and so is the last step of both paths: averaged kernels give averaged pixels.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from sarcodec.model.convolve import convolve
from sarcodec.model.lapped.basis import OVERLAP, from_blocks
from sarcodec.model.lapped.networks import SynthesisTransform
from sarcodec.model.transforms import STRIDE


class LappedMeans:
    """Means over `factor` x `factor` pixels of the lapped path, of the first `channels` latents."""

    def __init__(self, g_s: SynthesisTransform, factor: int, channels: int) -> None:
        self.factor, cell = factor, min(factor, OVERLAP)
        kernels, gain = g_s.lapped.weight[:, :channels], g_s.border.gain
        # Block rows or columns of 16 pixels: the first and last are corrected as the raster's border is.
        ones = torch.ones_like(gain)
        gains = (torch.cat((ones, gain)), torch.cat((ones, ones)), torch.cat((gain.flip(0), ones)))
        self._kernels = [
            [averaged(kernels, STRIDE, cell, rows[:, None] * cols) for cols in gains] for rows in gains
        ]

    def __call__(self, y: Tensor) -> Tensor:
        """(B, c, h, w) -> (B, 1, 16 h / factor, 16 w / factor)."""
        padded = F.pad(y, (1, 1, 1, 1))
        strips = []
        for row, rows in _thirds(y.shape[2]):
            strip = padded[:, :, rows]
            kernels = [kernel[:, : y.shape[1]] for kernel in self._kernels[row]]
            parts = [convolve(strip[..., cols], kernels[col]) for col, cols in _thirds(y.shape[3])]
            strips.append(torch.cat(parts, dim=3))
        return assembled(torch.cat(strips, dim=2), STRIDE, self.factor)


class BranchMeans:
    """Means of the branch's pixels, by its last convolution averaged."""

    def __init__(self, g_s: SynthesisTransform, factor: int) -> None:
        assert g_s.out.bias is not None
        self.g_s, self.factor = g_s, factor
        size, cell = STRIDE // 2, min(factor, OVERLAP // 2)
        flat = torch.ones(size, size, device=g_s.out.weight.device)
        self._weight = averaged(g_s.out.weight, size, cell, flat)
        self._bias = averaged(g_s.out.bias[:, None, None, None], size, cell, flat).flatten()

    def __call__(self, y: Tensor, modulation: Tensor) -> Tensor:
        """(B, c, h, w) -> (B, 1, 16 h / factor, 16 w / factor)."""
        h = F.pad(self.g_s.features(y, modulation), (1, 1, 1, 1))
        return assembled(convolve(h, self._weight, self._bias), STRIDE // 2, self.factor)


class CoarseMeans:
    """Means of the branch's pixels as what it has at stride 16 foretells them, without its finer half.

    Parameters
    ----------
    weight, bias : Tensor, shapes (cells, deep, kernel, kernel) and (cells,)
        A convolution that makes the cells of 16 x 16 pixels, row by row; see
        `sarcodec.model.lapped.fit_overviews`.
    """

    def __init__(self, g_s: SynthesisTransform, weight: Tensor, bias: Tensor) -> None:
        self.g_s, self.weight, self.bias = g_s, weight, bias

    def __call__(self, y: Tensor, modulation: Tensor) -> Tensor:
        """(B, c, h, w) -> (B, 1, 16 h / factor, 16 w / factor)."""
        pad = self.weight.shape[2] // 2
        cells = convolve(self.g_s.coarse(y, modulation), self.weight, self.bias, padding=(pad, pad))
        return from_blocks(cells, int(cells.shape[1] ** 0.5))


def assembled(blocks: Tensor, size: int, factor: int) -> Tensor:
    """Cells of blocks of `size` pixels that begin half a block outside, as one image of means."""
    side = int(blocks.shape[1] ** 0.5)
    crop = side // 2
    x = from_blocks(blocks, side)[:, :, crop:-crop, crop:-crop]
    left = factor * side // size
    return F.avg_pool2d(x, left) if left > 1 else x


def averaged(kernels: Tensor, size: int, cell: int, gain: Tensor) -> Tensor:
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
