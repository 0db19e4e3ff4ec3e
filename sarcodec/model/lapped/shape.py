"""Settings and tensors of the lapped family: a lapped transform with a convolutional branch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from sarcodec.model.schema import (
    DEEPEST,
    WIDEST,
    Claims,
    Schema,
    TransformShape,
    convolutions,
    in_range,
    setting,
)
from sarcodec.model.transforms import STRIDE

OVERVIEWS = (4, 8)
"""Factors of reduction that a model may have kernels for; those for 8 are also those for 16, averaged."""
STEPS_LOG2 = ("analysis/steps_log2", "synthesis/steps_log2")
"""Logarithms of the steps of bytes, see :mod:`sarcodec.model.lapped.branch`."""
SMALLEST, GREATEST = -14, 0
"""Of the logarithm of the step of a byte."""


@dataclass(frozen=True)
class LappedShape(TransformShape):
    """Sizes of the branch; without any ``wide`` channels there is none."""

    family: ClassVar[str] = "lapped"
    wide: int = setting(64, 0, WIDEST)
    """Channels at stride 8."""
    deep: int = setting(128, 0, WIDEST)
    """Channels at stride 16."""
    wide_blocks: int = setting(3, 0, DEEPEST)
    deep_blocks: int = setting(2, 0, DEEPEST)

    def __post_init__(self) -> None:
        super().__post_init__()
        in_range(self.deep, "deep", 1 if self.wide else 0, WIDEST)

    @property
    def reach(self) -> int:
        """Half a block of the lapped transform, and residual blocks at strides 8 and 16."""
        return max(1, self.deep_blocks + -(-(self.wide_blocks + 1) // 2))

    @property
    def overview_kernel(self) -> int:
        """Side of the kernels of overviews: as far as the half of the branch reaches that they stand for."""
        return 2 * (self.reach - self.deep_blocks) + 1


def schema(shape: LappedShape, channels: int, anchors: int) -> Schema:
    """Tensors of a model file; those of branches in 8 bits and those of overviews are optional."""
    claims: Claims = {
        "analysis/g_a.lapped.weight": ("F16", (channels, STRIDE**2, 2, 2)),
        "synthesis/g_s.lapped.weight": ("F16", (STRIDE**2, channels, 2, 2)),
    }
    if not shape.wide:
        return Schema(claims)
    claims |= convolutions("analysis/g_a.", _analysis(shape, channels))
    claims |= convolutions("synthesis/g_s.", _synthesis(shape, channels))
    claims["synthesis/g_s.modulate"] = ("F16", (anchors, 2 * shape.deep))
    steps = 2 * (shape.wide_blocks + shape.deep_blocks) + 1
    in_bytes: Claims = dict.fromkeys(STEPS_LOG2, ("I16", (steps,)))
    kernel = shape.overview_kernel
    kernels = [(f"{factor}", ((STRIDE // factor) ** 2, shape.deep, kernel, kernel)) for factor in OVERVIEWS]
    ranges = dict.fromkeys(STEPS_LOG2, (SMALLEST, GREATEST))
    return Schema(claims, (in_bytes, convolutions("overview/", kernels)), ranges)


Layers = Iterator[tuple[str, tuple[int, ...]]]


def _analysis(shape: LappedShape, channels: int) -> Layers:
    yield "stem", (shape.wide, 64, 2, 2)
    yield from _blocks("wide", shape.wide, shape.wide_blocks)
    yield "down", (shape.deep, shape.wide, 2, 2)
    yield "join", (shape.deep, channels, 1, 1)
    yield from _blocks("deep", shape.deep, shape.deep_blocks)
    yield "out", (channels, shape.deep, 1, 1)


def _synthesis(shape: LappedShape, channels: int) -> Layers:
    yield "join", (shape.deep, channels, 1, 1)
    yield from _blocks("deep", shape.deep, shape.deep_blocks)
    yield "up", (4 * shape.wide, shape.deep, 1, 1)
    yield from _blocks("wide", shape.wide, shape.wide_blocks)
    yield "out", (64, shape.wide, 2, 2)


def _blocks(name: str, width: int, count: int) -> Layers:
    for block in range(count):
        yield f"{name}.{block}.conv3", (width, width, 3, 3)
        yield f"{name}.{block}.conv1", (width, width, 1, 1)
