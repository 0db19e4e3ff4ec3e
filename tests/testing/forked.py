"""Run a function in a forked child, which may crash or hang."""

from __future__ import annotations

import os
import signal
import time
import warnings
from collections.abc import Callable


def ends_well(work: Callable[[], object], *, seconds: float) -> str:
    """How a child that runs `work` ends: "" where well, else what went wrong: an exception, signal, time."""
    out, into = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside idle threads, from Python 3.12
        child = os.fork()
    if child == 0:
        os.close(out)
        try:
            work()
        except BaseException as error:  # noqa: BLE001
            os.write(into, f"{type(error).__name__}: {error}"[:2000].encode())
            os._exit(1)
        os._exit(0)
    os.close(into)
    status = _wait(child, seconds)
    with os.fdopen(out, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    if status is None:
        return f"still running after {seconds} s"
    if os.WIFSIGNALED(status):
        return f"died of {signal.Signals(os.WTERMSIG(status)).name}"
    return said or ("" if os.WEXITSTATUS(status) == 0 else f"exit status {os.WEXITSTATUS(status)}")


def _wait(child: int, seconds: float) -> int | None:
    """The child's status, or None where it had to be ended."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None
