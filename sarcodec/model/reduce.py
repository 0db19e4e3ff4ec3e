"""Synthesis at a fraction of the resolution: the mean over N x N pixels."""

from __future__ import annotations

from sarcodec.model.modelfile import Model
from sarcodec.model.transforms import Reduction

FACTORS = (2, 4, 8, 16)
"""Pixels a side that one pixel may stand for: divisors of a latent's own 16."""


def reduction(model: Model, factor: int, most: int) -> Reduction:
    """See :meth:`sarcodec.model.transforms.Transform.overview`."""
    return model.transform.overview(factor, most)
