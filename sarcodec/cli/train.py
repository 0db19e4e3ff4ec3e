"""``sarcodec train``: train a model, resume it, turn it into a model file."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sarcodec.cli import console
from sarcodec.cli.options import OUTPUT, RESOURCES, Device, OverwriteOption, QuietOption, epilog, make_folder

if TYPE_CHECKING:
    from sarcodec.train.config import Settings

EPILOG = epilog(
    "sarcodec train scenes/ -o run --steps 20000 --export run/mine.safetensors",
    "sarcodec train run/scenes.npy -o run --max-minutes 30 --device cuda --bf16",
    "sarcodec train scenes/ -o notes --config configs/resnet-lite-16x-notes.toml",
    notes=(
        "The same command resumes a run from its checkpoint. RUNDIR gets checkpoint.safetensors, log.csv, "
        "curves.png and samples.png, best.safetensors with validation, and scenes.npy where DATA is one. "
        "Options count in place of what a configuration file says."
    ),
    codes=(2, 3, 8, 9),
)

_TRAINING = "Training"

Figures = Callable[[int, dict[str, float]], None]


def train(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="A folder of GeoTIFFs, or packed scenes (.npy).")
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="RUNDIR", help="Folder of the run.", rich_help_panel=OUTPUT),
    ],
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="TOML file of model, recipe, data and run.", rich_help_panel=_TRAINING
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Steps the run has in all. [default: 20000]", rich_help_panel=_TRAINING),
    ] = None,
    max_minutes: Annotated[
        float, typer.Option(min=0, help="Stop after this time; resume later.", rich_help_panel=_TRAINING)
    ] = math.inf,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Crops a step. [default: 8]", rich_help_panel=_TRAINING)
    ] = None,
    crop: Annotated[
        int | None,
        typer.Option(
            min=64,
            help="Side of a crop, a multiple of 64 pixels. [default: 256]",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    lr: Annotated[
        float | None, typer.Option(help="Highest learning rate. [default: 6e-4]", rich_help_panel=_TRAINING)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of crops and noise. [default: 1]", rich_help_panel=_TRAINING)
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(
            metavar="CHECKPOINT",
            help="Checkpoint that a new run starts from; of another recipe, its transforms.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    validation: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Packed scenes to validate on, as you go.", rich_help_panel=_TRAINING
        ),
    ] = None,
    device: Annotated[
        Device, typer.Option(help="auto takes CUDA where it is at hand.", rich_help_panel=RESOURCES)
    ] = "auto",
    bf16: Annotated[
        bool | None,
        typer.Option(
            "--bf16/--no-bf16",
            help="Convolutions in bfloat16, if the hardware can.",
            rich_help_panel=RESOURCES,
        ),
    ] = None,
    compile_: Annotated[
        bool | None,
        typer.Option(
            "--compile/--no-compile", help="Compile the transforms with torch.", rich_help_panel=RESOURCES
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Model file (.safetensors) to write at the end, its tables fitted to DATA.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    model_id: Annotated[
        str | None,
        typer.Option("--id", help="Id in the model file; its name where left out.", rich_help_panel=OUTPUT),
    ] = None,
    overwrite: OverwriteOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train a model on scenes of yours; the same command resumes the run."""
    from sarcodec.train import needed

    needed.check()
    settings = _settings(
        config,
        device,
        steps=steps,
        batch=batch,
        crop=crop,
        lr=lr,
        seed=seed,
        bf16=bf16,
        compile=compile_,
        start_from=str(init) if init else None,
        validation=str(validation) if validation else None,
        id=model_id,
    )
    _check(settings, output, export, overwrite=overwrite)
    make_folder(output)
    packed = _packed(data, output, quiet=quiet)
    from sarcodec.errors import InputError
    from sarcodec.train import curves, loop, samples

    latest: dict[str, float] = {}
    with _figures(settings, latest, quiet=quiet) as show:
        reached = loop.train(packed, output, settings, max_minutes=max_minutes, progress=show)
    with suppress(InputError):  # a short run has no curve yet
        curves.draw(output)
    with suppress(InputError):
        samples.draw(output, packed, settings)
    if export is not None:
        _export(packed, output, export, settings, quiet=quiet)
    if not quiet:
        figures = f"  {_summary(latest)}" if latest else ""
        done = f"{output}  step {reached} of {settings.steps}{figures}"
        console.say(done + (f"  -> {export}" if export else ""))


