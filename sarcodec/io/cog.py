"""Whole files that GDAL makes in memory, to compare with: lossless cloud-optimised GeoTIFFs, and WebP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.io import MemoryFile

from sarcodec.errors import UsageError, WriteError
from sarcodec.io import gdal
from sarcodec.io.apply import apply, profile
from sarcodec.metadata import RasterMeta

_PREDICTORS = {1: "NO", 2: "STANDARD", 3: "FLOATING_POINT"}
_WEBP_HINT = "Install rasterio from its wheel, which holds a GDAL with WebP."


def version() -> str:
    """GDAL's version and rasterio's, such as ``GDAL 3.10.3 through rasterio 1.4.4``."""
    return f"GDAL {rasterio.__gdal_version__} through rasterio {rasterio.__version__}"


def predictors(dtype: npt.DTypeLike) -> tuple[int, ...]:
    """TIFF predictors for a pixel type: 1 is none, 2 takes differences, 3 those of a float's bytes."""
    return (1, 2, 3) if np.dtype(dtype).kind == "f" else (1, 2)


def encode(values: npt.NDArray[Any], meta: RasterMeta, *, predictor: int, threads: int = 1) -> bytes:
    """A cloud-optimised GeoTIFF: ZSTD at GDAL's level, 512-pixel tiles, no overviews.

    Parameters
    ----------
    values : ndarray, shape (h, w), dtype `meta.dtype`
        Stored values.
    meta : RasterMeta
        Of one band.
    predictor : int
        One of `predictors`.
    threads : int

    Raises
    ------
    WriteError
        GDAL failed.
    """
    options = {
        "COMPRESS": "ZSTD",
        "PREDICTOR": _PREDICTORS[predictor],
        "OVERVIEWS": "NONE",
        "NUM_THREADS": str(threads),
    }
    return _made(values[None], {**profile(meta), "driver": "COG", **options}, meta)


def decode(data: bytes) -> npt.NDArray[Any]:
    """Stored values of the first band, shape (h, w), native dtype."""
    return np.asarray(_read(data, "GTiff")[0])


def webp_version() -> str:
    """Version of GDAL, which does not tell that of its libwebp.

    Raises
    ------
    UsageError
        GDAL was built without WebP.
    """
    with gdal.reading() as env:
        if "WEBP" not in env.drivers():
            raise UsageError(f"{version()} has no WebP", hint=_WEBP_HINT)
    return f"libwebp in {version()}"


def encode_webp(samples: npt.NDArray[np.uint8], quality: float, options: Mapping[str, str | int]) -> bytes:
    """A lossy WebP file of a grey image, stored as three equal channels.

    Parameters
    ----------
    samples : ndarray, shape (h, w), uint8
    quality : float
        Above 0, up to 100.
    options : mapping
        More of GDAL's creation options.

    Raises
    ------
    WriteError
        GDAL failed: sides are limited to 16383 pixels.
    """
    height, width = samples.shape
    arguments = {"driver": "WEBP", "width": width, "height": height, "count": 3, "dtype": "uint8"}
    return _made(np.stack([samples] * 3), {**arguments, "QUALITY": str(quality), **options}, None)


def decode_webp(data: bytes) -> npt.NDArray[np.float64]:
    """Mean of the three channels, shape (h, w)."""
    return np.asarray(_read(data, "WEBP")[:3].mean(axis=0, dtype=np.float64))


def _made(bands: npt.NDArray[Any], arguments: dict[str, Any], meta: RasterMeta | None) -> bytes:
    try:
        with gdal.writing(), gdal.opening(), MemoryFile() as memory:
            with memory.open(**arguments) as dataset:
                if meta is not None:
                    apply(dataset, meta)
                dataset.write(bands)
            return bytes(memory.getbuffer())
    except gdal.GdalErrors as error:
        raise WriteError(f"GDAL made no {arguments['driver']}: {gdal.reason(error)}") from error


def _read(data: bytes, driver: str) -> npt.NDArray[Any]:
    with gdal.reading(), gdal.opening(), MemoryFile(data) as memory, memory.open(driver=driver) as dataset:
        return np.asarray(dataset.read())
