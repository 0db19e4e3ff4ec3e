"""A transform that two torch networks make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sarcodec.model.family import Arrays
from sarcodec.model.latent_scales import LatentScales
from sarcodec.model.levels import STEPS
from sarcodec.model.transforms import Pixels, Transform


class NetworkTransform(Transform):
    """See :class:`sarcodec.model.transforms.Transform`.

    Parameters
    ----------
    reach : int
    scales : LatentScales
    g_a, g_s : nn.Module
        As :class:`sarcodec.model.family.Training` describes them, ready for inference.
    device : str
        Where they are.
    """

    def __init__(self, reach: int, scales: LatentScales, g_a: nn.Module, g_s: nn.Module, device: str) -> None:
        self.reach, self.channels, self.scales = reach, scales.channels, scales
        self.g_a, self.g_s, self.device = g_a, g_s, device

    @torch.inference_mode()
    def analyse(self, x: Pixels) -> npt.NDArray[np.float32]:
        """See :class:`Transform`."""
        y: npt.NDArray[np.float32] = (
            self.g_a(torch.from_numpy(x)[None, None].to(self.device))[0].float().cpu().numpy()
        )
        return y

    @torch.inference_mode()
    def synthesise(self, y_hat: npt.NDArray[Any], level: int) -> Pixels:
        """See :class:`Transform`."""
        x: Pixels = self.g_s(*self.dequantised(y_hat, level))[0, 0].cpu().numpy()
        return x

    def dequantised(self, y_hat: npt.NDArray[Any], level: int) -> tuple[Tensor, Tensor]:
        """What g_s takes: latents (1, c, h, w), float32, and their fractional anchor, shape (1,)."""
        y = torch.from_numpy(self.scales.dequantised(y_hat, level)).to(self.device)
        return y[None], torch.tensor([level / STEPS], device=self.device, dtype=torch.float32)


def loaded(
    make: Callable[[], tuple[nn.Module, nn.Module]], tensors: Arrays, device: str
) -> tuple[nn.Module, nn.Module]:
    """g_a and g_s with the weights of a model file, ready for inference; random numbers are left alone."""
    with torch.device("cpu"), torch.random.fork_rng(devices=()):
        g_a, g_s = make()
    for module, prefix in ((g_a, "analysis/g_a."), (g_s, "synthesis/g_s.")):
        fill(module, part(tensors, prefix))
        module.eval().to(device).to(memory_format=torch.channels_last)
    return g_a, g_s


def fill(module: nn.Module, stored: Arrays) -> None:
    """Give a network its weights, as float32 whatever torch's default is."""
    weights = {name: torch.from_numpy(value).float() for name, value in stored.items()}
    module.load_state_dict(weights, assign=True)


def part(tensors: Arrays, prefix: str) -> dict[str, npt.NDArray[Any]]:
    """Tensors whose name begins with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
