"""Images of the user's rasters, two dates of one place among them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sarcodec.bench.images import Image, images
from sarcodec.errors import UsageError
from sarcodec.georef import Transform

Pair = tuple[str, str]
"""Files of an earlier and a later date."""


def load(paths: Sequence[str], pairs: Sequence[Pair], *, largest: int) -> list[Image]:
    """All bands of all scenes, the later date of a pair somewhere behind the earlier.

    Parameters
    ----------
    paths : sequence of str
        Raster files; those of the pairs need not be among them.
    pairs : sequence of (str, str)
    largest : int
        Pixels a side above which a raster is cut to its middle.

    Raises
    ------
    InputError
        A file cannot be read, or holds what this codec does not code.
    UsageError
        The files of a pair do not fit, or one is the later date of several.
    """
    pairs = [(_resolved(earlier), _resolved(later)) for earlier, later in pairs]
    before = {later: earlier for earlier, later in pairs}
    if len(before) < len(pairs) or set(before) & set(before.values()):
        raise UsageError(
            "a raster is the later date of two pairs, or the later of one and the earlier of another",
            hint="Give every raster one part in one pair.",
        )
    others = (path for path in map(_resolved, paths) if path not in before)
    order = list(dict.fromkeys([*before.values(), *others, *before]))
    found = [image for path in order for image in images(path, largest=largest)]
    by_path: dict[str, list[Image]] = {}
    for image in _named_apart(found):
        by_path.setdefault(image.path, []).append(replace(image, group=image.path))
    for later, earlier in before.items():
        by_path[later] = _dated(by_path[earlier], by_path[later])
    groups = {path: f"place {number}" for number, path in enumerate(dict.fromkeys(by_path), 1)}
    return [replace(image, group=groups[image.group]) for path in order for image in by_path[path]]


def _resolved(path: str) -> str:
    """One name for one file; what is no file of this machine keeps its own."""
    return str(Path(path).resolve()) if Path(path).exists() else path


def _named_apart(found: list[Image]) -> list[Image]:
    """The same images; those whose names repeat get a number, since every table goes by name."""
    seen: dict[str, int] = {}
    apart = []
    for image in found:
        count = seen[image.name] = seen.get(image.name, 0) + 1
        apart.append(replace(image, name=f"{image.name} ({count})") if count > 1 else image)
    return apart


def _dated(before: list[Image], after: list[Image]) -> list[Image]:
    """The images of the later date, each with the name of its band on the earlier one, in its group."""
    if len(before) != len(after) or not all(map(_same_grid, before, after)):
        raise UsageError(
            f"{before[0].file} and {after[0].file} differ in size, bands or place: not two dates on one grid",
            hint="Resample one of them to the grid of the other.",
        )
    return [
        replace(late, before=early.name, group=early.group) for early, late in zip(before, after, strict=True)
    ]


def _same_grid(a: Image, b: Image) -> bool:
    """Whether two images have one size, CRS and transform, the latter to a tenth of a pixel."""
    first, second = a.meta.transform, b.meta.transform
    if (a.full, a.meta.crs, first is None) != (b.full, b.meta.crs, second is None):
        return False
    if first is None or second is None:
        return True
    width, height = a.full
    corners = ((0, 0), (width, 0), (0, height), (width, height))
    pixel = math.hypot(first[1], first[4]) or math.hypot(first[0], first[3])
    return all(math.dist(_placed(first, corner), _placed(second, corner)) <= pixel / 10 for corner in corners)


def _placed(transform: Transform, corner: tuple[int, int]) -> tuple[float, float]:
    (a, b, c, d, e, f), (col, row) = transform, corner
    return a * col + b * row + c, d * col + e * row + f
