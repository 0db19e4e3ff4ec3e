"""Scalar quantisation with a greedy rate-distortion choice at the encoder; the decoder is not concerned."""

from __future__ import annotations

import numpy as np

from sarcodec.model.tables import Tables

RATE_WEIGHT = 0.06
"""Squared quantiser steps that a bit is worth; tuned on validation scenes."""


def choose(residual: np.ndarray, indexes: np.ndarray, tables: Tables) -> np.ndarray:
    """Quantise to whichever of nearest, one toward zero, or zero costs least.

    Parameters
    ----------
    residual : float32 array, shape (n,)
        Latents minus their means, in quantiser steps.
    indexes : int array, shape (n,)
        Table of each.

    Returns
    -------
    int64 array, shape (n,)
        Symbols that minimise squared error + RATE_WEIGHT * bits.
    """
    nearest = np.rint(residual).astype(np.int64)
    active = np.flatnonzero(nearest)
    r, t, best = residual[active], indexes[active], nearest[active]
    lower = best - np.sign(best)
    least = (r - best) ** 2 + RATE_WEIGHT * tables.cost(best, t)
    for candidate in (lower, np.zeros_like(best)):
        cost = (r - candidate) ** 2 + RATE_WEIGHT * tables.cost(candidate, t)
        best = np.where(cost < least, candidate, best)
        least = np.minimum(cost, least)
    nearest[active] = best
    return nearest
