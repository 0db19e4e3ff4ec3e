"""Structural similarity that can be differentiated, always in float32."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

SIGMA, SIDE = 1.5, 11
"""The window: a Gaussian of 1.5 pixels in 11x11."""
K1, K2 = 0.01, 0.03


def _taps(like: Tensor) -> Tensor:
    offsets = range(-(SIDE // 2), SIDE // 2 + 1)
    taps = torch.tensor([math.exp(-(n**2) / (2 * SIGMA**2)) for n in offsets])
    return (taps / taps.sum()).to(like.device)


def ssim(a: Tensor, b: Tensor, valid: Tensor) -> Tensor:
    """Mean structural similarity of images with peak 1.

    Sums of squares cancel in a variance, which half precision does not survive: whatever the inputs' type
    and an autocast around this say, everything is computed in float32.

    Parameters
    ----------
    a, b : Tensor, shape (B, 1, H, W), floating
        Images; H and W at least 11.
    valid : Tensor, shape (B, 1, H, W), floating
        1 where a pixel is data, else 0. Windows with any other pixel in them do not count.

    Returns
    -------
    Tensor, shape (B,), float32
        1 for images without a whole window.
    """
    with torch.autocast(a.device.type, enabled=False):
        a, b, valid = a.float(), b.float(), valid.float()
        # zero where invalid, in both: values there must not reach the loss, not even as NaN
        a, b = (torch.where(valid > 0, image, 0.0) for image in (a, b))
        taps = _taps(a)
        planes = torch.cat((a, b, a * a, b * b, a * b))
        planes = F.conv2d(F.conv2d(planes, taps.view(1, 1, SIDE, 1)), taps.view(1, 1, 1, SIDE))
        mean_a, mean_b, aa, bb, ab = planes.chunk(5)
        whole = 1 - F.max_pool2d(1 - valid, SIDE, stride=1)
        c1, c2 = K1**2, K2**2
        luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
        structure = (2 * (ab - mean_a * mean_b) + c2) / (aa - mean_a**2 + bb - mean_b**2 + c2)
        count = whole.sum((1, 2, 3))
        index = (luminance * structure * whole).sum((1, 2, 3)) / count.clamp(min=1)
        return torch.where(count > 0, index, 1.0)
