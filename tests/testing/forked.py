"""Run functions in forked children, which may crash or hang."""

from __future__ import annotations

import faulthandler
import os
import resource
import select
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MEBIBYTE = 2**20


def ends_well(work: Callable[[], object], *, seconds: float) -> str:
    """How a child that runs `work` ends: "" where well, else what went wrong: an exception, signal, time."""

    def job() -> str:
        work()
        return ""

    return next(each((job,), seconds=seconds)).fault


@dataclass(frozen=True)
class Ended:
    """How one job ended."""

    job: int
    """Its place in the sequence."""
    said: str
    """What it returned; "" where it did not come to that."""
    fault: str
    """"" where it ended well, else an exception, a signal, or time."""
    seconds: float
    memory: int
    """Bytes of resident memory, at the most since the child began, above what it began with."""


def each(
    jobs: Sequence[Callable[[], str]], *, seconds: float, address_space: int | None = None
) -> Iterator[Ended]:
    """Run jobs one after another in a child; where one kills it or takes too long, the rest get a new one.

    Parameters
    ----------
    jobs : sequence of callable
        What each returns must be a text.
    seconds : float
        Time for one job.
    address_space : int, optional
        Bytes of address space that a child may take on top of what it begins with.
    """
    done = 0
    while done < len(jobs):
        for ended in _child(jobs, done, seconds, address_space):
            yield ended
            done = ended.job + 1


def _child(
    jobs: Sequence[Callable[[], str]], first: int, seconds: float, address_space: int | None
) -> Iterator[Ended]:
    out, into = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside idle threads, from Python 3.12
        child = os.fork()
    if child == 0:
        os.close(out)
        _work(jobs, first, into, address_space)
        os._exit(0)
    os.close(into)
    try:
        yield from _listen(child, out, first, len(jobs), seconds)
    finally:
        os.close(out)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(child, 0)


def _work(jobs: Sequence[Callable[[], str]], first: int, into: int, address_space: int | None) -> None:
    faulthandler.disable()
    began_with = _resident()
    if address_space is not None:
        most = _pages()[0] * resource.getpagesize() + address_space
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    for job in jobs[first:]:
        start, said, fault = time.monotonic(), "", ""
        try:
            said = job()
        except BaseException as error:  # noqa: BLE001
            fault = f"{type(error).__name__}: {error}"[:2000]
        memory = max(0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - began_with)
        fields = (said, fault, f"{time.monotonic() - start:.6f}", str(memory))
        os.write(into, "\x1f".join(fields).encode(errors="replace") + b"\x1e")


def _listen(child: int, out: int, first: int, count: int, seconds: float) -> Iterator[Ended]:
    kept, job = b"", first
    while job < count:
        ready, _, _ = select.select([out], [], [], seconds)
        part = os.read(out, MEBIBYTE) if ready else b""
        if not part:
            fault = _ending(child) if ready else f"still running after {seconds} s"
            yield Ended(job, "", fault, seconds, 0)
            return
        *whole, kept = (kept + part).split(b"\x1e")
        for line in whole:
            said, fault, took, memory = line.decode().split("\x1f")
            yield Ended(job, said, fault, float(took), int(memory))
            job += 1


def _ending(child: int) -> str:
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return f"died of {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exit status {os.WEXITSTATUS(status)}"


def _pages() -> tuple[int, int]:
    """Pages of address space and of resident memory."""
    size, resident, *_ = Path("/proc/self/statm").read_text().split()
    return int(size), int(resident)


def _resident() -> int:
    return _pages()[1] * resource.getpagesize()
