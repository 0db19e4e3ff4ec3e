"""What a name that a user gives stands for: a file here, a ``file:`` URL of one, or what lies elsewhere."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import BinaryIO

from sarcodec.errors import InputError, UsageError

REMOTE = re.compile(r"://|/vsi(curl|s3|gs|az|adls|oss|swift|webhdfs|hdfs)", re.IGNORECASE)
"""What a name of something on another machine holds."""

_NO_FILE = re.compile(r"/vsi\w+(/|\?|$)|/dev/(stdout|fd/1)$|/proc/self/fd/1$")
_FILE_URL = re.compile(r"file:(?://(?:localhost(?=/))?)?(.+)", re.IGNORECASE | re.DOTALL)
_WRAPPED = re.compile(r"(/vsi\w+(\?file=|/|$))+(\d+_\d+,)?")
_HERE = re.compile(r"(file|(zip|tar|gzip)(\+file)?|HDF5):", re.IGNORECASE)
_ARCHIVE_URL = re.compile(r"(?:zip|tar|gzip)(?:\+file)?://(.*)", re.IGNORECASE | re.DOTALL)


def local_path(name: str) -> str:
    """`name`, or the path that it stands for if it is a ``file:`` URL and no file of that name is there."""
    found = None if os.path.lexists(name) else _FILE_URL.fullmatch(name)
    if found is None:
        return name
    path = found[1]
    if "%" in path and not os.path.lexists(path):
        plain = re.sub(rb"%([0-9a-fA-F]{2})", lambda m: bytes.fromhex(m[1].decode()), os.fsencode(path))
        path = os.fsdecode(plain)
    return path


def short(name: str) -> str:
    """`name`, cut in the middle if no message could hold it."""
    return name if len(name) <= 1000 else f"{name[:100]}...{name[-100:]}"


def check_near(name: str) -> None:
    """Raise `InputError` for the name of something on another machine."""
    here = _HERE.match(name)  # what may look like an address once
    rest = name.replace("://", ":", 1) if here else name
    if REMOTE.search(rest):
        raise InputError(
            f"{short(name)} is not a file on this machine",
            hint="Download it first; nothing is fetched here.",
        )


def container(name: str) -> str | None:
    """The file or folder on this machine that holds what `name` stands for; None if there is none.

    `name` is a path, a ``file:`` or ``zip:`` URL, or GDAL's name of a raster within a file, such as
    ``GTIFF_DIR:2:a.tif``, ``HDF5:"a.h5"://x`` or ``/vsizip/a.zip/b.tif``.
    """
    path = local_path(name)
    if os.path.lexists(path):
        return path
    within = _ARCHIVE_URL.fullmatch(name)
    if within:
        path = local_path(within[1].partition("!")[0])
        return path if os.path.lexists(path) else None
    wrapped = _WRAPPED.match(name)
    if wrapped:
        return _first_file(name[wrapped.end() :].replace("{", "").replace("}", ""))
    quoted = re.search(r'"([^"]+)"', name)
    if quoted:
        return quoted[1] if os.path.lexists(quoted[1]) else None
    parts = name.split(":")
    ends = range(len(parts), 1, -1)
    spans = (":".join(parts[start:end]) for start in range(1, len(parts)) for end in ends if end > start)
    return next((span for span in spans if span and os.path.lexists(span)), None)


def same_file(one: str, other: str) -> bool:
    """Whether the file `other` is there and holds what `one` stands for, by whatever name."""
    held = container(one)
    return (
        held is not None and os.path.exists(other) and os.path.exists(held) and os.path.samefile(held, other)
    )


def open_here(path: str | os.PathLike[str]) -> BinaryIO:
    """A file on this machine, opened to be read as bytes from anywhere in it.

    Raises
    ------
    InputError
        There is none of this name, it cannot be opened, or it lies on another machine.
    """
    name = local_path(os.fspath(path))
    try:
        if not stat.S_ISFIFO(Path(name).stat().st_mode):
            return Path(name).open("rb")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        check_near(name)
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"cannot open {short(name)}: {reason}", hint="Check the name, the folder and its permissions."
        ) from error
    raise InputError(
        f"{name} is not a regular file",
        hint="Write it to a file first, or give - and pipe it to the command.",
    )


def check_output(name: str) -> None:
    """Raise `UsageError` for a name under which no file on this machine can be written."""
    if not name:
        raise UsageError("the name of the output is empty", hint="Name the file to write.")
    if REMOTE.search(name) or _NO_FILE.match(name):
        raise UsageError(
            f"{short(name)} is not the name of a file on this machine",
            hint="Write to a file, or with -o - to standard output, and copy it from there.",
        )


def _first_file(path: str) -> str | None:
    """The shortest start of `path`, cut at slashes, that is a file."""
    ends = [at for at, letter in enumerate(path) if letter == "/" and at] + [len(path)]
    return next((path[:end] for end in ends if os.path.isfile(path[:end])), None)
