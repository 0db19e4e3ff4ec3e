"""Do skip connections bypass the code? Trains a U-Net by the notes' recipe, then takes its skips away.

    SARCODEC_DATA=... python benchmarks/leak_test.py train.npy -o benchmarks/leak_test.json --minutes 10

`train.npy` holds packed training scenes (`sarcodec train` packs a folder). The run lies in a folder and goes
on where it was stopped; --minutes counts all its parts. Images are dB about the scene's mean, clipped and
scaled as in `sarcodec.bench.notes`; PSNR and SSIM are by that convention, means over the bands of the test
chips.

What a bitstream would cost: activations are rounded to steps that add the same error to the image everywhere,
as coarse as a PSNR that falls by 0.1 dB allows, and the entropy of the symbols is counted, with one table for
all of them and with a table for each channel. Nothing is coded by context.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sarcodec.atomic import replacing
from sarcodec.bench import notes
from sarcodec.bench.images import images
from sarcodec.fill import fill_invalid
from sarcodec.train import checkpoint
from sarcodec.train.data import UNIT_DB, PackedScenes
from sarcodec.train.ssim import ssim
from sarcodec.train.unet import (
    STRIDES,
    Activations,
    UNet,
    channel_bits,
    coarsest,
    entropy_bits,
    noise_gains,
    rounded,
    step_shapes,
    without_skips,
)

LR = 1e-4
MOST_DROP = 0.1
"""Decibels of PSNR that rounding may cost."""
SAVE_SECONDS = 60
CHANNELS = 16
STEP_LIMIT = 10**9


@dataclass(frozen=True)
class Chip:
    """One band of a test raster."""

    name: str
    x: Tensor
    """Shape (1, 1, H, W), scaled to [0, 1], padded to multiples of 16."""
    target: npt.NDArray[np.float64]
    """Shape (h, w), scaled to [0, 1]."""
    valid: npt.NDArray[np.bool_]


def chips(folder: Path, side: int) -> list[Chip]:
    """Bands of the rasters in a folder that are at least `side` pixels wide and high."""
    found = []
    for path in sorted(folder.glob("*.tif")):
        for image in images(path):
            db, valid = image.db, image.valid
            if min(db.shape) < side or not valid.any():
                continue
            mean = notes.mean_db(db, valid)
            filled = notes.scaled(fill_invalid(db, valid), np.ones_like(valid), mean)
            pad = [(0, -size % 16) for size in filled.shape]
            x = torch.from_numpy(np.pad(filled, pad, mode="edge").astype(np.float32))[None, None]
            found.append(Chip(image.name, x, notes.scaled(db, valid, mean), valid))
    return found


def train(options: argparse.Namespace) -> tuple[UNet, int, float]:
    """Train for the rest of `--minutes` or up to `--steps`; returns the network, its step and its minutes."""
    run: Path = options.run
    run.mkdir(parents=True, exist_ok=True)
    scenes = PackedScenes(options.data, options.crop)
    torch.manual_seed(options.seed)
    net = UNet(CHANNELS, options.base)
    optimiser = torch.optim.AdamW(net.parameters(), lr=LR)
    saved, step, before = run / "checkpoint.safetensors", 0, 0.0
    settings = {name: getattr(options, name) for name in ("base", "batch", "crop", "seed", "bf16")}
    if saved.exists():
        step = checkpoint.load(saved, net, optimiser)
        before = checkpoint.state_of(saved)["minutes"]
    net.to(options.device).to(memory_format=torch.channels_last).train()
    began = last = time.monotonic()

    def minutes() -> float:
        return before + (time.monotonic() - began) / 60

    while step < options.steps and minutes() < options.minutes:
        rng = np.random.default_rng([options.seed, step])
        crops, valid = scenes.batch(options.batch, rng, augment=True, level="scene")
        x = ((crops * UNIT_DB - notes.LOW_DB) / (notes.HIGH_DB - notes.LOW_DB)).clamp(0, 1)
        x, valid = x.to(options.device), valid.to(options.device)
        with torch.autocast(options.device, torch.bfloat16, enabled=options.bf16):
            y = net(x)
        loss = loss_of(y.float(), x, valid)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0, error_if_nonfinite=True)
        optimiser.step()
        step += 1
        if step % 20 == 0:
            print(f"step {step}  {minutes():.1f} minutes  loss {float(loss.detach()):.4f}", flush=True)
        if time.monotonic() - last > SAVE_SECONDS:
            checkpoint.save(saved, net, optimiser, step, settings, {"minutes": minutes()})
            last = time.monotonic()
    total = minutes()
    checkpoint.save(saved, net, optimiser, step, settings, {"minutes": total})
    return net.eval(), step, total


def loss_of(y: Tensor, x: Tensor, valid: Tensor) -> Tensor:
    """The notes' loss: half the squared error and half of what structural similarity lacks to 1."""
    mse = ((y - x) ** 2 * valid).sum((1, 2, 3)) / valid.sum((1, 2, 3))
    return (0.5 * mse + 0.5 * (1 - ssim(y, x, valid))).mean()


