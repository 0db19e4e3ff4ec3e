"""Pictures of a training run: its figures against steps."""

from __future__ import annotations

from pathlib import Path

from sarcodec.atomic import replacing
from sarcodec.errors import InputError
from sarcodec.train import log

PANELS = {
    "loss": "loss",
    "bpp": "bits per pixel",
    "psnr": "PSNR, dB, notes' convention",
    "ssim": "SSIM, notes' convention",
    "rmse_db": "RMSE, dB",
}
"""Columns that are drawn where a log has them."""


def draw(run: Path) -> Path:
    """Draw ``log.csv`` of a run, and ``validation.csv`` if there is one, as ``curves.png``; returns its path.

    Raises
    ------
    InputError
        There is no log with two lines in it.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    path = run / "log.csv"
    rows = log.read(path)
    if len(rows) < 2:
        raise InputError(f"{path} holds no curve yet", hint="Train for more steps.")
    panels = {column: label for column, label in PANELS.items() if column in rows[0]}
    figure, axes = plt.subplots(
        1, len(panels), figsize=(4 * len(panels), 3), layout="constrained", squeeze=False
    )
    for name, points, style in (
        ("training", rows, "-"),
        ("validation", log.read(run / "validation.csv"), "o-"),
    ):
        steps = [int(row["step"]) for row in points]
        for axis, (column, label) in zip(axes[0], panels.items(), strict=True):
            if points:
                axis.plot(steps, [float(row[column]) for row in points], style, lw=1, ms=3, label=name)
            axis.set_xlabel("step")
            axis.set_title(label, fontsize=10)
            axis.grid(alpha=0.3)
    axes[0][0].legend(fontsize=8)
    path = run / "curves.png"
    with replacing(path, overwrite=True) as partial:
        figure.savefig(partial, format="png", dpi=120)
    plt.close(figure)
    return path
