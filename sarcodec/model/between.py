"""Prediction of a band's latents from those of another band, in integers.

Polarisations see the same ground under speckle of their own, so the coarse channels of one say much of the
other's. A weight for each of the first channels, in sixteenths, is all that a tile stores of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.errors import FormatError
from sarcodec.model.tables import MEAN_STEPS

WEIGHT_STEPS = 16
"""Weights are whole numbers of this part, 0 to 15."""
MOST = 128
"""Channels that have a weight at most."""
LEAST_GAIN = 2.0
"""Squared quantiser steps that a weight has to take away from a channel: those that half a byte is worth, and
some more, for the latents that are left cost about as many bits where less than this is gone."""

Integers = npt.NDArray[np.int64]
Weights = npt.NDArray[np.int64]


def choose(wanted: npt.NDArray[np.float32], beside: Integers) -> Weights:
    """The weights that leave the least energy.

    Parameters
    ----------
    wanted : float32 array, shape (channels, h, w)
        Latents in quantiser steps.
    beside : int64 array, same shape
        Decoded latents of the other band, in sixteenths of a step.

    Returns
    -------
    int64 array, shape (n,)
        Of the first n channels, 0 to 15; the last is not 0.
    """
    mine = wanted[:MOST].reshape(len(wanted[:MOST]), -1).astype(np.float64)
    other = beside[:MOST].reshape(mine.shape) / MEAN_STEPS
    both, own = (mine * other).sum(1), (other**2).sum(1)
    best = np.rint(WEIGHT_STEPS * both / np.maximum(own, 1e-9)).clip(0, WEIGHT_STEPS - 1)
    part = best / WEIGHT_STEPS
    weights = np.where(part * (2 * both - part * own) > LEAST_GAIN, best, 0).astype(np.int64)
    return weights[: int(np.flatnonzero(weights).max(initial=-1)) + 1]


def predicted(weights: Weights, beside: Integers) -> Integers:
    """What the first channels are predicted as, int64, shape (n, h, w), in sixteenths of a step."""
    product: Integers = (weights[:, None, None] * beside[: len(weights)] + WEIGHT_STEPS // 2) // WEIGHT_STEPS
    return product


def pack(weights: Weights) -> bytes:
    """Number of weights, then two of them in each byte, the first in the low half."""
    pairs = np.pad(weights, (0, len(weights) % 2)).reshape(-1, 2)
    return bytes([len(weights), *(low | high << 4 for low, high in pairs.tolist())])


def unpack(data: bytes, channels: int) -> tuple[Weights, bytes]:
    """Weights, and the bytes behind them.

    Raises
    ------
    FormatError
        They are cut, too many, or end with a 0.
    """
    count = data[0] if data else 0
    end = 1 + (count + 1) // 2
    if len(data) < end or count > min(MOST, channels):
        raise FormatError(f"{count} weights of another band's latents, in {len(data)} bytes")
    packed: npt.NDArray[Any] = np.frombuffer(data[1:end], np.uint8).astype(np.int64)
    weights = np.stack((packed & 15, packed >> 4), axis=1).ravel()
    if (count and not weights[count - 1]) or weights[count:].any():
        raise FormatError("weights of another band's latents are not in their shortest form")
    return weights[:count], data[end:]
