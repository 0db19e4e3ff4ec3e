"""Options of the corrections that there are: made of their registry, so that a new one brings its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar, get_type_hints

import typer

from sarcodec.cli.options import RASTER
from sarcodec.corrections.correction import Flag
from sarcodec.corrections.registry import CORRECTIONS

F = TypeVar("F", bound=Callable[..., Any])


def with_wishes(before: str) -> Callable[[F], F]:
    """Give a command that takes ``**flags`` the options of encode, in front of its parameter `before`."""
    return _with(tuple(flag for correction in CORRECTIONS for flag in correction.wish_flags), before)


def with_uses(before: str) -> Callable[[F], F]:
    """The same with the options of decode."""
    return _with(tuple(correction.use_flag for correction in CORRECTIONS), before)


def wishes(flags: Mapping[str, Any]) -> dict[str, Any]:
    """What the options of encode ask for, by the keywords of :func:`sarcodec.encode`.

    Raises
    ------
    UsageError
        They contradict each other.
    """
    return {correction.wish: correction.wish_of(flags) for correction in CORRECTIONS}


def uses(flags: Mapping[str, Any]) -> dict[str, Any]:
    """What the options of decode ask for, by the keywords of :func:`sarcodec.decode`."""
    return {c.use: c.use_of(flags[c.use_flag.name]) for c in CORRECTIONS}


def told(taken: Mapping[str, float]) -> dict[str, Any]:
    """What a report says of the corrections of a file: that each is there, or what it takes.

    Parameters
    ----------
    taken : mapping
        Bits per pixel and band of those that are there, by keyword of encode.
    """
    said: dict[str, Any] = {}
    for correction in CORRECTIONS:
        if correction.told_in_bpp:
            said[f"{correction.wish}_bpp"] = taken.get(correction.wish)
        else:
            said[correction.wish] = correction.wish in taken
    return said


def _with(flags: Iterable[Flag], before: str) -> Callable[[F], F]:
    def changed(command: F) -> F:
        hints = get_type_hints(command, include_extras=True)
        parameters = inspect.signature(command).parameters
        plain = [
            p.replace(annotation=hints[p.name]) for p in parameters.values() if p.kind is not p.VAR_KEYWORD
        ]
        place = [p.name for p in plain].index(before)
        own = [_parameter(flag) for flag in flags]
        signature = inspect.Signature([*plain[:place], *own, *plain[place:]])
        command.__signature__ = signature  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
        return command

    return changed


def _parameter(flag: Flag) -> inspect.Parameter:
    name = f"--{flag.name.replace('_', '-')}"
    option = typer.Option(name, help=flag.help, rich_help_panel=RASTER)
    kind: Any = Literal[flag.choices] if flag.choices else bool
    default = flag.choices[0] if flag.choices else False
    ways = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(flag.name, ways, default=default, annotation=Annotated[kind, option])
