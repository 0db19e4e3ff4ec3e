"""Analysis transform g_a and synthesis transform g_s.

Both start as a modulated lapped transform (Malvar, *Signal Processing with Lapped Transforms*, 1992;
sine window, 16 coefficients a side, support 32) and add a convolutional branch whose output starts at zero.
A latent at (i, j) covers the pixels [16 i - 8, 16 i + 24) x [16 j - 8, 16 j + 24).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sarcodec.model.convolve import Conv2d, convolve

STRIDE = 16
"""Pixels between two latents."""
OVERLAP = STRIDE // 2
"""Pixels by which a latent's support reaches beyond its own 16 pixels."""
SLICE = 64
"""Channels that the synthesis leaves out together where all are zero."""


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


def _quarters(basis: Tensor, size: int = STRIDE) -> Tensor:
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


def of_latents(conv: Conv2d, y: Tensor) -> Tensor:
    """`conv` of the first latents, without the work for those that are all zero, as the last ones often are.

    The sum is that of slices of channels either way, so that a window is bit for bit a crop of the whole.
    """
    if torch.is_grad_enabled() or y.is_meta:  # in training, or counting what is to be multiplied
        whole: Tensor = conv(y)
        return whole
    assert isinstance(conv.padding, tuple)
    channels = y.shape[1]
    ends = [(first, min(first + SLICE, channels)) for first in range(0, channels, SLICE)]
    first, end = ends[0]
    total = convolve(y[:, first:end], conv.weight[:, first:end], conv.bias, padding=conv.padding)
    for first, end in ends[1:]:
        if y[:, first:end].any():
            total += convolve(y[:, first:end], conv.weight[:, first:end], padding=conv.padding)
    return total


class Residual(nn.Module):
    """x + 1x1(relu(3x3(x)))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv3 = Conv2d(channels, channels, 3, padding=1)
        self.conv1 = Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape in and out."""
        step: Tensor = self.conv1(F.relu(self.conv3(x)))
        return x + step


class AnalysisTransform(nn.Module):
    """g_a: image -> latents.

    `in_bytes`, where it is set, computes the branch in 8 bits, see :mod:`sarcodec.model.eightbit`.

    Parameters
    ----------
    channels : int
        Latent channels.
    wide, deep : int
        Channels of the branch at strides 8 and 16.
    wide_blocks, deep_blocks : int
        Residual blocks at strides 8 and 16.
    """

    def __init__(self, channels: int, wide: int, deep: int, wide_blocks: int, deep_blocks: int) -> None:
        super().__init__()
        self.border = Border()
        self.lapped = Conv2d(STRIDE**2, channels, 2, bias=False)
        self.lapped.weight.data = _quarters(lapped_basis(channels)).to(self.lapped.weight.device)
        self.in_bytes: Callable[[Tensor, Tensor], Tensor] | None = None
        self.branch = wide > 0
        if self.branch:
            self.stem = Conv2d(64, wide, 2)
            self.wide = nn.Sequential(*(Residual(wide) for _ in range(wide_blocks)))
            self.down = Conv2d(wide, deep, 2, stride=2)
            self.join = Conv2d(channels, deep, 1)
            self.deep = nn.Sequential(*(Residual(deep) for _ in range(deep_blocks)))
            self.out = Conv2d(deep, channels, 1)
            nn.init.zeros_(self.out.weight)
            nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, H, W) normalised dB, H and W multiples of 16 -> (B, C, H/16, W/16)."""
        e = self.border.extend(x)
        y: Tensor = self.lapped(to_blocks(e, STRIDE))
        if self.branch:
            inner = e[:, :, OVERLAP // 2 : -(OVERLAP // 2), OVERLAP // 2 : -(OVERLAP // 2)]
            stem, joined = self.stem(to_blocks(inner, STRIDE // 2)), self.join(y)
            if self.in_bytes is not None:
                return y + self.in_bytes(stem, joined)
            h = self.down(self.wide(F.relu(stem))) + joined
            y = y + self.out(F.relu(self.deep(h)))
        return y


class ByteBranch(Protocol):
    """The branch of g_s in 8 bits, see :mod:`sarcodec.model.eightbit`."""

    def __call__(self, y: Tensor, modulation: Tensor) -> Tensor:
        """See :meth:`SynthesisTransform.features`."""

    def coarse(self, y: Tensor, modulation: Tensor) -> Tensor:
        """See :meth:`SynthesisTransform.coarse`."""


class SynthesisTransform(nn.Module):
    """g_s: dequantised latents -> image. As :class:`AnalysisTransform`; `levels` is how many rate anchors."""

    def __init__(
        self, channels: int, wide: int, deep: int, wide_blocks: int, deep_blocks: int, levels: int
    ) -> None:
        super().__init__()
        self.border = Border()
        self.lapped = Conv2d(channels, STRIDE**2, 2, padding=1, bias=False)
        quarters = _quarters(lapped_basis(channels)).permute(1, 0, 2, 3).flip(2, 3).contiguous()
        self.lapped.weight.data = quarters.to(self.lapped.weight.device)
        self.in_bytes: ByteBranch | None = None
        self.branch = wide > 0
        if self.branch:
            self.join = Conv2d(channels, deep, 1)
            self.modulate = nn.Parameter(torch.zeros(levels, 2 * deep))
            self.deep = nn.Sequential(*(Residual(deep) for _ in range(deep_blocks)))
            self.up = Conv2d(deep, 4 * wide, 1)
            self.wide = nn.Sequential(*(Residual(wide) for _ in range(wide_blocks)))
            self.out = Conv2d(wide, 64, 2, padding=1)
            nn.init.zeros_(self.out.weight)
            nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, y: Tensor, modulation: Tensor | None = None) -> Tensor:
        """(B, C, h, w) -> (B, 1, 16 h, 16 w) normalised dB.

        `modulation` is the row of `modulate` for the rate level, shape (B or 1, 2 * deep).
        """
        blocks = of_latents(self.lapped, y)
        x = from_blocks(blocks, STRIDE)[:, :, OVERLAP:-OVERLAP, OVERLAP:-OVERLAP]
        x = self.border.correct(x)
        if self.branch:
            assert modulation is not None
            fine = self.out(self.features(y, modulation))
            crop = OVERLAP // 2
            x += from_blocks(fine, STRIDE // 2)[:, :, crop:-crop, crop:-crop]
        return x

    def features(self, y: Tensor, modulation: Tensor) -> Tensor:
        """The first latents (B, c, h, w) -> (B, wide, 2 h, 2 w), from which the branch makes its pixels."""
        if self.in_bytes is not None:
            return self.in_bytes(y, modulation)
        wide: Tensor = self.wide(F.relu(F.pixel_shuffle(self.up(self.coarse(y, modulation)), 2)))
        return wide

    def coarse(self, y: Tensor, modulation: Tensor) -> Tensor:
        """The first latents (B, c, h, w) -> (B, deep, h, w), what the branch has at stride 16."""
        if self.in_bytes is not None:
            return self.in_bytes.coarse(y, modulation)
        scale, shift = modulation[:, :, None, None].chunk(2, dim=1)
        return F.relu(self.deep(of_latents(self.join, y) * (1 + scale) + shift))
