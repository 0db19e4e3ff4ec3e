"""Prediction of a band's latents from those of another band, in integers.

Polarisations see the same ground under speckle of their own, so the coarse channels of one say much of the
other's. A weight for each of the first channels, in sixteenths, is all that a tile stores of it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sarcodec.bitstream.layer_body import MOST_WEIGHTS, Weights
from sarcodec.native.trellis_code import MEAN_STEPS

WEIGHT_STEPS = 16
"""Weights are whole numbers of this part, 0 to 15."""
LEAST_GAIN = 2.0
"""Squared quantiser steps that a weight has to take away from a channel: those that half a byte is worth, and
some more, for the latents that are left cost about as many bits where less than this is gone."""

Integers = npt.NDArray[np.int64]


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
    mine = wanted[:MOST_WEIGHTS].reshape(len(wanted[:MOST_WEIGHTS]), -1).astype(np.float64)
    other = beside[:MOST_WEIGHTS].reshape(mine.shape) / MEAN_STEPS
    both, own = (mine * other).sum(1), (other**2).sum(1)
    best = np.rint(WEIGHT_STEPS * both / np.maximum(own, 1e-9)).clip(0, WEIGHT_STEPS - 1)
    part = best / WEIGHT_STEPS
    weights = np.where(part * (2 * both - part * own) > LEAST_GAIN, best, 0).astype(np.int64)
    return weights[: int(np.flatnonzero(weights).max(initial=-1)) + 1]


def predicted(weights: Weights, beside: Integers) -> Integers:
    """What the first channels are predicted as, int64, shape (n, h, w), in sixteenths of a step."""
    product: Integers = (weights[:, None, None] * beside[: len(weights)] + WEIGHT_STEPS // 2) // WEIGHT_STEPS
    return product
