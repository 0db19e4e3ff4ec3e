"""The one convolution of all networks: bytes times byte weights, summed as integers.

An activation is a byte q that stands for (q - zero) * step, the step a power of two. A weight is an integer
of at most `LARGEST` in magnitude, times a power of two of its output channel; the bias is an integer in units
of the product of both steps. So every sum is an integer: neither the order of additions nor the library
changes it. The sum of two products fits 16 bits: 2 * 255 * `LARGEST` < 2^15.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LARGEST = 63
"""Largest magnitude of an integer weight."""
SPARE_LOG2 = 0.1
"""Octaves by which the largest weight of a channel may exceed the range, and is then cut to it."""
LEAST_POWER = -18
"""Logarithm of what a branch's sums are multiples of; below 64 they are exact in float32."""


def straight_through(x: Tensor, y: Tensor) -> Tensor:
    """`y` in the forward pass, the gradient of `x` in the backward pass."""
    return x + (y - x).detach()


@dataclass(frozen=True)
class Bytes:
    """What the bytes of an activation stand for."""

    step_log2: int
    """Logarithm of the difference of the values of neighbouring bytes."""
    signed: bool
    """Whether bytes stand for -128..127 steps, else for 0..255."""

    @property
    def step(self) -> float:
        """Difference of the values of neighbouring bytes."""
        return math.ldexp(1.0, self.step_log2)

    def rounded(self, x: Tensor) -> Tensor:
        """The values of the nearest bytes, halves to even; no gradient beyond the range."""
        low, high = (-128, 127) if self.signed else (0, 255)
        x = x.clamp(low * self.step, high * self.step)
        return straight_through(x, torch.round(x / self.step) * self.step)


def powers_of(*weights: Tensor) -> Tensor:
    """Logarithm of the step of each output channel's weights, shape (outputs,), of tensors summed into it."""
    largest = torch.stack([weight.detach().abs().flatten(1).amax(1) for weight in weights]).amax(0)
    return torch.ceil(torch.log2(largest.clamp_min(2.0**-24) / LARGEST) - SPARE_LOG2)


def rounded_weights(weight: Tensor, power: Tensor) -> Tensor:
    """Values of the nearest integer weights."""
    step = torch.exp2(power)[:, None, None, None]
    return straight_through(weight, torch.round(weight / step).clamp(-LARGEST, LARGEST) * step)


def rounded_bias(bias: Tensor, power: Tensor) -> Tensor:
    """Values of the nearest integer biases, `power` being the logarithm of what their unit is worth."""
    unit = torch.exp2(power)
    return straight_through(bias, torch.round(bias / unit) * unit)


class ByteConv2d(nn.Module):
    """A convolution of bytes.

    Parameters
    ----------
    inputs, outputs, kernel : int
    given : Bytes
        What it takes; values that it is called with are rounded to it first. The step is a buffer.
    stride, padding : int
    least_power : int
        Logarithm of the smallest product of both steps: networks that decide symbols have one.
    bias_size : float
        What a unit of the bias parameter is worth: it learns so much faster than weights do.
    """

    step_log2: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        given: Bytes,
        *,
        stride: int = 1,
        padding: int = 0,
        least_power: int = LEAST_POWER,
        bias_size: float = 1.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        self.register_buffer("step_log2", torch.tensor(given.step_log2, dtype=torch.int16))
        self.signed, self.stride, self.padding = given.signed, stride, padding
        self.least_power, self.bias_size = least_power, bias_size

    @property
    def given(self) -> Bytes:
        """What it takes."""
        return Bytes(int(self.step_log2), self.signed)

    def powers(self) -> Tensor:
        """Logarithm of the step of each output channel's weights."""
        return powers_of(self.weight).clamp_min(self.least_power - self.given.step_log2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) values -> (B, outputs, H', W') values, multiples of the sums' steps."""
        power, given = self.powers(), self.given
        weight = rounded_weights(self.weight, power)
        bias = rounded_bias(self.bias * self.bias_size, power + given.step_log2)
        return F.conv2d(given.rounded(x), weight, bias, self.stride, self.padding)
