"""Latents of a raster with invalid pixels: these may hold whatever makes the file small.

At the edge of the valid area a smooth filling leaves half a block of speckle, which costs nearly as much as
a whole one. A filling that a transform coder proposes costs less: what the coefficients that are worth coding
say about the invalid pixels (alternating projections; A. Papoulis, "A new algorithm in spectral analysis and
band-limited extrapolation", IEEE Trans. Circuits and Systems 22(9), 1975, with thresholds that fall as in
O. G. Guleryuz, "Nonlinear approximation based image recovery", IEEE Trans. Image Processing 15(3), 2006).
The transform is the lapped one that g_a started as, which proposes as well as the trained ones do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.model import lapped
from sarcodec.model.modelfile import Model
from sarcodec.model.transforms import STRIDE

PASSES = (0.1, 0.5)
"""Rate levels of the projections, as parts of the highest: coarse first, so that what is far comes from the
coarse coefficients."""
MARGIN = 4
"""Pixels beyond a block up to which valid ones make it worth coding; those further off have next to no part
in it."""


def analyse_seen(x: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_], model: Model) -> npt.NDArray[Any]:
    """g_a of a raster of which only the valid pixels count.

    Parameters
    ----------
    x : ndarray, shape (h, w), float32
        Network units, sides multiples of the stride, smoothly filled where invalid.
    valid : ndarray, shape (h, w), bool

    Returns
    -------
    y : float32 array, shape (channels, h / 16, w / 16)
        Zero in blocks that no valid pixel depends on.
    """
    if model.shape.family != "lapped" or valid.all() or not valid.any():
        return model.analyse(x)
    seen = _with_any(valid, MARGIN)
    return np.where(seen, model.analyse(_filled(x, valid, seen, model)), np.float32(0))


def _filled(
    x: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_], seen: npt.NDArray[np.bool_], model: Model
) -> npt.NDArray[np.float32]:
    """`x` with other invalid pixels, within the range of the valid ones."""
    low, high = x[valid].min(), x[valid].max()
    for part in PASSES:
        least = 1 / model.steps(round(part * model.top_level))
        x = np.where(valid, x, lapped.proposed(x, seen, least).clip(low, high))
    return x


def _with_any(pixels: npt.NDArray[np.bool_], margin: int) -> npt.NDArray[np.bool_]:
    """Blocks with such a pixel in them or at most `margin` beyond, shape (h / 16, w / 16)."""
    side = STRIDE + 2 * margin
    padded = np.pad(pixels, margin)
    rows = np.lib.stride_tricks.sliding_window_view(padded, side, axis=0)[::STRIDE].any(-1)
    found: npt.NDArray[np.bool_] = np.lib.stride_tricks.sliding_window_view(rows, side, axis=1)[
        :, ::STRIDE
    ].any(-1)
    return found
