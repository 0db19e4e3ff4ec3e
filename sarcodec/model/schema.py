"""The settings of a family of transforms, each with its range, and the tensors that its model files hold."""

from __future__ import annotations

import abc
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

WIDEST = 2048
"""Channels of a layer."""
DEEPEST = 32
"""Residual blocks in a row, groups, and rate anchors."""

Claim = tuple[str, tuple[int | None, ...]]
"""Dtype of a tensor as safetensors names it, such as ``F16``, and shape; the file chooses a size of None."""
Claims = dict[str, Claim]
"""Claims by the tensor's name in a model file."""


@dataclass(frozen=True)
class Schema:
    """The tensors of a family in a model file."""

    required: Claims
    optional: tuple[Claims, ...] = ()
    """Of each of these sets, a file has all or none."""
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Least and greatest value of integer tensors."""


def setting(default: int, low: int, high: int) -> Any:
    """A field of a :class:`TransformShape`: a whole number of `low` to `high`.

    A default outside of the range makes the field one that has to be given.
    """
    return field(default=default, metadata={"range": (low, high)})


@dataclass(frozen=True)
class TransformShape(abc.ABC):
    """Settings of a transform: what a family derives from it adds fields by :func:`setting`.

    The JSON of a model file holds every field under its name; the digest of the synthesis covers them all.

    Raises
    ------
    ValueError
        A setting is not a whole number in its range.
    """

    family: ClassVar[str]
    """Name of the family in model files."""

    def __post_init__(self) -> None:
        for own in fields(self):
            in_range(getattr(self, own.name), own.name, *own.metadata["range"])

    @property
    @abc.abstractmethod
    def reach(self) -> int:
        """Latents on each side that a pixel depends on; a latent depends on 16 times as many pixels."""

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Names of all settings."""
        return tuple(own.name for own in fields(cls))


def in_range(value: Any, name: str, low: int, high: int) -> int:
    """`value`, if it is a whole number of `low` to `high`.

    Raises
    ------
    ValueError
        It is not; `name` is in the message.
    """
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} is {str(value)[:40]}, not a whole number of {low} to {high}")
    return value


def convolutions(
    part: str, layers: Iterable[tuple[str, tuple[int, ...]]], *, transposed: bool = False
) -> Claims:
    """Claims of half-precision convolutions, each with a bias.

    Parameters
    ----------
    part : str
        What names begin with, such as ``synthesis/g_s.``.
    layers : iterable of (name, shape)
        Shape of the weight: outputs, inputs, rows, columns; if `transposed`, inputs first.
    """
    claims: Claims = {}
    for name, size in layers:
        claims |= {
            f"{part}{name}.weight": ("F16", size),
            f"{part}{name}.bias": ("F16", (size[int(transposed)],)),
        }
    return claims
