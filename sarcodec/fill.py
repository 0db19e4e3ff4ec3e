"""Smooth values for pixels that are not data, so that they cost the encoder next to nothing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def fill_invalid(
    db: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_], empty: float = 0.0
) -> npt.NDArray[np.float32]:
    """Replace invalid pixels by a pull-push pyramid of the valid ones.

    Parameters
    ----------
    db : ndarray, shape (h, w), float32
        Anything, NaN included, where `valid` is False.
    valid : ndarray, shape (h, w), bool
    empty : float
        Value where nothing is valid at all.

    Returns
    -------
    ndarray, shape (h, w), float32
        `db` where valid; elsewhere the mean of the valid pixels in the smallest enclosing block of
        2^k x 2^k pixels that has any.
    """
    if valid.all():
        return db
    if not valid.any():
        return np.full_like(db, empty)
    total, count = np.where(valid, db, np.float32(0)), valid.astype(np.float32)
    levels = [(total, valid)]
    while not levels[-1][1].all():
        total, count = _halve(total), _halve(count)
        levels.append((total / np.maximum(count, 1), count > 0))
    filled: npt.NDArray[np.float32] = levels.pop()[0]
    while levels:
        mean, known = levels.pop()
        up = filled.repeat(2, axis=0).repeat(2, axis=1)[: mean.shape[0], : mean.shape[1]]
        filled = np.where(known, mean, up)
    return filled


def _halve(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Sums over 2 x 2 blocks; odd edges are padded with zeros."""
    x = np.pad(x, ((0, x.shape[0] % 2), (0, x.shape[1] % 2)))
    sums: npt.NDArray[np.float32] = x[0::2, 0::2] + x[1::2, 0::2] + x[0::2, 1::2] + x[1::2, 1::2]
    return sums
