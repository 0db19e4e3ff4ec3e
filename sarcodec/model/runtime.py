"""How torch runs here: its threads and its device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sarcodec.errors import UsageError
from sarcodec.types import DEVICES


def one_thread() -> None:
    """One torch thread in this thread: tiles run side by side, results do not depend on how many."""
    torch.set_num_threads(1)


@contextmanager
def threads_kept() -> Iterator[None]:
    """Give torch its number of threads back at the end: it belongs to the whole process."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def pick_device(name: str) -> str:
    """cpu, or cuda where it is asked for or, with auto, at hand.

    Raises
    ------
    UsageError
        Another name, or cuda where there is none.
    """
    if name not in DEVICES:
        raise UsageError(f"device {name!r} is not one of {', '.join(DEVICES)}")
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("no CUDA device is at hand", hint="Use --device cpu.")
    # TF32 keeps ten bits of a factor: pixels would differ from a CPU's by more than they may.
    torch.backends.cudnn.allow_tf32 = False
    return "cuda" if name != "cpu" and torch.cuda.is_available() else "cpu"


def device_name(name: str) -> str:
    """What `pick_device` picks, in words: ``cpu``, or ``cuda`` and the name of the card."""
    device = pick_device(name)
    return f"cuda: {torch.cuda.get_device_name()}" if device == "cuda" else device
