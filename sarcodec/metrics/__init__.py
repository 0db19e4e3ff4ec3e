"""How far a decoded raster is from the original, what it does to speckle, and how two codecs compare.

Images are dB of power with a mask of valid pixels; what is not valid never counts, whatever its value. The
peak of PSNR and SSIM is a range of 30 dB, about that of land backscatter in one scene. Statistics of speckle
are those of linear power on homogeneous blocks, which are found in the original once and then used for every
decoded image.
"""

from __future__ import annotations

from sarcodec.metrics.bdrate import BdRate, bd_rate
from sarcodec.metrics.bias import Bias, power_bias
from sarcodec.metrics.edges import epi_correlation, epi_ratio
from sarcodec.metrics.enl import enl, enl_ratio
from sarcodec.metrics.error import PEAK_DB, psnr_db, rmse_db
from sarcodec.metrics.homogeneous import homogeneous_blocks
from sarcodec.metrics.similarity import ms_ssim, ssim
from sarcodec.metrics.speckle import autocorrelation, ks_ratio, ks_speckle

__all__ = [
    "PEAK_DB",
    "BdRate",
    "Bias",
    "autocorrelation",
    "bd_rate",
    "enl",
    "enl_ratio",
    "epi_correlation",
    "epi_ratio",
    "homogeneous_blocks",
    "ks_ratio",
    "ks_speckle",
    "ms_ssim",
    "power_bias",
    "psnr_db",
    "rmse_db",
    "ssim",
]
