"""``sarcodec test``: check every checksum and digest of `.sarc` files, and decode to nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sarcodec.cli import console
from sarcodec.cli.guard import report
from sarcodec.cli.options import JobsOption, JsonOption, LimitOption, ModelOption, QuietOption, epilog
from sarcodec.errors import SarcError

EPILOG = epilog(
    "sarcodec test *.sarc",
    "sarcodec test archive/scene.sarc --json",
    notes=("All files are looked at; the exit code is that of the first one that is not whole."),
    codes=(2, 3, 4, 5, 6, 7),
)


def check(
    sources: Annotated[list[Path], typer.Argument(metavar="FILE...", help="One or more .sarc files.")],
    model: ModelOption = None,
    jobs: JobsOption = None,
    limit: LimitOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Check files: every checksum, mask, latent digest, target, gain and texture. Writes nothing."""
    from sarcodec import dataset
    from sarcodec.limits import limits_from

    limits = limits_from(limit or [])
    results: list[dict[str, Any]] = []
    for source in sources:
        try:
            with (
                console.progress(quiet=quiet) as tick,
                dataset.open(source, model=model, jobs=jobs, device="cpu", limits=limits) as f,
            ):
                count = f.verify(tick)
        except SarcError as error:
            named = type(error)(_naming(source, error.message), hint=error.hint)
            results.append(_result(source, 0, named))
        else:
            results.append(_result(source, count, None))
            if not (as_json or quiet):
                console.say(f"{source}: OK, {count} {'tile' if count == 1 else 'tiles'}")
    if as_json:
        console.say_json(results)
    codes = [result["exit_code"] for result in results if not result["ok"]]
    if codes:
        raise typer.Exit(codes[0])


def _result(source: Path, tiles: int, error: SarcError | None) -> dict[str, Any]:
    code = report(error) if error else 0
    message = error.message if error else None
    return {"file": str(source), "ok": error is None, "tiles": tiles, "error": message, "exit_code": code}


def _naming(source: Path, message: str) -> str:
    """The message with the file's name in it."""
    return message if str(source) in message else f"{source}: {message}"