class Trial:
    """A trained network on the test chips."""

    def __init__(self, net: UNet, found: list[Chip], device: str) -> None:
        self.net, self.chips, self.device = net, found, device
        with torch.no_grad():
            self.seen = [net.encode(chip.x.to(device)) for chip in found]
        self.pixels = sum(chip.target.size for chip in found)

    @torch.no_grad()
    def decoded(self, chip: Chip, seen: Activations) -> npt.NDArray[np.float64]:
        """What the decoder makes of a chip's activations, clipped to [0, 1], shape (h, w)."""
        height, width = chip.target.shape
        y: npt.NDArray[np.float64] = (
            self.net.decode(seen)[0, 0, :height, :width].clamp(0, 1).double().cpu().numpy()
        )
        return y

    def scores(self, seen: list[Activations]) -> list[notes.Score]:
        """PSNR and SSIM, one a chip."""
        pairs = [(chip, self.decoded(chip, one)) for chip, one in zip(self.chips, seen, strict=True)]
        return [
            notes.Score(notes.psnr(y, chip.target, chip.valid), notes.ssim(y, chip.target, chip.valid))
            for chip, y in pairs
        ]

    def psnr(self, seen: list[Activations]) -> float:
        """Mean PSNR, dB."""
        pairs = zip(self.chips, seen, strict=True)
        each = [notes.psnr(self.decoded(chip, one), chip.target, chip.valid) for chip, one in pairs]
        return float(np.mean(each))

    @torch.no_grad()
    def mean_skips(self, scenes: PackedScenes) -> tuple[Tensor, ...]:
        """Mean of each skip channel over training crops: what a decoder can know for nothing."""
        crops, _ = scenes.batch(16, np.random.default_rng(3), augment=True, level="scene")
        x = ((crops * UNIT_DB - notes.LOW_DB) / (notes.HIGH_DB - notes.LOW_DB)).clamp(0, 1)
        seen = self.net.encode(x.to(self.device))
        return tuple(skip.mean((0, 2, 3), keepdim=True) for skip in seen.skips)

    def cost(self, which: list[int]) -> dict[str, Any]:
        """Bits per pixel of some of the tensors (0 is the code, then the skips by stride)."""
        gains = [noise_gains(self.net, one) for one in self.seen]
        mean = [sum((g[k] for g in gains), start=torch.zeros(())) / len(gains) for k in range(5)]
        shapes = step_shapes(mean, self.seen[0])

        def coded(step: float) -> list[tuple[Activations, list[Any]]]:
            steps = [shape * step if k in which else None for k, shape in enumerate(shapes)]
            return [rounded(one, steps) for one in self.seen]

        whole = self.psnr(self.seen)
        step = coarsest(lambda s: whole - self.psnr([seen for seen, _ in coded(s)]), MOST_DROP)
        results = coded(step)
        parts = []
        for k in which:
            bits = channel_bits([symbols[k] for _, symbols in results])
            parts.append(
                {
                    "stride": 16 if k == 0 else STRIDES[k - 1],
                    "channels": len(bits),
                    "bpp": sum(bits) / self.pixels,
                }
            )
        every = np.concatenate([symbols[k].ravel() for _, symbols in results for k in which])
        return {
            "psnr_drop_db": whole - self.psnr([seen for seen, _ in results]),
            "bpp_one_table": entropy_bits(every) / self.pixels,
            "bpp_table_a_channel": sum(part["bpp"] for part in parts),
            "parts": parts,
        }


