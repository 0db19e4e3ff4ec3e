"""Loops that NumPy cannot express, compiled to machine code that runs beside other threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Compile a function at its first call; later processes find it on the disk, where there is a place.

    It gets arrays and numbers, checks no index, and lets go of the interpreter's lock.
    """
    try:
        return cast("F", numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:  # neither the package's folder nor the user's can be written
        return cast("F", numba.njit(nogil=True)(function))
