"""How much the decoded pixels move when a latent does: what an orthonormal transform would have as 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn

PROBE = 0.05
"""Perturbations, in deviations of a channel: large against rounding, small against a quantiser step."""
LEAST = 2.0**-40
"""A channel that moves nothing counts as one that hardly moves anything."""


@torch.no_grad()
def pixel_sensitivity(
    g_s: nn.Module, y: Tensor, deviation: Tensor, *, seed: int = 0, batch: int = 8
) -> Tensor:
    """Squared change of the pixels per squared change of the latents, channel by channel.

    Every latent of a channel is moved by a small step of random sign; signs make what neighbours do to the
    same pixel cancel on average.

    Parameters
    ----------
    g_s : nn.Module
        Synthesis transform; it is taken at its first rate level.
    y : Tensor, shape (B, C, h, w)
        Latents of training crops.
    deviation : Tensor, shape (C,)
        Standard deviation of each channel, above 0.
    seed : int
        Of the signs.
    batch : int
        Crops that are decoded at once.

    Returns
    -------
    Tensor, shape (C,), float32
        1 in every channel of an orthonormal transform, whatever the latents.
    """
    generator = torch.Generator(y.device).manual_seed(seed)
    change = torch.zeros(y.shape[1], dtype=torch.float64)
    for part in torch.split(y, batch):
        before = _decode(g_s, part)
        for channel, step in enumerate((PROBE * deviation).tolist()):
            signs = torch.randint(0, 2, part[:, 0].shape, generator=generator, device=y.device) * 2 - 1
            moved = part.clone()
            moved[:, channel] += step * signs
            there = (_decode(g_s, moved) - before).double().square().sum()
            change[channel] += float(there) / step**2
    latents = y.shape[0] * y.shape[2] * y.shape[3]
    return (change / latents).clamp(min=LEAST).float().to(y.device)


def _decode(g_s: nn.Module, y: Tensor) -> Tensor:
    x: Tensor = g_s(y, torch.zeros(1, device=y.device))
    return x.float()
