"""Loops that NumPy cannot express, compiled to machine code that runs beside other threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar, cast

import numba

from sarcodec import memory
from sarcodec.parallel import workers

LOADING_BYTES, OPENBLAS_BYTES = 100 * 10**6, 41 * 10**6
"""Bytes that the first call of a compiled function takes, and on top of that for each thread of OpenBLAS."""

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Compile a function at its first call; later processes find it on the disk, where there is a place.

    It gets arrays and numbers, checks no index, and lets go of the interpreter's lock.
    """
    try:
        return cast("F", numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:  # neither the package's folder nor the user's can be written
        return cast("F", numba.njit(nogil=True)(function))


def start() -> None:
    """Load what any compiled function needs; the first call of one does, wherever that is.

    Raises
    ------
    OutOfMemoryError
        Limits on this process leave too little. OpenBLAS, which is loaded with it, would wait for ever.
    """
    threads = os.environ.get("OPENBLAS_NUM_THREADS", "")
    memory.need(
        "loading", LOADING_BYTES + OPENBLAS_BYTES * (int(threads) if threads.isdigit() else workers(None))
    )
    _nothing()


@compiled
def _nothing() -> int:
    return 0
