"""What commands say: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sarcodec.progress import Tick


class ReaderGoneError(Exception):
    """Whoever read stdout has closed it, as ``head`` does."""


def fill_standard_streams() -> None:
    """Send what goes to a closed stdout or stderr nowhere: the next file opened would get its number."""
    while True:
        number = os.open(os.devnull, os.O_RDWR)
        if number > 2:
            os.close(number)
            break
        os.set_inheritable(number, True)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  (to the end)


def say(text: str) -> None:
    """A line on stdout."""
    with written_out():
        print(text)  # noqa: T201


@contextmanager
def written_out() -> Iterator[None]:
    """Write what the block prints on stdout.

    Raises
    ------
    ReaderGoneError
        Whoever reads stdout has closed it.
    WriteError
        It cannot be written.
    """
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        # Python flushes stdout once more at exit, and would complain there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise ReaderGoneError from error
        from sarcodec.errors import WriteError

        raise WriteError(
            f"standard output could not be written: {error.strerror or error}",
            hint="Check where it goes. Files that the command wrote are complete; its report is missing.",
        ) from error


def say_json(document: Any) -> None:
    """The one JSON document of a command; numbers that JSON lacks become ``"nan"``, ``"inf"``, ``"-inf"``."""
    say(json.dumps(_plain(document), indent=1, allow_nan=False))


def printable(text: str) -> str:
    """`text` on one line, without what a terminal would take for a command: it may come out of a file."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def complain(what: str, hint: str) -> None:
    """Two lines on stderr: what is wrong, and what to do."""
    lines = printable(" ".join(what.split())), printable(" ".join(hint.split()))
    _tell(f"sarcodec: error: {lines[0]}\n  {lines[1]}")


def warn(text: str) -> None:
    """A warning on stderr."""
    _tell(f"sarcodec: warning: {printable(text)}")


def _tell(text: str) -> None:
    """Lines on stderr; nobody is told if it cannot be written."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)  # noqa: T201


def size_text(count: float) -> str:
    """A number of bytes with three digits: 512 B, 41.2 MB, 1.60 GB."""
    if count < 1000:
        return f"{count:.0f} B"
    power = min(int(math.log10(count) / 3), 4)
    value = count / 1000**power
    if float(f"{value:.3g}") >= 1000 and power < 4:
        power, value = power + 1, value / 1000
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f} {'kMGT'[power - 1]}B"


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Tick]:
    """A bar on stderr for the time of the block; none where stderr is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda _stage, _done, _total: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task, shown = bar.add_task("starting", total=None), ""

        def tick(stage: str, done: int, total: int) -> None:
            nonlocal shown
            if stage != shown:
                shown = stage
                bar.reset(task)
            bar.update(task, description=escape(printable(stage)), completed=done, total=total)

        yield tick


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
