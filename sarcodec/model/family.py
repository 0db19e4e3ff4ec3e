"""What a family of transforms gives: how one is checked, built from a model file, and trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy.typing as npt

from sarcodec.model.latent_scales import LatentScales
from sarcodec.model.schema import Schema, TransformShape
from sarcodec.model.transforms import Transform

if TYPE_CHECKING:
    from torch import Tensor, nn

S = TypeVar("S", bound=TransformShape)
S_contra = TypeVar("S_contra", bound=TransformShape, contravariant=True)
RESERVED = {
    "anchors",
    "family",
    "first_coded",
    "groups",
    "hidden",
    "hyper",
    "layers",
    "quantiser",
    "unit_db",
}
"""Settings that the model files of all families have."""
Arrays = Mapping[str, npt.NDArray[Any]]
"""Tensors of a model file by name."""
Coded = Callable[[npt.NDArray[Any], int], npt.NDArray[Any]]
"""Decoded latents of latents that are coded at a rate level."""
Fit = Callable[[Transform, Iterable[npt.NDArray[Any]], Sequence[int], Coded], "dict[str, Tensor]"]
"""Makes tensors of a model file from a transform, crops of training scenes and rate levels.

A crop is float32, shape (h, w), in network units; its sides are multiples of 16.
"""


class Build(Protocol[S_contra]):
    """Makes a transform of the checked tensors of a model file."""

    def __call__(self, shape: S_contra, scales: LatentScales, tensors: Arrays, device: str) -> Transform:
        """`tensors` have the dtypes of the file; nobody may change them. `device` is ``cpu`` or ``cuda``."""


@dataclass(frozen=True)
class Training(Generic[S]):
    """How a family is trained, in torch."""

    networks: Callable[[S, int, int], tuple[nn.Module, nn.Module]]
    """g_a and g_s, freshly initialised, for a shape, channels of latents and rate anchors.

    g_a maps (B, 1, H, W), H and W multiples of 16, to (B, C, H/16, W/16). g_s maps back; it takes latents and
    their fractional anchors, shape (B,) or (1,), None in a training without a rate. A model file has the
    parameters under ``analysis/g_a.`` and ``synthesis/g_s.``, in half precision.
    """
    orthonormal: bool = False
    """Whether untrained networks are an orthonormal transform: quantiser steps suit it as they are."""
    slow: tuple[str, ...] = ()
    """Ends of the names of parameters that learn slowly, because they start near their best."""
    channels_last: bool = True
    """Whether float32 training on a CPU is faster if channels come last in memory."""
    fit_before: Fit | None = None
    """Makes tensors that the symbols depend on, before probability tables are counted."""
    fit_after: Fit | None = None
    """Makes tensors from the finished model."""
    same: tuple[str, ...] = ()
    """Settings that a smaller model must share with networks that start with its weights."""
    grow: Callable[[Transform, S, S, tuple[nn.Module, nn.Module]], None] | None = None
    """Puts the weights of a smaller transform of the first shape into networks of the second, if it can."""


@dataclass(frozen=True)
class Family(Generic[S]):
    """An entry of :data:`sarcodec.model.families.REGISTRY`."""

    shape: type[S]
    """Its settings; ``shape.family`` is the family's name."""
    schema: Callable[[S, int, int], Schema]
    """The tensors of a shape, channels of latents and rate anchors."""
    build: Build[S]
    training: Training[S] | None = None
    """None: models of the family come from elsewhere."""
    name_in_digest: bool = True
    """Whether the digest of the synthesis covers the family's name."""
    also_written: dict[str, int] = field(default_factory=dict)
    """Settings without a meaning in this family that its model files hold nevertheless."""

    def __post_init__(self) -> None:
        if taken := RESERVED & set(self.shape.names()):
            raise ValueError(f"settings of every family are called {', '.join(sorted(taken))}")
