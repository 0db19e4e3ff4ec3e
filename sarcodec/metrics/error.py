"""Errors in dB over valid pixels, without clipping."""

from __future__ import annotations

import math

import numpy as np

from sarcodec.speckle.patches import Mask, Raster

PEAK_DB = 30.0
"""Range that stands for the peak in PSNR and SSIM, dB: about that of land backscatter in one scene."""


def rmse_db(a_db: Raster, b_db: Raster, valid: Mask) -> float:
    """Root mean square difference in dB over valid pixels; NaN where there are none.

    Parameters
    ----------
    a_db, b_db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
    """
    if not valid.any():
        return math.nan
    difference = a_db[valid].astype(np.float64) - b_db[valid]
    return math.sqrt(float(np.mean(np.square(difference))))


def psnr_db(a_db: Raster, b_db: Raster, valid: Mask) -> float:
    """Peak signal to noise ratio in dB, ``20 log10(30 / RMSE)``; infinite where both agree.

    NaN where no pixel is valid.

    Parameters
    ----------
    a_db, b_db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
    """
    rmse = rmse_db(a_db, b_db, valid)
    return math.inf if rmse == 0 else 20 * math.log10(PEAK_DB / rmse)
