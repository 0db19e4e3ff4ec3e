"""Convolutions in 8 bits: integers if a processor has them, else floats of the same values.

They take bytes, each a power of two times what it is above a zero point, and weights of -127..127 times a
power of two of their output channel. Every product and every sum is then a multiple of `UNIT` that float32
holds exactly, so that the order of additions, and what adds them, make no difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sarcodec.model.convolve import convolve
from sarcodec.model.integer import FLOAT32_EXACT
from sarcodec.model.products import LARGEST, Products, to_bytes

UNIT = 2.0**-18
"""What sums are multiples of; below 64 they are exact."""
HYPER_STEP = 2.0**-3
"""Step of latents that h_a takes, in units of the channels' deviation."""


@dataclass(frozen=True)
class Bytes:
    """What the bytes of an activation stand for."""

    step: float
    """Difference of the values of neighbouring bytes, a power of two."""
    signed: bool

    @property
    def zero(self) -> int:
        """The byte that stands for 0."""
        return 128 if self.signed else 0

    def pack(self, x: Tensor, *, whole: bool) -> Tensor:
        """Nearest bytes of float32 values: uint8 where `whole`, else floats of what they are above `zero`.

        Values beyond the range become its ends; where not `signed`, that is a ReLU.
        """
        packed = torch.add(x.new_tensor(self.zero + 0.5), x, alpha=1 / self.step).clamp_(0, 255.5)
        return self.held(packed, whole=whole)

    def held(self, packed: Tensor, *, whole: bool) -> Tensor:
        """Bytes as they are computed with, of floats of 0..255, rounded down; those are overwritten."""
        if whole:
            return to_bytes(packed)
        return packed.floor_().sub_(self.zero)


class Convolution:
    """A convolution of bytes, of odd kernel, that keeps the size.

    Parameters
    ----------
    weight, bias : Tensor
        In floating point, not changed.
    given : Bytes
        What it takes.
    made : Bytes, optional
        What it makes, not signed; float32 values where left out.
    steps : Tensor, shape (outputs,), optional
        Of the weights; :func:`steps_of` where left out.
    whole : bool
        Compute in integers.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        given: Bytes,
        made: Bytes | None = None,
        *,
        steps: Tensor | None = None,
        whole: bool,
    ) -> None:
        self.given, self.made, self.inputs = given, made, weight.shape[1]
        self.padding = [weight.shape[2] // 2, weight.shape[3] // 2]
        steps = steps_of(weight, given.step) if steps is None else steps
        weight = torch.round(weight / steps[:, None, None, None])
        self.bias = torch.round(bias / UNIT) * UNIT
        self.products: Products | None = None
        if whole:
            unit = None if made is None else made.step
            self.products = Products(weight, self.bias, steps, given.step, given.zero, unit)
            return
        weight *= (steps * given.step)[:, None, None, None]
        self.weight = weight.contiguous(memory_format=torch.channels_last)

    def __call__(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) packed -> (B, outputs, H, W), packed or values."""
        if self.products is not None:
            return self.products(x)
        sums = convolve(x, self.weight, self.bias, padding=self.padding)
        return sums if self.made is None else sums.mul_(1 / self.made.step).round_().clamp_(0, 255)


def steps_of(weight: Tensor, given: float) -> Tensor:
    """Steps of integer weights of each output channel: powers of two, shape (outputs,).

    The smallest that hold all weights, whose products with inputs of steps `given` are multiples of `UNIT`,
    and whose sums stay exact.
    """
    size = weight.abs()
    needed = torch.stack(
        (
            size.amax((1, 2, 3)) / LARGEST,
            size.sum((1, 2, 3)) * (256 / FLOAT32_EXACT),
            torch.full_like(size[:, 0, 0, 0], UNIT / given),
        )
    )
    mantissa, power = torch.frexp(needed.amax(0))
    return torch.ldexp(torch.ones_like(mantissa), power - (mantissa == 0.5).int())


class HyperStart:
    """The first convolution of h_a, of latents and their magnitudes."""

    def __init__(self, conv: nn.Conv2d) -> None:
        self.given = Bytes(HYPER_STEP, signed=True)
        self.conv = Convolution(*weights_of(conv), self.given, whole=True)

    def __call__(self, v: Tensor) -> Tensor:
        """(B, C, h, w) latents in units of the channels' deviation -> (B, outputs, h, w)."""
        v = self.given.pack(v, whole=True).clamp_min_(1)
        return self.conv(torch.cat((v, torch.maximum(v, v.neg())), dim=1))  # bytes wrap: 1 becomes 255


def weights_of(conv: nn.Conv2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution."""
    assert conv.bias is not None
    return conv.weight.detach(), conv.bias.detach()
