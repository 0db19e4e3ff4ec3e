"""Steps of the bytes that flow through the branches, see :mod:`sarcodec.model.lapped.branch`.

Channels are first made of similar size, which changes no output: what makes a channel is divided by a factor,
what takes it is multiplied by the same one. The factor lies between that of equal activations and that of
equal weights (Xiao et al., *SmoothQuant*, 2023); all are scaled so that the largest activation just fits
bytes of a step that is a power of two.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor, nn

from sarcodec.model.family import Coded
from sarcodec.model.lapped.networks import AnalysisTransform, SynthesisTransform
from sarcodec.model.lapped.shape import GREATEST, SMALLEST, STEPS_LOG2
from sarcodec.model.lapped.transform import LappedTransform
from sarcodec.model.transforms import Transform

TOWARDS_EQUAL = 0.75
"""1 makes the channels of an activation equally large, 0 the weights that take them."""
OUTER, INNER = 0.55, 1.15
"""The largest magnitude that bytes hold, times the largest that was seen: of what a residual block takes, and
of what is within it. The former are rarely large, and cut only where the block looks at them."""
TINY = 1e-3
"""Magnitudes below this one are not told apart."""

Network = AnalysisTransform | SynthesisTransform
Seen = dict[nn.Module, Tensor]
"""The largest magnitude of each channel that a convolution takes."""


def fit_bytes(
    transform: Transform, crops: Iterable[npt.NDArray[Any]], levels: Sequence[int], coded: Coded
) -> dict[str, Tensor]:
    """Steps of bytes and scaled weights of both branches; nothing if there are none.

    See :data:`sarcodec.model.family.Fit`.
    """
    assert isinstance(transform, LappedTransform)
    g_a, g_s = copy.deepcopy(transform.g_a), copy.deepcopy(transform.g_s)
    if not g_s.branch:
        return {}
    with torch.inference_mode(), _largest(g_a) as analysis, _largest(g_s) as synthesis:
        for crop in crops:
            y = g_a(torch.from_numpy(crop)[None, None])[0].numpy()
            for level in levels:
                g_s(*transform.dequantised(coded(y, level), level))
    changed: dict[str, Tensor] = {}
    nets: tuple[tuple[str, Network, Seen], ...] = (("g_a", g_a, analysis), ("g_s", g_s, synthesis))
    for name, (key, net, seen) in zip(STEPS_LOG2, nets, strict=True):
        part = name.split("/", maxsplit=1)[0]
        changed[name] = torch.tensor(_fit(net, seen), dtype=torch.int16)
        changed |= {f"{part}/{key}.{own}": value.half() for own, value in net.state_dict().items()}
    return changed


@dataclass(frozen=True)
class _Row:
    """Residual blocks in a row."""

    blocks: list[Any]
    makers: tuple[nn.Conv2d, ...]
    """What the first block takes is the sum of what these make."""
    last: nn.Conv2d
    """What takes what the last block makes."""
    packed: bool
    """Whether that is in bytes."""


def _rows(net: Network) -> tuple[_Row, _Row]:
    """The two rows of a branch, in the order in which they run."""
    wide, deep = list(net.wide), list(net.deep)
    if isinstance(net, AnalysisTransform):
        return _Row(wide, (net.stem,), net.down, packed=False), _Row(
            deep, (net.down, net.join), net.out, packed=True
        )
    return _Row(deep, (net.join,), net.up, packed=True), _Row(wide, (net.up,), net.out, packed=False)


@contextmanager
def _largest(net: Network) -> Iterator[Seen]:
    """What the convolutions of a branch see while the context lasts."""
    seen: Seen = {}

    def look(conv: nn.Module, given: tuple[Tensor, ...]) -> None:
        largest = given[0].abs().amax((0, 2, 3))
        seen[conv] = torch.maximum(seen[conv], largest) if conv in seen else largest

    watched = [c for row in _rows(net) for block in row.blocks for c in (block.conv3, block.conv1)]
    hooks = [conv.register_forward_pre_hook(look) for conv in (*watched, *(row.last for row in _rows(net)))]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def _fit(net: Network, seen: Seen) -> list[int]:
    """Scale the channels of a branch, in place; logarithms of the steps, in the order of a model file."""
    powers: list[int] = []
    for row in _rows(net):
        takers = [*(block.conv3 for block in row.blocks), row.last]
        outer = _factor(seen, takers, 127 / OUTER)
        for block in row.blocks:
            inner = _factor(seen, [block.conv1], 255 / INNER)
            powers.append(_power(seen[block.conv3] / outer, 127 / OUTER))
            powers.append(_power(seen[block.conv1] / inner, 255 / INNER))
            _divide(block.conv3, inner)
            _multiply(block.conv1, inner)
            _divide(block.conv1, outer)
        for taker in takers:
            _multiply(taker, outer)
        for maker in row.makers:
            _divide(maker, outer)
        if isinstance(net, SynthesisTransform) and net.join in row.makers:
            net.modulate[:, len(outer) :] /= outer  # shifts; the gains before them stay
        powers += [_power(seen[row.last] / outer, 255 / OUTER)] if row.packed else []
    return powers


def _factor(seen: Seen, takers: Sequence[nn.Conv2d], most: float) -> Tensor:
    """What to divide the channels that `takers` take by; the largest then fits `most` steps of some power."""
    values = torch.stack([seen[taker] for taker in takers]).amax(0).clamp_min(TINY)
    weights = torch.stack([taker.weight.abs().amax((0, 2, 3)) for taker in takers]).amax(0).clamp_min(TINY)
    factor = values**TOWARDS_EQUAL / weights ** (1 - TOWARDS_EQUAL)
    factor /= factor.log().mean().exp()
    largest = float((values / factor).max())
    return factor * (largest / (most * 2.0 ** _power(values / factor, most)))


def _power(values: Tensor, most: float) -> int:
    """Logarithm of the smallest step of which `most` reach to all values."""
    power = math.ceil(math.log2(float(values.max()) / most) - 1e-4)
    return min(max(power, SMALLEST), GREATEST)


def _divide(conv: nn.Conv2d, factor: Tensor) -> None:
    """Divide what a convolution makes; where it makes positions of a channel, all of them alike."""
    factor = factor.repeat_interleave(len(conv.weight) // len(factor))
    conv.weight /= factor[:, None, None, None]
    if conv.bias is not None:
        conv.bias /= factor


def _multiply(conv: nn.Conv2d, factor: Tensor) -> None:
    conv.weight *= factor[:, None, None]
