"""The generated part of ``docs/cli.md``; ``python -m sarcodec.cli.reference docs/cli.md`` makes it anew.

It is made from the signatures of the commands, not from typer's inner objects, which change with its version.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from typer.models import ArgumentInfo

from sarcodec.cli import app
from sarcodec.cli.guard import EXIT_CODES

START, END = "<!-- generated: begin -->", "<!-- generated: end -->"
_KINDS = {int: "INTEGER", float: "NUMBER", str: "TEXT", Path: "PATH"}


@dataclass(frozen=True)
class Parameter:
    """An argument or an option as a user sees it."""

    names: str
    kind: str
    """What stands behind the name; empty for a flag."""
    group: str
    text: str
    is_argument: bool


def parameters(command: Callable[..., Any]) -> Iterator[Parameter]:
    """Parameters of a command's function, in order."""
    hints = get_type_hints(command, include_extras=True)
    for name, parameter in inspect.signature(command).parameters.items():
        annotation, info = get_args(hints[name])
        if isinstance(info, ArgumentInfo):
            yield Parameter(info.metavar or name.upper(), "", "Argument", info.help or "", is_argument=True)
            continue
        # In Annotated, typer keeps the first of the names where a default would stand.
        named = [info.default] if isinstance(info.default, str) else []
        names = [*named, *(info.param_decls or ())] or ["--" + name.replace("_", "-")]
        names = [one for both in names for one in both.split("/")]
        is_flag = bool in (annotation, *get_args(annotation))
        text = info.help or ""
        if parameter.default is inspect.Parameter.empty:
            text += " Required."
        elif parameter.default is not None and not is_flag and "[default:" not in text:
            text += f" Default: {parameter.default}."
        kind = "" if is_flag else info.metavar or _kind(annotation)
        yield Parameter(", ".join(names), kind, info.rich_help_panel or "", text, is_argument=False)


def commands() -> dict[str, Any]:
    """Registered commands by name."""
    found = {}
    for command in app.registered_commands:
        assert command.callback is not None
        found[command.name or command.callback.__name__] = command
    return found


def render() -> str:
    """Exit codes and all commands with their options, as Markdown."""
    parts = ["## Exit codes", _table(("code", "name", "when"), [(k, *v) for k, v in EXIT_CODES.items()])]
    for name, command in commands().items():
        found = list(parameters(command.callback))
        usage = " ".join(["sarcodec", name, "[OPTIONS]", *(p.names for p in found if p.is_argument)])
        parts += [f"## sarcodec {name}", inspect.getdoc(command.callback) or "", f"    {usage}"]
        rows = [(_code(p), p.group, p.text.replace("|", "\\|")) for p in found]
        parts.append(_table(("option", "group", "meaning"), rows))
        parts.append("\n".join("  " + x if x.startswith("  ") else x for x in command.epilog.splitlines()))
    return "\n\n".join(parts) + "\n"


def replaced(page: str) -> str:
    """`page` with its generated part made anew."""
    before, rest = page.split(START)
    return f"{before}{START}\n\n{render()}\n{END}{rest.split(END)[1]}"


def _kind(annotation: Any) -> str:
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(kind for kind in get_args(annotation) if kind is not type(None))
    if get_origin(annotation) is Literal:
        return "|".join(get_args(annotation))
    return _KINDS[annotation]


def _code(parameter: Parameter) -> str:
    return f"`{parameter.names} {parameter.kind}`".replace(" `", "`").replace("|", "\\|")


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(replaced(target.read_text(encoding="utf-8")), encoding="utf-8")
