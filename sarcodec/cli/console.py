"""What commands say: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Tick = Callable[[str, int, int], None]
"""Progress: stage, steps done, steps in all."""


class ReaderGoneError(Exception):
    """Whoever read stdout has closed it, as ``head`` does."""


def say(text: str) -> None:
    """A line on stdout."""
    try:
        print(text, flush=True)  # noqa: T201
    except OSError as error:
        # Python flushes stdout once more at exit, and would complain there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise ReaderGoneError from error
        from sarcodec.atomic import write_error

        raise write_error("standard output", error) from error


def say_json(document: Any) -> None:
    """The one JSON document of a command; numbers that JSON lacks become ``"nan"``, ``"inf"``, ``"-inf"``."""
    say(json.dumps(_plain(document), indent=1, allow_nan=False))


def printable(text: str) -> str:
    """`text` on one line, without what a terminal would take for a command: it may come out of a file."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def complain(what: str, hint: str) -> None:
    """Two lines on stderr: what is wrong, and what to do."""
    lines = printable(" ".join(what.split())), printable(" ".join(hint.split()))
    print(f"sarcodec: error: {lines[0]}\n  {lines[1]}", file=sys.stderr)  # noqa: T201


def warn(text: str) -> None:
    """A warning on stderr."""
    print(f"sarcodec: warning: {printable(text)}", file=sys.stderr)  # noqa: T201


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
