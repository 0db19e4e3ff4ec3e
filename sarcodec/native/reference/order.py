"""Twins of stream_order.c."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def gather(values: Array, coded: Array) -> Array:
    """Values of coded latents position by position, all channels of one before the next.

    Parameters
    ----------
    values : array, shape (channels, positions)
    coded : bool array, same shape

    Returns
    -------
    array, shape (number coded,)
    """
    return np.ascontiguousarray(values.T[coded.T])


def scatter(values: Array, coded: Array) -> Array:
    """The way back; 0 if a latent is not coded.

    Raises
    ------
    ValueError
        There are more or fewer values than coded latents.
    """
    if len(values) != np.count_nonzero(coded):
        raise ValueError(f"{len(values)} values are not {np.count_nonzero(coded)}")
    out = np.zeros(coded.shape, values.dtype)
    out.T[coded.T] = values
    return out
