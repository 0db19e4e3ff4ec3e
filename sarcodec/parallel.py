"""Ordered work on a few threads with bounded look-ahead."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Lock
from typing import Any, Generic, Self, TypeVar

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


class Pool:
    """Threads that work in the order in which they are given work, a bounded number of calls ahead.

    A context manager: at the end of its block what has not begun is cancelled, and the rest is waited for.

    Parameters
    ----------
    jobs : int
        Threads.
    start : callable, optional
        Runs once in each thread.
    """

    def __init__(self, jobs: int, start: Callable[[], object] | None = None) -> None:
        self._pool = ThreadPoolExecutor(jobs, thread_name_prefix="sarcodec", initializer=start)
        self._pending: deque[Future[Any]] = deque()
        self._ahead = 2 * jobs

    def submit(self, work: Callable[..., object], *arguments: object) -> None:
        """Have a call made; :meth:`first` gives its result when it is its turn."""
        self._pending.append(self._pool.submit(work, *arguments))

    @property
    def full(self) -> bool:
        """Whether so much is pending that a result should be taken."""
        return len(self._pending) > self._ahead

    @property
    def idle(self) -> bool:
        """Whether nothing is pending."""
        return not self._pending

    def first(self) -> Any:
        """Result of the call that was submitted first; it stays pending until it is there.

        Raises
        ------
        OutOfMemoryError
            A thread ended in the midst of its work: there was no memory even to say why.
        """
        while True:
            try:
                result = self._pending[0].result(timeout=POLL)
            except TimeoutError:
                if self._pending[0].done():  # the call's own error
                    raise
                if _lost(self._pool):
                    raise OutOfMemoryError(
                        "not enough memory: a thread ended in the midst of its work",
                        hint="Use fewer threads (-j 1), or give this process more memory.",
                    ) from None
            else:
                self._pending.popleft()
                return result

    def call(self, work: Callable[..., R], *arguments: object) -> Task[R]:
        """A task that is worked on as soon as a thread is free; waits while too much is pending."""
        task = Task(work, *arguments)
        self.submit(task.make)
        while self.full:
            self.first()
        return task

    def finish(self, task: Task[Any]) -> None:
        """Wait until a task of :meth:`call` is done."""
        while not task.done:
            self.first()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        interrupt = _end(self._pool, self._pending)
        if kind is None and interrupt is not None:  # further interrupts add nothing to what is on its way
            raise interrupt


def ordered_map(
    work: Callable[[T], R], items: Iterable[T], jobs: int, start: Callable[[], object] | None = None
) -> Generator[R, None, None]:
    """Results in the order of `items`, computed by `jobs` threads that run at most `jobs` items ahead.

    `start` runs once in each thread. An error in one item cancels those not begun and is raised here.

    Raises
    ------
    OutOfMemoryError
        As :meth:`Pool.first`.
    """
    with Pool(jobs, start) as pool:
        for item in items:
            pool.submit(work, item)
            if pool.full:
                yield pool.first()
        while not pool.idle:
            yield pool.first()


def _lost(pool: ThreadPoolExecutor) -> int:
    """Threads that ended though the pool did not."""
    return sum(not thread.is_alive() for thread in pool._threads)  # noqa: SLF001


def _end(pool: ThreadPoolExecutor, pending: Iterable[Future[Any]]) -> BaseException | None:
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


class Task(Generic[R]):
    """A call that is made once, by the first thread that asks for its result; others wait for that thread.

    An argument may be a task, or a dict of them: the call gets their results. Tasks are to be handed out so
    that each comes after those whose results it needs.
    """

    def __init__(self, work: Callable[..., R], *arguments: object) -> None:
        self._work, self._arguments, self._lock = work, arguments, Lock()
        self._made: list[R] = []

    def result(self) -> R:
        """What the call returned; if it failed, whoever asks next tries again."""
        with self._lock:
            if not self._made:
                self._made.append(self._work(*map(_resolved, self._arguments)))
                self._arguments = ()
            return self._made[0]

    def make(self) -> None:
        """Have the result made, for those who will ask."""
        self.result()

    @property
    def done(self) -> bool:
        """Whether the result is there."""
        return bool(self._made)


def _resolved(argument: Any) -> Any:
    if isinstance(argument, Task):
        return argument.result()
    if isinstance(argument, dict):
        return {key: _resolved(value) for key, value in argument.items()}
    return argument
