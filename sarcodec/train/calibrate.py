"""Fit probability tables to the symbols that the encoder really writes.

The trained densities are Gaussians under additive noise; real residuals have heavier tails and the
encoder's rate-distortion choice removes small symbols. Tables are data of the model file, so they
may as well be measured.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sarcodec.model import modelfile
from sarcodec.model.entropy import LatentCoder
from sarcodec.model.families import training_of
from sarcodec.model.family import Fit
from sarcodec.model.modelfile import Model
from sarcodec.model.tables import WIDEST
from sarcodec.native.trellis_code import MEAN_STEPS, SCALES, SHRUNK
from sarcodec.train.data import PackedScenes
from sarcodec.train.export import (
    HYPER_SILENT,
    hyper_pmfs,
    latent_pmfs,
    put_tables,
    tensors_of,
    write,
)
from sarcodec.train.network import SarNet

PRIOR_WEIGHT = 40.0
"""Symbols that the Gaussian counts for in a fitted table."""
CROP = 256
"""Pixels a side of crops that tables are fitted to: smaller ones are mostly edge to the entropy networks."""
LAST_CROPS = 4
"""Crops that a family measures the finished model on, for one that tables are fitted to."""


def scenes_to_fit(path: Path, crop: int) -> PackedScenes:
    """Packed scenes in crops of CROP pixels a side if any is as large, else of `crop`."""
    scenes = PackedScenes(path, crop)
    large = any(min(scene.height, scene.width) >= CROP for scene in scenes.scenes)
    return PackedScenes(path, CROP) if large else scenes


class Census:
    """Counts of symbols by table."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.prior = latent_pmfs(model.shape.quantiser)
        self.counts = np.zeros((len(self.prior), 2 * WIDEST + 1))
        self.sizes = np.zeros((2, SHRUNK, 2))
        """Number and sum of the magnitudes that became each magnitude, of either quantiser."""
        self.hyper = np.zeros((model.shape.anchors, model.shape.hyper, 81))

    def observe(self, rows: npt.NDArray[Any], symbols: npt.NDArray[Any], residual: npt.NDArray[Any]) -> None:
        """Take in coded latents: table, symbol and what the symbol stands for, in quantiser steps."""
        inside = np.abs(symbols) <= WIDEST
        np.add.at(self.counts, (rows[inside], symbols[inside] + WIDEST), 1)
        some = symbols != 0
        quantiser, size = rows[some] // SCALES, np.abs(symbols[some])
        point = 2 * size - quantiser - residual[some] * np.sign(symbols[some])
        kind = np.minimum(size, SHRUNK) - 1
        np.add.at(self.sizes[..., 0], (quantiser, kind), 1)
        np.add.at(self.sizes[..., 1], (quantiser, kind), point)

    def shrink(self) -> torch.Tensor:
        """Sixteenths of a step by which magnitudes lie below the points of the quantisers, in the mean."""
        mean = self.sizes[..., 1] / np.maximum(self.sizes[..., 0], 1)
        return torch.from_numpy(np.clip(np.rint(MEAN_STEPS * mean), -MEAN_STEPS, MEAN_STEPS)).to(torch.int16)

    def add(self, y: npt.NDArray[Any], level: int) -> float:
        """Code a tile's latents and take them in; returns the bits."""
        coder = LatentCoder(self.model, level)
        z = np.clip(coder.hyper_symbols(y), -40, 40)
        anchor = round(level / 256)
        channel = np.broadcast_to(np.arange(z.shape[0])[:, None, None], z.shape)
        np.add.at(self.hyper[anchor], (channel, z + 40), 1)
        return coder.encode(y, dry=True, observe=self.observe).bits

    def pmfs(self) -> list[npt.NDArray[Any]]:
        """Symmetric masses: counts of both signs, and the Gaussian as a few symbols more."""
        both = self.counts + self.counts[:, ::-1]
        out = []
        for row, prior in zip(both, self.prior, strict=True):
            seen = np.flatnonzero(row[WIDEST:])
            half = max(len(prior) // 2, min(WIDEST, int(seen.max(initial=0)) + 1))
            near = row[WIDEST - half : WIDEST + half + 1]
            wide = np.pad(prior, half - len(prior) // 2, constant_values=2e-6)
            out.append((near + PRIOR_WEIGHT * wide) / (row.sum() + PRIOR_WEIGHT))
        return out

    def hyper_pmfs(self, trained: list[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Masses of hyper-latents by anchor and channel; trained densities weigh as much as a few symbols."""
        out = []
        for rows in self.hyper:
            for row, prior in zip(rows, trained, strict=True):
                half = max(len(prior) // 2, int(np.abs(np.flatnonzero(row) - 40).max(initial=0)))
                half = min(half, 40)
                wide = (
                    np.pad(prior, half - len(prior) // 2, constant_values=1e-6)
                    if half > len(prior) // 2
                    else prior
                )
                near = row[40 - half : 40 + half + 1]
                out.append((near + PRIOR_WEIGHT * wide) / (row.sum() + PRIOR_WEIGHT))
        return out


def measured(
    fit: Fit | None, model: Model, crops: Iterable[npt.NDArray[Any]], levels: Sequence[int]
) -> dict[str, Tensor]:
    """Tensors of a model file that a family measures, see :data:`sarcodec.model.family.Fit`; maybe none."""

    def coded(y: npt.NDArray[Any], level: int) -> npt.NDArray[Any]:
        return LatentCoder(model, level).encode(y, dry=True).y_hat

    return fit(model.transform, crops, levels, coded) if fit else {}


def calibrate(
    net: SarNet,
    scenes: PackedScenes,
    path: Path,
    *,
    id: str,  # noqa: A002
    crops: int = 96,
    rounds: int = 3,
    level: str = "crop",
    first_coded: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write `net` as a model file; its tables and what its family measures fit `scenes`, never test data.

    Parameters
    ----------
    scenes : PackedScenes
        Training scenes.
    crops : int
        Crops to code at each of the levels, in every round.
    rounds : int
        Times the tables are fitted; the encoder's choices depend on them.
    level : str
        What the crops are shifted by, see :meth:`PackedScenes.batch`.
    first_coded : int
        Latents of tables below this one are not coded; what the quantiser usually has if left out.
    """
    tensors, training = tensors_of(net), training_of(net.shape)
    trained = hyper_pmfs(net)
    x, _ = scenes.batch(crops, np.random.default_rng(7), augment=False, level=level)
    rates = np.linspace(0, 256 * (net.shape.anchors - 1), 11).astype(int).tolist()
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "draft.safetensors"
        write(draft, tensors, net, id=id, first_coded=first_coded)
        tensors |= measured(training.fit_before, modelfile.load(draft), x[:, 0].numpy(), rates[::2])
        for number in range(rounds):
            write(draft, tensors, net, id=id, first_coded=first_coded)
            model = modelfile.load(draft)
            census = Census(model)
            for i in range(crops):
                y = model.analyse(x[i, 0].numpy())
                for rate in rates:
                    census.add(y, rate)
                if progress:
                    progress(number * crops + i + 1, rounds * crops)
            put_tables(tensors, "y", census.pmfs())
            if "entropy/y_shrink" in tensors:
                tensors["entropy/y_shrink"] = census.shrink()
            put_tables(tensors, "z", census.hyper_pmfs(trained))
            active = census.hyper[:, :, np.arange(81) != 40].sum(2) / np.maximum(census.hyper.sum(2), 1)
            tensors["entropy/z_coded"] = torch.from_numpy((active > HYPER_SILENT).astype(np.uint8))
        write(draft, tensors, net, id=id, first_coded=first_coded)
        many, _ = scenes.batch(LAST_CROPS * crops, np.random.default_rng(8), augment=True, level=level)
        tensors |= measured(training.fit_after, modelfile.load(draft), many[:, 0].numpy(), rates)
        write(path, tensors, net, id=id, first_coded=first_coded)
