"""The families of transforms. A line in `REGISTRY` adds one, see docs/adr/0018-transform-protocol.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sarcodec.errors import UnsupportedError
from sarcodec.model import lapped, plain, residual
from sarcodec.model.family import Arrays, Family, Training
from sarcodec.model.latent_scales import LatentScales
from sarcodec.model.schema import Schema
from sarcodec.model.transforms import Transform

if TYPE_CHECKING:
    from torch import nn

    from sarcodec.model.hyper import Shape

REGISTRY: dict[str, Family[Any]] = {
    family.shape.family: family for family in (lapped.FAMILY, plain.FAMILY, residual.FAMILY)
}
"""Every family by its name in model files."""
DEFAULT = lapped.FAMILY.shape.family
"""The family of model files that name none."""


def schema_of(shape: Shape) -> Schema:
    """The tensors of a model's transform."""
    return REGISTRY[shape.family].schema(shape.transform, shape.channels, shape.anchors)


def transform_of(shape: Shape, scales: LatentScales, tensors: Arrays, device: str) -> Transform:
    """The transform that a model file holds."""
    return REGISTRY[shape.family].build(shape.transform, scales, tensors, device)


def training_of(shape: Shape) -> Training[Any]:
    """How transforms of a shape are trained.

    Raises
    ------
    UnsupportedError
        The family cannot be trained here.
    """
    training = REGISTRY[shape.family].training
    if training is None:
        raise UnsupportedError(f"transforms of the family {shape.family!r} cannot be trained")
    return training


def networks_of(shape: Shape) -> tuple[nn.Module, nn.Module]:
    """g_a and g_s for training, freshly initialised, see :class:`sarcodec.model.family.Training`."""
    return training_of(shape).networks(shape.transform, shape.channels, shape.anchors)
