"""The kinds of harm, each run by its name, in a process of its own."""

from __future__ import annotations

import signal
import sys
import time
from importlib import import_module

from torture.tally import Tally

KINDS = {"writing": 300.0, "damage": 240.0, "environments": 420.0}
"""Seconds, about, that each is given; two run at a time."""


def one(kind: str) -> Tally:
    """Run one kind."""
    # A shell that runs this in the background has it ignore Ctrl-C, and so would everything it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    began = time.monotonic()
    tally: Tally = import_module(f"torture.{kind}").run(KINDS[kind], say)
    tally.seconds = time.monotonic() - began
    return tally


def say(text: str) -> None:
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)
