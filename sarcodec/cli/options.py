"""Options that several commands share, so that they look and read the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sarcodec.cli.guard import NAMES

QUALITY, RASTER, RESOURCES, OUTPUT = "Quality", "Raster", "Resources", "Output"

Device = Literal["auto", "cpu", "cuda"]

DeviceOption = Annotated[
    Device, typer.Option("--device", help="auto takes CUDA where it is at hand.", rich_help_panel=RESOURCES)
]
JobsOption = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        metavar="N",
        help="Threads; the result is the same for any number. All processors where left out.",
        rich_help_panel=RESOURCES,
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="ID|FILE",
        help="An installed model, or a .safetensors model file.",
        rich_help_panel=RESOURCES,
    ),
]
OverwriteOption = Annotated[
    bool,
    typer.Option("--overwrite", "-f", help="Replace existing files.", rich_help_panel=OUTPUT),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document instead of text.", rich_help_panel=OUTPUT),
]
LimitOption = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="NAME=NUMBER",
        help="Raise a limit for data you trust, such as pixels=4e9; may be repeated.",
        rich_help_panel=RESOURCES,
    ),
]
QuietOption = Annotated[
    bool,
    typer.Option("--quiet", help="Print warnings and errors alone.", rich_help_panel=OUTPUT),
]


def epilog(*examples: str, notes: str = "", codes: tuple[int, ...] = (2,)) -> str:
    """The end of a command's help: examples, notes, and the exit codes it ends with besides 1 and signals."""
    listed = ", ".join(f"{code} {NAMES[code]}" for code in (0, *codes))
    lines = "\n".join(f"  {example}" for example in examples)
    return "\n\n".join(part for part in (f"Examples:\n\n{lines}", notes, f"Exit codes: {listed}.") if part)


def check_resources(model: str | None, jobs: int | None) -> None:
    """Raise an error for a model or a number of threads that there cannot be, before torch is imported."""
    from sarcodec import zoo
    from sarcodec.parallel import workers

    workers(jobs)
    if model is not None:
        zoo.find(model)


def make_folder(folder: Path) -> None:
    """Make a folder for output, and those above it; `WriteError` where that fails."""
    from sarcodec.atomic import write_error

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder, error) from error
