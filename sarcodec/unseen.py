"""Latents of a raster with invalid pixels: these may hold whatever makes the file small.

At the edge of the valid area a smooth filling leaves half a block of speckle, which costs nearly as much as
a whole one. A filling that the coder itself proposes costs less: what the latents that are worth coding say
about the invalid pixels (alternating projections; A. Papoulis, "A new algorithm in spectral analysis and
band-limited extrapolation", IEEE Trans. Circuits and Systems 22(9), 1975, with thresholds that fall as in
O. G. Guleryuz, "Nonlinear approximation based image recovery", IEEE Trans. Image Processing 15(3), 2006).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.model.modelfile import Model
from sarcodec.model.tables import MEAN_STEPS
from sarcodec.model.transforms import STRIDE

PASSES = (0.1, 0.5)
"""Rate levels of the projections, as parts of the highest: coarse first, so that what is far comes from the
coarse latents."""
MARGIN = 4
"""Pixels beyond a block up to which valid ones make it worth coding; those further off have next to no part
in it."""
STRIP = 8
"""Rows of blocks that are worked on together."""
AROUND = 1
"""Blocks around them that they are computed with."""

Blocks = npt.NDArray[np.bool_]
"""Of a raster, shape (h / 16, w / 16)."""
Part = tuple[slice, slice]


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
    x = x.copy()
    for part in PASSES:
        level = round(part * model.top_level)
        for window, inside in _strips(valid, seen):
            proposed = _proposed(x[window], valid[window], seen[_blocks(window)], model, level)
            x[window][inside] = np.where(valid[window], x[window], proposed)[inside]
    return np.where(seen, model.analyse(x), np.float32(0))


def _proposed(
    x: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_], seen: Blocks, model: Model, level: int
) -> npt.NDArray[np.float32]:
    """What the latents of `x` that reach a step say, within the range of the valid pixels."""
    scaled = model.analyse(np.ascontiguousarray(x)) * model.steps(level)[:, None, None]
    kept = np.where(seen & (np.abs(scaled) >= 1), np.rint(MEAN_STEPS * scaled), 0)
    proposed = model.synthesise(kept.astype(np.int32), level)
    return proposed.clip(x[valid].min(), x[valid].max())


def _strips(valid: npt.NDArray[np.bool_], seen: Blocks) -> Iterator[tuple[Part, Part]]:
    """Windows of pixels, and the parts of them whose invalid pixels have a share in blocks that are seen."""
    invalid = _with_any(~valid, 0)
    near = np.pad(seen, 1)
    near = near[:-2] | near[1:-1] | near[2:]
    wanted = invalid & (near[:, :-2] | near[:, 1:-1] | near[:, 2:])
    rows, cols = wanted.shape
    for top in range(0, rows, STRIP):
        found = np.flatnonzero(wanted[top : top + STRIP].any(0))
        if not found.size:
            continue
        bottom, left, right = min(top + STRIP, rows), int(found[0]), int(found[-1]) + 1
        row, col = max(0, top - AROUND), max(0, left - AROUND)
        window = _pixels(row, min(rows, bottom + AROUND), col, min(cols, right + AROUND))
        if valid[window].any():
            yield window, _pixels(top - row, bottom - row, left - col, right - col)


def _with_any(pixels: npt.NDArray[np.bool_], margin: int) -> Blocks:
    """Blocks with such a pixel in them or at most `margin` beyond."""
    side = STRIDE + 2 * margin
    padded = np.pad(pixels, margin)
    rows = np.lib.stride_tricks.sliding_window_view(padded, side, axis=0)[::STRIDE].any(-1)
    found: Blocks = np.lib.stride_tricks.sliding_window_view(rows, side, axis=1)[:, ::STRIDE].any(-1)
    return found


def _pixels(top: int, bottom: int, left: int, right: int) -> Part:
    return slice(STRIDE * top, STRIDE * bottom), slice(STRIDE * left, STRIDE * right)


def _blocks(window: Part) -> Part:
    rows, cols = (slice(part.start // STRIDE, part.stop // STRIDE) for part in window)
    return rows, cols
