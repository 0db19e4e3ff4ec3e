"""Ordered work on threads: in order, ahead by a bounded number, and ended before the caller goes on."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from types import FrameType

import pytest

from sarcodec.errors import OutOfMemoryError
from sarcodec.parallel import Pool, Task, ordered_map


class Work:
    """Items that take a while, and how many of them are going on."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.running, self.begun = seconds, 0, 0
        self._lock = threading.Lock()

    def __call__(self, item: int) -> int:
        with self._lock:
            self.running += 1
            self.begun += 1
        time.sleep(self.seconds * (1 + item % 2))
        with self._lock:
            self.running -= 1
        return item


def test_results_come_in_the_order_of_the_items() -> None:
    assert list(ordered_map(Work(0.005), range(9), 3)) == list(range(9))


def test_no_more_is_begun_than_the_threads_may_be_ahead() -> None:
    work = Work(0)
    results = ordered_map(work, iter(range(1000)), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    results.close()
    assert work.begun <= 3 + 2 * 2 + 2


def test_error_in_one_item_is_raised_when_nothing_runs_any_more() -> None:
    work = Work(0.05)

    def fail_at_one(item: int) -> int:
        if item == 1:
            raise ValueError(item)
        return work(item)

    with pytest.raises(ValueError, match="1"):
        list(ordered_map(fail_at_one, range(100), 2))
    assert work.running == 0
    assert work.begun < 10


@pytest.fixture
def alarms() -> Iterator[None]:
    """Further interrupts every 20 ms, three of them."""
    left = iter(range(3))

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        if next(left, None) is not None:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("alarms")
def test_interrupts_do_not_shorten_the_wait_for_what_runs() -> None:
    work = Work(0.2)

    def consume() -> None:
        for _ in ordered_map(work, range(100), 2):
            signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        consume()
    assert work.running == 0


def test_what_is_made_once_is_made_by_the_first_who_asks() -> None:
    made: list[int] = []

    def make() -> int:
        time.sleep(0.02)
        made.append(1)
        return 7

    task = Task(make)
    assert not task.done
    assert list(ordered_map(lambda _: task.result(), range(6), 3)) == [7] * 6
    task.make()
    assert made == [1] and task.done


def test_making_that_failed_is_tried_again() -> None:
    answers = iter([False, True])

    def make() -> str:
        if not next(answers):
            raise ValueError("not yet")
        return "here"

    task = Task(make)
    with pytest.raises(ValueError, match="not yet"):
        task.result()
    assert task.result() == "here"


def test_a_call_gets_the_results_of_the_tasks_among_its_arguments() -> None:
    with Pool(2) as pool:
        two = pool.call(lambda: 2)
        three = pool.call(lambda number: number + 1, two)
        both = pool.call(lambda found, extra: (found["a"] + found["b"], extra), {"a": two, "b": three}, None)
        pool.finish(both)
        assert both.done and both.result() == (5, None)


def test_a_pool_that_is_full_waits_for_its_oldest_call() -> None:
    began: list[int] = []

    def work(number: int) -> None:
        time.sleep(0.002)
        began.append(number)

    with Pool(1) as pool:
        tasks = [pool.call(work, number) for number in range(9)]
        assert all(task.done for task in tasks[:-2])
        assert not pool.full
        pool.finish(tasks[-1])
    assert began == list(range(9))


def test_an_error_in_a_call_ends_the_pool_and_cancels_what_has_not_begun() -> None:
    begun: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        time.sleep(0.01)
        if number == 1:
            raise ValueError("one")

    with pytest.raises(ValueError, match="one"), Pool(1) as pool:
        for number in range(100):
            pool.call(work, number)
    assert len(begun) < 8


def test_a_thread_that_dies_is_an_error_and_no_endless_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one does that finds no memory between two items: nothing is left that could say so."""
    monkeypatch.setattr("sarcodec.parallel.POLL", 0.02)
    real = Future.set_result

    def set_result(future: Future[int], result: int) -> None:
        if result == 3:
            raise MemoryError
        real(future, result)

    monkeypatch.setattr(Future, "set_result", set_result)
    monkeypatch.setattr(Future, "set_exception", set_result)
    monkeypatch.setattr(logging.getLogger("concurrent.futures"), "disabled", True)
    for jobs in (1, 2):
        with pytest.raises(OutOfMemoryError, match="a thread ended in the midst of its work"):
            list(ordered_map(lambda item: item, range(20), jobs))


def test_a_timeout_of_the_work_itself_is_its_error() -> None:
    def work(item: int) -> int:
        raise TimeoutError(item)

    with pytest.raises(TimeoutError, match="1"):
        list(ordered_map(work, [1], 1))
