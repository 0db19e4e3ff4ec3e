r"""Texture: noise with the statistics of the speckle that the code left out, added on demand by the decoder.

What is added to a decoded pixel of :math:`D` dB is

.. math:: f(t) \, \bigl( h_0 + h_2 t^2 + \sigma \, g(t) \, q(z) \bigr), \qquad
          g(t) = 1 - \kappa t, \qquad q(z) = \frac{z + b (z^2 - 1)}{\sqrt{1 + 2 b^2}}

where t is the pixel's contrast (:func:`contrast`), z normal noise of unit variance, a filtered hash of the
pixel's place in the raster, and q gives it the skew of logarithmic speckle (the first terms of E. A. Cornish,
R. A. Fisher, Revue de l'Institut International de Statistique 5, 1938). Where the code kept speckle it
kept bright pixels better than dark ones, so noise has to be weaker on the former: that is g. Point targets
are no speckle: f is 1 for what may be, and 0 for them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.bitstream import texturegrid as grid
from sarcodec.bitstream.gaingrid import Mask, with_data
from sarcodec.bitstream.noise_hash import hash32
from sarcodec.bitstream.texturegrid import Kernel, Texture
from sarcodec.types import Window

NEAR = 16
"""Pixels of the cells that contrast is against the mean of."""
MOST_DB = 12.0
"""Largest contrast that counts."""
TARGET_DB, FADE_DB = 16.0, 4.0
"""Contrast of targets, which nothing is added to, and how far below it that begins."""
WEAKEST, STRONGEST = 0.125, 2.0
"""Bounds of what contrast does to noise."""
BYTES_VARIANCE = 4 * (256**2 - 1) // 12
"""Of the sum of four random bytes."""

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int32]


def added(texture: Texture, db: Floats, valid: Mask, seed: int, band: int, window: Window) -> Floats:
    """dB to add to each pixel of a tile, float32, shape (h, w).

    Parameters
    ----------
    db : float32 array, shape (h, w), dB of power
        Decoded, neither rounded nor clamped.
    valid : bool array, same shape
        Without any there is nothing to add.
    seed : int
        Checksum of the file's header.
    band : int
        Counted from 0.
    window : Window
        Place of the tile in the raster.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # a hostile header; what is no number becomes vmin
        t = contrast(db, valid)
        speckle = faded(t)
        np.clip(t, -MOST_DB, MOST_DB, out=t)
        noise = skewed(normal(texture.kernel, seed, band, window), texture.skew)
        noise *= amplitude(texture, valid)
        noise *= np.clip(1 - np.float32(texture.slope * grid.SLOPE) * t, WEAKEST, STRONGEST)
        noise += np.float32(texture.lift * grid.LIFT_DB)
        noise += np.float32(texture.bend * grid.BEND) * t * t
        noise *= speckle
    return noise


def faded(t: Floats) -> Floats:
    """1 where a pixel of this contrast may be speckle, 0 where it is a target, float32."""
    return np.asarray(np.clip((np.float32(TARGET_DB) - t) / np.float32(FADE_DB), 0, 1))


def contrast(db: Floats, valid: Mask) -> Floats:
    """dB of each pixel over the mean of dB around it, float32, shape (h, w).

    Means are those of the valid pixels of cells of NEAR x NEAR, between their centres by
    :func:`interpolated`.
    """
    near = interpolated(_sums(np.where(valid, db, 0)), _sums(valid), NEAR, db.shape)
    return np.asarray(db - near.astype(np.float32))


def amplitude(texture: Texture, valid: Mask) -> Floats:
    """Standard deviation of the noise at each pixel before contrast has its say, dB, float32."""
    levels = texture.levels
    coded = with_data(valid, levels.side).astype(np.float64)
    cells = coded * 10 ** (levels.codes * (levels.step_db / 20))
    return (texture.unit * grid.UNIT_DB * interpolated(cells, coded, levels.side, valid.shape)).astype(
        np.float32
    )


