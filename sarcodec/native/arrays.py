"""What stands between Python's arrays and C: an array is checked before its address is handed over."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_WRONG = {1: "a buffer is too short", 2: "there is no such table"}


def address(array: Array, dtype: Any, shape: tuple[int, ...]) -> int:
    """Where an array is.

    Raises
    ------
    TypeError
        It is not what the kernel takes it for.
    """
    if array.dtype != dtype or array.shape != shape or not array.flags.c_contiguous:
        raise TypeError(
            f"an array of {array.dtype}, shape {array.shape}, is not {np.dtype(dtype)} {shape}, in C order"
        )
    return array.ctypes.data


def check(status: int) -> None:
    """Raise ValueError if a kernel refused its arguments."""
    if status:
        raise ValueError(f"a kernel refused its arguments: {_WRONG.get(status, status)}")
