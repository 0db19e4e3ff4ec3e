"""Images of the user's rasters, two dates of one place among them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from sarcodec.bench.images import Image, images
from sarcodec.errors import UsageError

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
    before = {later: earlier for earlier, later in pairs}
    if len(before) < len(pairs) or set(before) & set(before.values()):
        raise UsageError(
            "a raster is the later date of two pairs, or the later of one and the earlier of another",
            hint="Give every raster one part in one pair.",
        )
    order = list(dict.fromkeys([*before.values(), *(p for p in paths if p not in before), *before]))
    found = [image for path in order for image in images(path, largest=largest)]
    counts = [sum(1 for image in found if image.path == os.fspath(path)) for path in order]
    named = iter(_named_apart(found))
    by_path = {path: [next(named) for _ in range(count)] for path, count in zip(order, counts, strict=True)}
    for later, earlier in before.items():
        by_path[later] = _dated(by_path[earlier], by_path[later])
    return [image for path in order for image in by_path[path]]


def _named_apart(found: list[Image]) -> list[Image]:
    """The same images; those whose names repeat get a number, since every table goes by name."""
    seen: dict[str, int] = {}
    apart = []
    for image in found:
        count = seen[image.name] = seen.get(image.name, 0) + 1
        apart.append(replace(image, name=f"{image.name} ({count})") if count > 1 else image)
    return apart


def _dated(before: list[Image], after: list[Image]) -> list[Image]:
    """The images of the later date, each with the name of its band on the earlier one."""
    shapes = [[image.values.shape for image in part] for part in (before, after)]
    if shapes[0] != shapes[1]:
        raise UsageError(
            f"{before[0].file} and {after[0].file} differ in size or bands: not two dates on one grid",
            hint="Resample one of them to the grid of the other.",
        )
    return [replace(late, before=early.name) for early, late in zip(before, after, strict=True)]
