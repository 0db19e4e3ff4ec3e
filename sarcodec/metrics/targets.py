"""Bright point targets by a cell-averaging detector of constant false-alarm rate, before and after coding.

A pixel is a detection where its power exceeds a multiple of the mean power of a ring around it. Both are
gamma variates in homogeneous clutter of L looks, so their ratio follows Fisher's F with 2 L and 2 L N degrees
of freedom, where N is the number of independent pixels in the ring, and the multiple is that law's upper
quantile (Oliver and Quegan, *Understanding Synthetic Aperture Radar Images*; Gandhi and Kassam,
IEEE TAES 24(4), 1988, for the loss near other targets and at edges of clutter, which this detector has).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage, stats

from sarcodec.errors import UsageError
from sarcodec.metrics.change import box_sum, linear_power

Raster = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

TRAINING, GUARD = 21, 9
"""Sides of the ring, pixels: 360 pixels of clutter, and targets of up to 4 pixels to each side kept out."""
PFA = 1e-6
"""False alarms per pixel of gamma clutter: one in a megapixel. Texture adds some."""
LAG1 = 0.65
"""Intensity correlation at one pixel of Sentinel-1 IW GRD at 10 m."""
BRIGHT_DB = 10.0
"""Contrast above which a target is bright: hardly reached by speckle or texture."""


@dataclass(frozen=True)
class Targets:
    """Detections of one image; the lists are ordered as the labels are."""

    rows: Integers
    """Row of the brightest pixel of each target, shape (n,)."""
    cols: Integers
    """Its column, shape (n,)."""
    peak_db: Doubles
    """Its value, dB of power, shape (n,)."""
    contrast_db: Doubles
    """Its power over the mean of the ring around it, dB, shape (n,)."""
    labels: npt.NDArray[np.int32]
    """1 .. n at the pixels of each target and 0 elsewhere, shape (h, w)."""
    valid: Mask
    """Pixels that were looked at, shape (h, w)."""

    @property
    def count(self) -> int:
        """Number of targets."""
        return self.rows.size


@dataclass(frozen=True)
class TargetChange:
    """What became of an original's targets in a decoded image."""

    kept: int
    """Original targets with a detection within reach of their peak."""
    lost: int
    """The other original targets."""
    added: int
    """Decoded targets no pixel of which is within reach of an original target's pixel."""
    bright: int
    """Original targets of more than 10 dB contrast."""
    bright_kept: int
    """Those kept."""
    bright_peak_rms_db: float | None
    """RMS of decoded minus original peak over the bright targets, dB; None where there are none."""


def effective_pixels(count: npt.ArrayLike, lag1: float) -> Doubles:
    """Independent pixels among `count` of speckle with intensity correlation ``lag1^(dx^2 + dy^2)``.

    A mean over many pixels varies as one over ``count / sum of the correlation over all lags``. The Gaussian
    shape is a close fit of band-limited speckle.
    """
    lags = np.arange(-8, 9)
    return np.asarray(count, np.float64) / float(np.sum(lag1 ** (lags**2.0))) ** 2


def detect(
    db: Raster,
    valid: Mask,
    *,
    enl: float,
    pfa: float = PFA,
    lag1: float = LAG1,
    training: int = TRAINING,
    guard: int = GUARD,
) -> Targets:
    """Find bright targets; touching pixels, corners included, are one target.

    Parameters
    ----------
    db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
        Invalid pixels are neither targets nor clutter. No target is found where less than a quarter of the
        ring is valid.
    enl : float
        Equivalent number of looks. A decoded image is searched with that of its original: the detector
        does not know of the coding.
    pfa : float
        Wanted false alarms per pixel.
    lag1 : float
        Speckle's intensity correlation at one pixel, 0 to below 1.
    training, guard : int
        Sides of the ring's outer square and of the square left out, pixels, odd.

    Raises
    ------
    UsageError
        `enl` is not positive, or `pfa` or `lag1` is no such probability or correlation.
    """
    if not (enl > 0 and 0 < pfa < 1 and 0 <= lag1 < 1):
        raise UsageError(
            f"no detector for ENL {enl}, false-alarm rate {pfa} and correlation {lag1}",
            hint="Sentinel-1 IW GRD has an ENL of 4.4 and a correlation of 0.65; a rate is below 1.",
        )
    power = linear_power(db, valid)
    count = np.rint(box_sum(valid, training) - box_sum(valid, guard)).astype(np.int64)
    total = box_sum(power, training) - box_sum(power, guard)
    clutter = np.maximum(total, np.finfo(np.float64).tiny) / np.maximum(count, 1)
    full = training**2 - guard**2
    looks = 2 * enl * effective_pixels(np.arange(1, full + 1), lag1)
    multiple = np.append(np.inf, stats.f.isf(pfa, 2 * enl, looks))  # by the count of the ring's pixels
    multiple[: -(-full // 4)] = np.inf
    labels, found = ndimage.label(power > multiple[count] * clutter, np.ones((3, 3)))
    peaks = ndimage.maximum_position(power, labels, np.arange(1, found + 1)) if found else []
    rows, cols = np.array(peaks, np.int64).reshape(-1, 2).T
    peak = 10 * np.log10(power[rows, cols])
    return Targets(rows, cols, peak, peak - 10 * np.log10(clutter[rows, cols]), labels, valid)


def compare(original: Targets, decoded: Targets, decoded_db: Raster, *, reach: int = 2) -> TargetChange:
    """Count the targets that coding kept, lost and added.

    Parameters
    ----------
    original, decoded : Targets
        Found with the same settings.
    decoded_db : ndarray, shape (h, w), float, dB of power
        Not read where the original is invalid.
    reach : int
        Rows and columns by which places may differ, pixels.
    """
    side, places = 2 * reach + 1, (original.rows, original.cols)
    kept = ndimage.maximum_filter(decoded.labels > 0, side, mode="constant")[places]
    known = np.unique(decoded.labels[ndimage.maximum_filter(original.labels > 0, side, mode="constant")])
    bright = original.contrast_db > BRIGHT_DB
    level = np.where(original.valid, decoded_db, -np.inf)
    error = ndimage.maximum_filter(level, side)[places][bright] - original.peak_db[bright]
    return TargetChange(
        kept=int(np.count_nonzero(kept)),
        lost=int(np.count_nonzero(~kept)),
        added=decoded.count - int(np.count_nonzero(known)),
        bright=int(np.count_nonzero(bright)),
        bright_kept=int(np.count_nonzero(kept & bright)),
        bright_peak_rms_db=float(np.sqrt(np.mean(error**2))) if bright.any() else None,
    )
