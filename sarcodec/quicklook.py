"""A picture for the eye: original, decoded and their difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.atomic import replacing
from sarcodec.metrics import rmse_db

Raster = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]

_SIDE = 1024  # pixels of the longer side shown; more would not be seen


def stretch(db: Raster, valid: Mask) -> tuple[float, float]:
    """1st and 99th percentile of the valid pixels, dB; at least 1 dB apart.

    Parameters
    ----------
    db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
    """
    data = db[valid]
    if not data.size:
        return -30.0, 0.0
    low, high = (float(value) for value in np.percentile(data, (1, 99)))
    return (low, high) if high - low >= 1 else ((low + high - 1) / 2, (low + high + 1) / 2)


def side_by_side(
    original_db: Raster, decoded_db: Raster, valid: Mask, path: str | Path, *, title: str = ""
) -> None:
    """Write a PNG: original | decoded | decoded - original, each with its scale in dB.

    Both images share the stretch of the original; the difference is shown over +-3 times its RMSE. Rasters
    of more than 1024 pixels a side are shown as a centre crop, not shrunk: shrinking averages speckle and
    hides what a codec does to it.

    Parameters
    ----------
    original_db, decoded_db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
        Invalid pixels stay blank.
    path : path
        Replaced where it exists.
    title : str

    Raises
    ------
    WriteError
        The picture could not be written.
    """
    from matplotlib.figure import Figure

    rows, cols = (_centre(side) for side in valid.shape)
    original, decoded, shown = original_db[rows, cols], decoded_db[rows, cols], valid[rows, cols]
    low, high = stretch(original, shown)
    error = rmse_db(original, decoded, shown)
    reach = 3 * error if error > 0 else 1.0
    with np.errstate(invalid="ignore"):
        difference = decoded - original
    panels: list[tuple[str, Raster, str, float, float]] = [
        ("original", original, "gray", low, high),
        ("decoded", decoded, "gray", low, high),
        (f"decoded - original, RMSE {error:.2f} dB", difference, "RdBu_r", -reach, reach),
    ]
    height, width = shown.shape
    figure = Figure(figsize=(15, min(max(5 * height / width, 1.5), 15) + 1.5), layout="constrained")
    for axes, (name, image, colours, vmin, vmax) in zip(figure.subplots(1, 3), panels, strict=True):
        picture = axes.imshow(
            np.where(shown, image, np.nan), cmap=colours, vmin=vmin, vmax=vmax, interpolation="nearest"
        )
        axes.set_title(name)
        axes.set_axis_off()
        figure.colorbar(picture, ax=axes, orientation="horizontal", label="dB", shrink=0.8)
    if title:
        figure.suptitle(title)
    with replacing(Path(path), overwrite=True) as partial:
        figure.savefig(partial, format="png", dpi=110)


def _centre(side: int) -> slice:
    start = max(0, (side - _SIDE) // 2)
    return slice(start, start + _SIDE)
