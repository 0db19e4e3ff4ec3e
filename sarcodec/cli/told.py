"""Errors about a `.sarc` file, with its name and with what can still be had of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sarcodec.errors import ChecksumError, FormatError, SarcError

_REST = "Copy it again from its source; sarcodec decode --allow-partial gives the tiles that are whole."


@contextmanager
def naming(shown: str, path: str) -> Iterator[None]:
    """Errors that come out of the block name the file.

    Parameters
    ----------
    shown : str
        What the user calls the file.
    path : str
        Where it lies.
    """
    try:
        yield
    except FormatError as error:
        raise named(error, shown, path) from error


def named(error: FormatError, shown: str, path: str) -> FormatError:
    """The same error with the file's name; if tiles may be whole, its hint says how to get them."""
    name = "standard input" if shown == "-" else shown
    message = error.message if name in error.message else f"{name}: {error.message}"
    return type(error)(message, hint=_REST if _is_damage(error, path) else error.hint)


def _is_damage(error: FormatError, path: str) -> bool:
    """Whether tiles or the index are damaged, and the header is not."""
    from sarcodec.bitstream.reader import Reader, read_header
    from sarcodec.places import open_here

    try:
        with open_here(path) as file:
            read_header(file)
            if "tile row" in error.message or isinstance(error, ChecksumError):
                return True
            try:
                Reader(file)
            except FormatError:
                return True
    except SarcError:
        pass
    return False
