"""How well edges are kept."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sarcodec.speckle.patches import Mask, Raster

_STRIP = 512  # rows at a time, so that memory does not grow with the raster


def epi_correlation(db: Raster, decoded_db: Raster, valid: Mask) -> float:
    r"""Edge preservation: correlation of the gradient magnitudes of two dB images.

    .. math:: \frac{\sum (g - \bar g)(\hat g - \bar{\hat g})}
                   {\sqrt{\sum (g - \bar g)^2 \sum (\hat g - \bar{\hat g})^2}}, \qquad
              g = \sqrt{(S_x * x)^2 + (S_y * x)^2}

    with the Sobel kernels S. F. Sattar, L. Floreby, G. Salomonsson, B. Lovstrom ("Image enhancement based
    on a nonlinear multiscale method", IEEE Transactions on Image Processing 6(6), 1997) correlate Laplacian
    filtered images in the same way; the magnitude of the gradient does not ask for an edge's sign. In dB the
    gradient is that of the log of power, whose noise does not grow with the level. Speckle has gradients
    too: smoothing it away lowers the figure as blurred edges do.

    Parameters
    ----------
    db, decoded_db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool

    Returns
    -------
    float
        Within -1 .. 1, over pixels whose 3x3 neighbourhood lies inside and is all valid; NaN where there
        are fewer than two or one image has the same gradient everywhere.
    """
    from scipy import ndimage

    first: list[npt.NDArray[np.float32]] = []
    second: list[npt.NDArray[np.float32]] = []
    for top in range(0, max(0, valid.shape[0] - 2), _STRIP):
        rows = slice(top, top + _STRIP + 2)
        whole = ndimage.binary_erosion(valid[rows], np.ones((3, 3), bool))
        for image, kept in ((db, first), (decoded_db, second)):
            kept.append(_gradient(np.where(valid[rows], image[rows], 0).astype(np.float64))[whole])
    if sum(part.size for part in first) < 2:
        return math.nan
    a, b = np.concatenate(first), np.concatenate(second)
    a -= float(a.mean(dtype=np.float64))
    b -= float(b.mean(dtype=np.float64))
    norm = math.sqrt(float(np.square(a).sum(dtype=np.float64)) * float(np.square(b).sum(dtype=np.float64)))
    product = float((a * b).sum(dtype=np.float64))
    return product / norm if norm > 0 else math.nan


def epi_ratio(db: Raster, decoded_db: Raster, valid: Mask) -> float:
    r"""Edge preservation: total variation of the decoded over that of the original dB image.

    .. math:: \frac{\sum |\hat x_i - \hat x_j|}{\sum |x_i - x_j|}

    over all horizontal and vertical pairs (i, j) of neighbours that are both valid: the edge preservation
    index of the despeckling literature, whose ideal there is 1 for a filter that touches edges as little as
    a codec should touch the whole image. 1 for identity, below 1 for smoothing, above 1 for ringing and
    blocking.

    Parameters
    ----------
    db, decoded_db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool

    Returns
    -------
    float
        0 or more; NaN where the original has no differences.
    """
    original, decoded = _variation(db, valid), _variation(decoded_db, valid)
    return decoded / original if original > 0 else math.nan


def _gradient(image: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    from scipy import ndimage

    return np.asarray(np.hypot(ndimage.sobel(image, 0), ndimage.sobel(image, 1)), np.float32)


def _variation(db: Raster, valid: Mask) -> float:
    total = 0.0
    for top in range(0, valid.shape[0], _STRIP):
        rows = slice(top, top + _STRIP + 1)
        data = valid[rows]
        image = np.where(data, db[rows], 0).astype(np.float64)
        down, across = np.abs(np.diff(image, axis=0)), np.abs(np.diff(image[:_STRIP], axis=1))
        total += float(down[data[1:] & data[:-1]].sum())
        total += float(across[data[:_STRIP, 1:] & data[:_STRIP, :-1]].sum())
    return total
