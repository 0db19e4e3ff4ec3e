"""The transforms of a model, by the family that its shape names."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sarcodec.model.autoencoders import (
    PlainAnalysis,
    PlainSynthesis,
    ResidualAnalysis,
    ResidualSynthesis,
)
from sarcodec.model.hyper import Shape
from sarcodec.model.transforms import AnalysisTransform, SynthesisTransform


def transforms(shape: Shape) -> tuple[nn.Module, nn.Module]:
    """g_a and g_s, freshly initialised.

    g_a maps (B, 1, H, W), H and W multiples of 16, to (B, C, H/16, W/16). g_s maps back; it takes the latents
    and a row of its `modulate` where it has a `branch`, else None.
    """
    if shape.family == "plain":
        return PlainAnalysis(shape.channels, shape.base), PlainSynthesis(shape.channels, shape.base)
    if shape.family == "residual":
        return ResidualAnalysis(shape.channels, shape.base), ResidualSynthesis(shape.channels, shape.base)
    sizes = (shape.channels, shape.wide, shape.deep, shape.wide_blocks, shape.deep_blocks)
    return AnalysisTransform(*sizes), SynthesisTransform(*sizes, shape.anchors)


def claimed(shape: Shape) -> dict[str, Tensor]:
    """Every tensor of g_a and g_s by its name in a model file; they have shapes and take no memory."""
    with torch.device("meta"):
        g_a, g_s = transforms(shape)
    found = {f"analysis/g_a.{name}": value for name, value in g_a.state_dict().items()}
    return found | {f"synthesis/g_s.{name}": value for name, value in g_s.state_dict().items()}
