"""The file that a command writes: named, left out, a folder for it, or standard output."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sarcodec.errors import InputError, UsageError, WriteError

if TYPE_CHECKING:
    from sarcodec.endings import Kind

STANDARD = "-"
"""Name of standard input and standard output."""


def output_for(source: str, given: str | None, kind: Kind, *, as_json: bool) -> str:
    """What to write: a path, or `STANDARD`.

    Parameters
    ----------
    source : str
        What is read, as the user named it.
    given : str or None
        What ``-o`` names; a folder stands for a file in it that is called as `source` is.
    kind : str
        Ending of a name that is made up.
    as_json : bool
        Whether standard output is taken by ``--json``.

    Raises
    ------
    InputError
        `source` is not on this machine, and no output is named.
    UsageError
        The output needs a name, or cannot be standard output.
    WriteError
        The folder is missing.
    """
    from sarcodec.places import check_output, local_path

    if not source:
        raise InputError("the name of the input is empty", hint="Name the file to read.")
    if given is None:
        return _beside(source, kind)
    if given == STANDARD:
        _check_standard_output(as_json=as_json)
        return STANDARD
    check_output(given)
    name = local_path(given)
    if os.path.isdir(name):
        return os.path.join(name, _name_in_folder(source, kind))  # noqa: PTH118
    if name.endswith("/"):
        raise WriteError(
            f"{name} cannot be written to: no folder of that name", hint="Create the folder first."
        )
    return name


def _check_standard_output(*, as_json: bool) -> None:
    if as_json:
        raise UsageError(
            "-o - and --json both write to standard output", hint="Name a file with -o, or leave --json out."
        )
    if sys.stdout is None or sys.stdout.isatty():
        raise UsageError(
            "the file would be written to a terminal",
            hint="Send it elsewhere: -o - > NAME, or -o - | COMMAND",
        )


def _beside(source: str, kind: Kind) -> str:
    """The name of `source` with another ending, beside it."""
    from sarcodec.places import check_near, container, local_path

    if source == STANDARD:
        raise UsageError(
            "standard input has no name to call the output by",
            hint="Name the output with -o; -o - is standard output.",
        )
    path, held = Path(local_path(source)), container(source)
    if held is None:
        check_near(source)
        if not path.parent.is_dir():
            raise InputError(f"{source} does not exist", hint="Check the name and the folder.")
    elif held != str(local_path(source)):
        raise UsageError(f"{source} is the name of a raster in a file", hint="Name the output with -o.")
    path = path if path.name and path.name != ".." else Path(os.path.realpath(path))
    if not path.name:
        raise UsageError(f"{source} has no name to call the output by", hint="Name the output with -o.")
    out = str(path.with_suffix(kind))
    if path.suffix == kind and held is not None:
        _check_input(source, out, kind)
    return out


def _check_input(source: str, path: str, kind: Kind) -> None:
    """Raise what is wrong with an input whose name is that of an output: mostly, it is of the wrong kind."""
    from sarcodec.bitstream.reader import read_header
    from sarcodec.cli.told import naming
    from sarcodec.endings import SARC
    from sarcodec.magic import ENOUGH, OURS, kind_of
    from sarcodec.places import open_here

    with naming(source, path), open_here(path) as file:
        if kind == SARC and kind_of(file.read(ENOUGH)) == OURS:
            raise InputError(
                f"{source} is a .sarc file already: decode or extract it",
                hint="sarcodec decode makes a GeoTIFF of it, sarcodec extract a smaller .sarc file.",
            )
        if kind != SARC:
            read_header(file)
    raise UsageError(f"{source} is the input itself", hint="Name the output with -o.")


def _name_in_folder(source: str, kind: Kind) -> str:
    """Name of the output for `source` in a folder."""
    from sarcodec.places import container, local_path

    path = local_path(source)
    if source != STANDARD and container(source) not in (None, path):
        member = re.fullmatch(r"(?:/vsi|zip:|tar:|gzip:|zip\+|tar\+|gzip\+).*?([^/!]+)", source, re.DOTALL)
        path = member[1] if member else STANDARD
    name = Path(path).name
    if path == STANDARD or not name:
        raise UsageError(
            f"{source} has no name to call the output by", hint="Name a file with -o, not a folder."
        )
    return Path(name).with_suffix(kind).name
