"""Integer convolutions carried in floating point: exact, so the same on every machine.

Weights, biases and activations are integers. A sum of integers is exact in a float while every partial
sum stays below the mantissa's range, whatever the order of the additions; `IntConv2d` checks that bound.
During training the same module rounds its float parameters on the fly and passes gradients straight through.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SHIFT = 9
"""Fraction bits of the integer weights."""
WEIGHT_MAX = 2**11 - 1
"""Largest magnitude of an integer weight."""
ACTIVATION_MAX = 255
"""Largest activation between layers."""


def straight_through(x: Tensor, y: Tensor) -> Tensor:
    """`y` in the forward pass, the gradient of `x` in the backward pass."""
    return x + (y - x).detach() if torch.is_grad_enabled() else y


def round_half_up(x: Tensor) -> Tensor:
    """floor(x + 0.5) with a straight-through gradient."""
    return straight_through(x, torch.floor(x + 0.5))


class IntConv2d(nn.Module):
    """Convolution of integers with a right shift: floor((conv(x, w) + b + half) / 2^shift).

    Parameters
    ----------
    inputs, outputs, kernel : int
        As for ``nn.Conv2d``; zero padding keeps the size.
    relu : bool
        Clamp the result to 0..255, else leave it signed.
    gain_bits : int
        Shift by that many bits less, so that the output carries more fraction bits.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, relu: bool = True, gain_bits: int = 0
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        self.padding = kernel // 2
        self.relu = relu
        self.shift = SHIFT - gain_bits

    def integers(self) -> tuple[Tensor, Tensor]:
        """Integer weights (fraction of 2^-9) and biases (in units of the accumulator)."""
        weight = round_half_up(self.weight * 2**SHIFT).clamp(-WEIGHT_MAX, WEIGHT_MAX)
        return weight, round_half_up(self.bias * 2 ** (SHIFT + 4))

    def worst_sum(self, input_max: int) -> int:
        """Largest magnitude any partial sum can reach for inputs up to `input_max`."""
        weight, bias = self.integers()
        total = weight.detach().abs().double().sum((1, 2, 3)) * input_max + bias.detach().abs() + 2**SHIFT
        return int(total.max())

    def forward(self, x: Tensor) -> Tensor:
        """Integers in, integers out, shape (B, outputs, H, W), dtype of `x`."""
        weight, bias = self.integers()
        total = F.conv2d(x, weight.to(x.dtype), bias.to(x.dtype), padding=self.padding)
        total = total / 2**self.shift
        y = straight_through(total, torch.floor(total + 0.5))
        return y.clamp(0, ACTIVATION_MAX) if self.relu else y
