"""The hash that the noise of textures is made of: a function of seed and place, part of the format."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint32]


def hash32(*words: npt.NDArray[Any] | int) -> Words:
    """Mix integers into well-scrambled 32-bit words; arrays broadcast against each other.

    Parameters
    ----------
    *words : int or integer ndarray
        Coordinates, keys and seeds; only the low 32 bits count.

    Returns
    -------
    ndarray of uint32
    """
    mixed = np.zeros(1, np.uint32)
    for word in words:
        part = np.asarray(np.asarray(word, np.int64) & 0xFFFFFFFF, np.uint32)
        mixed = (mixed ^ part) * np.uint32(0x9E3779B1)
        mixed ^= mixed >> np.uint32(15)
        mixed *= np.uint32(0x85EBCA6B)
        mixed ^= mixed >> np.uint32(13)
    mixed *= np.uint32(0xC2B2AE35)
    return mixed ^ (mixed >> np.uint32(16))
