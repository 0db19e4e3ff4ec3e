"""What a run minimises: the notes' recipe (an autoencoder without a rate) and rate + lambda * distortion."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sarcodec.errors import UsageError
from sarcodec.model import modelfile
from sarcodec.model.families import networks_of, training_of
from sarcodec.model.hyper import Shape
from sarcodec.train import checkpoint
from sarcodec.train.calibrate import calibrate
from sarcodec.train.coded import RealLatents
from sarcodec.train.config import Settings
from sarcodec.train.data import UNIT_DB, PackedScenes
from sarcodec.train.grow import grow
from sarcodec.train.network import Output, SarNet, lambda_at
from sarcodec.train.posthoc import posthoc
from sarcodec.train.ssim import ssim
from sarcodec.train.whole.net import ByteNet

Progress = Callable[[int, int], None]

PERCENTILES = (1, 99)
"""Of the training pixels about their scene's mean: what the notes' recipe scales to 0 and 1."""
MIDDLE = (1.0, 4.0)
"""Anchors between which most of the rate positions are drawn: 0.05 to 1 bpp on Sentinel-1 GRD."""
PREFIX_WEIGHT = 0.3
"""Weight in the loss of a crop of which only the first groups are kept."""
SAMPLE = 256
"""Crops whose pixels the percentiles are taken from."""


@dataclass
class Loss:
    """Loss of a batch and the figures that go into the log."""

    total: Tensor
    figures: dict[str, float]


def ends_of(scenes: PackedScenes, seed: int) -> tuple[float, float]:
    """1st and 99th percentile of valid pixels about the mean of their scene, dB, from a seeded sample."""
    x, valid = scenes.batch(SAMPLE, np.random.default_rng([seed, 2**40]), augment=False, level="scene")
    low, high = np.percentile(x[valid > 0].numpy() * UNIT_DB, PERCENTILES)
    return float(low), float(high)


class Autoencoder(nn.Module):
    """g_a and g_s of a shape, without quantisation or rate, and the decibels that the loss calls 0 and 1."""

    low_db: Tensor
    high_db: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.g_a, self.g_s = networks_of(shape)
        self.register_buffer("low_db", torch.tensor(-1.0))
        self.register_buffer("high_db", torch.tensor(1.0))

    def clipped(self, x: Tensor) -> Tensor:
        """Input in units of UNIT_DB, clipped to the two ends."""
        return x.clamp(self.low_db / UNIT_DB, self.high_db / UNIT_DB)

    def scaled(self, x: Tensor) -> Tensor:
        """Units of UNIT_DB to a scale where the ends are 0 and 1."""
        return (x * UNIT_DB - self.low_db) / (self.high_db - self.low_db)

    def forward(self, x: Tensor, *, autocast: bool) -> Tensor:
        """(B, 1, H, W) in units of UNIT_DB about the scene's mean, clipped; returns the like, float32."""
        with torch.autocast(x.device.type, torch.bfloat16, enabled=autocast):
            x_hat: Tensor = self.g_s(self.g_a(x), None)
        return x_hat.float()


class Recipe(abc.ABC):
    """A network and how it is trained.

    Attributes
    ----------
    columns : tuple of str
        Figures of a step, beside its loss.
    level : str
        What crops are shifted by, see `PackedScenes.batch`.
    """

    columns: tuple[str, ...]
    level: str

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.scenes: PackedScenes | None = None
        """What the run learns from; set by the trainer."""

    @property
    @abc.abstractmethod
    def net(self) -> nn.Module:
        """The network; it has g_a and g_s."""

    @abc.abstractmethod
    def optimiser(self) -> torch.optim.Optimizer:
        """A new optimiser; its groups have a `factor` on the learning rate."""

    @abc.abstractmethod
    def prepare(self, scenes: PackedScenes) -> None:
        """Set what a new network takes from the data."""

    @abc.abstractmethod
    def loss(self, x: Tensor, valid: Tensor, rng: np.random.Generator, step: int) -> Loss:
        """Loss of a batch, shapes (B, 1, H, W), on the network's device."""

    @abc.abstractmethod
    def validate(self, x: Tensor, valid: Tensor) -> Loss:
        """Loss and figures that can be compared between steps, of one batch."""

    @abc.abstractmethod
    def rebuild(self, x: Tensor) -> dict[str, Tensor]:
        """Pictures of (B, 1, H, W) by a title: what went in first, then what comes back."""

    @abc.abstractmethod
    def export(self, scenes: PackedScenes, path: Path, *, id: str, progress: Progress) -> None:  # noqa: A002
        """Write the network as a model file whose tables fit `scenes`."""