def measure(net: UNet, options: argparse.Namespace) -> dict[str, Any]:
    """All figures of a trained network."""
    found = chips(options.images, options.side)
    if not found:
        raise SystemExit(f"no raster of {options.side} pixels a side in {options.images}")
    trial = Trial(net, found, options.device)
    means = trial.mean_skips(PackedScenes(options.data, options.crop))
    variants = {
        "with skips": trial.seen,
        "skips zeroed": [without_skips(one) for one in trial.seen],
        "skips at their mean": [
            Activations(
                one.code,
                tuple(mean.expand_as(skip) for mean, skip in zip(means, one.skips, strict=True)),
            )
            for one in trial.seen
        ],
        "code zeroed": [Activations(torch.zeros_like(one.code), one.skips) for one in trial.seen],
    }
    scores = {name: trial.scores(seen) for name, seen in variants.items()}
    return {
        "chips": [chip.name for chip in found],
        "scores": {
            name: {
                "psnr": float(np.mean([s.psnr for s in each])),
                "ssim": float(np.mean([s.ssim for s in each])),
            }
            for name, each in scores.items()
        },
        "per_chip_psnr": {name: [s.psnr for s in each] for name, each in scores.items()},
        "skips": trial.cost([1, 2, 3, 4]),
        "code": trial.cost([0]),
    }


def arguments() -> argparse.Namespace:
    """Options, with what `--quick` stands for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="packed training scenes")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/leak/leak_test.json"))
    parser.add_argument("--run", type=Path, default=Path("runs/leak"), help="folder of the training run")
    parser.add_argument("--images", type=Path, help="folder of test chips (SARCODEC_DATA/test/grd)")
    parser.add_argument("--side", type=int, default=512, help="leave out smaller chips")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--steps", type=int, default=STEP_LIMIT)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--base", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bf16", action="store_true", help="train under autocast, the loss in float32")
    parser.add_argument("--quick", action="store_true", help="a toy in seconds, to see that it runs")
    options = parser.parse_args()
    if options.quick:
        options.base, options.batch, options.crop, options.steps = 4, 4, 64, 40
    if options.images is None:
        if not os.environ.get("SARCODEC_DATA"):
            parser.error("SARCODEC_DATA names no folder of data, and --images none of chips")
        options.images = Path(os.environ["SARCODEC_DATA"]) / "test" / "grd"
    return options


def main() -> None:
    """Train, measure, print, write."""
    options = arguments()
    net, step, minutes = train(options)
    figures = {
        "parameters": sum(p.numel() for p in net.parameters()),
        "base": options.base,
        "steps": step,
        "pixels": step * options.batch * options.crop**2,
        "minutes": round(minutes, 1),
        "low_db": notes.LOW_DB,
        "high_db": notes.HIGH_DB,
        **measure(net, options),
    }
    for name, score in figures["scores"].items():
        print(f"{name:<20} {score['psnr']:6.2f} dB  SSIM {score['ssim']:.3f}")
    for name in ("skips", "code"):
        cost = figures[name]
        each = ", ".join(f"stride {p['stride']}: {p['bpp']:.3f}" for p in cost["parts"])
        print(f"{name}: {cost['bpp_table_a_channel']:.3f} bpp ({each}), {cost['psnr_drop_db']:.2f} dB lost")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(options.output, overwrite=True) as partial:
        partial.write_text(json.dumps(figures, indent=1, allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
