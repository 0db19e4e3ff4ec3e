"""Branches of the transforms in 8 bits: integers where a processor has them, else floats of the same values.

Convolutions within a branch take bytes, each a power of two times what it is above a zero point, and weights
of -127..127 times a power of two of their output channel. Every product and every sum is then a multiple of
`UNIT` that float32 holds exactly, so that the order of additions, and what adds them, make no difference.
What residual blocks add to is not rounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sarcodec.model.convolve import convolve
from sarcodec.model.integer import FLOAT32_EXACT
from sarcodec.model.products import LARGEST, Products, to_bytes
from sarcodec.model.transforms import SLICE, AnalysisTransform, Residual, SynthesisTransform

UNIT = 2.0**-18
"""What sums are multiples of; below 64 they are exact."""
LATENT = 2.0**-8
"""Step of latents in 16 bits."""
STRIP = 2**18
"""Values of rows that are worked on at a time, so that they stay in a processor's cache."""
HYPER_STEP = 2.0**-3
"""Step of latents that h_a takes, in units of the channels' deviation."""
KEPT = 8
"""Rates whose first convolution is kept."""
SMALLEST, GREATEST = -14, 0
"""Of the logarithm of the step of a byte."""


@dataclass(frozen=True)
class Bytes:
    """What the bytes of an activation stand for."""

    step: float
    """Difference of the values of neighbouring bytes, a power of two."""
    signed: bool

    @property
    def zero(self) -> int:
        """The byte that stands for 0."""
        return 128 if self.signed else 0

    def pack(self, x: Tensor, *, whole: bool) -> Tensor:
        """Nearest bytes of float32 values: uint8 where `whole`, else floats of what they are above `zero`.

        Values beyond the range become its ends; where not `signed`, that is a ReLU.
        """
        packed = torch.add(x.new_tensor(self.zero + 0.5), x, alpha=1 / self.step).clamp_(0, 255.5)
        return self.held(packed, whole=whole)

    def held(self, packed: Tensor, *, whole: bool) -> Tensor:
        """Bytes as they are computed with, of floats of 0..255, rounded down; those are overwritten."""
        if whole:
            return to_bytes(packed)
        return packed.floor_().sub_(self.zero)


class Convolution:
    """A convolution of bytes, of odd kernel, that keeps the size.

    Parameters
    ----------
    weight, bias : Tensor
        In floating point, not changed.
    given : Bytes
        What it takes.
    made : Bytes, optional
        What it makes, not signed; float32 values where left out.
    steps : Tensor, shape (outputs,), optional
        Of the weights; :func:`steps_of` where left out.
    whole : bool
        Compute in integers.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        given: Bytes,
        made: Bytes | None = None,
        *,
        steps: Tensor | None = None,
        whole: bool,
    ) -> None:
        self.given, self.made, self.inputs = given, made, weight.shape[1]
        self.padding = [weight.shape[2] // 2, weight.shape[3] // 2]
        steps = steps_of(weight, given.step) if steps is None else steps
        weight = torch.round(weight / steps[:, None, None, None])
        self.bias = torch.round(bias / UNIT) * UNIT
        self.products: Products | None = None
        if whole:
            unit = None if made is None else made.step
            self.products = Products(weight, self.bias, steps, given.step, given.zero, unit)
            return
        weight *= (steps * given.step)[:, None, None, None]
        self.weight = weight.contiguous(memory_format=torch.channels_last)

    def __call__(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) packed -> (B, outputs, H, W), packed or values."""
        if self.products is not None:
            return self.products(x)
        sums = convolve(x, self.weight, self.bias, padding=self.padding)
        return sums if self.made is None else sums.mul_(1 / self.made.step).round_().clamp_(0, 255)


def steps_of(weight: Tensor, given: float) -> Tensor:
    """Steps of integer weights of each output channel: powers of two, shape (outputs,).

    The smallest that hold all weights, whose products with inputs of steps `given` are multiples of `UNIT`,
    and whose sums stay exact.
    """
    size = weight.abs()
    needed = torch.stack(
        (
            size.amax((1, 2, 3)) / LARGEST,
            size.sum((1, 2, 3)) * (256 / FLOAT32_EXACT),
            torch.full_like(size[:, 0, 0, 0], UNIT / given),
        )
    )
    mantissa, power = torch.frexp(needed.amax(0))
    return torch.ldexp(torch.ones_like(mantissa), power - (mantissa == 0.5).int())


class Residuals:
    """Residual blocks in a row, see :class:`sarcodec.model.transforms.Residual`.

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
            conv3 = Convolution(*_of(block.conv3), given, inner, whole=whole)
            self.blocks.append((conv3, Convolution(*_of(block.conv1), inner, whole=whole)))

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
        weight, bias = _of(join)
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

    def __init__(self, g_s: SynthesisTransform, steps_log2: Tensor, *, whole: bool) -> None:
        steps = _steps(steps_log2)
        self.whole, self.join = whole, g_s.join
        self.deep = Residuals(g_s.deep, steps, whole=whole)
        self.up = Convolution(*_of(g_s.up), Bytes(next(steps), signed=False), whole=whole)
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

    def __init__(self, g_a: AnalysisTransform, steps_log2: Tensor, *, whole: bool) -> None:
        steps = _steps(steps_log2)
        self.whole, self.down = whole, g_a.down
        self.wide = Residuals(g_a.wide, steps, whole=whole)
        self.deep = Residuals(g_a.deep, steps, whole=whole)
        self.out = Convolution(*_of(g_a.out), Bytes(next(steps), signed=False), whole=whole)

    def __call__(self, stem: Tensor, joined: Tensor) -> Tensor:
        """(B, wide, 2 h, 2 w), overwritten, and (B, deep, h, w) -> what latents gain, (B, C, h, w)."""
        h: Tensor = self.down(self.wide(stem.relu_())) + joined
        return self.out(self.out.given.pack(self.deep(h), whole=self.whole))


class HyperStart:
    """The first convolution of h_a, of latents and their magnitudes."""

    def __init__(self, conv: nn.Conv2d) -> None:
        self.given = Bytes(HYPER_STEP, signed=True)
        self.conv = Convolution(*_of(conv), self.given, whole=True)

    def __call__(self, v: Tensor) -> Tensor:
        """(B, C, h, w) latents in units of the channels' deviation -> (B, outputs, h, w)."""
        v = self.given.pack(v, whole=True).clamp_min_(1)
        return self.conv(torch.cat((v, torch.maximum(v, v.neg())), dim=1))  # bytes wrap: 1 becomes 255


def _of(conv: nn.Conv2d) -> tuple[Tensor, Tensor]:
    assert conv.bias is not None
    return conv.weight.detach(), conv.bias.detach()


def _steps(log2: Tensor) -> Iterator[float]:
    return iter([math.ldexp(1, power) for power in log2.tolist()])


def steps_in(blocks: int) -> int:
    """How many steps a branch of so many residual blocks has."""
    return 2 * blocks + 1
