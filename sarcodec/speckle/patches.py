"""Patches of linear power cut from a dB image.

All statistics of speckle look at such patches; invalid pixels are masked in every sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.types import Window

Raster = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]

CONSTANT = 1e-20
"""Squared coefficient of variation of a patch that is constant but for rounding."""

_NEPER = np.log(10) / 10


def power(db: Raster, valid: Mask) -> Doubles:
    """Linear power of `db`, 0 where not valid; any shape, float64."""
    filled = np.where(valid, db, -np.inf).astype(np.float64)
    filled *= _NEPER
    return np.asarray(np.exp(filled, out=filled))


@dataclass(frozen=True)
class Patches:
    """Windows of one shape (h, w)."""

    power: Doubles
    """Linear power, shape (n, h, w), 0 where not valid."""
    valid: Mask
    """Shape (n, h, w); every patch has at least two valid pixels."""

    @property
    def count(self) -> Doubles:
        """Valid pixels of each patch, shape (n,)."""
        return np.asarray(self.valid.sum((1, 2)), np.float64)

    @property
    def mean(self) -> Doubles:
        """Mean power of each patch, shape (n,)."""
        return np.asarray(self.power.sum((1, 2)) / self.count)

    @property
    def relative(self) -> Doubles:
        """Power over the patch's mean, minus 1: zero mean, 0 where not valid; shape (n, h, w)."""
        about = self.power / self.mean[:, None, None] - 1
        return np.where(self.valid, about, 0.0)


def cut(db: Raster, valid: Mask, blocks: Sequence[Window]) -> list[Patches]:
    """Patches under `blocks`, those of one shape together, none with less than two valid pixels.

    Parameters
    ----------
    db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
    blocks : sequence of Window
        Cut at the raster's border.
    """
    groups: dict[tuple[int, ...], list[tuple[Doubles, Mask]]] = {}
    for block in blocks:
        at = np.s_[block.row : block.bottom, block.col : block.right]
        data = valid[at]
        if data.sum() > 1:
            groups.setdefault(data.shape, []).append((power(db[at], data), data))
    return [Patches(*(np.stack(part) for part in zip(*group, strict=True))) for group in groups.values()]
