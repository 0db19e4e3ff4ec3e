"""Ordered work on a few threads with bounded look-ahead."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from sarcodec.errors import UsageError

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
) -> Iterator[R]:
    """Results in the order of `items`, computed by `jobs` threads that run at most `jobs` items ahead.

    `start` runs once in each thread. An error in one item cancels those not begun and is raised here.
    """
    with ThreadPoolExecutor(jobs, thread_name_prefix="sarcodec", initializer=start) as pool:
        pending: deque[Future[R]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > 2 * jobs:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
