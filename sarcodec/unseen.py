"""Latents of a raster with invalid pixels: these may hold whatever makes the file small.

At the edge of the valid area a smooth filling leaves half a block of speckle, which costs nearly as much as
a whole one. A filling that the coder itself proposes costs less: what the latents that are worth coding say
about the invalid pixels (alternating projections; A. Papoulis, "A new algorithm in spectral analysis and
band-limited extrapolation", IEEE Trans. Circuits and Systems 22(9), 1975, with thresholds that fall as in
O. G. Guleryuz, "Nonlinear approximation based image recovery", IEEE Trans. Image Processing 15(3), 2006).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.model.entropy import LatentCoder
from sarcodec.model.modelfile import Model
from sarcodec.model.transforms import STRIDE

PASSES = (0.0, 1 / 3, 2 / 3)
"""Rate levels of the projections, as parts of the highest: coarse first, so that what is far comes from the
coarse latents."""
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
    y = model.analyse(x)
    if model.shape.family != "lapped" or valid.all() or not valid.any():
        return y
    seen = _seen(valid)
    low, high = x[valid].min(), x[valid].max()
    for part in PASSES:
        coder = LatentCoder(model, round(part * model.top_level))
        steps = y * coder.steps[:, None, None]
        kept = np.where(seen & (np.abs(steps) >= 1), np.rint(16 * steps), 0)
        proposed = model.synthesise(kept.astype(np.int32), coder.level)
        x = np.where(valid, x, np.clip(proposed, low, high))
        y = model.analyse(x)
    return np.where(seen, y, np.float32(0))


def _seen(valid: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Blocks with a valid pixel in them or within the margin, shape (h / 16, w / 16)."""
    rows, cols = (side // STRIDE for side in valid.shape)
    padded = np.pad(valid, MARGIN)
    side = STRIDE + 2 * MARGIN
    blocks = np.lib.stride_tricks.sliding_window_view(padded, (side, side))[::STRIDE, ::STRIDE]
    seen: npt.NDArray[np.bool_] = blocks.any(axis=(2, 3))
    assert seen.shape == (rows, cols)
    return seen
