"""Errors of the command line's library in plain words: what was given, what is wrong with it, what to do."""

from __future__ import annotations

import re
from typing import Any

_ONE_FILE = {
    "encode": 'for f in *.tif; do sarcodec encode "$f"; done',
    "decode": 'for f in *.sarc; do sarcodec decode "$f"; done',
    "info": 'for f in *.sarc; do sarcodec info "$f"; done',
    "extract": 'for f in *.sarc; do sarcodec extract "$f" -o "small/$f"; done',
}
"""Commands that take one file, and how to run them on many."""


def worded(error: Any) -> tuple[str, str]:
    """Message and hint for a usage error of typer's, whatever its version.

    Parameters
    ----------
    error : Exception
        With a `format_message` method; `ctx` and `param`, if it has them, are click's.
    """
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "sarcodec"
    hint = f"{command} --help lists the options."
    text: str = error.format_message()
    extra = re.match(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", text, re.DOTALL)
    if extra:
        return _too_many(extra[1], command, hint)
    said = _said(error, text)
    return (said or text), hint


def _too_many(rest: str, command: str, hint: str) -> tuple[str, str]:
    name = command.rpartition(" ")[2]
    shown = rest if len(rest) <= 60 else f"{rest[:60]}..."
    if name in _ONE_FILE and not rest.startswith("-"):
        return f"{command} takes one file at a time; left over: {shown}", f"For many: {_ONE_FILE[name]}"
    return f"{command} was given too much: {shown}", hint


def _said(error: Any, text: str) -> str | None:
    """What is wrong with a value; None if the text says so well enough."""
    parameter = getattr(error, "param", None)
    names = getattr(parameter, "opts", None) or []
    if not text.startswith("Invalid value") or not names:
        return None
    name = (
        max(names, key=len) if names[0].startswith("-") else getattr(parameter, "metavar", None) or names[0]
    )
    what, given = text.partition(": ")[2], _given(error)
    shown = name if given is None else f"{name} {given}"
    for pattern, meaning in _MEANINGS.items():
        found = re.search(pattern, what, re.DOTALL)
        if found:
            comma = given is not None and re.fullmatch(r"-?\d+,\d+", str(given)) and "number" in meaning
            point = f"; write a point, {str(given).replace(',', '.')}" if comma else ""
            return f"{shown} {meaning.format(*found.groups())}{point}"
    return f"{shown}: {what.removeprefix('Value error, ')}"


_MEANINGS = {
    r"valid integer|valid int\b|not a valid int": "is not a whole number",
    r"valid number|not a valid float": "is not a number",
    r"greater than or equal to (\S+)": "is below {}, the smallest value",
    r"less than or equal to (\S+)": "is above {}, the largest value",
    r"not in the range (.*?)\.?$": "is not in the range {}",
    r"is not one of (.*?)\.?$": "is not one of {}",
}
"""What typer says, in the words of one version or another, and what it means."""


def _given(error: Any) -> object:
    """The value that was given, where it is known."""
    cause: Any = getattr(error, "__cause__", None)
    if hasattr(cause, "errors"):
        return next((item.get("input") for item in cause.errors()), None)
    found = re.search(r": (?:'(.*?)'|(\S+)) is not", error.format_message())
    return (found[1] or found[2]) if found else None