def _settings(config: Path | None, device: Device, **options: object) -> Settings:
    """What the file says, if there is one, and the options that were given in its place."""
    from sarcodec.model.runtime import pick_device
    from sarcodec.train import config as configuration

    given = {name: value for name, value in options.items() if value is not None}
    given["device"] = pick_device(device)
    if config is not None:
        return configuration.load(config, **given)
    given.setdefault("bf16", given["device"] == "cuda")  # slow on most CPUs
    return configuration.checked(replace(configuration.default(), **given), "options")  # type: ignore[arg-type]


def _check(settings: Settings, output: Path, export: Path | None, *, overwrite: bool) -> None:
    """Refuse what would fail after hours."""
    from sarcodec.errors import InputError

    if export is not None:
        from sarcodec.atomic import check_target

        check_target(export, overwrite=overwrite)
    start = settings.start_from
    if start and not Path(start).is_file() and not (output / "checkpoint.safetensors").exists():
        raise InputError(f"no checkpoint {start}", hint="Name one of another run, for example with --init.")


def _packed(data: Path, output: Path, *, quiet: bool) -> Path:
    """Packed scenes of `data`, made in the folder of the run where they are not there yet."""
    from sarcodec.errors import InputError

    if not data.exists():
        raise InputError(f"{data} does not exist", hint="Give a folder of GeoTIFFs or packed scenes.")
    if not data.is_dir():
        return data
    packed = output / "scenes.npy"
    if packed.exists():
        if not quiet:
            console.say(f"taking the scenes packed in {packed}; remove it to pack {data} again")
        return packed
    from sarcodec.train.pack import pack_folder

    with console.progress(quiet=quiet) as tick:
        count = pack_folder(data, packed, progress=lambda done, total: tick("pack", done, total))
    if not quiet:
        console.say(f"{data}: {count} scenes -> {packed}")
    return packed


@contextmanager
def _figures(settings: Settings, latest: dict[str, float], *, quiet: bool) -> Iterator[Figures]:
    """Keep the latest figures, and show them on a bar with the time left where stderr is a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda _step, figures: latest.update(figures)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )
    began, first = time.monotonic(), -1
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=settings.steps)

        def show(step: int, figures: dict[str, float]) -> None:
            nonlocal began, first
            latest.update(figures)
            text = _summary(figures)
            if first < 0:
                began, first = time.monotonic(), step
            elif step > first:
                text += f"  {(step - first) / (time.monotonic() - began):.2f} steps/s"
            bar.update(task, description=text, completed=step)

        yield show


def _summary(figures: dict[str, float]) -> str:
    """bpp or PSNR, the error, and batches skipped if any were."""
    head = f"{figures['bpp']:.3f} bpp" if "bpp" in figures else f"PSNR {figures['psnr']:.2f} dB"
    skipped = int(figures.get("skipped", 0))
    tail = f"  {skipped} batches skipped" if skipped else ""
    return f"{head}  RMSE {figures['rmse_db']:.3f} dB{tail}"


def _export(packed: Path, output: Path, export: Path, settings: Settings, *, quiet: bool) -> None:
    """Write the best network of the run as a model file; the last one where nothing was validated."""
    from sarcodec.train import checkpoint
    from sarcodec.train.calibrate import scenes_to_fit
    from sarcodec.train.recipes import recipe_of

    recipe, best = recipe_of(settings), output / "best.safetensors"
    checkpoint.load(best if best.exists() else output / "checkpoint.safetensors", recipe.net, None)
    with console.progress(quiet=quiet) as tick:
        recipe.export(
            scenes_to_fit(packed, settings.crop),
            export,
            id=settings.id or export.stem,
            progress=lambda done, total: tick("fit tables", done, total),
        )
