"""How far a decoded raster is from the original, what it does to speckle, and how two codecs compare.

Images are dB of power with a mask of valid pixels; invalid pixels never count, whatever their value. The peak
of PSNR and SSIM is a range of 30 dB, about that of land backscatter in one scene. What coding does to speckle
is measured on homogeneous blocks, see :mod:`sarcodec.speckle`.
"""

from __future__ import annotations

from sarcodec.metrics.bdrate import BdRate, bd_rate
from sarcodec.metrics.bias import Bias, power_bias
from sarcodec.metrics.edges import epi_correlation, epi_ratio
from sarcodec.metrics.error import PEAK_DB, psnr_db, rmse_db
from sarcodec.metrics.similarity import ms_ssim, ssim
from sarcodec.metrics.speckle import enl_ratio, ks_ratio, ks_speckle

__all__ = [
    "PEAK_DB",
    "BdRate",
    "Bias",
    "bd_rate",
    "enl_ratio",
    "epi_correlation",
    "epi_ratio",
    "ks_ratio",
    "ks_speckle",
    "ms_ssim",
    "power_bias",
    "psnr_db",
    "rmse_db",
    "ssim",
]
