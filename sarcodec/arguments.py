"""What callers pass: each kind of argument is made plain in one place, or refused by its name."""

from __future__ import annotations

import inspect
import math
import os
import reprlib
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from numbers import Integral, Real
from typing import Any, TypeVar

from sarcodec.errors import UsageError

T = TypeVar("T")

LARGEST = 2**53
"""Whole numbers up to here are exact as floats, and fit where lengths and counts are passed on."""


def maybe(check: Callable[[str, Any], T], name: str, value: object) -> T | None:
    """None as it is, anything else as `check` has it."""
    return None if value is None else check(name, value)


def number(name: str, value: object) -> float:
    """A float from any real number, NumPy's scalars among them; NaN and infinities pass.

    Raises
    ------
    UsageError
        It is no number, a bool, or too large for a float.
    """
    found = _plain(value)
    if isinstance(found, bool) or not isinstance(found, Real):
        raise UsageError(f"{name}={shown(value)} is not a number", hint=f"Give a number for {name}.")
    try:
        return float(found)
    except OverflowError as error:
        raise UsageError(f"{name}={shown(value)} is too large", hint=f"Give a smaller {name}.") from error


def whole(name: str, value: object, *, least: int | None = None) -> int:
    """An int from any whole number, 2.0 among them, that is at least `least`; `UsageError` otherwise."""
    found = _plain(value)
    if isinstance(found, bool) or not isinstance(found, Integral):
        found = number(name, value)
        if not math.isfinite(found) or found != int(found):
            raise UsageError(
                f"{name}={shown(value)} is not a whole number", hint=f"Give a whole number for {name}."
            )
    found = int(found)
    if least is not None and found < least:
        raise UsageError(f"{name}={shown(value)} is too small", hint=f"Give {least} or more.")
    if abs(found) > LARGEST:
        raise UsageError(f"{name}={shown(value)} is too large", hint=f"Give a smaller {name}.")
    return found


def flag(name: str, value: object) -> bool:
    """A bool, NumPy's among them; `UsageError` for anything else, since ``"no"`` would count as true."""
    found = _plain(value)
    if not isinstance(found, bool):
        raise UsageError(f"{name}={shown(value)} is neither True nor False", hint="Give True or False.")
    return found


def choice(name: str, value: object, known: Collection[str]) -> str:
    """One of the texts `known`; `UsageError` otherwise."""
    if not isinstance(value, str) or value not in known:
        raise UsageError(
            f"{name}={shown(value)} is not one of {', '.join(known)}",
            hint=f'Give {name}="{min(known)}", say.',
        )
    return value


def text(name: str, value: object) -> str:
    """A text that is not empty, from a text or a path-like object; `UsageError` otherwise."""
    try:
        found = os.fspath(value)  # type: ignore[call-overload]
    except Exception:  # noqa: BLE001  (a caller's object may raise anything)
        found = None
    if not isinstance(found, str):
        raise UsageError(f"{name}={shown(value)} is neither a text nor a path", hint=_instead(value))
    if not found:
        raise UsageError(f"{name} is an empty text", hint=f"Give a name for {name}.")
    return found


def path(name: str, value: object) -> str:
    """The name of a file as text, from a text or a path-like object.

    Raises
    ------
    UsageError
        It is something else, such as an open file, or a name that no file can have.
    """
    found = text(name, value)
    try:
        possible = b"\0" not in os.fsencode(found)
    except UnicodeEncodeError:
        possible = False
    if not possible:
        raise UsageError(f"{name}={shown(value)} is a name that no file can have", hint="Give another name.")
    return found


def several(name: str, value: Any) -> list[Any]:
    """A list of what can be gone through; `UsageError` for what cannot."""
    try:
        return list(value)
    except Exception as error:  # a caller's object may raise anything
        raise UsageError(f"{name}={shown(value)} is no list", hint="Give a tuple or a list.") from error


def options(name: str, value: object) -> dict[str, Any]:
    """A dict from any mapping whose keys are texts; `UsageError` otherwise."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise UsageError(
            f"{name}={shown(value)} is not a mapping of names", hint='Give {"COMPRESS": "ZSTD"}, for example.'
        )
    return dict(value)


def callback(name: str, value: object) -> Callable[[str, int, int], None]:
    """A function of stage, steps done and steps in all; `UsageError` for what cannot be called so."""
    fits = callable(value) and not isinstance(value, type)
    if callable(value) and fits:
        try:
            inspect.signature(value).bind("", 0, 0)
        except (
            TypeError,
            ValueError,
        ):  # ValueError: a function written in C that does not tell what it takes
            fits = False
    if not callable(value) or not fits:
        raise UsageError(
            f"{name}={shown(value)} cannot be called with a stage, steps done and steps in all",
            hint="Give a function, such as lambda stage, done, total: print(stage, done, total).",
        )
    return value


def shown(value: object) -> str:
    """`value` as a message has it: short, and on one line."""
    value = _plain(value)
    kind = type(value)
    if kind.__module__ == "builtins" and kind is not object:
        with suppress(Exception):  # what is in a caller's list may raise anything
            return reprlib.repr(value)
    return f"<{kind.__name__}>"


def _plain(value: Any) -> Any:
    """What a scalar of NumPy, or an array of no axes, holds; other things as they are."""
    # A masked scalar holds no value, though its item() gives one.
    if getattr(value, "ndim", None) == 0 and getattr(value, "mask", None) is None:
        try:
            return value.item()
        except Exception:  # noqa: BLE001  (an object of the caller's)
            return value
    return value


def _instead(value: object) -> str:
    """What to do for a file that is not given by its name."""
    name = getattr(value, "name", None)
    if hasattr(value, "read") and isinstance(name, str):
        return f"Give its name, {name}."
    if isinstance(value, (bytes, bytearray, memoryview)) or hasattr(value, "read"):
        return "sarcodec.open and sarcodec.decode_array take bytes; here, give the name of a file."
    if hasattr(value, "__array__"):
        return "sarcodec.encode_array takes arrays; here, give the name of a file."
    return "Give a text or a pathlib.Path."
