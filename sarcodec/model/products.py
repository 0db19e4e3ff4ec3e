"""Convolutions of bytes by the processor's own instructions for them, where they are exact."""

from __future__ import annotations

from functools import cache
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

LARGEST = 127
"""Largest magnitude of a weight."""


class Products:
    """A convolution of bytes, of odd kernel, that keeps the size.

    Parameters
    ----------
    weight : Tensor, shape (outputs, inputs, kernel, kernel)
        Integers of at most `LARGEST` in magnitude.
    bias, steps : Tensor, shape (outputs,), float32
        What sums begin with, and what a unit of a weight is worth.
    given, zero : float, int
        What a unit of an input is worth, and the byte that stands for 0.
    made : float, optional
        What a unit of an output is worth, in bytes through a ReLU; float32 where left out.
    padded : bool
        Whether inputs come with their padding, so that it need not be zeros.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        steps: Tensor,
        given: float,
        zero: int,
        made: float | None = None,
        *,
        padded: bool = False,
    ) -> None:
        self.inputs = (given, zero)
        self.bias, self.steps, self.zeros = bias, steps, torch.zeros(len(steps), dtype=torch.int32)
        padding = [0, 0] if padded else [weight.shape[2] // 2, weight.shape[3] // 2]
        self.shape = ([1, 1], padding, [1, 1], 1)
        self.outputs = (1.0, 0, torch.float32, "none") if made is None else (made, 0, torch.uint8, "relu")
        self.weight = torch.ops.onednn.qconv_prepack(
            weight.to(torch.int8), steps, given, zero, *self.shape, None
        )

    def __deepcopy__(self, _memo: object) -> Products:
        """Itself: nothing changes it, and packed weights cannot be copied."""
        return self

    def __call__(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W), uint8 -> (B, outputs, H, W), uint8 or float32."""
        weight = (self.weight, self.steps, self.zeros, self.bias)
        y: Tensor = torch.ops.onednn.qconv2d_pointwise(
            x, *self.inputs, *weight, *self.shape, *self.outputs, [], None
        )
        return y


def to_bytes(x: Tensor) -> Tensor:
    """Floats of 0..255, rounded down, as uint8; in two steps, since torch has no fast way for one."""
    return x.to(torch.int32).to(torch.uint8)


@cache
@torch.inference_mode()
def exact() -> bool:
    """Whether this processor and library multiply bytes exactly, tried once.

    Older processors add pairs of products in 16 bits, which large ones do not fit.
    """
    try:
        return all(_exact(*shape) for shape in product((1, 3), (0, 128), (64, 128)))
    except (AttributeError, RuntimeError, TypeError):  # not built in, or called otherwise in this version
        return False


def _exact(kernel: int, zero: int, inputs: int) -> bool:
    """Whether sums of the largest weights and bytes are those of floats; half of them do not cancel."""
    generator = torch.Generator().manual_seed(0)
    weight = LARGEST * (torch.randint(0, 2, (64, inputs, kernel, kernel), generator=generator) * 2.0 - 1)
    weight[::4], weight[1::4] = LARGEST, -LARGEST
    x = 255.0 * torch.randint(0, 2, (1, inputs, 20, 16), generator=generator)
    x[..., 8:] = 255
    x = x.contiguous(memory_format=torch.channels_last)
    expected = F.conv2d(x.double() - zero, weight.double(), padding=kernel // 2).float()
    unit = 2.0**-16  # makes the sums some 100 bytes, many of them beyond both ends
    found = Products(weight, torch.zeros(64), torch.ones(64), 1, zero)(to_bytes(x))
    rounded = Products(weight, torch.zeros(64), torch.full((64,), unit), 1, zero, 1.0)(to_bytes(x))
    whole = (expected * unit).round().clamp(0, 255)
    return torch.equal(found, expected) and torch.equal(rounded.float(), whole)
