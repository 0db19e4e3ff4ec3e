"""The whole network as it is trained: transforms, gains, entropy networks and CompressAI's entropy models."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sarcodec.model.families import networks_of, training_of
from sarcodec.model.hyper import (
    CONTEXT_CHANNELS,
    CONTEXT_MAX,
    FRACTION,
    EntropyNetworks,
    GroupHead,
    Shape,
)
from sarcodec.model.integer import round_half_up, straight_through
from sarcodec.model.levels import interpolate
from sarcodec.model.quantise import RATE_WEIGHT
from sarcodec.model.transforms import STRIDE
from sarcodec.train.compressai_parts import EntropyBottleneck, GaussianConditional
from sarcodec.train.data import UNIT_DB
from sarcodec.train.sensitivity import pixel_sensitivity

LEAST_LAMBDA = 0.012
"""Rate-distortion weight of the first anchor, bits per pixel per dB^2."""
LAMBDA_STEP = 250 ** (1 / 5)
"""Ratio of the weights of an anchor and the one before: six anchors reach 3.0, seven 9.05."""
LARGEST_UNIT = 10.0
"""Octaves between a channel's deviation and its quantiser step that a model file can hold, and some room."""
FARTHEST_MEAN = 2.0**15
"""Deviations by which a latent's first mean may differ from 0: the integer networks hold no more."""
CARRIED = 0.25
"""Part of the image's variance that the latents of an untrained autoencoder count as carrying."""
SCALE_MIN = 0.11
"""Smallest standard deviation of a latent, in quantiser steps."""


@dataclass
class Output:
    """What one forward pass gives: x_hat like the input, bits of each sample for y and z."""

    x_hat: Tensor
    y_bits: Tensor
    z_bits: Tensor


def lambda_at(position: Tensor) -> Tensor:
    """Rate-distortion weight at fractional anchor positions."""
    return LEAST_LAMBDA * LAMBDA_STEP**position


def _high_rate_gain(anchors: int) -> Tensor:
    """log2 of quantiser steps in a unit of an orthonormal transform's latents at each anchor.

    High-rate theory: a uniform quantiser of step D at entropy-coded rate has dD/dR = -ln2 D^2 / 6.
    """
    lambdas = lambda_at(torch.arange(anchors, dtype=torch.float32))
    return torch.log2(UNIT_DB * torch.sqrt(lambdas * math.log(2) / 6))


