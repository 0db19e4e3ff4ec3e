"""``sarcodec extract``: a smaller `.sarc` file of the first layers alone, without encoding again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sarcodec.cli import console
from sarcodec.cli.options import (
    OUTPUT,
    QUALITY,
    JsonOption,
    LimitOption,
    OverwriteOption,
    QuietOption,
    epilog,
)

EPILOG = epilog(
    "sarcodec extract scene.sarc --layers 1 -o preview.sarc",
    notes="sarcodec info lists the layers of a file and their bytes.",
    codes=(2, 3, 4, 5, 6, 7, 8, 9),
)


def extract(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A .sarc file.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="OUT.sarc", help="The .sarc file to write.", rich_help_panel=OUTPUT
        ),
    ],
    layers: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="How many to keep; 1 is the base layer.", rich_help_panel=QUALITY
        ),
    ] = 1,
    limit: LimitOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Cut a .sarc file to its first layers. Nothing is decoded: it takes no longer than a copy."""
    from sarcodec import api
    from sarcodec.limits import limits_from

    with console.progress(quiet=quiet) as tick:
        found = api.extract(
            source,
            output,
            layers=layers,
            overwrite=overwrite,
            progress=tick,
            limits=limits_from(limit or []),
        )
    before = source.stat().st_size
    if as_json:
        console.say_json(
            {
                "input": source,
                "output": output,
                "input_bytes": before,
                "bytes": found.bytes,
                "layers": found.layers,
                "of": found.of,
            }
        )
    elif not quiet:
        sizes = f"{console.size_text(before)} -> {console.size_text(found.bytes)}"
        console.say(f"{source} -> {output}  {sizes}  layers {found.layers} of {found.of}")
