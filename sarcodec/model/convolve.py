"""Convolution on a CPU by the library that is fast on all of them.

Torch gives 1x1 convolutions of float32 to its matrix library, which on some processors runs at less than half
the speed of the convolution library (oneDNN) that gets all others. Here that one gets them too.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ONEDNN = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call, unused-ignore]
"""Whether torch was built with it."""


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0),
) -> Tensor:
    """As ``F.conv2d``, for weights of one group, without dilation."""
    if _by_onednn(x, weight):
        y: Tensor = torch.mkldnn_convolution(x, weight, bias, padding, stride, (1, 1), 1)
        return y
    return F.conv2d(x, weight, bias, stride, padding)


def _by_onednn(x: Tensor, weight: Tensor) -> bool:
    pointwise = weight.shape[2:] == (1, 1) and min(x.shape) > 0
    here = x.device.type == "cpu" and x.dtype == weight.dtype == torch.float32
    return pointwise and here and not torch.is_grad_enabled() and ONEDNN


class Conv2d(nn.Conv2d):
    """``nn.Conv2d`` of one group, zero padding and no dilation, computed by :func:`convolve`."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H', W')."""
        stride, padding = self.stride, self.padding
        assert isinstance(padding, tuple)
        return convolve(x, self.weight, self.bias, stride, padding)
