"""The integer networks in products of bytes: the same integers, where weights and the processor allow.

Sums are exact either way, so nothing tells the two apart but the time they take.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sarcodec.model.hyper import EntropyNetworks, GroupHead
from sarcodec.model.integer import ACTIVATION_MAX, FLOAT32_EXACT, IntConv2d
from sarcodec.model.products import LARGEST, Products, to_bytes

SIGNED = 128
"""The byte of a signed 0."""
HIGHEST = 4
"""Of the powers of two that all weights of a channel are multiples of."""


class NotBytesError(Exception):
    """Weights are not bytes times a power of two, or sums may be too large."""


def powers_of(weight: Tensor) -> Tensor:
    """Logarithm of the smallest power of two that makes weights bytes, of each output channel, int32."""
    largest = weight.abs().amax((1, 2, 3)).double() / LARGEST
    return torch.log2(largest.clamp_min(1)).ceil().int()


@torch.no_grad()
def rounded(weight: Tensor) -> Tensor:
    """Nearest integer weights that are bytes times a power of two of their output channel.

    The power is the one that moves the weights least, be it by cutting the largest of them.
    """
    powers = 2.0 ** torch.arange(HIGHEST + 1, device=weight.device)[:, None, None, None, None]
    tried = (weight / powers).round().clamp(-LARGEST, LARGEST) * powers
    best = ((tried - weight) ** 2).sum((2, 3, 4)).argmin(0)
    return tried[best, torch.arange(len(weight), device=weight.device)]


class ByteConv2d:
    """One convolution.

    Parameters
    ----------
    layer : IntConv2d
    signed : int
        Its last inputs that are signed: their bytes are `SIGNED` more than their values.

    Raises
    ------
    NotBytesError
        It cannot be computed so.
    """

    def __init__(self, layer: IntConv2d, signed: int = 0) -> None:
        weight, bias = (t.detach().double() for t in layer.integers())
        powers = powers_of(weight)
        unit = torch.ldexp(torch.ones(len(weight), dtype=torch.float64), powers)
        weight /= unit[:, None, None, None]
        bias = bias - SIGNED * weight[:, weight.shape[1] - signed :].sum((1, 2, 3)) * unit
        worst = ACTIVATION_MAX * weight.abs().sum((1, 2, 3)) * unit + bias.abs() + 1
        largest = max(
            float(worst.max()), 2 * float(bias.abs().max()) + 1
        )  # biases hold half a unit, see below
        if not torch.equal(weight, weight.round()) or largest >= FLOAT32_EXACT:
            raise NotBytesError
        # Bytes are rounded to even where they are halves. With half a unit more none is, and halves go up;
        # sums too large to hold that half are far beyond 255.
        bias += 0.5 if layer.relu else 0.0
        self.padding = [layer.padding] * 4
        steps, bias = (torch.ldexp(t, torch.tensor(-layer.shift)).float() for t in (unit, bias))
        made = 1.0 if layer.relu else None
        self.products = Products(weight.float(), bias, steps, 1.0, 0, made, padded=True)

    def __call__(self, x: Tensor | None, signed: Tensor | None = None) -> Tensor:
        """Bytes (B, C, H, W), of signed inputs float values -> bytes through a ReLU, float32 otherwise."""
        parts = [] if x is None else [F.pad(x, self.padding)]
        if signed is not None:
            parts.append(F.pad(to_bytes(signed + SIGNED), self.padding, value=SIGNED))
        x = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        y = self.products(x.contiguous(memory_format=torch.channels_last))
        return y if y.dtype == torch.uint8 else y.add_(0.5).floor_()


class Head:
    """One head, see :class:`sarcodec.model.hyper.GroupHead`."""

    def __init__(self, head: nn.Module, features: int) -> None:
        assert isinstance(head, GroupHead)
        self.mix = ByteConv2d(head.mix, head.mix.weight.shape[1] - features)
        self.out = ByteConv2d(head.out)


class ByteNetworks:
    """The integer networks that decide symbols, in the place of :class:`EntropyNetworks`.

    Raises
    ------
    NotBytesError
        Some convolution cannot be computed so.
    """

    def __init__(self, networks: EntropyNetworks) -> None:
        h_s = networks.h_s
        self.first = ByteConv2d(h_s.first, h_s.first.weight.shape[1])
        self.up1, self.middle, self.up2 = ByteConv2d(h_s.up1), ByteConv2d(h_s.middle), ByteConv2d(h_s.up2)
        self.last = ByteConv2d(h_s.last)
        self.heads = [Head(head, len(h_s.last.weight)) for head in networks.heads]

    def features(self, z: Tensor) -> Tensor:
        """As :meth:`EntropyNetworks.features`, uint8."""
        x = F.pixel_shuffle(self.up1(self.first(None, z)), 2)
        return self.last(F.pixel_shuffle(self.up2(self.middle(x)), 2))

    def codes(self, group: int, features: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`EntropyNetworks.codes`."""
        head = self.heads[group]
        mixed = head.mix(features, seen if seen.shape[1] else None)
        mean, log_scale = head.out(mixed).chunk(2, dim=1)
        return mean, log_scale


def in_bytes(networks: EntropyNetworks) -> ByteNetworks | None:
    """Networks in products of bytes, None where their weights are not bytes."""
    try:
        return ByteNetworks(networks)
    except NotBytesError:
        return None
