"""How the latents of a model are scaled: what a quantiser step is at a rate level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.model.levels import STEPS, integer_row

UNITS = 16
"""Decoded latents in a quantiser step."""


@dataclass(frozen=True)
class LatentScales:
    """What a transform must know of the latents of its model."""

    layers: tuple[int, ...]
    """Channels of each layer, base first."""
    unit_db: float
    """dB in one network unit."""
    gain_log2: npt.NDArray[np.int16]
    """Encoder only: log2 of quantiser steps in a latent unit, in 1/256, shape (anchors, channels)."""
    inverse_log2: npt.NDArray[np.float32]
    """log2 of the size of a quantiser step in units of a latent, shape (anchors, channels)."""
    mean_log2: npt.NDArray[np.int16]
    """log2 of quantiser steps in a channel's deviation, in 1/256, shape (anchors, channels)."""

    @property
    def anchors(self) -> int:
        """Rate anchors."""
        return len(self.inverse_log2)

    @property
    def channels(self) -> int:
        """Latent channels."""
        return int(self.inverse_log2.shape[1])

    @property
    def top_level(self) -> int:
        """Highest rate level."""
        return STEPS * (self.anchors - 1)

    def steps(self, level: int) -> npt.NDArray[np.float64]:
        """Quantiser steps in a unit of each channel's latents at a rate level, float64; encoder only."""
        steps: npt.NDArray[np.float64] = 2.0 ** (integer_row(self.gain_log2, level) / STEPS)
        return steps

    def dequantised(self, y_hat: npt.NDArray[Any], level: int) -> npt.NDArray[np.float32]:
        """Decoded latents (c, h, w) of the first channels, in sixteenths of a step -> units of a latent.

        A hostile model file may make infinities of them.
        """
        low = min(level // STEPS, self.anchors - 2)
        part = np.float32(level / STEPS - low)
        with np.errstate(all="ignore"):
            log2 = self.inverse_log2[low] * (np.float32(1) - part) + self.inverse_log2[low + 1] * part
            # In double precision: libraries that round the last digit differently then make no difference.
            size = np.exp2(log2.astype(np.float64)).astype(np.float32) / np.float32(UNITS)
            y = y_hat.astype(np.float32)
            y *= size[: len(y), None, None]
        return y
