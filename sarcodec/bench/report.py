"""Rate-distortion results as text, CSV, JSON and pictures."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.atomic import replacing
from sarcodec.bench.rd import Comparison, RdPoint, mean_percent
from sarcodec.types import Window

Raster = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]

_COLUMNS = 3  # panels side by side


def table(points: Sequence[RdPoint], comparisons: Sequence[Comparison] = ()) -> str:
    """Aligned text: a line per point, then the BD-rate of every scene and their mean."""
    wide = max([len("scene"), *(len(p.scene) for p in points)])
    name = max([len("codec"), *(len(p.codec) for p in points)])
    lines = [f"{'scene':<{wide}}  {'codec':<{name}}     bytes      bpp  RMSE dB  PSNR dB    SSIM  seconds"]
    lines += [
        f"{p.scene:<{wide}}  {p.codec:<{name}}  {p.bytes:8d}  {p.bpp:7.4f}  "
        f"{p.rmse_db:7.4f}  {p.psnr_db:7.2f}  {p.ssim:6.4f}  {p.seconds:7.2f}"
        for p in points
    ]
    if comparisons:
        lines += ["", f"{'BD-rate':<{wide}}     percent  common RMSE, dB"]
        for c in comparisons:
            figures = (
                "n/a" if c.bd is None else f"{c.bd.percent:+7.2f}  {c.bd.low_db:.3f}..{c.bd.high_db:.3f}"
            )
            lines.append(f"{c.scene:<{wide}}     {figures}")
        mean = mean_percent(comparisons)
        lines.append(f"{'mean':<{wide}}     {'n/a' if mean is None else f'{mean:+7.2f}'}")
    return "\n".join(lines)


def write_csv(points: Sequence[RdPoint], path: str | Path) -> None:
    """A line per point, columns named as the fields of `RdPoint`."""
    with (
        replacing(Path(path), overwrite=True) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, [field.name for field in fields(RdPoint)])
        writer.writeheader()
        writer.writerows(asdict(point) for point in points)


def write_json(
    points: Sequence[RdPoint],
    comparisons: Sequence[Comparison],
    path: str | Path,
    *,
    about: Mapping[str, str | float] | None = None,
) -> None:
    """One document: `about` (versions, threads), `points`, `bd_rate` per scene and its mean.

    What is not a finite number is null.
    """
    document = {
        "about": dict(about or {}),
        "points": [{k: _finite(v) for k, v in asdict(point).items()} for point in points],
        "bd_rate": [{"scene": c.scene, **(asdict(c.bd) if c.bd else {"percent": None})} for c in comparisons],
        "bd_rate_mean_percent": mean_percent(comparisons),
    }
    text = json.dumps(document, indent=1, allow_nan=False)
    with replacing(Path(path), overwrite=True) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def plot(points: Sequence[RdPoint], path: str | Path) -> None:
    """PNG with a panel per scene: RMSE in dB over bits per pixel, a line per codec."""
    from matplotlib.figure import Figure

    scenes = list(dict.fromkeys(p.scene for p in points))
    columns = min(_COLUMNS, max(1, len(scenes)))
    rows = -(-max(1, len(scenes)) // columns)
    figure = Figure(figsize=(4.5 * columns, 3.5 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels[len(scenes) :]:
        panel.set_axis_off()
    for panel, scene in zip(panels, scenes, strict=False):
        for codec in dict.fromkeys(p.codec for p in points):
            curve = sorted((p.bpp, p.rmse_db) for p in points if (p.scene, p.codec) == (scene, codec))
            panel.plot([rate for rate, _ in curve], [error for _, error in curve], "o-", ms=4, label=codec)
        panel.set(title=scene, xscale="log", xlabel="bits per pixel, whole file", ylabel="RMSE, dB of power")
        rates = sorted({p.wanted_bpp for p in points if p.scene == scene})
        panel.set_xticks(rates, [f"{rate:g}" for rate in rates])
        panel.set_xticks([], minor=True)
        panel.grid(visible=True, alpha=0.3)
        panel.legend()
    with replacing(Path(path), overwrite=True) as partial:
        figure.savefig(partial, format="png", dpi=120)


def crops(images: Mapping[str, Raster], valid: Mask, window: Window, path: str | Path) -> None:
    """PNG with the same window of several dB images side by side, in one stretch.

    Parameters
    ----------
    images : mapping of title to ndarray, shape (h, w), float, dB of power
        The first one sets the stretch: its 1st to 99th percentile within the window.
    valid : ndarray, shape (h, w), bool
    window : Window
        Pixels to show; cut to the raster.
    path : path
    """
    from matplotlib.figure import Figure

    rows, cols = slice(window.row, window.bottom), slice(window.col, window.right)
    shown = valid[rows, cols]
    first = next(iter(images.values()))[rows, cols][shown]
    low, high = np.percentile(first, (1, 99)) if first.size else (-30.0, 0.0)
    figure = Figure(figsize=(4 * len(images), 4.3), layout="constrained")
    for panel, (title, image) in zip(
        figure.subplots(1, len(images), squeeze=False)[0], images.items(), strict=True
    ):
        crop = np.where(shown, image[rows, cols], np.nan)
        panel.imshow(crop, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        panel.set_title(title)
        panel.set_axis_off()
    with replacing(Path(path), overwrite=True) as partial:
        figure.savefig(partial, format="png", dpi=120)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
