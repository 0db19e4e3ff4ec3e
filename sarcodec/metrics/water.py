"""Open water by Otsu's threshold on the locally averaged image: the mask that flood mapping starts from.

Calm water reflects the pulse away and is some 10 dB darker than land. Single pixels of speckle hide that, so
power is averaged over 5x5 pixels first, as any water mapping filters first.

Otsu's threshold (IEEE Trans. SMC 9(1), 1979) splits every histogram, also one without water. Neither its
separability nor Ashman's D tells the two cases apart: a single Gaussian, cut in the middle, has 0.64 and
2.65, land without water up to 0.7 and 3.9. So the modes themselves are looked for: there is water where the
histogram has a valley between the classes. Water that covers a few percent only goes unnoticed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sarcodec.metrics.change import local_mean_db

Raster = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]

WINDOW = 5
"""Side of the averaging window, pixels."""
MAX_VALLEY = 0.75
"""Real scenes have 0.5 and less with water, 1 without."""
MIN_GAP_DB = 6.0
"""Two kinds of fields may have two modes too, but nearer to each other than land and water."""

_BINS = 256
_TAIL = 1e-3  # share of pixels at either end that may not stretch the bins
_SMOOTHING_DB = 0.5
_LEAST_DB = 1e-6  # rounding, no contrast


@dataclass(frozen=True)
class Otsu:
    """The threshold that separates two classes best, and how well it does."""

    threshold_db: float
    """Centre of a histogram bin, dB of power; NaN without valid pixels."""
    separability: float
    """Variance between the classes over the whole variance, 0 .. 1; 0 without contrast."""
    gap_db: float
    """Distance of the two classes' means, dB."""
    valley: float
    """Lowest point between the classes' modes over the lower of the modes, in the histogram smoothed by a
    Gaussian of 0.5 dB; 1 where there is no valley."""

    @property
    def bimodal(self) -> bool:
        """Two modes: a valley of at most 0.75 between classes that lie at least 6 dB apart."""
        return self.valley <= MAX_VALLEY and self.gap_db >= MIN_GAP_DB


def otsu(db: Raster, valid: Mask, *, window: int = WINDOW) -> Otsu:
    """Otsu's threshold of the image averaged over `window`.

    The histogram has 256 bins between the quantiles 0.1 % and 99.9 %; what lies beyond counts at the ends.

    Parameters
    ----------
    db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
    window : int
        Side of the averaging window, pixels, odd; 1 leaves the image as it is.
    """
    return _otsu(local_mean_db(db, valid, window)[valid])


def water_mask(db: Raster, valid: Mask, *, threshold_db: float | None = None, window: int = WINDOW) -> Mask:
    """Valid pixels whose local mean lies at or below the threshold.

    Whether that is water is another question: see `Otsu.bimodal`.

    Parameters
    ----------
    db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
    threshold_db : float, optional
        dB of power; Otsu's own of this image by default, as somebody who has the decoded image alone would
        take it.
    window : int
        Side of the averaging window, pixels, odd.

    Returns
    -------
    ndarray, shape (h, w), bool
        False at invalid pixels.
    """
    mean = local_mean_db(db, valid, window)
    level = _otsu(mean[valid]).threshold_db if threshold_db is None else threshold_db
    return np.asarray(np.where(valid, mean, np.inf) <= level)


def iou(a: Mask, b: Mask, valid: Mask) -> float:
    """Intersection over union of two masks among valid pixels; 1 where both are empty.

    Parameters
    ----------
    a, b, valid : ndarray, shape (h, w), bool
    """
    union = np.count_nonzero((a | b) & valid)
    return float(np.count_nonzero(a & b & valid) / union) if union else 1.0


def _otsu(values: Doubles) -> Otsu:
    if not values.size:
        return Otsu(math.nan, 0.0, 0.0, 1.0)
    low, high = np.quantile(values, [_TAIL, 1 - _TAIL])
    if high - low < _LEAST_DB:
        return Otsu(float(low), 0.0, 0.0, 1.0)
    counts, edges = np.histogram(np.clip(values, low, high), _BINS, (low, high))
    centres = (edges[:-1] + edges[1:]) / 2
    share = counts / counts.sum()
    below, moment = np.cumsum(share)[:-1], np.cumsum(share * centres)[:-1]  # the end bins are never empty
    mean = float(np.sum(share * centres))
    gap = (mean - moment) / (1 - below) - moment / below
    between = below * (1 - below) * gap**2
    cut = int(between.argmax())
    smooth = ndimage.gaussian_filter1d(
        counts.astype(np.float64), _SMOOTHING_DB / (edges[1] - edges[0]), mode="constant"
    )
    left, right = int(smooth[: cut + 1].argmax()), cut + 1 + int(smooth[cut + 1 :].argmax())
    return Otsu(
        threshold_db=float(centres[cut]),
        separability=float(between[cut] / np.sum(share * (centres - mean) ** 2)),
        gap_db=float(gap[cut]),
        valley=float(smooth[left : right + 1].min() / min(smooth[left], smooth[right])),
    )