def interpolated(sums: Doubles, counts: Doubles, side: int, shape: tuple[int, ...]) -> Doubles:
    """Sums over counts at each pixel, both bilinear between the centres of cells; shape (h, w).

    A cell whose count is 0 has no say; outside the outermost centres their values go on. 0 where no cell
    around counts.
    """
    found = []
    for cells in (sums, counts):
        first, second, share = _between(shape[0], side, cells.shape[0])
        strips = cells[first] * (1 - share[:, None]) + cells[second] * share[:, None]
        first, second, share = _between(shape[1], side, cells.shape[1])
        wide, more = strips[:, first], strips[:, second]
        wide *= 1 - share
        more *= share
        wide += more
        del more
        found.append(wide)
    np.divide(found[0], found[1], out=found[0], where=found[1] > 0)
    return np.asarray(found[0])


def normal(kernel: Kernel, seed: int, band: int, window: Window) -> Floats:
    """Nearly normal noise of unit variance with the correlation of `kernel`, float32, shape (h, w).

    A function of seed, band and place alone: integers up to one last product.
    """
    reach, taps = kernel.shape[0] - 1, kernel.astype(np.int32)
    source, (h, w) = _bytes(seed, band, window, reach), (window.height, window.width)
    out = np.zeros((h, w), np.int32)
    for j in range(reach + 1):
        left, right = source[:, reach - j : reach - j + w], source[:, reach + j : reach + j + w]
        both = left + right if j else left
        for i in range(reach + 1):
            above, below = both[reach - i : reach - i + h], both[reach + i : reach + i + h]
            out += taps[i, j] * (above + below if i else above)
    return out.astype(np.float32) * np.float32(1 / math.sqrt(BYTES_VARIANCE * energy(kernel)))


def energy(kernel: Kernel) -> int:
    """Sum of the squares of all coefficients of the filter, of which `kernel` is a quadrant."""
    twice = np.where(np.arange(kernel.shape[0]) > 0, 2, 1)
    return int((twice[:, None] * twice * kernel.astype(np.int64) ** 2).sum())


def skewed(z: Floats, skew: int) -> Floats:
    """q of this module of normal noise: zero mean and unit variance again."""
    b = skew * grid.SKEW
    return np.asarray((z + np.float32(b) * (z * z - 1)) * np.float32(1 / math.sqrt(1 + 2 * b * b)))


def _bytes(seed: int, band: int, window: Window, margin: int) -> Integers:
    """Sum of the bytes of the hash of each place, less its mean; `margin` more on each side."""
    rows = np.arange(window.row - margin, window.bottom + margin)[:, None]
    cols = np.arange(window.col - margin, window.right + margin)
    words = hash32(seed, band, rows, cols)
    pairs = (words & np.uint32(0x00FF00FF)) + ((words >> np.uint32(8)) & np.uint32(0x00FF00FF))
    sums = (pairs + (pairs >> np.uint32(16))) & np.uint32(0xFFFF)
    return np.asarray(sums.astype(np.int32) - 510)


def _sums(values: npt.NDArray[Any]) -> Doubles:
    """Sums over cells of NEAR x NEAR pixels from the upper left corner, those at the edges cut."""
    rows, cols = (np.arange(0, length, NEAR) for length in values.shape)
    strips = np.add.reduceat(values, cols, axis=1, dtype=np.float64)
    return np.asarray(np.add.reduceat(strips, rows, axis=0))


def _between(length: int, side: int, cells: int) -> tuple[Any, Any, Doubles]:
    """For each pixel of a line the cells it lies between the centres of, and the share of the second."""
    place = np.clip((2 * np.arange(length) + 1 - side) / (2 * side), 0, cells - 1)
    first = np.minimum(place.astype(np.int64), cells - 1)
    return first, np.minimum(first + 1, cells - 1), place - first