class Notes(Recipe):
    """AdamW on 0.5 MSE + 0.5 (1 - SSIM) of pixels that are clipped and scaled to [0, 1]."""

    columns = ("mse", "ssim", "psnr", "rmse_db")
    level = "scene"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._net = Autoencoder(settings.shape)

    @property
    def net(self) -> Autoencoder:
        """The autoencoder."""
        return self._net

    def optimiser(self) -> torch.optim.Optimizer:
        """AdamW over everything."""
        groups = [{"params": list(self.net.parameters()), "factor": 1.0}]
        return torch.optim.AdamW(groups, lr=self.settings.lr, weight_decay=self.settings.weight_decay)

    def prepare(self, scenes: PackedScenes) -> None:
        """Take the percentiles, and the weights of another run where one is named."""
        if self.settings.start_from:
            checkpoint.start(Path(self.settings.start_from), self.net)
        low, high = ends_of(scenes, self.settings.seed)
        self.net.low_db.fill_(low)
        self.net.high_db.fill_(high)

    def loss(self, x: Tensor, valid: Tensor, rng: np.random.Generator, step: int) -> Loss:
        """The notes' loss; nothing is random and every step alike."""
        del rng, step
        x = self.net.clipped(x)
        out = self.net.scaled(self.net(x, autocast=self.settings.bf16))
        target = self.net.scaled(x)
        squares = torch.where(valid > 0, (out - target) ** 2, 0.0)
        mse = (squares.sum((1, 2, 3)) / valid.sum((1, 2, 3))).mean()
        similarity = ssim(out, target, valid).mean()
        error = float(mse.detach())
        span = float(self.net.high_db - self.net.low_db)
        figures = {
            "mse": error,
            "ssim": float(similarity.detach()),
            "psnr": -10 * math.log10(max(error, 1e-12)) if math.isfinite(error) else math.nan,
            "rmse_db": span * math.sqrt(error) if error >= 0 else math.nan,
        }
        return Loss(0.5 * mse + 0.5 * (1 - similarity), figures)

    def validate(self, x: Tensor, valid: Tensor) -> Loss:
        """The same loss."""
        return self.loss(x, valid, np.random.default_rng(0), 0)

    def rebuild(self, x: Tensor) -> dict[str, Tensor]:
        """What comes back, beside what went in, clipped."""
        x = self.net.clipped(x)
        return {"clipped input": x, "reconstruction": self.net(x, autocast=False)}

    def export(self, scenes: PackedScenes, path: Path, *, id: str, progress: Progress) -> None:  # noqa: A002
        """Quantiser steps are fitted too: the network has none."""
        net = self.net
        posthoc(net.g_a, net.g_s, net.shape, scenes, path, id=id, progress=progress)


def positions(size: int, anchors: int, rng: np.random.Generator) -> Tensor:
    """Rate positions of a batch: anywhere on the scale, three in five where most files lie."""
    last = anchors - 1
    everywhere = rng.uniform(0, last, size)
    low, high = (min(end, last) for end in MIDDLE)
    middle = rng.uniform(low, high, size)
    return torch.from_numpy(np.where(rng.random(size) < 0.6, middle, everywhere).astype(np.float32))


def prefixes(size: int, groups: int, share: float, rng: np.random.Generator) -> Tensor:
    """How many groups each sample of a batch keeps: all, or with a chance of `share` any smaller number."""
    cut = rng.integers(1, max(groups, 2), size)
    return torch.from_numpy(np.where(rng.random(size) < share, np.minimum(cut, groups), groups))


def loss_of(
    net: SarNet,
    x: Tensor,
    valid: Tensor,
    position: Tensor,
    *,
    bf16: bool,
    hard: bool,
    prefix: Tensor | None = None,
) -> Loss:
    """Bits per pixel + lambda * squared error in dB^2 over valid pixels, weighted by lambda^-1/2.

    Figures are those of the samples that keep all groups, where any does.
    """
    return weighed(net, net(x, position, autocast=bf16, hard=hard, prefix=prefix), x, valid, position, prefix)


def weighed(
    net: SarNet, out: Output, x: Tensor, valid: Tensor, position: Tensor, prefix: Tensor | None
) -> Loss:
    """The loss of what has been coded."""
    pixels = x.shape[2] * x.shape[3]
    bpp = (out.y_bits + out.z_bits) / pixels
    mse = ((out.x_hat - x) ** 2 * valid).sum((1, 2, 3)) / valid.sum((1, 2, 3)) * UNIT_DB**2
    lambdas = lambda_at(position)
    whole = torch.ones_like(bpp, dtype=torch.bool) if prefix is None else prefix == len(net.shape.groups)
    weight = torch.where(whole, 1.0, PREFIX_WEIGHT) * lambdas**-0.5
    total = ((bpp + lambdas * mse) * weight).mean()
    shown = whole if bool(whole.any()) else ~whole
    rates, hyper_rates, errors = (t.detach()[shown].mean() for t in (bpp, out.z_bits / pixels, mse))
    return Loss(
        total, {"bpp": float(rates), "hyper_bpp": float(hyper_rates), "rmse_db": float(errors.sqrt())}
    )


