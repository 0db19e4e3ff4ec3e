"""Signals that are held back act once, afterwards, and only where they would have acted."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from sarcodec.interrupts import held_back


def test_an_interrupt_acts_after_the_block() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), held_back():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        done.append("all of it")
    assert done == ["all of it"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_in_the_block_puts_the_handlers_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ValueError, match="own"), held_back():
        raise ValueError("own")
    assert signal.getsignal(signal.SIGTERM) == before


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with held_back():
            signal.raise_signal(signal.SIGTERM)
    finally:
        assert signal.signal(signal.SIGTERM, before) is signal.SIG_IGN


def test_other_threads_may_hold_back_what_never_reaches_them() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: held_back().__enter__()).result() is None
