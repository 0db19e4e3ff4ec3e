"""``sarcodec train``: train a model, resume it, turn it into a model file."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sarcodec.cli import console
from sarcodec.cli.options import OUTPUT, RESOURCES, Device, OverwriteOption, QuietOption, epilog, make_folder

if TYPE_CHECKING:
    from sarcodec.train.loop import Settings

EPILOG = epilog(
    "sarcodec train scenes/ -o run --steps 20000 --export run/mine.safetensors",
    "sarcodec train run/scenes.npy -o run --max-minutes 30 --device cuda --bf16",
    notes=(
        "The same command resumes a run from its checkpoint. RUNDIR gets checkpoint.safetensors, log.csv and "
        "curves.png, and scenes.npy where DATA is a folder."
    ),
    codes=(2, 3, 8, 9),
)

_TRAINING = "Training"
_CROP_STEP = 64  # pixels under one hyper-latent

Figures = Callable[[int, dict[str, float]], None]


def train(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="A folder of GeoTIFFs, or packed scenes (.npy).")
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="RUNDIR", help="Folder of the run.", rich_help_panel=OUTPUT),
    ],
    steps: Annotated[
        int, typer.Option(min=1, help="Steps the run has in all.", rich_help_panel=_TRAINING)
    ] = 20000,
    max_minutes: Annotated[
        float, typer.Option(min=0, help="Stop after this time; resume later.", rich_help_panel=_TRAINING)
    ] = math.inf,
    batch: Annotated[int, typer.Option(min=1, help="Crops a step.", rich_help_panel=_TRAINING)] = 8,
    crop: Annotated[
        int, typer.Option(min=64, help="Side of a crop, a multiple of 64 pixels.", rich_help_panel=_TRAINING)
    ] = 256,
    lr: Annotated[float, typer.Option(help="Highest learning rate.", rich_help_panel=_TRAINING)] = 6e-4,
    seed: Annotated[int, typer.Option(min=0, help="Of crops and noise.", rich_help_panel=_TRAINING)] = 1,
    init: Annotated[
        Path | None,
        typer.Option(
            metavar="CHECKPOINT", help="Weights that a new run starts from.", rich_help_panel=_TRAINING
        ),
    ] = None,
    device: Annotated[
        Device, typer.Option(help="auto takes CUDA where it is at hand.", rich_help_panel=RESOURCES)
    ] = "auto",
    bf16: Annotated[
        bool,
        typer.Option(
            "--bf16", help="Convolutions in bfloat16, if the hardware can.", rich_help_panel=RESOURCES
        ),
    ] = False,
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
    _check(crop, lr, init)
    from sarcodec.errors import InputError

    if export is not None:
        from sarcodec.atomic import check_target

        check_target(export, overwrite=overwrite)
    make_folder(output)
    packed = _packed(data, output, quiet=quiet)
    from sarcodec.model.runtime import pick_device
    from sarcodec.train import curves, loop

    settings = loop.Settings(
        steps=steps, batch=batch, crop=crop, lr=lr, seed=seed, device=pick_device(device), bf16=bf16
    )
    latest: dict[str, float] = {}
    with _figures(steps, latest, quiet=quiet) as show:
        reached = loop.train(
            packed, output, settings, max_minutes=max_minutes, start_from=init, progress=show
        )
    with suppress(InputError):  # a short run has no curve yet
        curves.draw(output)
    if export is not None:
        _export(packed, output, export, model_id or export.stem, settings, quiet=quiet)
    if not quiet:
        figures = f"  {latest['bpp']:.3f} bpp  RMSE {latest['rmse_db']:.3f} dB" if latest else ""
        console.say(f"{output}  step {reached} of {steps}{figures}" + (f"  -> {export}" if export else ""))


def _check(crop: int, lr: float, init: Path | None) -> None:
    from sarcodec.errors import InputError, UsageError

    if crop % _CROP_STEP:
        raise UsageError(f"--crop {crop} is not a multiple of {_CROP_STEP}", hint="For example: --crop 256")
    if not 0 < lr < math.inf:
        raise UsageError(f"--lr {lr} is not a positive number", hint="For example: --lr 6e-4")
    if init is not None and not init.is_file():
        raise InputError(f"no checkpoint {init}", hint="Name the checkpoint.safetensors of another run.")


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
    from sarcodec.io.pack import pack_folder

    with console.progress(quiet=quiet) as tick:
        count = pack_folder(data, packed, progress=lambda done, total: tick("pack", done, total))
    if not quiet:
        console.say(f"{data}: {count} scenes -> {packed}")
    return packed


@contextmanager
def _figures(steps: int, latest: dict[str, float], *, quiet: bool) -> Iterator[Figures]:
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
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=steps)

        def show(step: int, figures: dict[str, float]) -> None:
            latest.update(figures)
            text = f"{figures['bpp']:.3f} bpp  RMSE {figures['rmse_db']:.3f} dB"
            bar.update(task, description=text, completed=step)

        yield show


def _export(
    packed: Path, output: Path, export: Path, model_id: str, settings: Settings, *, quiet: bool
) -> None:
    """Write the run's network as a model file."""
    from sarcodec.train import checkpoint
    from sarcodec.train.calibrate import calibrate
    from sarcodec.train.data import PackedScenes
    from sarcodec.train.network import SarNet

    net = SarNet(settings.shape)
    checkpoint.load(output / "checkpoint.safetensors", net, None)
    with console.progress(quiet=quiet) as tick:
        calibrate(
            net,
            PackedScenes(packed, settings.crop),
            export,
            id=model_id,
            progress=lambda done, total: tick("fit tables", done, total),
        )
