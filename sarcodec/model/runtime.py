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
    """One torch thread within the block, and the CPU for what names no device; then as the user set it.

    In a forked process the threads that torch had before the fork are gone, and waiting for them never ends.
    """
    before = torch.get_num_threads()
    one_thread()
    try:
        with torch.device("cpu"):
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
    at_hand = torch.cuda.is_available()
    if name == "cuda" and not at_hand:
        raise UsageError("no CUDA device is at hand", hint="Use --device cpu.")
    lost = at_hand and forked_from_cuda()
    if name == "cuda" and lost:
        raise UsageError(
            "a forked process cannot use the CUDA device that its parent uses",
            hint='Open the file with device="cpu", or start processes by "spawn".',
        )
    # TF32 keeps ten bits of a factor: pixels would differ from a CPU's by more than they may.
    torch.backends.cudnn.allow_tf32 = False
    return "cuda" if name != "cpu" and at_hand and not lost else "cpu"


def forked_from_cuda() -> bool:
    """Whether this process was forked from one that used CUDA, which therefore does not work here."""
    return bool(torch.cuda._is_in_bad_fork())  # noqa: SLF001  (what torch itself asks before it raises)


def device_name(name: str) -> str:
    """What `pick_device` picks, in words: ``cpu``, or ``cuda`` and the name of the card."""
    device = pick_device(name)
    return f"cuda: {torch.cuda.get_device_name()}" if device == "cuda" else device
