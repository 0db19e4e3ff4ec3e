"""The training loop: rate + lambda * distortion over a continuum of rates, resumable to the step."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sarcodec.model.hyper import Shape
from sarcodec.train import checkpoint
from sarcodec.train.data import PackedScenes
from sarcodec.train.network import UNIT_DB, SarNet, lambda_at

COLUMNS = ("step", "minutes", "loss", "bpp", "hyper_bpp", "rmse_db", "lr")


@dataclass(frozen=True)
class Settings:
    """Everything that decides the weights a run ends with, but for the machine it runs on."""

    steps: int = 20000
    batch: int = 8
    crop: int = 256
    lr: float = 6e-4
    warmup: int = 200
    hard_from: float = 0.75
    """Part of the run after which symbols are those of the real encoder, and only the decoder learns."""
    seed: int = 1
    device: str = "cpu"
    bf16: bool = False
    shape: Shape = field(default_factory=Shape)


def learning_rate(settings: Settings, step: int) -> float:
    """Linear warm-up, then half a cosine down to a hundredth."""
    if step < settings.warmup:
        return settings.lr * (step + 1) / settings.warmup
    part = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return settings.lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(part, 1.0))))


def positions(size: int, anchors: int, rng: np.random.Generator) -> Tensor:
    """Rate positions of a batch: anywhere on the scale, three in five on its middle part."""
    last = anchors - 1
    everywhere = rng.uniform(0, last, size)
    middle = rng.uniform(0.2 * last, 0.8 * last, size)
    return torch.from_numpy(np.where(rng.random(size) < 0.6, middle, everywhere).astype(np.float32))


@dataclass
class Loss:
    """Loss of a batch and the figures that go into the log."""

    total: Tensor
    bpp: float
    hyper_bpp: float
    rmse_db: float


def loss_of(net: SarNet, x: Tensor, valid: Tensor, position: Tensor, *, bf16: bool, hard: bool) -> Loss:
    """Bits per pixel + lambda * squared error in dB^2 over valid pixels, weighted by lambda^-1/2."""
    out = net(x, position, autocast=bf16, hard=hard)
    pixels = x.shape[2] * x.shape[3]
    bpp = (out.y_bits + out.z_bits) / pixels
    mse = ((out.x_hat - x) ** 2 * valid).sum((1, 2, 3)) / valid.sum((1, 2, 3)) * UNIT_DB**2
    lambdas = lambda_at(position, net.shape.anchors)
    total = ((bpp + lambdas * mse) * lambdas**-0.5).mean()
    rates, hyper_rates, errors = (t.detach().mean() for t in (bpp, out.z_bits / pixels, mse))
    return Loss(total, float(rates), float(hyper_rates), float(errors.sqrt()))


def parameter_groups(net: SarNet) -> list[dict[str, object]]:
    """Lapped kernels learn slowly (they start near their optimum), gains fast, CompressAI's quantiles not."""
    slow = [p for name, p in net.named_parameters() if name.endswith(".lapped.weight")]
    fast = [net.gain_log2, net.inverse_log2, net.scale_log2, net.hyper_gain_log2]
    net.entropy_bottleneck.quantiles.requires_grad_(requires_grad=False)
    special = {id(p) for p in slow + fast}
    rest = [p for p in net.parameters() if p.requires_grad and id(p) not in special]
    return [
        {"params": rest, "factor": 1.0},
        {"params": slow, "factor": 0.15},
        {"params": fast, "factor": 2.0},
    ]


def train(
    data: Path,
    out: Path,
    settings: Settings,
    *,
    max_minutes: float = math.inf,
    start_from: Path | None = None,
    progress: Callable[[int, dict[str, float]], None] | None = None,
) -> int:
    """Train until `settings.steps` or for `max_minutes`, whichever comes first; resume what lies in `out`.

    Parameters
    ----------
    data : Path
        Packed scenes, see :mod:`sarcodec.train.data`.
    out : Path
        Folder of the run: ``checkpoint.safetensors`` and ``log.csv``.
    start_from : Path, optional
        Checkpoint whose weights a new run starts from.
    progress : callable, optional
        Called with the step and the running figures every 20 steps.

    Returns
    -------
    int
        The step reached.
    """
    began = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    scenes = PackedScenes(data, settings.crop)
    torch.manual_seed(settings.seed)
    net = SarNet(settings.shape)
    optimiser = torch.optim.Adam(parameter_groups(net), lr=settings.lr)
    saved, step = out / "checkpoint.safetensors", 0
    if saved.exists():
        step = checkpoint.load(saved, net, optimiser)
    elif start_from is not None:
        checkpoint.load(start_from, net, None)
    else:
        net.fit_deviation(scenes.batch(32, np.random.default_rng(settings.seed), augment=True)[0])
    net.to(settings.device).to(memory_format=torch.channels_last).train()
    running: list[tuple[float, ...]] = []
    last_save = time.monotonic()
    while step < settings.steps and time.monotonic() - began < 60 * max_minutes:
        rng = np.random.default_rng([settings.seed, step])
        torch.manual_seed(int(rng.integers(2**62)))
        x, valid = scenes.batch(settings.batch, rng, augment=True)
        position = positions(settings.batch, settings.shape.anchors, rng)
        lr = learning_rate(settings, step)
        for group in optimiser.param_groups:
            group["lr"] = lr * group["factor"]
        device = settings.device
        hard = step >= settings.hard_from * settings.steps
        loss = loss_of(
            net, x.to(device), valid.to(device), position.to(device), bf16=settings.bf16, hard=hard
        )
        optimiser.zero_grad(set_to_none=True)
        loss.total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0, error_if_nonfinite=True)
        optimiser.step()
        step += 1
        running.append((float(loss.total.detach()), loss.bpp, loss.hyper_bpp, loss.rmse_db))
        if step % 20 == 0 and progress:
            progress(step, dict(zip(COLUMNS[2:6], np.mean(running[-20:], axis=0).tolist(), strict=True)))
        if step % 200 == 0:
            _log(
                out / "log.csv", step, (time.monotonic() - began) / 60, np.mean(running, axis=0).tolist(), lr
            )
            running.clear()
        if time.monotonic() - last_save > 120:
            checkpoint.save(saved, net, optimiser, step, asdict(settings))
            last_save = time.monotonic()
    checkpoint.save(saved, net, optimiser, step, asdict(settings))
    return step


def _log(path: Path, step: int, minutes: float, figures: list[float], lr: float) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(COLUMNS)
        writer.writerow([step, f"{minutes:.2f}", *(f"{v:.5f}" for v in figures), f"{lr:.2e}"])
