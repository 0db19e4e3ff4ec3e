"""Pictures of one window of a scene as each codec returned it, pixel for pixel."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.bench.report.pixels import diverging, levels, write_png
from sarcodec.bench.results import REFERENCE, Shown
from sarcodec.metrics import rmse_db
from sarcodec.quicklook import stretch
from sarcodec.types import Window

Raster = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Doubles = npt.NDArray[np.float64]

ORIGINAL, DIFFERENCE, RATIO = "original", "difference", "ratio"

_BLOCK = 8  # pixels: speckle averages out over a block, what is left is the scene
_EDGE = 6.0  # dB; a bright target counts no more than any strong edge
_VALID = 0.9


def write_crops(
    folder: str | Path,
    number: int,
    scene_name: str,
    original_db: Raster,
    decoded: Mapping[str, tuple[Raster, str]],
    valid: Mask,
    wanted_bpp: float,
    *,
    side: int = 256,
) -> Shown:
    """Write PNGs of the window that shows most, one byte a pixel, nothing resampled.

    ``crop-NUMBER-original.png`` and for each codec ``crop-NUMBER-CODEC.png`` in grey over the original's 1st
    to 99th percentile within the window; ``...-difference.png``, decoded - original from blue to red over
    +-3 RMSE of the reference codec; ``...-ratio.png``, original / decoded in linear power, grey from 0 to
    the 99th percentile of the reference codec's. The reference codec is JPEG 2000, or the first one where
    it is missing; its RMSE is that of the window. Invalid pixels are transparent.

    Parameters
    ----------
    folder : path
        Exists. Pictures of the same names are replaced.
    number : int
        Of the scene, for the file names.
    scene_name : str
    original_db : ndarray, shape (h, w), float, dB of power
    decoded : mapping of codec to (ndarray, shape (h, w), float, dB of power; words)
        Words such as ``0.201 bpp, 1.62 dB over the whole image``.
    valid : ndarray, shape (h, w), bool
    wanted_bpp : float
    side : int
        Of the window, pixels.

    Returns
    -------
    Shown
        Its `labels` also have ``original``, ``difference`` and ``ratio``: the window, and what the ends of
        the scales mean.

    Raises
    ------
    WriteError
        A picture could not be written.
    """
    window = telling_window(original_db, valid, side)
    cut = (slice(window.row, window.bottom), slice(window.col, window.right))
    original, shown = original_db[cut].astype(np.float64), valid[cut]
    images = {codec: image[cut].astype(np.float64) for codec, (image, _) in decoded.items()}
    with np.errstate(invalid="ignore", over="ignore"):
        differences = {codec: image - original for codec, image in images.items()}
        ratios = {codec: 10 ** (-difference / 10) for codec, difference in differences.items()}
    low, high = stretch(original, shown)
    reference = REFERENCE if REFERENCE in images else next(iter(images), None)
    reach, top = 1.0, 2.0
    if reference is not None and shown.any():
        reach = 3 * rmse_db(original, images[reference], shown) or 1.0
        top = max(2.0, float(np.percentile(ratios[reference][shown], 99)))

    pictures: dict[str, str] = {}

    def keep(key: str, file: str, image: Doubles, ends: tuple[float, float], palette: Bytes | None) -> None:
        pictures[key] = f"crop-{number}-{file}.png"
        write_png(Path(folder) / pictures[key], levels(image, shown, *ends), palette)

    keep(ORIGINAL, ORIGINAL, original, (low, high), None)
    colours = diverging()
    for codec, image in images.items():
        file = re.sub(r"[^A-Za-z0-9_-]", "_", codec)
        keep(codec, file, image, (low, high), None)
        keep(f"{codec} {DIFFERENCE}", f"{file}-{DIFFERENCE}", differences[codec], (-reach, reach), colours)
        keep(f"{codec} {RATIO}", f"{file}-{RATIO}", ratios[codec], (0.0, top), None)
    labels = {codec: label for codec, (_, label) in decoded.items()}
    labels[ORIGINAL] = f"{window.width} x {window.height} pixels at column {window.col}, row {window.row}"
    labels[DIFFERENCE] = f"-{reach:.1f} dB (blue) to +{reach:.1f} dB (red)"
    labels[RATIO] = f"0 (black) to {top:.2g} (white)"
    return Shown(scene_name, wanted_bpp, low, high, pictures, labels)


def telling_window(db: Raster, valid: Mask, side: int) -> Window:
    """The window of at most `side` pixels a side with most structure, mostly valid.

    Structure is the sum of differences of neighbouring means over 8x8 pixels, each at most 6 dB. Windows
    begin at multiples of 8 pixels; of those with 90 % valid pixels or more, else of all, the one with most
    wins, the upper left one of equal ones.

    Parameters
    ----------
    db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
    side : int
    """
    height, width = db.shape
    wide, tall = min(side, width), min(side, height)
    rows, cols = height // _BLOCK, width // _BLOCK
    across, down = max(1, wide // _BLOCK), max(1, tall // _BLOCK)
    if rows < down or cols < across or (rows, cols) == (down, across):
        return Window(0, 0, wide, tall)
    whole = (slice(rows * _BLOCK), slice(cols * _BLOCK))
    counts = _blocks(valid[whole].astype(np.float64))
    sums = _blocks(np.where(valid[whole], db[whole], 0).astype(np.float64))
    means = np.where(counts > 0.5 * _BLOCK**2, sums / np.maximum(counts, 1), np.nan)
    edges = np.zeros((rows, cols))
    for axis in (0, 1):
        step = np.nan_to_num(np.minimum(np.abs(np.diff(means, axis=axis)), _EDGE))
        edges += np.pad(step, [(0, 1), (0, 0)] if axis == 0 else [(0, 0), (0, 1)])
    score, share = _sums(edges, down, across), _sums(counts, down, across) / (down * across * _BLOCK**2)
    good = share >= min(_VALID, share.max())
    row, col = np.unravel_index(int(np.argmax(np.where(good, score, -1))), score.shape)
    return Window(min(int(col) * _BLOCK, width - wide), min(int(row) * _BLOCK, height - tall), wide, tall)


def _blocks(image: Doubles) -> Doubles:
    rows, cols = (side // _BLOCK for side in image.shape)
    sums: Doubles = image.reshape(rows, _BLOCK, cols, _BLOCK).sum(axis=(1, 3))
    return sums


def _sums(image: Doubles, down: int, across: int) -> Doubles:
    """Sum of each `down` x `across` window of `image`."""
    total: Doubles = np.pad(image, [(1, 0), (1, 0)]).cumsum(0).cumsum(1)
    sums: Doubles = total[down:] - total[:-down]
    return np.asarray(sums[:, across:] - sums[:, :-across])
