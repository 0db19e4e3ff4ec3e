"""Integer convolutions carried in floating point: exact, so the same on every machine.

Weights, biases and activations are integers. A sum of integers is exact in a float while every partial
sum stays below the mantissa's range, whatever the order of the additions; `IntConv2d` checks that bound.
During training the same module rounds its float parameters on the fly and passes gradients straight through.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from sarcodec.model.convolve import convolve

SHIFT = 9
"""Fraction bits of the integer weights."""
WEIGHT_MAX = 2**11 - 1
"""Largest magnitude of an integer weight."""
ACTIVATION_MAX = 255
"""Largest activation between layers."""
FLOAT32_EXACT, FLOAT64_EXACT = 2**24, 2**53
"""Integers below these magnitudes are exact in a float of 32 or 64 bits."""


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
        self.fixed: tuple[Tensor, Tensor] | None = None
        """Weights and biases of a network that is not trained any more, see :meth:`freeze`."""

    def integers(self) -> tuple[Tensor, Tensor]:
        """Integer weights (fraction of 2^-9) and biases (in units of the accumulator)."""
        weight = round_half_up(self.weight * 2**SHIFT).clamp(-WEIGHT_MAX, WEIGHT_MAX)
        return weight, round_half_up(self.bias * 2 ** (SHIFT + 4))

    def worst_sum(self, input_max: int) -> int:
        """Largest magnitude any partial sum can reach for inputs up to `input_max`."""
        weight, bias = self.integers()
        total = weight.detach().abs().double().sum((1, 2, 3)) * input_max + bias.detach().abs() + 2**SHIFT
        return int(total.max())

    @torch.inference_mode()
    def freeze(self, input_max: int) -> None:
        """Keep the integers, in float32 where sums of inputs up to `input_max` are exact in it and here.

        Raises
        ------
        ValueError
            A sum may not even be exact in float64.
        """
        worst = self.worst_sum(input_max)
        if worst >= FLOAT64_EXACT:
            raise ValueError("sums do not stay exact")
        kind = torch.float32 if worst < FLOAT32_EXACT and float32_is_exact() else torch.float64
        weight, bias = (t.to(kind) for t in self.integers())
        self.fixed = weight.contiguous(memory_format=torch.channels_last), bias

    def forward(self, x: Tensor) -> Tensor:
        """Integers in, integers out, shape (B, outputs, H, W), dtype of `x` unless frozen in another."""
        weight, bias = self.fixed or tuple(t.to(x.dtype) for t in self.integers())
        total = convolve(x.to(weight.dtype), weight, bias, padding=(self.padding, self.padding))
        total = total / 2**self.shift
        y = straight_through(total, torch.floor(total + 0.5))
        return y.clamp(0, ACTIVATION_MAX) if self.relu else y


def float32_is_exact() -> bool:
    """Whether convolutions in float32 are sums of exact products here and now.

    They are not where a library was told to multiply in bfloat16 or TF32, or takes an algorithm that
    transforms its input. Tried once for each state of torch's settings.
    """
    convolutions = getattr(torch.backends.mkldnn, "conv", None)  # newer versions of torch alone
    settings = [getattr(place, "fp32_precision", None) for place in (torch.backends, convolutions)]
    try:
        settings.append(torch.get_float32_matmul_precision())
    except RuntimeError:  # these versions do not answer where the newer settings were used
        settings.append(None)
    return _tried(*settings)


@cache
@torch.no_grad()  # as coding does, since it decides which library multiplies
def _tried(*_settings: object) -> bool:
    """The trial, at the sizes of the entropy networks, with sums close to 2^24 and weights of 12 bits."""
    generator = torch.Generator().manual_seed(0)
    for inputs, side, kernel in ((96, 16, 1), (128, 64, 3), (32, 16, 3)):
        used = 2
        largest = FLOAT32_EXACT // (ACTIVATION_MAX * used * kernel**2)
        x = torch.randint(0, ACTIVATION_MAX + 1, (1, inputs, side, side), generator=generator)
        w = torch.randint(-largest, largest + 1, (64, inputs, kernel, kernel), generator=generator)
        w[:, used:] = 0
        x, w = (t.contiguous(memory_format=torch.channels_last) for t in (x.double(), w.double()))
        padding = (kernel // 2, kernel // 2)
        exact = convolve(x, w, padding=padding)
        if not torch.equal(convolve(x.float(), w.float(), padding=padding).double(), exact):
            return False
    return True
