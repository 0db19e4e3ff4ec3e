"""The training loop: resumable to the step, seeded by step, and not ruined by a batch that is not finite."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from sarcodec.errors import InputError
from sarcodec.model.families import training_of
from sarcodec.train import checkpoint, log
from sarcodec.train.config import Settings
from sarcodec.train.recipes import Loss, Recipe, recipe_of
from sarcodec.train.split import scenes_of

__all__ = ["Settings", "UnstableError", "learning_rate", "train"]

LOG_EVERY, TELL_EVERY = 100, 20
"""Steps between lines of the log, and between calls of `progress`."""
FIRST_JUDGED = 200
"""Step from which on the share of skipped batches counts."""
logger = logging.getLogger(__name__)

Figures = dict[str, float]


class UnstableError(InputError):
    """Too many batches whose loss or gradient was not finite."""


@dataclass
class State:
    """Numbers that a resumed run goes on with, beside weights and moments."""

    minutes: float = 0.0
    skipped: int = 0
    """Batches skipped because they were not finite."""
    in_a_row: int = 0
    """Of those, the ones right before this step."""
    best: float = math.inf
    """Lowest validation loss."""
    stale: int = 0
    """Validations since then."""


def learning_rate(settings: Settings, step: int) -> float:
    """Linear warm-up, then what the schedule says: half a cosine down to a hundredth, or constant."""
    if step < settings.warmup:
        return settings.lr * (step + 1) / settings.warmup
    if settings.schedule == "constant":
        return settings.lr
    part = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return settings.lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(part, 1.0))))


def train(
    data: Path,
    out: Path,
    settings: Settings,
    *,
    max_minutes: float = math.inf,
    progress: Callable[[int, Figures], None] | None = None,
) -> int:
    """Train until `settings.steps` or for `max_minutes`, whichever comes first; resume what lies in `out`.

    Parameters
    ----------
    data : Path
        Packed scenes, see :mod:`sarcodec.train.data`.
    out : Path
        Folder of the run: ``checkpoint.safetensors``, ``log.csv``, and with validation
        ``best.safetensors`` and ``validation.csv``.
    progress : callable, optional
        Called with the step and the running figures every 20 steps.

    Returns
    -------
    int
        The step reached.

    Raises
    ------
    InputError
        The data or a checkpoint cannot be used.
    UnstableError
        Too many batches were not finite; the last checkpoint is kept.
    """
    return Trainer(data, out, settings).run(60 * max_minutes, progress)


class Trainer:
    """One run in its folder."""

    def __init__(self, data: Path, out: Path, settings: Settings) -> None:
        self.began = time.monotonic()
        self.out, self.settings = out, settings
        out.mkdir(parents=True, exist_ok=True)
        self.scenes, self.apart = scenes_of(data, settings)
        torch.manual_seed(settings.seed)
        self.recipe: Recipe = recipe_of(settings)
        self.recipe.scenes = self.scenes
        self.saved = out / "checkpoint.safetensors"
        fresh = not self.saved.exists()
        if fresh:
            self.recipe.prepare(self.scenes)
        net = self.recipe.net.to(settings.device).train()
        if training_of(settings.shape).channels_last or settings.bf16:
            net.to(memory_format=torch.channels_last)
        self.optimiser = self.recipe.optimiser()
        self.step = 0 if fresh else checkpoint.load(self.saved, net, self.optimiser)
        self.state = State() if fresh else State(**checkpoint.state_of(self.saved))
        self.began -= 60 * self.state.minutes
        self.parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        if settings.compile:
            compile_transforms(net, settings)
        for name in ("log.csv", "validation.csv"):
            log.cut(out / name, self.step)

    def run(self, seconds: float, progress: Callable[[int, Figures], None] | None) -> int:
        """Go on for that long."""
        settings, state = self.settings, self.state
        start = last_save = time.monotonic()
        running: list[Figures] = []
        while self.step < settings.steps and time.monotonic() - start < seconds and not self._stale():
            figures = self._step()
            self.step += 1
            running += [figures] if figures else []
            if self.step % TELL_EVERY == 0 and progress and running:
                progress(self.step, mean(running[-TELL_EVERY:]) | {"skipped": state.skipped})
            if self.step % LOG_EVERY == 0:
                columns = ("loss", *self.recipe.columns)
                row = mean(running) if running else dict.fromkeys(columns, math.nan)
                lr = learning_rate(settings, self.step - 1)
                log.add(
                    self.out / "log.csv", self.step, self._minutes(), row | {"skipped": state.skipped}, lr
                )
                running.clear()
            if self.apart is not None and self.step % settings.validate_every == 0:
                self._validate()
            if time.monotonic() - last_save >= 60 * settings.save_minutes:
                self._save()
                last_save = time.monotonic()
        self._save()
        return self.step

    def _step(self) -> Figures | None:
        """Learn from one batch; None where it was skipped."""
        settings, step = self.settings, self.step
        rng = np.random.default_rng([settings.seed, step])
        torch.manual_seed(int(rng.integers(2**62)))
        x, valid = self.scenes.batch(settings.batch, rng, augment=settings.augment, level=self.recipe.level)
        lr = learning_rate(settings, step)
        for group in self.optimiser.param_groups:
            group["lr"] = lr * group["factor"]
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.recipe.loss(x.to(settings.device), valid.to(settings.device), rng, step)
        finite = bool(loss.total.isfinite())
        if finite:
            loss.total.backward()  # type: ignore[no-untyped-call]
            finite = bool(torch.nn.utils.clip_grad_norm_(self.parameters, settings.clip).isfinite())
        if not finite:
            self._skip()
            return None
        self.optimiser.step()
        self.state.in_a_row = 0
        return figures_of(loss)

    def _skip(self) -> None:
        """Count a batch that was not finite; the optimiser has not seen it."""
        state, settings = self.state, self.settings
        self.optimiser.zero_grad(set_to_none=True)
        state.skipped += 1
        state.in_a_row += 1
        steps = self.step + 1
        many = steps >= FIRST_JUDGED and state.skipped > settings.skips_share * steps
        if state.in_a_row > settings.skips_in_a_row or many:
            raise UnstableError(
                f"loss or gradient was not finite in {state.skipped} of {steps} batches, "
                f"{state.in_a_row} of them in a row",
                hint="Lower the learning rate, use float32 in place of bf16, or look for damaged scenes; "
                f"{self.saved} still holds the last good weights.",
            )

    def _validate(self) -> None:
        """Validate, and keep the weights if they are the best so far."""
        assert self.apart is not None
        x, valid = self.apart
        losses: list[Figures] = []
        self.recipe.net.eval()
        with torch.no_grad():
            for part in range(0, x.shape[0], self.settings.batch):
                some = slice(part, part + self.settings.batch)
                moved = (t[some].to(self.settings.device) for t in (x, valid))
                losses.append(figures_of(self.recipe.validate(*moved)))
        self.recipe.net.train()
        figures = mean(losses)
        lr = learning_rate(self.settings, self.step - 1)
        log.add(self.out / "validation.csv", self.step, self._minutes(), figures, lr)
        if figures["loss"] < self.state.best:
            self.state.best, self.state.stale = figures["loss"], 0
            note: dict[str, object] = asdict(self.settings)
            checkpoint.save(self.out / "best.safetensors", self.recipe.net, None, self.step, note)
        else:
            self.state.stale += 1

    def _stale(self) -> bool:
        return 0 < self.settings.patience <= self.state.stale

    def _minutes(self) -> float:
        return (time.monotonic() - self.began) / 60

    def _save(self) -> None:
        self.state.minutes = self._minutes()
        settings: dict[str, object] = asdict(self.settings)
        checkpoint.save(self.saved, self.recipe.net, self.optimiser, self.step, settings, asdict(self.state))


def compile_transforms(net: nn.Module, settings: Settings) -> None:
    """Compile g_a and g_s, if that works here; else warn and leave them as they are."""
    parts = [net.get_submodule(name) for name in ("g_a", "g_s")]
    try:
        for part in parts:
            part.compile()
        x = torch.zeros(settings.batch, 1, settings.crop, settings.crop, device=settings.device)
        with torch.autocast(settings.device, torch.bfloat16, enabled=settings.bf16):
            y = parts[0](x)
            parts[1](y, torch.zeros(1, device=settings.device)).float().sum().backward()
    except Exception as error:  # noqa: BLE001 - a compiler fails in many ways, and nothing depends on it
        for part in parts:
            part._compiled_call_impl = None  # noqa: SLF001
        reason = str(error).strip().splitlines()
        logger.warning("not compiled: %s", reason[0] if reason else type(error).__name__)
    net.zero_grad(set_to_none=True)


def figures_of(loss: Loss) -> Figures:
    """The loss and its figures as one."""
    return {"loss": float(loss.total.detach())} | loss.figures


def mean(rows: list[Figures]) -> Figures:
    """Mean of each figure."""
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
