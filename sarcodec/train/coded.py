"""Latents as the real encoder codes them, for a synthesis that learns late in a run.

The noise of a trellis is not that of rounding, and what the encoder drops to save bits is no noise at all.
So the last part of a run freezes everything that decides symbols and trains g_s on decoded latents.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sarcodec.model import modelfile, trellis
from sarcodec.model.entropy import LatentCoder
from sarcodec.model.levels import STEPS
from sarcodec.model.runtime import one_thread, threads_kept
from sarcodec.native.trellis_code import MEAN_STEPS
from sarcodec.parallel import ordered_map, workers
from sarcodec.train.calibrate import calibrate
from sarcodec.train.data import PackedScenes
from sarcodec.train.network import SarNet

CROPS, ROUNDS = 32, 2
"""Of the fit of tables: rougher than that of the model file, for only choices depend on it here."""


class RealLatents:
    """The encoder of a network as it is now; later changes of the network do not reach it.

    Parameters
    ----------
    scenes : PackedScenes
        What tables are fitted to.
    """

    def __init__(self, net: SarNet, scenes: PackedScenes) -> None:
        with tempfile.TemporaryDirectory() as folder, threads_kept():
            path = Path(folder) / "now.safetensors"
            calibrate(net, scenes, path, id="now", crops=CROPS, rounds=ROUNDS)
            self.model = modelfile.load(path)

    def decoded(self, x: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
        """Decoded latents of crops.

        Parameters
        ----------
        x : Tensor, shape (B, 1, H, W)
            dB about a mean, in network units.
        position : Tensor, shape (B,)
            Rate anchors, fractional; rounded to levels.

        Returns
        -------
        y_hat : Tensor, shape (B, C, h, w), float32
            In steps of the network's own, scalar quantiser.
        bits : Tensor, shape (B,)
        """
        crops = x[:, 0].float().cpu().numpy()
        levels = torch.round(position * STEPS).int().tolist()

        def work(item: tuple[npt.NDArray[Any], int]) -> tuple[npt.NDArray[Any], float]:
            crop, level = item
            coded = LatentCoder(self.model, level).encode(self.model.analyse(crop), dry=True)
            return coded.y_hat.astype(np.float32), coded.bits

        with threads_kept():
            pairs = zip(crops, levels, strict=True)
            found = list(ordered_map(work, pairs, workers(None), one_thread))
        unit = MEAN_STEPS * 2 ** trellis.finer(self.model.shape.quantiser)
        y_hat = torch.from_numpy(np.stack([y for y, _ in found])) / unit
        return y_hat.to(x.device), torch.tensor([bits for _, bits in found], device=x.device)