class SarNet(nn.Module):
    """A trainable codec of one shape."""

    deviation_log2: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.g_a, self.g_s = networks_of(shape)
        self.entropy = EntropyNetworks(shape)
        self.entropy_bottleneck = EntropyBottleneck(shape.hyper)
        self.gaussian = GaussianConditional(None, scale_bound=SCALE_MIN)
        gain = _high_rate_gain(shape.anchors)
        self.gain_log2 = nn.Parameter(gain[:, None].repeat(1, shape.channels))
        self.inverse_log2 = nn.Parameter(-gain[:, None].repeat(1, shape.channels))
        self.scale_log2 = nn.Parameter(torch.zeros(shape.anchors, shape.channels))
        self.hyper_gain_log2 = nn.Parameter((gain / 2 + 1)[:, None].repeat(1, shape.hyper))
        self.register_buffer("deviation_log2", torch.zeros(shape.channels))

    @torch.no_grad()
    def fit_deviation(self, x: Tensor) -> None:
        """Take each channel's standard deviation from the latents of `x`, shape (B, 1, H, W).

        Latents of networks that do not start orthonormal have no natural size: quantiser steps and means are
        fitted too. Channels that hardly touch the pixels yet count as if all together carried a part of the
        image, `CARRIED`, so that an untrained network starts with latents that are not lost among the
        quantiser's noise.
        """
        y = self.g_a(x)
        self.deviation_log2.copy_(torch.log2(y.std(dim=(0, 2, 3)).clamp(min=1e-3)))
        if not training_of(self.shape).orthonormal:
            sensitivity = self.fit_steps(y)
            carried = (sensitivity * torch.exp2(2 * self.deviation_log2)).sum() / STRIDE**2
            lift = 0.5 * torch.log2((CARRIED * x.var() / carried).clamp(min=1))
            self.gain_log2.add_(lift)
            self.inverse_log2.sub_(lift)

    @torch.no_grad()
    def fit_steps(self, y: Tensor) -> Tensor:
        """Make quantiser steps suit what latents `y`, shape (B, C, h, w), do to the pixels, and fit means.

        Noise in the pixels is then spread over the channels as over those of an orthonormal transform. The
        deviations must be known. Returns the sensitivity of the pixels to each channel, shape (C,).
        """
        deviation = torch.exp2(self.deviation_log2)
        sensitivity = pixel_sensitivity(self.g_s, y, deviation)
        gain = _high_rate_gain(self.shape.anchors).to(y.device)[:, None] + 0.5 * torch.log2(sensitivity)
        unit = (gain + self.deviation_log2).clamp(-LARGEST_UNIT, LARGEST_UNIT)
        gain = unit - self.deviation_log2
        self.gain_log2.copy_(gain)
        self.inverse_log2.copy_(-gain)
        means = (y.mean(dim=(0, 2, 3)) / deviation).clamp(-FARTHEST_MEAN, FARTHEST_MEAN)
        for head, start, size in zip(self.entropy.heads, self.shape.starts, self.shape.groups, strict=True):
            assert isinstance(head, GroupHead)
            head.out.bias[:size] = means[start : start + size]
        return sensitivity

    def forward(
        self,
        x: Tensor,
        position: Tensor,
        *,
        autocast: bool,
        hard: bool = False,
        prefix: Tensor | None = None,
    ) -> Output:
        """Code (B, 1, H, W) normalised dB at fractional anchor `position`, shape (B,).

        `prefix`, int, shape (B,), is how many of the groups each sample keeps, all where left out: latents of
        the others are 0 and cost nothing.

        With `hard`, symbols are those that the encoder chooses and only the decoder learns: a rate counted on
        symbols has no gradient where they are zero, so it would lead the encoder to ever finer steps.
        """
        with (
            torch.set_grad_enabled(torch.is_grad_enabled() and not hard),
            torch.autocast(x.device.type, torch.bfloat16, enabled=autocast),
        ):
            y = self.g_a(x)
        y = y.float()
        y_hat, y_bits, z_bits = self.code(y, position, hard=hard, prefix=prefix)
        return Output(self.synthesise(y_hat, position, autocast=autocast), y_bits, z_bits)

    def synthesise(self, y_hat: Tensor, position: Tensor, *, autocast: bool) -> Tensor:
        """Pixels of latents in quantiser steps, (B, C, h, w) -> (B, 1, 16 h, 16 w) normalised dB."""
        decoded = y_hat * torch.exp2(interpolate(self.inverse_log2, position))[:, :, None, None]
        with torch.autocast(y_hat.device.type, torch.bfloat16, enabled=autocast):
            x_hat: Tensor = self.g_s(decoded, position).float()
        return x_hat

    def code(
        self, y: Tensor, position: Tensor, *, hard: bool, prefix: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Quantise latents; returns y_hat in quantiser steps and the bits of y and z of each sample."""
        gain = interpolate(self.gain_log2, position)
        hyper_gain = torch.exp2(interpolate(self.hyper_gain_log2, position))[:, :, None, None]
        if hard:
            gain, hyper_gain = gain.detach(), hyper_gain.detach()
        deviation = self.deviation_log2
        z = self.entropy.h_a(y * torch.exp2(-deviation)[:, None, None])
        z = z.detach() if hard else z
        _, z_likelihood = self.entropy_bottleneck(z * hyper_gain)
        z_hat = round_half_up(z * hyper_gain)
        z_in = round_half_up(z_hat * 16 / hyper_gain).clamp(-CONTEXT_MAX, CONTEXT_MAX)
        features = self.entropy.h_s(z_in)[:, :, : y.shape[2], : y.shape[3]]
        steps = torch.exp2(gain)[:, :, None, None]
        unit = torch.exp2(gain + deviation)[:, :, None, None]
        scale_log2 = (gain + deviation + interpolate(self.scale_log2, position))[:, :, None, None]
        parts, bits = [], torch.zeros(y.shape[0], device=y.device)
        context = y.new_empty((y.shape[0], 0, *y.shape[2:]))
        for group, (head, start, size) in enumerate(
            zip(self.entropy.heads, self.shape.starts, self.shape.groups, strict=True)
        ):
            part = slice(start, start + size)
            mean_code, log_code = head(torch.cat((features, context), dim=1))
            mean = round_half_up(mean_code / FRACTION * unit[:, part] * 16) / 16
            scale = torch.exp2((log_code / FRACTION + scale_log2[:, part]).clamp(-6, 12))
            scaled = y[:, part] * steps[:, part]
            if hard:
                symbols = self.choose(scaled - mean, scale)
                likelihood = self.mass(symbols, scale)
            else:
                symbols = round_half_up(scaled - mean)
                _, likelihood = self.gaussian(scaled, scale, means=mean)
            kept = torch.ones_like(bits) if prefix is None else (group < prefix).to(bits.dtype)
            bits = bits - kept * torch.log2(likelihood).sum((1, 2, 3))
            y_hat = symbols + mean
            parts.append(y_hat * kept[:, None, None, None])
            seen = round_half_up(y_hat * 16 / unit[:, part]).clamp(-CONTEXT_MAX, CONTEXT_MAX)
            context = torch.cat((context, seen), dim=1)[:, -CONTEXT_CHANNELS:]
        return torch.cat(parts, dim=1), bits, -torch.log2(z_likelihood).sum((1, 2, 3))

    def choose(self, residual: Tensor, scale: Tensor) -> Tensor:
        """Symbols as the encoder chooses them, near enough: a one that costs more than it helps becomes zero.

        Gradients pass straight through to `residual`.
        """
        with torch.no_grad():
            ones = torch.ones_like(scale)
            costs = [torch.log2(self.mass(n * ones, scale)) for n in (0, 1)]
            least = 0.5 + RATE_WEIGHT / 2 * (costs[0] - costs[1])
            symbols = torch.where(residual.abs() < least, 0.0, torch.floor(residual + 0.5))
        return straight_through(residual, symbols)

    def mass(self, symbols: Tensor, scale: Tensor) -> Tensor:
        """Probability of symbols under a zero-mean Gaussian of `scale` steps, differentiable in both.

        CompressAI's forward pass in evaluation mode rounds its input and would stop the gradient.
        """
        likelihood = self.gaussian._likelihood(symbols, scale)  # noqa: SLF001
        bounded: Tensor = self.gaussian.likelihood_lower_bound(likelihood)
        return bounded
