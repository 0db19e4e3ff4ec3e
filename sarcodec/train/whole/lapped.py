"""The lapped pair: a basis of 16 functions of 32 samples for rows, one for columns, a gain for each channel.

Both directions start as the modulated lapped transform and are trained apart from each other.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sarcodec.model.lapped.basis import OVERLAP, Border, frequencies, lapped_kernels
from sarcodec.model.transforms import STRIDE


class LappedBases(nn.Module):
    """What analysis and synthesis have in common.

    Parameters
    ----------
    channels : int
        Latent channels, in the order of :func:`sarcodec.model.lapped.basis.frequencies`.
    """

    order: Tensor
    place: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        basis = lapped_kernels().float()
        self.rows = nn.Parameter(basis.clone())
        self.cols = nn.Parameter(basis.clone())
        self.gain = nn.Parameter(torch.ones(channels))
        rows, cols = frequencies(channels)
        self.register_buffer("place", rows * STRIDE + cols, persistent=False)
        self.border = Border()

    def kernels(self) -> Tensor:
        """The functions in two dimensions, shape (channels, 32, 32)."""
        rows, cols = self.place // STRIDE, self.place % STRIDE
        return self.gain[:, None, None] * self.rows[rows][:, :, None] * self.cols[cols][:, None, :]


class LappedAnalysis(LappedBases):
    """Image to coefficients."""

    def forward(self, extended: Tensor) -> Tensor:
        """(B, 1, 16 h + 16, 16 w + 16), with the border's 8 pixels -> (B, channels, h, w)."""
        count, _, height, width = extended.shape
        h, w = height // STRIDE - 1, width // STRIDE - 1
        bands = extended.reshape(count, h + 1, STRIDE, width)
        bands = self.rows[:, :STRIDE] @ bands[:, :-1] + self.rows[:, STRIDE:] @ bands[:, 1:]
        pieces = bands.reshape(count, h * STRIDE, w + 1, STRIDE)
        y = pieces[:, :, :-1] @ self.cols[:, :STRIDE].T + pieces[:, :, 1:] @ self.cols[:, STRIDE:].T
        y = y.reshape(count, h, STRIDE, w, STRIDE).permute(0, 2, 4, 1, 3)
        return y.reshape(count, STRIDE**2, h, w)[:, self.place] * self.gain[:, None, None]


class LappedSynthesis(LappedBases):
    """Coefficients to image."""

    def forward(self, y: Tensor) -> Tensor:
        """(B, channels, h, w) -> (B, 1, 16 h, 16 w)."""
        count, _, h, w = y.shape
        grid = y.new_zeros(count, STRIDE**2, h, w)
        grid = grid.index_copy(1, self.place, y * self.gain[:, None, None])
        rows = (
            grid.reshape(count, STRIDE, STRIDE, h, w)
            .permute(0, 3, 1, 4, 2)
            .reshape(count, h * STRIDE, w, STRIDE)
        )
        pieces = F.pad(rows @ self.cols[:, :STRIDE], (0, 0, 0, 1)) + F.pad(
            rows @ self.cols[:, STRIDE:], (0, 0, 1, 0)
        )
        bands = pieces.reshape(count, h, STRIDE, (w + 1) * STRIDE)
        image = F.pad(self.rows[:, :STRIDE].T @ bands, (0, 0, 0, 0, 0, 1)) + F.pad(
            self.rows[:, STRIDE:].T @ bands, (0, 0, 0, 0, 1, 0)
        )
        image = image.reshape(count, 1, (h + 1) * STRIDE, (w + 1) * STRIDE)
        image = image[:, :, OVERLAP:-OVERLAP, OVERLAP:-OVERLAP]
        return image * self._gains(16 * h)[:, None] * self._gains(16 * w)

    def _gains(self, side: int) -> Tensor:
        """What undoes the window in the outer 8 pixels of an axis."""
        gains = self.border.gain.new_ones(side)
        gains[:OVERLAP] = self.border.gain
        gains[side - OVERLAP :] = self.border.gain.flip(0)
        return gains
