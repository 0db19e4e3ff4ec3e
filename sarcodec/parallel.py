"""Ordered work on a few threads with bounded look-ahead."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Lock
from typing import Generic, TypeVar

from sarcodec.errors import OutOfMemoryError, UsageError

POLL = 0.5
"""Seconds between two looks at whether the threads that are waited for are there."""

T = TypeVar("T")
R = TypeVar("R")


def workers(jobs: int | None) -> int:
    """Number of threads: `jobs`, or one for each processor this process may use."""
    if jobs is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if jobs < 1:
        raise UsageError(f"cannot work with {jobs} threads", hint="Give -j 1 or more, or leave it out.")
    return jobs


def ordered_map(
    work: Callable[[T], R], items: Iterable[T], jobs: int, start: Callable[[], object] | None = None
) -> Generator[R, None, None]:
    """Results in the order of `items`, computed by `jobs` threads that run at most `jobs` items ahead.

    `start` runs once in each thread. An error in one item cancels those not begun and is raised here.

    Raises
    ------
    OutOfMemoryError
        A thread ended in the midst of its work: there was no memory even to say why.
    """
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="sarcodec", initializer=start)
    pending: deque[Future[R]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) > 2 * jobs:
                yield _first(pool, pending)
        while pending:
            yield _first(pool, pending)
    except BaseException:
        _end(pool, pending)  # further interrupts add nothing to what is on its way already
        raise
    interrupt = _end(pool, pending)
    if interrupt is not None:
        raise interrupt


def _first(pool: ThreadPoolExecutor, pending: deque[Future[R]]) -> R:
    """The first result; it stays pending until it is there."""
    while True:
        try:
            result = pending[0].result(timeout=POLL)
        except TimeoutError:
            if pending[0].done():  # the item's own error
                raise
            if _lost(pool):
                raise OutOfMemoryError(
                    "not enough memory: a thread ended in the midst of its work",
                    hint="Use fewer threads (-j 1), or give this process more memory.",
                ) from None
        else:
            pending.popleft()
            return result


def _lost(pool: ThreadPoolExecutor) -> int:
    """Threads that ended though the pool did not."""
    return sum(not thread.is_alive() for thread in pool._threads)  # noqa: SLF001


def _end(pool: ThreadPoolExecutor, pending: Iterable[Future[R]]) -> BaseException | None:
    """Cancel what has not begun and wait for the rest, through any interrupts; the last of them.

    The caller is about to close what the threads are using.
    """
    interrupt: BaseException | None = None
    while True:
        try:
            for future in pending:
                future.cancel()
            # Not by joining threads: Python takes a thread for ended once waiting for it was interrupted.
            left = {future for future in pending if not future.cancelled()}
            while len(left) > _lost(pool):
                left = wait(left, timeout=POLL).not_done
            pool.shutdown()
        except Exception:
            raise
        except BaseException as error:  # noqa: BLE001
            interrupt = error
        else:
            return interrupt


class Once(Generic[R]):
    """A value made by the first thread that asks for it; others wait for that thread."""

    def __init__(self, make: Callable[[], R]) -> None:
        self._make, self._lock = make, Lock()
        self._made: list[R] = []

    def __call__(self) -> R:
        """The value; where making it failed, whoever asks next tries again."""
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]

    def ahead(self) -> None:
        """Make it for those who will ask."""
        self()