def parameter_groups(net: SarNet) -> list[dict[str, object]]:
    """What the family names learns slowly, gains learn fast, CompressAI's quantiles not at all."""
    ends = training_of(net.shape).slow
    if isinstance(net, ByteNet):
        ends = (".lapped.rows", ".lapped.cols", ".lapped.gain")
    slow = [p for name, p in net.named_parameters() if name.endswith(ends)]
    fast = [net.gain_log2, net.inverse_log2, net.scale_log2, net.hyper_gain_log2]
    net.entropy_bottleneck.quantiles.requires_grad_(requires_grad=False)
    special = {id(p) for p in slow + fast}
    rest = [p for p in net.parameters() if p.requires_grad and id(p) not in special]
    return [
        {"params": rest, "factor": 1.0},
        {"params": slow, "factor": 0.15},
        {"params": fast, "factor": 2.0},
    ]


class RateDistortion(Recipe):
    """Adam on bits per pixel + lambda * squared error, over a continuum of rates."""

    columns = ("bpp", "hyper_bpp", "rmse_db")
    level = "crop"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._net = ByteNet(settings.shape) if settings.byte_networks else SarNet(settings.shape)
        self._real: RealLatents | None = None

    @property
    def net(self) -> SarNet:
        """The codec."""
        return self._net

    def optimiser(self) -> torch.optim.Optimizer:
        """Adam, with three paces."""
        return torch.optim.Adam(parameter_groups(self.net), lr=self.settings.lr)

    def prepare(self, scenes: PackedScenes) -> None:
        """Take what fits of another run where one is named; deviations and steps then come from the data."""
        x, _ = scenes.batch(32, np.random.default_rng(self.settings.seed), augment=True)
        start = self.settings.start_from
        if start and modelfile.is_model(Path(start)):
            self.net.fit_deviation(x)
            grow(Path(start), self.net, x)
        elif not (start and checkpoint.start(Path(start), self.net)):
            self.net.fit_deviation(x)

    def loss(self, x: Tensor, valid: Tensor, rng: np.random.Generator, step: int) -> Loss:
        """Loss at random rates; late in the run with the encoder's own choices."""
        position = positions(x.shape[0], self.settings.shape.anchors, rng).to(x.device)
        hard = step >= self.settings.hard_from * self.settings.steps
        groups = len(self.settings.shape.groups)
        prefix = None
        if self.settings.prefix_share:
            prefix = prefixes(x.shape[0], groups, self.settings.prefix_share, rng).to(x.device)
        if hard and self.settings.shape.quantiser == "trellis":
            return self._synthesis_loss(x, valid, position, prefix)
        return loss_of(self.net, x, valid, position, bf16=self.settings.bf16, hard=hard, prefix=prefix)

    def _synthesis_loss(self, x: Tensor, valid: Tensor, position: Tensor, prefix: Tensor | None) -> Loss:
        """Loss of g_s on what the real encoder codes; nothing else learns."""
        assert self.scenes is not None
        if self._real is None:
            self._real = RealLatents(self.net, self.scenes)
        y_hat, bits = self._real.decoded(x, position)
        if prefix is not None:
            ends = torch.tensor([*self.settings.shape.starts, self.settings.shape.channels], device=x.device)
            kept = torch.arange(y_hat.shape[1], device=x.device)[None] < ends[prefix][:, None]
            y_hat = y_hat * kept[:, :, None, None]
        x_hat = self.net.synthesise(y_hat, position, autocast=self.settings.bf16)
        return weighed(self.net, Output(x_hat, bits, torch.zeros_like(bits)), x, valid, position, prefix)

    def validate(self, x: Tensor, valid: Tensor) -> Loss:
        """Loss at rates spread over the scale, with the encoder's own choices."""
        torch.manual_seed(0)
        position = torch.linspace(0, self.settings.shape.anchors - 1, x.shape[0], device=x.device)
        return loss_of(self.net, x, valid, position, bf16=self.settings.bf16, hard=True)

    def rebuild(self, x: Tensor) -> dict[str, Tensor]:
        """At a low, a middle and a high rate."""
        out = {"input": x}
        for part in (0.2, 0.5, 0.8):
            position = torch.full((x.shape[0],), part * (self.settings.shape.anchors - 1), device=x.device)
            coded = self.net(x, position, autocast=False, hard=True)
            bpp = float((coded.y_bits + coded.z_bits).mean()) / (x.shape[2] * x.shape[3])
            out[f"{bpp:.2f} bpp"] = coded.x_hat
        return out

    def export(self, scenes: PackedScenes, path: Path, *, id: str, progress: Progress) -> None:  # noqa: A002
        """Steps and entropy networks are those of the training.

        Raises
        ------
        UsageError
            The networks are in bytes, which no model file holds yet.
        """
        if isinstance(self.net, ByteNet):
            raise UsageError("no model file holds networks in bytes yet", hint="Train without --export.")
        calibrate(self.net, scenes, path, id=id, progress=progress)


def recipe_of(settings: Settings) -> Recipe:
    """The recipe that the settings name, its network freshly initialised."""
    return Notes(settings) if settings.recipe == "notes" else RateDistortion(settings)
