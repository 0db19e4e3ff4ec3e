"""PSNR and SSIM by the convention of the founding notes, so that figures can stand beside theirs.

The notes took 10*log10(DN), clipped it at the 1st and 99th percentile of their training data and scaled it to
[0, 1]; the peak of PSNR and SSIM is 1. Their data were DN of one kind, so absolute decibels meant the same
everywhere. Here scenes are DN, amplitude, power and dB of several sensors and calibrations, where only
decibels about the scene's own mean can be compared: those are clipped and scaled. Their decibels are half as
large as ours (10*log10 of DN is half of 20*log10), which makes no difference to an image scaled to [0, 1].

What a codec returns is clipped as the original is: an error beyond the percentiles does not count. These are
not figures to judge a codec by, see :mod:`sarcodec.metrics` for those.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec import metrics
from sarcodec.errors import InputError
from sarcodec.packing import INVALID, from_codes

Raster = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]

LOW_DB, HIGH_DB = -12.01, 11.02
"""1st and 99th percentile of dB minus the scene's mean over the packed training scenes, each scene with the
weight that training draws it with; made by ``python benchmarks/models.py --percentiles train.npy``."""


@dataclass(frozen=True)
class Score:
    """Likeness of two images, peak 1."""

    psnr: float
    """dB; infinite where both agree."""
    ssim: float
    """NaN where no 11x11 window is all valid."""


def score(
    db: Raster, decoded_db: Raster, valid: Mask, *, low_db: float = LOW_DB, high_db: float = HIGH_DB
) -> Score:
    """PSNR and SSIM of a decoded image by the notes' convention.

    Parameters
    ----------
    db, decoded_db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
    low_db, high_db : float
        Range to clip to, dB about the mean of `db`.
    """
    mean = mean_db(db, valid)
    a, b = (scaled(image, valid, mean, low_db=low_db, high_db=high_db) for image in (db, decoded_db))
    return Score(psnr(a, b, valid), ssim(a, b, valid))


def mean_db(db: Raster, valid: Mask) -> float:
    """Mean over valid pixels, dB.

    Raises
    ------
    InputError
        There are none.
    """
    if not valid.any():
        raise InputError("an image without valid pixels has no mean", hint="Leave it out.")
    return float(db[valid].mean(dtype=np.float64))


def scaled(
    db: Raster, valid: Mask, mean: float, *, low_db: float = LOW_DB, high_db: float = HIGH_DB
) -> Doubles:
    """The image that the notes' networks saw: clipped decibels about `mean`, scaled to [0, 1].

    Parameters
    ----------
    db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
        Other pixels become 0.
    mean : float
        The scene's mean, dB.
    low_db, high_db : float
        What becomes 0 and 1, dB about `mean`.

    Returns
    -------
    ndarray, shape (h, w), float64
    """
    about = np.where(valid, db, mean + low_db).astype(np.float64) - mean
    return np.asarray((np.clip(about, low_db, high_db) - low_db) / (high_db - low_db))


def psnr(a: Raster, b: Raster, valid: Mask) -> float:
    """Peak signal to noise ratio of two images in [0, 1], dB; infinite where both agree.

    Parameters
    ----------
    a, b : ndarray, shape (h, w), float
    valid : ndarray, shape (h, w), bool
    """
    mse = float(np.mean(np.square(a[valid].astype(np.float64) - b[valid])))
    return math.inf if mse == 0 else -10 * math.log10(mse)


def ssim(a: Raster, b: Raster, valid: Mask) -> float:
    """Mean structural similarity of two images in [0, 1], window and constants as in :func:`metrics.ssim`.

    Parameters
    ----------
    a, b : ndarray, shape (h, w), float
    valid : ndarray, shape (h, w), bool
    """
    # Similarity does not change with the unit of the images as long as the peak is in the same unit.
    return metrics.ssim(a * metrics.PEAK_DB, b * metrics.PEAK_DB, valid)


def percentiles(packed: Path) -> tuple[float, float]:
    """1st and 99th percentile of dB minus the scene's mean over packed scenes, to 0.01 dB.

    Every valid pixel counts, with the weight that training draws its scene with.

    Parameters
    ----------
    packed : Path
        Packed scenes, see :mod:`sarcodec.train.data`.

    Raises
    ------
    InputError
        The file is missing, damaged or holds no scene.
    """
    from sarcodec.train.data import PackedScenes

    scenes = PackedScenes(packed, crop=1)
    values, counts = [], []
    for scene in scenes.scenes:
        pixels = scene.height * scene.width
        codes = scenes.codes[scene.offset : scene.offset + pixels]
        found, times = np.unique(codes[codes < INVALID], return_counts=True)
        if found.size:
            db = from_codes(found)[0].astype(np.float64)
            values.append(db - np.average(db, weights=times))
            counts.append(times * (scene.weight / pixels))
    if not values:
        raise InputError(f"no valid pixel in {packed}", hint="Pack a folder of scenes that hold data.")
    about, weight = np.concatenate(values), np.concatenate(counts)
    order = np.argsort(about)
    share = np.cumsum(weight[order]) / weight.sum()
    low, high = (float(about[order[np.searchsorted(share, part)]]) for part in (0.01, 0.99))
    return round(low, 2), round(high, 2)
