"""The branches of the lapped family in 8 bits, see :mod:`sarcodec.model.eightbit`.

What residual blocks add to is not rounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sarcodec.model.eightbit import Bytes, Convolution, steps_of, weights_of
from sarcodec.model.lapped.networks import SLICE, AnalysisTransform, Residual, SynthesisTransform

LATENT = 2.0**-8
"""Step of latents in 16 bits."""
STRIP = 2**18
"""Values of rows that are worked on at a time, so that they stay in a processor's cache."""
KEPT = 8
"""Rates whose first convolution is kept."""


class Residuals:
    """Residual blocks in a row, see :class:`sarcodec.model.lapped.networks.Residual`.

    Parameters
    ----------
    blocks : nn.Sequential of Residual
    steps : iterator of float
        Gives two steps for each block: of what it takes and of what is within.
    """

    def __init__(self, blocks: nn.Sequential, steps: Iterator[float], *, whole: bool) -> None:
        self.blocks: list[tuple[Convolution, Convolution]] = []
        self.whole = whole
        for block in blocks:
            assert isinstance(block, Residual)
            given, inner = Bytes(next(steps), signed=True), Bytes(next(steps), signed=False)
            conv3 = Convolution(*weights_of(block.conv3), given, inner, whole=whole)
            self.blocks.append((conv3, Convolution(*weights_of(block.conv1), inner, whole=whole)))

    def __call__(self, h: Tensor) -> Tensor:
        """Values, same shape in and out; `h` is overwritten."""
        height = max(1, STRIP // h[0, :, 0].numel())
        strips = torch.split(h, height, dim=2)
        given = [conv3.given for conv3, _ in self.blocks]
        packed = [bytes_.pack(strip, whole=self.whole) for bytes_ in given[:1] for strip in strips]
        for (conv3, conv1), after in zip(self.blocks, [*given[1:], None], strict=True):
            inside = torch.split(conv3(torch.cat(packed, dim=2)), height, dim=2)
            packed = []
            for strip, rows in zip(strips, inside, strict=True):
                strip.add_(conv1(rows))
                if after is not None:
                    packed.append(after.pack(strip, whole=self.whole))
        return h


class Join:
    """The first convolution of the branch of g_s at one rate, of latents in 16 bits.

    Parameters
    ----------
    join : nn.Conv2d
        Of all latents.
    modulation : Tensor, shape (1, 2 * outputs)
        Gains, less 1, and shifts of its outputs.
    """

    def __init__(self, join: nn.Conv2d, modulation: Tensor, *, whole: bool) -> None:
        gain, shift = modulation[0].chunk(2)
        weight, bias = weights_of(join)
        gain = 1 + gain
        weight, bias = weight * gain[:, None, None, None], bias * gain + shift
        self.whole = whole
        high, low = Bytes(256 * LATENT, signed=True), Bytes(LATENT, signed=False)
        of_high, of_low = steps_of(weight, high.step), steps_of(weight, low.step)
        self.parts = [
            (
                Convolution(weight[:, :end], bias, high, steps=of_high, whole=whole),
                Convolution(weight[:, :end], torch.zeros_like(bias), low, steps=of_low, whole=whole),
            )
            for end in range(SLICE, weight.shape[1] + SLICE, SLICE)
        ]

    def __call__(self, y: Tensor) -> Tensor:
        """The first latents (B, c, h, w) in network units -> (B, outputs, h, w)."""
        slices = range(-(-y.shape[1] // SLICE))
        used = max((k for k in slices if y[:, SLICE * k : SLICE * (k + 1)].any()), default=0)
        high, low = self.parts[used]
        y = y[:, : SLICE * (used + 1)].contiguous(memory_format=torch.channels_last)
        y = F.pad(y, (0, 0, 0, 0, 0, high.inputs - y.shape[1]))
        whole = torch.add(y.new_tensor(2**15 + 0.5), y, alpha=1 / LATENT).clamp_(0, 2**16 - 0.5).floor_()
        upper = torch.floor(whole / 256)
        lower = whole.sub_(upper, alpha=256)
        return high(high.given.held(upper, whole=self.whole)).add_(
            low(low.given.held(lower, whole=self.whole))
        )


class Synthesis:
    """The branch of g_s up to its last convolution."""

    def __init__(self, g_s: SynthesisTransform, steps_log2: list[int], *, whole: bool) -> None:
        steps = (math.ldexp(1, power) for power in steps_log2)
        self.whole, self.join = whole, g_s.join
        self.deep = Residuals(g_s.deep, steps, whole=whole)
        self.up = Convolution(*weights_of(g_s.up), Bytes(next(steps), signed=False), whole=whole)
        self.wide = Residuals(g_s.wide, steps, whole=whole)
        self._joins: dict[bytes, Join] = {}

    def __call__(self, y: Tensor, modulation: Tensor) -> Tensor:
        """See :meth:`SynthesisTransform.features`."""
        h = self.up.given.pack(self.deep(self._joined(y, modulation)), whole=self.whole)
        return self.wide(F.pixel_shuffle(self.up(h).relu_(), 2))

    def coarse(self, y: Tensor, modulation: Tensor) -> Tensor:
        """See :meth:`SynthesisTransform.coarse`."""
        return self.deep(self._joined(y, modulation)).relu_()

    def _joined(self, y: Tensor, modulation: Tensor) -> Tensor:
        """Joined latents; the convolutions of a few rates are kept, since each band has one."""
        key = modulation.cpu().numpy().tobytes()
        join = self._joins.get(key)
        if join is None:
            join = Join(self.join, modulation, whole=self.whole)
            self._joins = {**self._joins, key: join} if len(self._joins) < KEPT else {key: join}
        return join(y)


class Analysis:
    """The branch of g_a, from its stem on."""

    def __init__(self, g_a: AnalysisTransform, steps_log2: list[int], *, whole: bool) -> None:
        steps = (math.ldexp(1, power) for power in steps_log2)
        self.whole, self.down = whole, g_a.down
        self.wide = Residuals(g_a.wide, steps, whole=whole)
        self.deep = Residuals(g_a.deep, steps, whole=whole)
        self.out = Convolution(*weights_of(g_a.out), Bytes(next(steps), signed=False), whole=whole)

    def __call__(self, stem: Tensor, joined: Tensor) -> Tensor:
        """(B, wide, 2 h, 2 w), overwritten, and (B, deep, h, w) -> what latents gain, (B, C, h, w)."""
        h: Tensor = self.down(self.wide(stem.relu_())) + joined
        return self.out(self.out.given.pack(self.deep(h), whole=self.whole))
