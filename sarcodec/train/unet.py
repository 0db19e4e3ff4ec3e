"""A U-Net of the residual autoencoder's blocks, and what its skip connections would cost in bits.

It is no codec: its decoder sees the encoder's activations at full resolution. `benchmarks/leak_test.py`
measures how much of the image takes that way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sarcodec.model.residual import Block, Down, Up

Integers = npt.NDArray[np.int64]

STRIDES = (1, 2, 4, 8)
"""Pixels between two activations of each skip connection."""
FINEST, COARSEST = 2.0**-24, 2.0**40
"""Bounds of a search for a step."""


@dataclass(frozen=True)
class Activations:
    """What the decoder of a U-Net sees."""

    code: Tensor
    """(B, channels, H/16, W/16)."""
    skips: tuple[Tensor, ...]
    """A tensor for each of STRIDES, (B, C, H/stride, W/stride)."""

    def tensors(self) -> tuple[Tensor, ...]:
        """The code, then the skips."""
        return (self.code, *self.skips)


class UNet(nn.Module):
    """The residual autoencoder of the notes with skip connections at strides 1, 2, 4 and 8.

    Parameters
    ----------
    channels : int
        Channels of the code at stride 16.
    base : int
        Channels at strides 1 and 2; each further stride has twice as many.
    """

    def __init__(self, channels: int = 16, base: int = 32) -> None:
        super().__init__()
        self.widths = (base, base, 2 * base, 4 * base, 8 * base)
        pairs = [(self.widths[k], self.widths[k + 1]) for k in range(4)]
        self.stem = nn.Conv2d(1, base, 3, padding=1)
        self.downs = nn.ModuleList(nn.Sequential(Down(i, o), Block(o)) for i, o in pairs)
        self.to_code = nn.Conv2d(self.widths[-1], channels, 1)
        self.from_code = nn.Conv2d(channels, self.widths[-1], 1)
        self.ups = nn.ModuleList(nn.Sequential(Block(o), Up(o, i)) for i, o in pairs)
        self.joins = nn.ModuleList(nn.Conv2d(2 * i, i, 1) for i, _ in pairs)
        self.out = nn.Conv2d(base, 1, 3, padding=1)

    def encode(self, x: Tensor) -> Activations:
        """(B, 1, H, W), H and W multiples of 16 -> what the decoder sees."""
        here: Tensor = self.stem(x)
        skips = []
        for down in self.downs:
            skips.append(here)
            here = down(here)
        return Activations(self.to_code(here), tuple(skips))

    def decode(self, seen: Activations) -> Tensor:
        """(B, 1, H, W) from the code and the skips."""
        here: Tensor = self.from_code(seen.code)
        for up, join, skip in zip(self.ups[::-1], self.joins[::-1], seen.skips[::-1], strict=True):
            here = join(torch.cat((up(here), skip), dim=1))
        x: Tensor = self.out(here)
        return x

    def forward(self, x: Tensor, *, skips: bool = True) -> Tensor:
        """(B, 1, H, W) -> the same; without `skips`, zeros take their place."""
        seen = self.encode(x)
        return self.decode(seen if skips else without_skips(seen))


def without_skips(seen: Activations) -> Activations:
    """The code as it is, zeros for the skips."""
    return Activations(seen.code, tuple(torch.zeros_like(skip) for skip in seen.skips))


def noise_gains(net: UNet, seen: Activations, seed: int = 1) -> list[Tensor]:
    """How strongly noise on each channel appears in the image.

    By Hutchinson's estimate: the gradient of a random projection of the image, squared.

    Returns
    -------
    list of Tensor, shape (C,)
        Of the code, then of each skip: mean squared error of the image for white noise of variance 1 on the
        channel, as far as the decoder is linear.
    """
    leaves = [tensor.detach().requires_grad_() for tensor in seen.tensors()]
    image = net.decode(Activations(leaves[0], tuple(leaves[1:])))
    probe = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed)).to(image.device)
    gradients = torch.autograd.grad((image * probe).sum(), leaves)
    return [gradient.square().sum((0, 2, 3)) / image.numel() for gradient in gradients]


def step_shapes(gains: Sequence[Tensor], seen: Activations) -> list[Tensor]:
    """Relative quantiser steps with which every activation adds the same error to the image.

    That is the best division of an error among independent scalar quantisers at high rate.

    Returns
    -------
    list of Tensor, shape (C, 1, 1)
        Of the code, then of each skip. A channel that the image does not depend on has a huge step.
    """
    shapes = []
    for gain, tensor in zip(gains, seen.tensors(), strict=True):
        places = tensor.shape[0] * tensor.shape[2] * tensor.shape[3]
        shapes.append(torch.sqrt(places / gain.clamp(min=1e-20))[:, None, None])
    return shapes


def rounded(seen: Activations, steps: Sequence[Tensor | None]) -> tuple[Activations, list[Integers | None]]:
    """Activations on the grid of their steps, and their symbols.

    Parameters
    ----------
    seen : Activations
    steps : sequence of Tensor, shape (C, 1, 1), or None
        Of the code, then of each skip; None leaves a tensor as it is, and has no symbols.
    """
    values: list[Tensor] = []
    symbols: list[Integers | None] = []
    for tensor, step in zip(seen.tensors(), steps, strict=True):
        whole = tensor if step is None else torch.round(tensor / step)
        values.append(whole if step is None else whole * step)
        symbols.append(None if step is None else whole.long().cpu().numpy())
    return Activations(values[0], tuple(values[1:])), symbols


def entropy_bits(symbols: Integers) -> float:
    """Zeroth-order entropy of all symbols together, bits: what an ideal coder with their histogram needs."""
    _, counts = np.unique(symbols, return_counts=True)
    return float((counts * np.log2(symbols.size / counts)).sum())


def channel_bits(symbols: Sequence[Integers]) -> list[float]:
    """Entropy of each channel with a histogram of its own, bits.

    Parameters
    ----------
    symbols : sequence of ndarray, shape (B, C, h, w), int64
        Of several images, which share the histograms.
    """
    channels = range(symbols[0].shape[1])
    return [entropy_bits(np.concatenate([part[:, c].ravel() for part in symbols])) for c in channels]


def coarsest(drop_of: Callable[[float], float], most: float, *, rounds: int = 7) -> float:
    """The coarsest step whose drop is at most `most`, to 2 %.

    Parameters
    ----------
    drop_of : callable
        What is lost at a step; it grows with the step.
    most : float
        Above what is lost at the finest step.
    rounds : int
        Bisections, once the step is known to a factor of 4.
    """
    step = 1.0
    while drop_of(step) > most and step > FINEST:
        step /= 4
    while drop_of(4 * step) <= most and step < COARSEST:
        step *= 4
    low, high = step, 4 * step
    for _ in range(rounds):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if drop_of(middle) <= most else (low, middle)
    return low
