"""Which scenes a run learns from: parts of a list by place, never two patches of one place on two sides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from sarcodec.errors import InputError
from sarcodec.train.config import Settings
from sarcodec.train.data import PackedScenes, Scene

VALIDATION_CROPS = 32
_POLARISATIONS = {"vv", "vh", "hv", "hh"}
_MONTHS = {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}
_DATE = re.compile(r"\d{8}(t\d{4,6})?")


def place_of(scene: Scene) -> str:
    """What scenes of one place have in common: the name without polarisation, dates and closing numbers.

    ``town_03_vv.tif`` and ``town_04_vh.tif`` are one place: neighbours and dates are numbered so.
    """
    stem = re.sub(r"\.[a-z0-9]+$", "", scene.name.rpartition("/")[2].lower())
    words = [w for w in re.split(r"[_\s.-]+", stem) if w not in _POLARISATIONS | _MONTHS]
    words = [w for w in words if not _DATE.fullmatch(w)]
    while words and words[-1].isdigit():
        words.pop()
    return "_".join(words) or stem


def scenes_of(data: Path, settings: Settings) -> tuple[PackedScenes, tuple[Tensor, Tensor] | None]:
    """Scenes to learn from, and the crops to validate on, (n, 1, crop, crop) each of x and valid, if any."""
    level = "scene" if settings.recipe == "notes" else "crop"
    held: PackedScenes | None = None

    def keep(scenes: list[Scene]) -> list[Scene]:
        if settings.holdout and not settings.validation and scenes:
            scenes = split(scenes, settings.holdout, settings.seed)[0]
        return subset(scenes, settings.subset, settings.seed)

    scenes = PackedScenes(data, settings.crop, keep=keep, respeckle=settings.respeckle)
    if settings.validation:
        held = PackedScenes(Path(settings.validation), settings.crop)
    elif settings.holdout:
        held = PackedScenes(
            data, settings.crop, keep=lambda found: split(found, settings.holdout, settings.seed)[1]
        )
    if held is None:
        return scenes, None
    return scenes, held.batch(VALIDATION_CROPS, np.random.default_rng(0), augment=False, level=level)


def split(scenes: Sequence[Scene], share: float, seed: int) -> tuple[list[Scene], list[Scene]]:
    """Set whole places apart until they hold `share` of the pixels, at least one place on either side.

    Returns
    -------
    rest, apart : list of Scene
        In the order of `scenes`; together they are `scenes`.

    Raises
    ------
    InputError
        There are fewer than two places.
    """
    places = sorted({place_of(s) for s in scenes})
    if len(places) < 2:
        raise InputError(
            f"{len(scenes)} scenes of {len(places)} place cannot be split",
            hint="Add scenes of another place, or name a file for validation.",
        )
    apart = _some(scenes, places[:], share, seed, most=len(places) - 1)
    return (
        [s for s in scenes if place_of(s) not in apart],
        [s for s in scenes if place_of(s) in apart],
    )


def subset(scenes: Sequence[Scene], share: float, seed: int) -> list[Scene]:
    """Whole places, drawn at random, until they hold `share` of the pixels; at least one."""
    places = sorted({place_of(s) for s in scenes})
    chosen = _some(scenes, places, share, seed, most=len(places)) if share < 1 else set(places)
    return [s for s in scenes if place_of(s) in chosen]


def _some(scenes: Sequence[Scene], places: list[str], share: float, seed: int, *, most: int) -> set[str]:
    pixels = dict.fromkeys(places, 0)
    for scene in scenes:
        pixels[place_of(scene)] += scene.height * scene.width
    wanted, have = share * sum(pixels.values()), 0
    chosen: set[str] = set()
    for index in np.random.default_rng([seed, 2**41]).permutation(len(places)):
        if chosen and (have >= wanted or len(chosen) >= most):
            break
        chosen.add(places[index])
        have += pixels[places[index]]
    return chosen
