"""``sarcodec test``: check every checksum and digest of `.sarc` files, and decode to nothing."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sarcodec.cli import console, streams
from sarcodec.cli.guard import report
from sarcodec.cli.options import (
    JobsOption,
    JsonOption,
    LimitOption,
    ModelOption,
    QuietOption,
    check_resources,
    epilog,
)
from sarcodec.cli.told import naming
from sarcodec.errors import SarcError

EPILOG = epilog(
    "sarcodec test *.sarc",
    "sarcodec test archive/scene.sarc --json",
    notes=("All files are looked at; the exit code is that of the first one that is not whole."),
    codes=(2, 3, 4, 5, 6, 7),
)


def check(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="One or more .sarc files; - is standard input."),
    ],
    model: ModelOption = None,
    jobs: JobsOption = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Check files: every checksum, mask, latent digest, target, gain and texture. Writes nothing."""
    check_resources(model, jobs)
    from sarcodec import dataset
    from sarcodec.limits import limits_from

    limits = limits_from(limit or [])
    results: list[dict[str, Any]] = []
    for source in sources:
        try:
            with (
                streams.read_from(source) as path,
                naming(source, path),
                console.progress(quiet=quiet) as tick,
                dataset.open(path, model=model, jobs=jobs, device="cpu", limits=limits) as f,
            ):
                count = f.verify(tick)
        except SarcError as error:
            message = (
                error.message if source in error.message or source == "-" else f"{source}: {error.message}"
            )
            results.append(_result(source, 0, type(error)(message, hint=error.hint)))
        else:
            results.append(_result(source, count, None))
            if not (as_json or quiet):
                console.say(f"{source}: OK, {count} {'tile' if count == 1 else 'tiles'}")
    if as_json:
        console.say_json(results)
    codes = [result["exit_code"] for result in results if not result["ok"]]
    if codes:
        raise typer.Exit(codes[0])


def _result(source: str, tiles: int, error: SarcError | None) -> dict[str, Any]:
    code = report(error) if error else 0
    message = error.message if error else None
    return {"file": source, "ok": error is None, "tiles": tiles, "error": message, "exit_code": code}
