"""What invalid pixels hold in the lapped family: whatever makes the file small.

At the edge of the valid area a smooth filling leaves half a block of speckle, which costs nearly as much as
a whole one. A filling that a transform coder proposes costs less: what the coefficients that are worth coding
say about the invalid pixels (alternating projections; A. Papoulis, "A new algorithm in spectral analysis and
band-limited extrapolation", IEEE Trans. Circuits and Systems 22(9), 1975, with thresholds that fall as in
O. G. Guleryuz, "Nonlinear approximation based image recovery", IEEE Trans. Image Processing 15(3), 2006).
The transform is the lapped one that g_a starts as, which proposes as well as the trained ones do.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sarcodec.model.lapped import separable
from sarcodec.model.latent_scales import LatentScales
from sarcodec.model.transforms import STRIDE

PASSES = (0.1, 0.5)
"""Rate levels of the projections, as parts of the highest: coarse first, so that what is far comes from the
coarse coefficients."""
MARGIN = 4
"""Pixels beyond a block up to which valid ones make it worth coding; those further off have next to no part
in it."""
STRIP, AROUND = 12, 2
"""Rows of blocks that are filled together, and blocks beyond that a filling depends on: those that a block
overlaps, and those that these overlap."""

Slices = tuple[slice, slice]


def filled(
    x: npt.NDArray[np.float32],
    valid: npt.NDArray[np.bool_],
    seen: npt.NDArray[np.bool_],
    scales: LatentScales,
) -> npt.NDArray[np.float32]:
    """`x` with other invalid pixels, within the range of the valid ones.

    Parameters
    ----------
    x : float32 array, shape (h, w)
        Network units, sides multiples of the stride, smoothly filled in invalid pixels.
    valid : bool array, shape (h, w)
    seen : bool array, shape (h / 16, w / 16)
        :func:`seen_blocks`. Blocks further than one from these get nothing proposed, and 0 instead.
    """
    low, high = x.min(), x.max()  # a smooth filling is within the range of what it is made of
    near, shape = _neighbours(seen), (seen.shape[0], STRIDE, seen.shape[1], STRIDE)
    parts = list(_parts(near & ~valid.reshape(shape).all((1, 3))))
    x = x.copy()
    x.reshape(shape).swapaxes(1, 2)[~near] = np.float32(0).clip(low, high)
    for level in PASSES:
        least = 1 / scales.steps(round(level * scales.top_level))
        before, x = x, x.copy()
        for inner, outer in parts:
            proposed = separable.proposed(before[_pixels(outer)], seen[outer], least)
            top, left = (STRIDE * (i.start - o.start) for i, o in zip(inner, outer, strict=True))
            at = _pixels(inner)
            here = valid[at]
            proposed = proposed[top : top + here.shape[0], left : left + here.shape[1]].clip(low, high)
            x[at] = np.where(here, before[at], proposed)
    return x


def _parts(wanted: npt.NDArray[np.bool_]) -> Iterator[tuple[Slices, Slices]]:
    """Rectangles of blocks that cover the wanted ones, and each with what around it matters."""
    rows, cols = wanted.shape
    for top in range(0, rows, STRIP):
        bottom = min(top + STRIP, rows)
        columns = np.flatnonzero(wanted[top:bottom].any(0))
        for run in np.split(columns, 1 + np.flatnonzero(np.diff(columns) > 2 * AROUND)):
            if run.size:
                left, right = int(run[0]), int(run[-1]) + 1
                tall = slice(max(0, top - AROUND), min(rows, bottom + AROUND))
                wide = slice(max(0, left - AROUND), min(cols, right + AROUND))
                yield (slice(top, bottom), slice(left, right)), (tall, wide)


def _pixels(blocks: Slices) -> Slices:
    rows, cols = (slice(STRIDE * part.start, STRIDE * part.stop) for part in blocks)
    return rows, cols


def _neighbours(blocks: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """These blocks and the eight around each."""
    near: npt.NDArray[np.bool_] = np.lib.stride_tricks.sliding_window_view(np.pad(blocks, 1), (3, 3)).any(
        (2, 3)
    )
    return near


def seen_blocks(valid: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Blocks with a valid pixel in them or at most `MARGIN` beyond, bool, shape (h / 16, w / 16)."""
    side = STRIDE + 2 * MARGIN
    padded = np.pad(valid, MARGIN)
    rows = np.lib.stride_tricks.sliding_window_view(padded, side, axis=0)[::STRIDE].any(-1)
    found: npt.NDArray[np.bool_] = np.lib.stride_tricks.sliding_window_view(rows, side, axis=1)[
        :, ::STRIDE
    ].any(-1)
    return found
