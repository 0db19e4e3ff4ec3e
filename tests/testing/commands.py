"""The program's commands in processes of their own, to be disturbed from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sarcodec.cli import main

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0
"""Seconds after which a command counts as hung."""

Step = Iterator[None]
"""Something that goes on while others do: it yields wherever it would wait."""


@dataclass
class Child:
    """A command that runs. What it prints on stderr must fit into a pipe."""

    pid: int
    _stderr: int
    _poll: Callable[[], int | None]
    code: int | None = None
    """Exit code, or minus the number of the signal it died of."""
    said: str = ""

    def ended(self) -> bool:
        """Whether it has ended; `code` and `said` are set from then on."""
        if self.code is None:
            self.code = self._poll()
            if self.code is not None:
                with os.fdopen(self._stderr, "rb") as pipe:
                    self.said = pipe.read().decode(errors="replace")
        return self.code is not None

    def send(self, number: int) -> None:
        """Send a signal; it is lost where the command has ended."""
        if not self.ended():
            os.kill(self.pid, number)

    def end(self) -> Step:
        """Wait until it has ended; kill it where it hangs, `code` is None then."""
        give_up = time.monotonic() + PATIENCE
        while not self.ended():
            if time.monotonic() > give_up:
                os.kill(self.pid, signal.SIGKILL)
                while not self.ended():
                    time.sleep(0.01)
                self.code = None
                return
            yield


def fork(arguments: Sequence[str], before: Callable[[], object] = lambda: None) -> Child:
    """Run a command in a copy of this process, which has imported everything already.

    `before` runs in the child first, to set limits or faults.
    """
    out, into = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside idle threads, from Python 3.12
        pid = os.fork()
    if pid == 0:
        code = 99
        try:
            os.close(out)
            os.dup2(into, 2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))  # noqa: SIM115
            signal.signal(signal.SIGINT, signal.default_int_handler)
            before()
            code = main(list(arguments))
            sys.stderr.flush()
        except KeyboardInterrupt:  # before or after the command
            code = 130
        finally:
            os._exit(code)
    os.close(into)

    def poll() -> int | None:
        done, status = os.waitpid(pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if done else None

    return Child(pid, out, poll)


def spawn(arguments: Sequence[str]) -> Child:
    """Run a command as a user does: ``python -m sarcodec``."""
    out, into = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "sarcodec", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=into,
    )
    os.close(into)
    return Child(process.pid, out, process.poll)


Start = Callable[[Sequence[str]], Child]


def finish(child: Child) -> Child:
    """Wait for one command alone."""
    for _ in child.end():
        time.sleep(0.002)
    return child


def side_by_side(steps: Iterator[Step], at_once: int = 2) -> None:
    """Let several go on at a time, until none is left."""
    active: list[Step] = []
    while True:
        while len(active) < at_once and (step := next(steps, None)) is not None:
            active.append(step)
        if not active:
            return
        for step in list(active):
            try:
                next(step)
            except StopIteration:
                active.remove(step)
        time.sleep(0.0005)


def warm_up(folder: Path, model: str) -> None:
    """Encode and decode next to nothing here, so that forked commands find everything imported and set up."""
    from sarcodec.io.simulated import write_scene
    from sarcodec.simulate import SceneSpec

    names = tif, sarc, back = [str(folder / name) for name in ("warm.tif", "warm.sarc", "back.tif")]
    write_scene(tif, SceneSpec(64, 64))
    options = ("--quiet", "--model", model, "--device", "cpu", "-j", "1")
    assert main(["encode", tif, "-o", sarc, "--bpp", "1", *options]) == 0
    assert main(["decode", sarc, "-o", back, *options]) == 0
    assert main(["test", sarc, "--quiet", "--model", model]) == 0
    for name in names:
        os.unlink(name)  # noqa: PTH108
