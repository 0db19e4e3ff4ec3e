"""Memory that limits on this process leave, and errors that mean that there is none.

Native code mostly dies, or waits for ever, if it gets no memory. It is not entered if that is to be expected.
"""

from __future__ import annotations

import errno
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sarcodec.errors import OutOfMemoryError, SarcError

HINT = "Raise the limit (ulimit -v, ulimit -d), use fewer threads (-j 1), or decode less at once (--window)."
PLENTY = {"VmSize": 8 * 10**9, "VmData": 4 * 10**9}
"""Bytes left under a limit with which everything can be loaded, whatever it is built for."""
MARGIN = 150 * 10**6
"""Bytes that a rehearsal may take less than this process: whatever comes after loading takes as much."""
PATIENCE = 30.0
"""Seconds after which a rehearsal counts as hung."""

_SIGNS = (
    "allocate memory",
    "unable to allocate",
    "failed to map segment",
    "cannot map zero-fill",
    "bad_alloc",
    "can't start new thread",
    "out of memory",
    "not enough memory",
)
"""Parts of messages of libraries that have no exception of their own for it."""
_NOTHING = "(0 elements of"
"""Part of a message in which libtiff takes a directory that it could not read for a lack of memory."""
_UNCLEAR = (
    "could not create a primitive",
    "could not find/load shared object",
    "error return without exception",
)
"""Parts of messages that mean it where a limit is near."""
_NEAR = 256 * 10**6
"""Bytes that a limit leaves where it is near."""


def room() -> dict[str, int]:
    """Bytes that limits leave, by the name of what they limit in /proc/self/status; empty without limits."""
    try:
        finite = _limits()
        if not finite:
            return {}
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except (ImportError, OSError):  # a system that limits otherwise
        return {}
    taken = {line.split(":")[0]: line.split()[1:2] for line in lines}
    return {name: limit - 1024 * int(taken[name][0]) for name, limit in finite.items() if name in taken}


def _limits() -> dict[str, int]:
    """Limits in bytes on this process, as :func:`room` names them."""
    from resource import RLIM_INFINITY, getrlimit

    limits = {name: getrlimit(kind)[0] for name, kind in _kinds().items()}
    return {name: limit for name, limit in limits.items() if limit != RLIM_INFINITY}


def _kinds() -> dict[str, int]:
    """What the limits are called in the module `resource`."""
    from resource import RLIMIT_AS, RLIMIT_DATA

    return {"VmSize": RLIMIT_AS, "VmData": RLIMIT_DATA}


def _lower(count: int) -> None:
    """Lower the limits on this process by so many bytes."""
    from resource import getrlimit, setrlimit

    for name, limit in _limits().items():
        kind = _kinds()[name]
        setrlimit(kind, (max(limit - count, 0), getrlimit(kind)[1]))


def need(what: str, space: int, data: int | None = None) -> None:
    """Raise `OutOfMemoryError` if limits on this process leave too little for `what`.

    Parameters
    ----------
    space : int
        Bytes of address space that it takes.
    data : int, optional
        Bytes of them that are not mapped from files; all of them where left out.
    """
    wanted = {"VmSize": space, "VmData": space if data is None else data}
    for name, left in room().items():
        if left < wanted[name]:
            raise OutOfMemoryError(
                f"not enough memory: {what} takes {wanted[name] / 1e6:.0f} MB, the limit on this process "
                f"leaves {max(left, 0) / 1e6:.0f} MB",
                hint=HINT,
            )


def lacking(error: BaseException) -> bool:
    """Whether an error, or what it came from, means that there was no memory."""
    found: BaseException | None = error
    near = None
    while found is not None:
        text = str(found).lower()
        if isinstance(found, MemoryError) or (any(sign in text for sign in _SIGNS) and _NOTHING not in text):
            return True
        if isinstance(found, OSError) and found.errno == errno.ENOMEM:
            return True
        if any(sign in text for sign in _UNCLEAR):
            near = min(room().values(), default=_NEAR) < _NEAR if near is None else near
            if near:
                return True
        found = found.__cause__ or found.__context__
    return False


def check(error: BaseException) -> None:
    """Raise `OutOfMemoryError` if that is what an error means; do nothing if it is one already."""
    if lacking(error) and not isinstance(error, OutOfMemoryError):
        what = "" if isinstance(error, SarcError) else f": {error}" if str(error) else ""
        raise OutOfMemoryError(f"not enough memory{what}", hint=HINT) from error


@contextmanager
def told() -> Iterator[None]:
    """Raise whatever means that there was no memory as `OutOfMemoryError`."""
    try:
        yield
    except Exception as error:
        check(error)
        raise


def rehearsed(work: Callable[[], object], what: str) -> None:
    """Try `work` in a forked child first, where a limit on this process may be too low for it.

    Raises
    ------
    OutOfMemoryError
        The child died or hung, or there was no memory in it.
    """
    left = room()
    if all(count > PLENTY[name] for name, count in left.items()):
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads, from Python 3.12
            child = os.fork()
    except OSError as error:
        raise _too_little(what, left) from error
    if child == 0:
        _rehearse(work)
    if _ended(child) != 0:
        raise _too_little(what, left)


def _rehearse(work: Callable[[], object]) -> None:
    """The child's side: ends with 0 unless there is no memory. Any other error is the parent's to meet."""
    code = 1
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (1, 2):
            os.dup2(nowhere, descriptor)
        _lower(MARGIN)
        work()
        code = 0
    except BaseException as error:  # noqa: BLE001
        code = int(lacking(error) or min(room().values(), default=_NEAR) < _NEAR)
    finally:
        os._exit(code)


def _ended(child: int) -> int | None:
    """How a child ended; it is killed after a while, and when this process is interrupted."""
    give_up = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < give_up:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return status
            time.sleep(0.01)
        return None
    finally:
        with suppress(ProcessLookupError, ChildProcessError):
            if os.waitpid(child, os.WNOHANG) == (0, 0):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)


def _too_little(what: str, left: dict[str, int]) -> OutOfMemoryError:
    least = max(min(left.values()), 0) / 1e6
    return OutOfMemoryError(
        f"not enough memory: the limit on this process leaves {least:.0f} MB, too little for {what}",
        hint=HINT,
    )
