"""Scalar quantisation with a greedy rate-distortion choice at the encoder; the decoder is not concerned."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.model.tables import Tables

RATE_WEIGHT = 0.045
"""Squared quantiser steps that a bit is worth; tuned on validation scenes."""


def choose(residual: npt.NDArray[Any], indexes: npt.NDArray[Any], tables: Tables) -> npt.NDArray[Any]:
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
    nearest: npt.NDArray[np.int64] = np.rint(residual).astype(np.int64)
    active = np.flatnonzero(nearest)
    r, t, best = np.abs(residual[active]), indexes[active], np.abs(nearest[active])
    least = np.full(r.shape, np.inf, dtype=np.float32)
    for candidate in (best, best - 1, np.zeros_like(best)):
        cost = (r - candidate) ** 2 + RATE_WEIGHT * tables.cost(candidate, t)
        best = np.where(cost < least, candidate, best)
        least = np.minimum(cost, least)
    nearest[active] = best * np.sign(residual[active]).astype(np.int64)
    return nearest
