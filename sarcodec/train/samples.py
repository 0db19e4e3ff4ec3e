"""Pictures of what a network gives back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from sarcodec.atomic import replacing
from sarcodec.errors import InputError
from sarcodec.train import checkpoint
from sarcodec.train.config import Settings
from sarcodec.train.recipes import recipe_of
from sarcodec.train.split import scenes_of

COUNT = 4
"""Crops to show."""


def draw(run: Path, data: Path, settings: Settings) -> Path:
    """Draw crops and what the network of a run makes of them, as ``samples.png`` in its folder.

    A row for each crop, on one grey scale from the 1st to the 99th percentile of the input. They are
    those of the validation, or else training crops.

    Raises
    ------
    InputError
        There is no checkpoint, or the scenes cannot be read.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    saved = run / "checkpoint.safetensors"
    if not saved.exists():
        raise InputError(f"no checkpoint {saved}", hint="Train first.")
    recipe = recipe_of(settings)
    checkpoint.load(saved, recipe.net, None)
    scenes, apart = scenes_of(data, settings)
    if apart is None:
        apart = scenes.batch(COUNT, np.random.default_rng(0), augment=False, level=recipe.level)
    recipe.net.eval()
    torch.manual_seed(0)
    with torch.no_grad():
        columns = {title: t[:, 0].numpy() for title, t in recipe.rebuild(apart[0][:COUNT]).items()}
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
    path = run / "samples.png"
    with replacing(path, overwrite=True) as partial:
        figure.savefig(partial, format="png", dpi=120)
    plt.close(figure)
    return path
