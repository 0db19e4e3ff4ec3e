"""Progress of long work: what is called after each step."""

from __future__ import annotations

from collections.abc import Callable

from sarcodec import arguments

Tick = Callable[[str, int, int], None]
"""Progress: stage, steps done, steps in all."""


def silent(stage: str, done: int, total: int) -> None:
    """No progress shown."""


def silent_step() -> None:
    """No step shown."""


class Steps:
    """Counts the steps of a stage, and shows each.

    Parameters
    ----------
    total : int
        Steps in all.
    """

    def __init__(self, tick: Tick, stage: str, total: int) -> None:
        self._tick, self._stage, self._total, self._done = tick, stage, total, 0

    def __call__(self) -> None:
        """One more is done."""
        self._done += 1
        self._tick(self._stage, self._done, self._total)


def ticking(progress: object) -> Tick:
    """What shows progress; `UsageError` for what cannot."""
    return silent if progress is None else arguments.callback("progress", progress)
