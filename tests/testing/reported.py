"""Backscatter for the cases that users report (ground, water, 4.4 looks) and a writer of GeoTIFFs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from scipy.ndimage import gaussian_filter

Array = npt.NDArray[Any]
HEIGHT, WIDTH = 300, 413


def ground_db(mean: float = -11.0, seed: int = 0, shape: tuple[int, int] = (HEIGHT, WIDTH)) -> Array:
    """Backscatter in dB, float64, shape `shape`: smooth ground, water 9 dB below it, 4.4 looks."""
    rng = np.random.default_rng(seed)
    land = gaussian_filter(rng.normal(size=shape), 12) * 40 + mean
    wet = gaussian_filter(rng.normal(size=shape), 25) > 0.02
    found: Array = np.where(wet, land - 9, land) + 10 * np.log10(rng.gamma(4.4, 1 / 4.4, shape))
    return found


def inside(shape: tuple[int, int] = (HEIGHT, WIDTH)) -> npt.NDArray[np.bool_]:
    """True inside a slanted swath; about a fifth of the pixels lies outside."""
    rows, cols = np.indices(shape)
    slant = cols + 0.4 * rows
    return np.asarray((slant > 0.2 * shape[1]) & (slant < 1.05 * shape[1]))


def power(db: Array) -> Array:
    """Linear power of decibels."""
    found: Array = 10 ** (db / 10)
    return found


def amplitude(db: Array) -> Array:
    """Amplitude of decibels of power."""
    found: Array = 10 ** (db / 20)
    return found


def write(
    path: Path,
    pixels: Array,
    *,
    descriptions: Sequence[str] = (),
    units: Sequence[str] = (),
    scales: Sequence[float] = (),
    offsets: Sequence[float] = (),
    tags: Mapping[str, str] | None = None,
    band_tags: Mapping[str, str] | None = None,
    **profile: Any,
) -> Path:
    """Write `pixels`, shape (h, w) or (bands, h, w), as a GeoTIFF in UTM with pixels of 10 m."""
    cube = pixels[None] if pixels.ndim == 2 else pixels
    count, height, width = cube.shape
    place: dict[str, Any] = {
        "crs": "EPSG:32632",
        "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6),
        "width": width,
        "height": height,
        "count": count,
        "dtype": cube.dtype,
    }
    with rasterio.open(path, "w", driver="GTiff", **(place | profile)) as dataset:
        dataset.write(cube)
        dataset.update_tags(**(tags or {}))
        for band in range(1, count + 1):
            if descriptions:
                dataset.set_band_description(band, descriptions[band - 1])
            if units:
                dataset.set_band_unit(band, units[band - 1])
            if band_tags:
                dataset.update_tags(band, **band_tags)
        if scales:
            dataset.scales = scales
            dataset.offsets = offsets or [0.0] * count
    return path
