"""Pictures of a training run: loss, rate and error against steps."""

from __future__ import annotations

import csv
from pathlib import Path

from sarcodec.atomic import replacing
from sarcodec.errors import InputError

PANELS = {"loss": "loss", "bpp": "bits per pixel", "rmse_db": "RMSE, dB"}


def draw(run: Path) -> Path:
    """Draw ``log.csv`` of a run as ``curves.png`` beside it; returns its path.

    Raises
    ------
    InputError
        There is no log with two lines in it.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    log = run / "log.csv"
    rows = list(csv.DictReader(log.read_text().splitlines())) if log.exists() else []
    if len(rows) < 2:
        raise InputError(f"{log} holds no curve yet", hint="Train for more steps.")
    steps = [int(row["step"]) for row in rows]
    figure, axes = plt.subplots(1, len(PANELS), figsize=(4 * len(PANELS), 3), layout="constrained")
    for axis, (column, label) in zip(axes, PANELS.items(), strict=True):
        axis.plot(steps, [float(row[column]) for row in rows], lw=1)
        axis.set_xlabel("step")
        axis.set_title(label, fontsize=10)
        axis.grid(alpha=0.3)
    path = run / "curves.png"
    with replacing(path, overwrite=True) as partial:
        figure.savefig(partial, format="png", dpi=120)
    plt.close(figure)
    return path
