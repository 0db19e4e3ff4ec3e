"""The command ``sarcodec``. Commands import what they need when they run, so that ``--help`` is fast."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated

import typer

from sarcodec import memory
from sarcodec.cli import bench, console, decode, demo, encode, extract, info, models, simulate, test, train
from sarcodec.cli.guard import EXIT_CODES, deafen, guarded

__all__ = ["app", "main"]

_EPILOG = "Exit codes:\n\n" + "\n".join(
    f"{code:>3} {name}: {meaning}" for code, (name, meaning) in EXIT_CODES.items()
)

_COMMANDS: dict[str, tuple[Callable[..., None], str, str]] = {
    "encode": (encode.encode, encode.EPILOG, "Codec"),
    "decode": (decode.decode, decode.EPILOG, "Codec"),
    "extract": (extract.extract, extract.EPILOG, "Codec"),
    "info": (info.info, info.EPILOG, "Codec"),
    "test": (test.check, test.EPILOG, "Codec"),
    "demo": (demo.demo, demo.EPILOG, "Try and compare"),
    "simulate": (simulate.simulate, simulate.EPILOG, "Try and compare"),
    "bench": (bench.bench, bench.EPILOG, "Try and compare"),
    "models": (models.models, models.EPILOG, "Models"),
    "train": (train.train, train.EPILOG, "Models"),
}
"""Function, end of the help and panel of every command."""


def _version(wanted: bool) -> None:
    if wanted:
        from sarcodec import __version__, zoo
        from sarcodec.bitstream.layout import MAJOR, MINOR
        from sarcodec.cli.console import say

        say(f"sarcodec {__version__}, format {MAJOR}.{MINOR}, default model {zoo.DEFAULT}")
        raise typer.Exit


def _common(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_version,
            is_eager=True,
            help="Print the versions of package and format and the default model, and leave.",
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where an error comes from. May stand anywhere.")
    ] = False,
) -> None:
    """A codec for SAR backscatter rasters: small files, exact masks, exact georeferencing."""
    del version, debug  # handled before a command runs


def _application(names: Iterable[str]) -> typer.Typer:
    """An application of the commands named."""
    made = typer.Typer(
        name="sarcodec", epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
    )
    made.callback()(_common)
    for name in names:
        command, end, panel = _COMMANDS[name]
        made.command(name, epilog=end, rich_help_panel=panel)(command)
    return made


START_SPACE, START_DATA = 120 * 10**6, 30 * 10**6
"""Bytes of address space, and those of them for data, that every command takes."""

app = _application(_COMMANDS)
"""All commands."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process where left out.
    """
    if argv is None:
        console.fill_standard_streams()
        # OpenBLAS takes 40 MB for each of its threads, and nothing here waits for them.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    arguments = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    debug = "--debug" in options
    kept = [a for a in options if a != "--debug"] + arguments[len(options) :] or ["--help"]
    # Typer compiles every parameter of every command it knows: give it no more than the one that will run.
    tool = _application(kept[:1]) if kept[0] in _COMMANDS else app

    def run() -> object:
        return tool(kept, prog_name="sarcodec", standalone_mode=False)

    def work() -> object:
        memory.need("starting", START_SPACE, START_DATA)
        return run()

    def show() -> object:
        try:
            with console.written_out():
                return run()
        except (console.ReaderGoneError, SystemExit):  # rich leaves if the reader does
            return 0

    helps = kept[0] not in _COMMANDS or not {"-h", "--help"}.isdisjoint(kept)
    code = guarded(show if helps else work, debug=debug)
    if argv is None:
        deafen()
    return code
