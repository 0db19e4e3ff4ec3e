"""Weights of the lapped networks from those of fewer latents, blocks or rate anchors.

Basis functions are ordered by frequency, so the first channels of a large network are those of a smaller one.
New channels touch nothing but their own basis function.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sarcodec.model.lapped.shape import LappedShape
from sarcodec.model.lapped.transform import LappedTransform
from sarcodec.model.transforms import Transform

SAME = ("wide", "deep", "wide_blocks")
"""Sizes that must agree."""


@torch.no_grad()
def grow(
    transform: Transform, small: LappedShape, large: LappedShape, nets: tuple[nn.Module, nn.Module]
) -> None:
    """See :class:`sarcodec.model.family.Training`. Of more deep blocks the last ones stay."""
    assert isinstance(transform, LappedTransform)
    skipped = max(0, small.deep_blocks - large.deep_blocks)
    for new_net, old_net in zip(nets, (transform.g_a, transform.g_s), strict=True):
        stored, of_analysis = old_net.state_dict(), new_net is nets[0]
        for name in list(stored) if of_analysis and skipped else ():
            if name.startswith("deep."):
                _, block, rest = name.split(".", 2)
                value = stored.pop(name)
                if int(block) >= skipped:
                    stored[f"deep.{int(block) - skipped}.{rest}"] = value
        for name, new in new_net.state_dict().items():
            if name in stored:
                zero = name.startswith("join.weight") or (name.startswith("out.") and of_analysis)
                _corner(new, stored[name], rest=0.0 if zero else None)
    if large.wide:
        modulate, last = nets[1].get_parameter("modulate"), transform.scales.anchors
        modulate[last:] = modulate[last - 1]


def _corner(new: Tensor, old: Tensor, *, rest: float | None = None) -> None:
    """Copy `old` into the first entries of `new` in every dimension; set the others to `rest` if given."""
    if rest is not None:
        new.fill_(rest)
    common = tuple(slice(min(a, b)) for a, b in zip(new.shape, old.shape, strict=True))
    new[common] = old[common].to(new.dtype)
