"""``sarcodec extract``: a smaller `.sarc` file of the first layers alone, without encoding again."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from sarcodec.cli import console, streams
from sarcodec.cli.options import (
    OUTPUT,
    QUALITY,
    JsonOption,
    LimitOption,
    OverwriteOption,
    QuietOption,
    epilog,
)
from sarcodec.cli.outputs import output_for
from sarcodec.cli.told import naming

EPILOG = epilog(
    "sarcodec extract scene.sarc --layers 1 -o preview.sarc",
    notes="sarcodec info lists the layers of a file and their bytes.",
    codes=(2, 3, 4, 5, 6, 7, 8, 9),
)


def extract(
    source: Annotated[str, typer.Argument(metavar="FILE", help="A .sarc file; - is standard input.")],
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT.sarc",
            help="The .sarc file to write, or a folder, or - (standard output).",
            rich_help_panel=OUTPUT,
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
    from sarcodec.endings import SARC

    out = output_for(source, output, SARC, as_json=as_json)
    from sarcodec import api
    from sarcodec.limits import limits_from

    with streams.read_from(source) as path, streams.written_to(out, SARC) as target:
        with naming(source, path), console.progress(quiet=quiet) as tick:
            found = api.extract(
                path,
                target,
                layers=layers,
                overwrite=overwrite,
                progress=tick,
                limits=limits_from(limit or []),
            )
        before = os.path.getsize(path)
    if as_json:
        console.say_json(
            {
                "input": source,
                "output": out,
                "input_bytes": before,
                "bytes": found.bytes,
                "layers": found.layers,
                "of": found.of,
            }
        )
    elif not quiet:
        sizes = f"{console.size_text(before)} -> {console.size_text(found.bytes)}"
        streams.say(out, f"{source} -> {out}  {sizes}  layers {found.layers} of {found.of}")
