"""Turn a trained network into a model file: integers, tables, half-precision transforms."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sarcodec.model import modelfile, trellis
from sarcodec.model.hyper import FRACTION
from sarcodec.model.integer import IntConv2d
from sarcodec.model.integer_bytes import rounded
from sarcodec.model.levels import STEPS, power_table
from sarcodec.model.tables import PRECISION, WIDEST, scale_deviations
from sarcodec.native.trellis_code import SHRUNK
from sarcodec.train.compressai_parts import pmf_to_quantized_cdf
from sarcodec.train.data import UNIT_DB
from sarcodec.train.network import SarNet

FIRST_CODED = {"scalar": 5, "trellis": 9}
"""Latents of narrower tables are not coded: fewer than one symbol in ten thousand would not be zero there."""
HYPER_SILENT = 1e-4
"""A hyper-latent channel with less chance than this of anything but zero is not coded."""


def quantised_tables(pmfs: list[npt.NDArray[Any]]) -> tuple[Tensor, Tensor, Tensor]:
    """Cumulative counts of probability mass functions, each centred on 0 and of odd length.

    Returns
    -------
    cdf : Tensor, shape (tables, longest), int32
    size, offset : Tensor, shape (tables,), int32
    """
    rows, sizes, offsets = [], [], []
    for pmf in pmfs:
        tail = max(1.0 - float(pmf.sum()), 2.0**-PRECISION)
        row = pmf_to_quantized_cdf([*np.maximum(pmf, 1e-9).tolist(), tail], PRECISION)
        rows.append(row)
        sizes.append(len(row))
        offsets.append(-(len(pmf) // 2))
    cdf = torch.zeros(len(rows), max(sizes), dtype=torch.int32)
    for i, row in enumerate(rows):
        cdf[i, : len(row)] = torch.tensor(row, dtype=torch.int32)
    return cdf, torch.tensor(sizes, dtype=torch.int32), torch.tensor(offsets, dtype=torch.int32)


def gaussian_pmf(deviation: float, ends: Callable[[int], float] = lambda n: n + 0.5) -> npt.NDArray[Any]:
    """Mass of a zero-mean Gaussian in the bins of symbols, cut where a tail is below 2^-17 or at WIDEST.

    `ends` gives where the bin of a symbol of 0, 1, ... ends.
    """
    half = 1
    while half < WIDEST and ends(half) < 4.3 * deviation:
        half += 1
    upper = [ends(n) / (deviation * math.sqrt(2)) for n in range(half + 1)]
    inner = np.array([math.erf(e) for e in upper])
    sides = np.diff(inner) / 2
    return np.concatenate((sides[::-1], inner[:1], sides))


def latent_pmfs(quantiser: str) -> list[npt.NDArray[Any]]:
    """Gaussians in the bins of a quantiser at each scale; of the trellis, one quantiser after the other."""
    if quantiser == "scalar":
        return [gaussian_pmf(d) for d in scale_deviations()]
    ends = (lambda n: 2 * n + 1.0, lambda n: max(0.5, 2.0 * n))
    return [gaussian_pmf(d, end) for end in ends for d in scale_deviations()]


@torch.no_grad()
def hyper_pmfs(net: SarNet) -> list[npt.NDArray[Any]]:
    """Mass of each hyper-latent channel under CompressAI's factorised density, on integers about 0."""
    half = 40
    grid = torch.arange(-half, half + 1, dtype=torch.float32).expand(net.shape.hyper, 1, -1)
    mass = net.entropy_bottleneck._likelihood(grid.contiguous(), stop_gradient=True)[0][:, 0]  # noqa: SLF001
    return [_trimmed(row) for row in mass.cpu().numpy().astype(np.float64)]


def _trimmed(pmf: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Drop symmetric tails that hold less than one count together."""
    half = len(pmf) // 2
    while half > 1 and pmf[0] + pmf[-1] < 2.0**-PRECISION:
        pmf, half = pmf[1:-1], half - 1
    return pmf


def tensors_of(net: SarNet) -> dict[str, Tensor]:
    """All tensors of the model file: tables from the trained densities, integer weights that are bytes."""
    net = net.cpu().eval()
    tensors: dict[str, Tensor] = {}
    for name, value in net.g_a.state_dict().items():
        tensors[f"analysis/g_a.{name}"] = value.half()
    for name, value in net.entropy.h_a.state_dict().items():
        tensors[f"analysis/h_a.{name}"] = value.half()
    tensors["analysis/deviation_log2"] = net.deviation_log2.float()
    for name, value in net.g_s.state_dict().items():
        tensors[f"synthesis/g_s.{name}"] = value.half()
    finer = trellis.finer(net.shape.quantiser)
    tensors["synthesis/inverse_log2"] = net.inverse_log2.detach().float() - finer
    for name, module in net.entropy.named_modules():
        if isinstance(module, IntConv2d):
            weight, bias = module.integers()
            tensors[f"entropy/nets.{name}.weight"] = rounded(weight).to(torch.int16)
            tensors[f"entropy/nets.{name}.bias"] = bias.detach().to(torch.int32)
    gain = net.gain_log2.detach() + finer
    unit = gain + net.deviation_log2
    tensors["analysis/gain_log2"] = torch.round(gain * STEPS).to(torch.int16)
    tensors["entropy/mean_log2"] = torch.round(unit * STEPS).to(torch.int16)
    tensors["entropy/scale_offset"] = torch.round((unit + net.scale_log2.detach()) * FRACTION).to(torch.int16)
    tensors["entropy/hyper_log2"] = torch.round(net.hyper_gain_log2.detach() * STEPS).to(torch.int16)
    tensors["entropy/powers"] = torch.from_numpy(power_table()).to(torch.int32)
    put_tables(tensors, "y", latent_pmfs(net.shape.quantiser))
    if net.shape.quantiser == "trellis":
        tensors["entropy/y_shrink"] = torch.zeros(2, SHRUNK, dtype=torch.int16)
    put_tables(tensors, "z", hyper_pmfs(net) * net.shape.anchors)
    tensors["entropy/z_coded"] = torch.ones(net.shape.anchors, net.shape.hyper, dtype=torch.uint8)
    return {k: v.detach().clone() for k, v in tensors.items()}


def put_tables(tensors: dict[str, Tensor], which: str, pmfs: list[npt.NDArray[Any]]) -> None:
    """Store the tables of latents ("y") or hyper-latents ("z")."""
    cdf, size, offset = quantised_tables(pmfs)
    tensors[f"entropy/{which}_cdf"], tensors[f"entropy/{which}_size"] = cdf, size
    tensors[f"entropy/{which}_offset"] = offset


def write(
    path: Path,
    tensors: dict[str, Tensor],
    net: SarNet,
    *,
    id: str,  # noqa: A002
    first_coded: int | None = None,
) -> None:
    """Write tensors as a model file: the first group is the base layer, each other an enhancement layer."""
    if first_coded is None:
        first_coded = FIRST_CODED[net.shape.quantiser]
    modelfile.write(
        path,
        tensors,
        id=id,
        shape=net.shape,
        layers=net.shape.groups,
        unit_db=UNIT_DB,
        first_coded=first_coded,
    )
