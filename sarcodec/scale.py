"""Which pixel types can be coded."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.errors import InputError

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
"""Pixel types that can be coded."""


def check_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return `dtype` as a numpy dtype, or raise `InputError` where it cannot be coded."""
    found = np.dtype(dtype)
    if found.name in DTYPES:
        return found
    hint = "Detect it first: code the amplitude abs(z) or the power abs(z)**2."
    raise InputError(
        f"pixels of type {found.name} cannot be coded",
        hint=hint if found.kind == "c" else f"Convert it to one of {', '.join(DTYPES)}.",
    )
