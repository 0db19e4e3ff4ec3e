"""Small made-up rasters and their way through the codec."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.dataset import SarcDataset
from sarcodec.types import Place

Array = npt.NDArray[Any]


def power(shape: tuple[int, int], seed: int = 0, *, looks: float = 4.0, contrast: float = 1.5) -> Array:
    """Linear power, float64: gamma speckle about 0.05 on a slow trend of `contrast` nepers and a step."""
    rng = np.random.default_rng(seed)
    rows, cols = np.linspace(0, 1, shape[0])[:, None], np.linspace(0, 1, shape[1])
    trend = contrast * np.sin(3 * rows + 2 * cols) + (rows > 0.6) * (cols < 0.4)
    speckle: Array = 0.05 * np.exp(trend) * rng.gamma(looks, 1 / looks, shape)
    return speckle


def dn(shape: tuple[int, int], seed: int = 0, **options: float) -> Array:
    """Amplitude DN, uint16, never 0; options as for :func:`power`."""
    amplitude: Array = np.maximum(np.rint(1000 * np.sqrt(power(shape, seed, **options))), 1)
    return amplitude.astype(np.uint16)


def usual_scale(dtype: npt.DTypeLike) -> str:
    """What the scenes of tests are if nothing says so: power in floats, DN in integers."""
    return "power" if np.dtype(dtype).kind == "f" else "dn"


def open_bytes(data: bytes, model: str | None, **options: Any) -> SarcDataset:
    """A dataset of a `.sarc` file in memory."""
    return SarcDataset(io.BytesIO(data), "<bytes>", model=model, jobs=1, **options)


def decode_bytes(data: bytes, model: str | None, **options: Any) -> Array:
    """All pixels of a `.sarc` file in memory, shape (bands, height, width)."""
    with open_bytes(data, model, **options) as coded:
        return coded.read()


def rmse(a: Array, b: Array) -> float:
    """Root mean square difference."""
    return float(np.sqrt(np.mean((np.asarray(a, np.float64) - np.asarray(b, np.float64)) ** 2)))


def db(amplitude: Array) -> Array:
    """Decibels of an amplitude."""
    decibels: Array = 20 * np.log10(amplitude.astype(np.float64))
    return decibels


def band_latents(coded: SarcDataset, band: int = 0) -> Array:
    """Decoded latents of a whole band (counted from 0), int32, shape (channels, h, w)."""
    grid = coded.decoder.header.grid
    rows = [
        np.concatenate([coded.decoder.latents(Place(band, row, col)) for col in range(grid.cols)], axis=2)
        for row in range(grid.rows)
    ]
    return np.concatenate(rows, axis=1)
