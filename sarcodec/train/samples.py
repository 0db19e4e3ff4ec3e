"""Pictures of what a network gives back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sarcodec.atomic import replacing
from sarcodec.train.recipes import Recipe

COUNT = 4
"""Crops to show."""


def draw(path: Path, recipe: Recipe, x: Tensor) -> None:
    """Draw crops, shape (n, 1, H, W), and their reconstructions as a PNG: a row for each crop.

    All pictures of a row have one grey scale, from the 1st to the 99th percentile of the input.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    was_training = recipe.net.training
    recipe.net.eval()
    torch.manual_seed(0)
    with torch.no_grad():
        columns = {title: t[:, 0].float().cpu().numpy() for title, t in recipe.rebuild(x).items()}
    recipe.net.train(was_training)
    first = next(iter(columns.values()))
    rows = len(first)
    size = (2.4 * len(columns), 2.4 * rows + 0.3)
    figure, axes = plt.subplots(rows, len(columns), figsize=size, layout="constrained", squeeze=False)
    for row in range(rows):
        low, high = np.percentile(first[row], (1, 99))
        for axis, (title, images) in zip(axes[row], columns.items(), strict=True):
            axis.imshow(images[row], cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            axis.set_axis_off()
            if row == 0:
                axis.set_title(title, fontsize=9)
    with replacing(path, overwrite=True) as partial:
        figure.savefig(partial, format="png", dpi=120)
    plt.close(figure)
