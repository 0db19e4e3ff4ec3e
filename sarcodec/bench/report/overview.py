"""One picture to show around: a window of the first image, original, ours and JPEG 2000 side by side."""

from __future__ import annotations

import textwrap
from pathlib import Path

from sarcodec.atomic import replacing
from sarcodec.bench.report import words
from sarcodec.bench.report.drawing import write_png
from sarcodec.bench.results import OURS, REFERENCE, Results

_DPI = 128  # a panel of two inches shows 256 pixels as they are
_LETTERS = 15  # of an inch of words


def write_overview(results: Results, folder: Path, path: Path) -> None:
    """Write a PNG of the first image's pictures side by side; words where there are none.

    Parameters
    ----------
    results : Results
    folder : Path
        Holds the pictures that `results.shown` names.
    path : Path
        Replaced where it exists.

    Raises
    ------
    WriteError
        It could not be written.
    """
    shown = next((view for view in results.shown if "original" in view.pictures), None)
    if shown is None:
        write_png([], path)
        return
    from matplotlib.figure import Figure
    from matplotlib.image import imread

    title = words.titles(results)
    names = ["original", *(codec for codec in (OURS, REFERENCE) if codec in shown.pictures)]
    pictures = [imread(folder / shown.pictures[name]) for name in names]
    inch = _DPI / max(1, _DPI // pictures[0].shape[1])  # pixels; small windows are shown larger
    sides = [picture.shape[1] / inch for picture in pictures]
    height = pictures[0].shape[0] / inch
    gap, head = 0.12, 0.56  # inches
    width = sum(sides) + gap * (len(names) + 1)
    figure = Figure(figsize=(width, height + head + gap), facecolor="white")
    left = gap
    for name, picture, side in zip(names, pictures, sides, strict=True):
        box = (left / width, gap / (height + head + gap), side / width, height / (height + head + gap))
        axes = figure.add_axes(box)
        axes.imshow(picture, interpolation="nearest", aspect="auto", cmap="gray")
        axes.set_axis_off()
        text = name
        if name != "original":
            label = words.clean(shown.labels.get(name, ""))
            text = f"{title[name]}\n{textwrap.fill(label, max(1, int(_LETTERS * side)))}"
        axes.set_title(text, fontsize=7, pad=3)
        left += side + gap
    with replacing(path, overwrite=True) as partial:
        figure.savefig(partial, format="png", dpi=2 * _DPI)
