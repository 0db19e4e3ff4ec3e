"""Every way a command can end, as an exit code and at most two lines on stderr."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

from sarcodec import memory
from sarcodec.cli.console import ReaderGoneError, complain, warn
from sarcodec.cli.streams import shown
from sarcodec.cli.wording import worded
from sarcodec.errors import OutOfMemoryError, SarcError

PARTIAL = 11
EXIT_CODES = {
    0: ("done", "also where a target was out of the model's reach and the nearest was taken, with a warning"),
    1: ("internal error", "a fault of the program; --debug shows where"),
    2: ("usage", "unknown, contradictory or impossible options"),
    3: ("input", "it cannot be read, or is not a raster that this codec codes"),
    4: ("damaged", "not a .sarc file, truncated, or its structure is damaged"),
    5: ("checksum", "a checksum or a digest of latents differs"),
    6: ("version or model", "newer format version, unknown or differing model"),
    7: ("limit", "larger than a limit, or than memory"),
    8: ("output exists", "-f replaces it"),
    9: ("not written", "the output could not be written completely"),
    10: ("not as promised", "the decoded result is not what it should be"),
    PARTIAL: ("partial", "written with --allow-partial, but damaged tiles are nodata"),
    130: ("interrupted", "by Ctrl-C"),
    141: ("reader gone", "whoever read standard output closed it"),
    143: ("terminated", "by SIGTERM"),
}
"""A name and a meaning for every exit code of the program."""

NAMES = {code: name for code, (name, _) in EXIT_CODES.items()}

_HINTS = {
    1: "Run it again with --debug to see where it happened.",
    2: "sarcodec COMMAND --help lists the options.",
    3: "Check the name, and that the file is complete.",
    4: "Check that it is a .sarc file and complete; copy it again from its source.",
    5: "The file is damaged; copy it again from its source.",
    6: "sarcodec models lists the installed models; a newer sarcodec may know more.",
    7: "Give a smaller raster.",
    9: "Check the folder, its permissions and the free space.",
    10: "Please report this, with the file.",
}
_EXISTS = "Choose another name, or replace it with -f."


class TerminatedError(BaseException):
    """SIGTERM came: unwind, so that nothing unfinished is left behind."""


def guarded(run: Callable[[], object], *, debug: bool) -> int:
    """Run a command; the exit code it ends with."""
    try:
        return _guarded(run, debug=debug)
    except TerminatedError:  # just before the command, or just after it
        return 143


def _guarded(run: Callable[[], object], *, debug: bool) -> int:
    with ExitStack() as stack:
        stack.enter_context(_terminable())
        stack.enter_context(_warnings_shown(debug=debug))
        try:
            result = run()
            code = result if isinstance(result, int) else 0
        except KeyboardInterrupt:
            code = 130
        except TerminatedError:
            code = 143
        except ReaderGoneError:
            code = 141
        except Exception as error:  # noqa: BLE001
            if debug:
                traceback.print_exc(file=sys.stderr)
            code = report(error)
        if code in (130, 143):  # typer makes 130 of an interrupt itself
            complain(NAMES[code], "Nothing unfinished was left behind.")
        return code


def report(error: Exception) -> int:
    """Print what went wrong and what to do; the exit code for it."""
    try:
        memory.check(error)
    except OutOfMemoryError as short:
        error = short
    if isinstance(error, SarcError):
        hint = _EXISTS if error.exit_code == 8 else error.hint or _HINTS.get(error.exit_code, _HINTS[1])
        complain(error.message, hint)
        return error.exit_code
    if hasattr(error, "format_message"):  # typer's own errors, whose class depends on its version
        complain(*worded(error))
        return int(getattr(error, "exit_code", 2))
    complain(f"internal error: {type(error).__name__}: {error}", _HINTS[1])
    return 1


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM unwind the stack instead of killing the process on the spot."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TerminatedError

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def deafen() -> None:
    """Ignore interrupts from here on: the work is done, and Python answers them with a traceback at exit."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


class _Warn(logging.Handler):
    """The library's log records as warnings on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        warn(shown(record.getMessage()))


@contextmanager
def _warnings_shown(*, debug: bool) -> Iterator[None]:
    """Show what the library logs; Python's own warnings are for authors."""
    logger, handler = logging.getLogger("sarcodec"), _Warn(logging.WARNING)
    logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            if not debug and not sys.warnoptions:
                warnings.simplefilter("ignore")
            yield
    finally:
        logger.removeHandler(handler)
