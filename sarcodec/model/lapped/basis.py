"""The modulated lapped transform (MLT): basis and border.

H. Malvar, *Signal Processing with Lapped Transforms*, 1992; sine window, 16 coefficients a side, support 32.
A latent at (i, j) covers the pixels [16 i - 8, 16 i + 24) x [16 j - 8, 16 j + 24).
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor, nn

from sarcodec.model.transforms import STRIDE

OVERLAP = STRIDE // 2
"""Pixels by which a latent's support reaches beyond its own 16 pixels."""


def sine_window(size: int = STRIDE) -> Tensor:
    """Sine window of 2 * size samples, float64, on the CPU: on the meta device torch imports its compiler."""
    n = torch.arange(2 * size, dtype=torch.float64, device="cpu")
    return torch.sin((n + 0.5) * (math.pi / (2 * size)))


def lapped_kernels(size: int = STRIDE) -> Tensor:
    """The MLT's basis functions of one dimension, float64, shape (size, 2 * size), low frequencies first."""
    n = torch.arange(2 * size, dtype=torch.float64, device="cpu")
    k = torch.arange(size, dtype=torch.float64, device="cpu")[:, None]
    phase = (n + 0.5 + size / 2) * (k + 0.5) * (math.pi / size)
    return sine_window(size) * math.sqrt(2 / size) * torch.cos(phase)


@cache
def _order(size: int) -> list[tuple[int, int]]:
    pairs = ((u, v) for u in range(size) for v in range(size))
    return sorted(pairs, key=lambda uv: ((uv[0] + 0.5) ** 2 + (uv[1] + 0.5) ** 2, uv))


def frequencies(channels: int, size: int = STRIDE) -> tuple[Tensor, Tensor]:
    """Frequencies (u, v) of the first `channels` functions in two dimensions, ordered by u^2 + v^2."""
    rows, cols = (torch.tensor(part, device="cpu") for part in zip(*_order(size)[:channels], strict=True))
    return rows, cols


def lapped_basis(channels: int, size: int = STRIDE) -> Tensor:
    """The `channels` lowest-frequency separable MLT basis functions.

    Returns
    -------
    Tensor, shape (channels, 2 * size, 2 * size), float32
        Orthonormal under shifts by `size`, in the order of :func:`frequencies`.
    """
    basis, (rows, cols) = lapped_kernels(size), frequencies(channels, size)
    return (basis[rows][:, :, None] * basis[cols][:, None, :]).float()


def quarters(basis: Tensor, size: int = STRIDE) -> Tensor:
    """(C, 2s, 2s) kernels as the (C, s*s, 2, 2) kernels of a 2x2 convolution over s-by-s blocks."""
    c = basis.shape[0]
    return basis.reshape(c, 2, size, 2, size).permute(0, 2, 4, 1, 3).reshape(c, size * size, 2, 2)


def to_blocks(x: Tensor, size: int) -> Tensor:
    """(B, 1, H, W) -> (B, size*size, H/size, W/size), stored channels last."""
    b, _, h, w = x.shape
    blocks = x.reshape(b, h // size, size, w // size, size).permute(0, 1, 3, 2, 4)
    return blocks.reshape(b, h // size, w // size, size * size).permute(0, 3, 1, 2)


def from_blocks(x: Tensor, size: int) -> Tensor:
    """Inverse of :func:`to_blocks`."""
    b, _, h, w = x.shape
    blocks = x.permute(0, 2, 3, 1).reshape(b, h, w, size, size).permute(0, 1, 3, 2, 4)
    return blocks.reshape(b, 1, h * size, w * size)


class Border(nn.Module):
    """Orthogonal boundary handling: no latent beyond the raster, no error up to its edge.

    Outside the raster the image continues as its own mirror image times a weight that makes the
    folded signal of the outermost latents equal to the pixels themselves (odd on the left and top,
    even on the right and bottom, as the MLT's symmetries are). `gain` undoes the window there.
    """

    weight: Tensor
    gain: Tensor

    def __init__(self) -> None:
        super().__init__()
        w = sine_window()
        inner, outer = w[OVERLAP : 2 * OVERLAP], w[:OVERLAP].flip(0)
        self.register_buffer("weight", ((1 - inner) / outer).float(), persistent=False)
        self.register_buffer("gain", (1 / inner).float(), persistent=False)

    def extend(self, x: Tensor) -> Tensor:
        """(B, 1, H, W) -> (B, 1, H + 16, W + 16), 8 pixels on each side."""
        for dim in (2, 3):
            t = self.weight.to(x.dtype)
            t = t[:, None] if dim == 2 else t
            head = x.narrow(dim, 0, OVERLAP) * -t
            tail = x.flip(dim).narrow(dim, 0, OVERLAP) * t
            x = torch.cat((head.flip(dim), x, tail.flip(dim).flip(dim)), dim)
        return x

    def correct(self, x: Tensor) -> Tensor:
        """Undo the window in the outer 8 pixels of an overlap-added image, in place."""
        for dim in (2, 3):
            gain = self.gain.to(x.dtype)
            for start, g in ((0, gain), (x.shape[dim] - OVERLAP, gain.flip(0))):
                x.narrow(dim, start, OVERLAP).mul_(g[:, None] if dim == 2 else g)
        return x
