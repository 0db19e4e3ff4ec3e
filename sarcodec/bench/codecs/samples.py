"""The dB image as codecs take it: integers over its own range, or floats about its mean.

A decoder gets the two ends of the range, or the mean, for nothing: they are not counted in any file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.errors import InputError

Raster = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Samples:
    """What an encoder is given; a decoder takes nothing but the shape and the two numbers from it."""

    values: npt.NDArray[Any]
    """Shape (h, w)."""
    low_db: float
    """dB of sample 0."""
    high_db: float
    """dB of the largest sample, or of 1 where samples are fractions."""


def integers(db: Raster, valid: Mask, bits: int) -> Samples:
    """The dB image linearly on `bits` bits over its own valid range, uint8 or uint16.

    Invalid pixels take the mean of the valid ones, which costs the least.
    """
    unit, low, high = _unit(db, valid)
    dtype = np.uint8 if bits <= 8 else np.uint16
    return Samples(np.rint(unit * (2**bits - 1)).astype(dtype), low, high)


def decibels(samples: npt.NDArray[Any], prepared: Samples, bits: int) -> npt.NDArray[np.float32]:
    """What :func:`integers` made samples of, dB of power."""
    step = (prepared.high_db - prepared.low_db) / (2**bits - 1)
    return np.asarray(samples * step + prepared.low_db, dtype=np.float32)


def fractions(db: Raster, valid: Mask) -> Samples:
    """The dB image as float64 from 0 to 1 over its own valid range; invalid pixels as in :func:`integers`."""
    return Samples(*_unit(db, valid))


def centred(db: Raster, valid: Mask) -> Samples:
    """The dB image less the mean of its valid pixels, float32; invalid pixels are 0."""
    filled, _ = _filled(db, valid)
    mean = float(np.mean(filled[valid], dtype=np.float64))
    return Samples(np.where(valid, filled - mean, 0).astype(np.float32), mean, mean + 1)


def _unit(db: Raster, valid: Mask) -> tuple[npt.NDArray[np.float64], float, float]:
    filled, data = _filled(db, valid)
    low, high = float(data.min()), float(data.max())
    scale = 1 / (high - low) if high > low else 0.0
    return (filled - low) * scale, low, high


def _filled(db: Raster, valid: Mask) -> tuple[npt.NDArray[np.float64], Raster]:
    if not valid.any():
        raise InputError("there is no valid pixel to encode")
    data = db[valid]
    return np.where(valid, db, float(data.mean(dtype=np.float64))), data
