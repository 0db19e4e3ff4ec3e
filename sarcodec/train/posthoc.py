"""Code a network that was trained without a rate term: steps by what the pixels feel, tables by counting.

Nothing of the network changes. A channel has one deviation, one mean and one quantiser step a rate level; the
entropy networks are silent, so a latent's table depends on its channel and the level alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sarcodec.model.hyper import Shape
from sarcodec.train.calibrate import calibrate
from sarcodec.train.data import PackedScenes
from sarcodec.train.network import SarNet

PROBED = 32
"""Training crops that deviations, means and sensitivities are measured on."""
LEAST, LEAST_PART = 2.0**-20, 2.0**-10
"""Smallest deviation of a channel, and smallest part of the widest channel's."""


def posthoc(
    g_a: nn.Module,
    g_s: nn.Module,
    shape: Shape,
    scenes: PackedScenes,
    path: Path,
    *,
    id: str,  # noqa: A002
    crops: int = 96,
    rounds: int = 3,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write plain transforms as a model file whose steps and tables fit `scenes`, never test data.

    Parameters
    ----------
    g_a, g_s : nn.Module
        Trained transforms, as `sarcodec.model.families.networks_of` makes them for `shape`.
    shape : Shape
        Groups, family and its sizes, and rate anchors; the entropy networks get the least sizes there are.
    scenes : PackedScenes
        Training scenes.
    id : str
        Name in the model file.
    crops, rounds, progress
        As for :func:`sarcodec.train.calibrate.calibrate`.
    """
    x, _ = scenes.batch(PROBED, np.random.default_rng(5), augment=False, level="scene")
    net = silent_net(g_a, g_s, shape, x)
    calibrate(
        net,
        scenes,
        path,
        id=id,
        crops=crops,
        rounds=rounds,
        level="scene",
        first_coded=0,
        progress=progress,
    )


@torch.no_grad()
def silent_net(g_a: nn.Module, g_s: nn.Module, shape: Shape, x: Tensor) -> SarNet:
    """A network around the transforms whose means and scales are constants, measured on `x` (B, 1, H, W)."""
    with torch.random.fork_rng(devices=()):
        net = SarNet(replace(shape, hyper=1, hidden=1)).eval()
    net.g_a.load_state_dict(g_a.state_dict())
    net.g_s.load_state_dict(g_s.state_dict())
    for value in net.entropy.parameters():
        value.zero_()
    y = torch.cat([net.g_a(part) for part in torch.split(x, 8)])
    deviation = y.std(dim=(0, 2, 3))
    net.deviation_log2.copy_(torch.log2(deviation.clamp(min=max(LEAST_PART * float(deviation.max()), LEAST))))
    net.fit_steps(y)
    return net
