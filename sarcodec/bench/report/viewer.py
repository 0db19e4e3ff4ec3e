"""The pictures of the page: crops as data URIs, in the order that the viewer shows them."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sarcodec.bench.report import aggregate, words
from sarcodec.bench.report.crops import DIFFERENCE, ORIGINAL, RATIO
from sarcodec.bench.report.style import styles
from sarcodec.bench.results import OURS, REFERENCE, Results, Shown
from sarcodec.errors import InputError

BUDGET = 25_000_000
"""Bytes of PNGs up to which every codec is in the page; beyond: ours, JPEG 2000 and the strongest other.

Twelve windows of ten codecs are below it."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LARGEST = 4096  # pixels of a side


@dataclass(frozen=True)
class Picture:
    """One PNG."""

    view: str
    """``image``, ``difference`` or ``ratio``."""
    uri: str
    width: int
    height: int
    alt: str


@dataclass(frozen=True)
class Slot:
    """What one codec made of a window."""

    number: int
    title: str
    label: str
    pictures: tuple[Picture, ...]
    open: bool
    """Whether it is seen at first: ours and JPEG 2000 are."""


@dataclass(frozen=True)
class View:
    """A window of one scene."""

    name: str
    rate: float
    where: str
    scales: dict[str, str]
    """What black and white mean, by view."""
    original: Picture
    slots: tuple[Slot, ...]


def views(results: Results, folder: Path) -> list[View]:
    """The windows of `results.shown`, their pictures read from `folder`.

    Raises
    ------
    InputError
        A picture is missing, is no PNG, or its name leads out of `folder`.
    """
    size = sum(_size(folder, file) for shown in results.shown for file in shown.pictures.values())
    kept = [
        codec for codec in words.codec_names(results) if any(codec in each.pictures for each in results.shown)
    ]
    if size > BUDGET:
        peer = aggregate.strongest_peer(results)
        wanted = {OURS, REFERENCE, peer.reference if peer else OURS}
        kept = [codec for codec in kept if codec in wanted] or kept[:2]
    return [_view(results, shown, folder, kept) for shown in results.shown if ORIGINAL in shown.pictures]


def switches(found: Sequence[View]) -> list[Slot]:
    """A slot of each codec that any window shows, for the buttons that show and hide it."""
    slots = {slot.number: slot for view in found for slot in view.slots}
    return [slots[number] for number in sorted(slots)]


def _view(results: Results, shown: Shown, folder: Path, kept: Sequence[str]) -> View:
    title, look = words.titles(results), styles(words.codec_names(results))
    scene = words.clean(shown.scene)
    first = [codec for codec in kept if codec in {OURS, REFERENCE}] or kept[:2]
    slots = []
    for codec in kept:
        if codec not in shown.pictures:
            continue
        files = {"image": codec, DIFFERENCE: f"{codec} {DIFFERENCE}", RATIO: f"{codec} {RATIO}"}
        pictures = [
            _picture(folder, shown.pictures[key], view, f"{scene}, {title[codec]}, {view}")
            for view, key in files.items()
            if key in shown.pictures
        ]
        label = words.clean(shown.labels.get(codec, ""))
        slots.append(Slot(look[codec].number, title[codec], label, tuple(pictures), codec in first))
    grey = f"{words.number(shown.low_db, 1)} dB (black) to {words.number(shown.high_db, 1)} dB (white)"
    scales = {"image": grey} | {
        view: words.clean(shown.labels[view]) for view in (DIFFERENCE, RATIO) if view in shown.labels
    }
    original = _picture(folder, shown.pictures[ORIGINAL], "image", f"{scene}, original")
    where = words.clean(shown.labels.get(ORIGINAL, ""))
    return View(scene, shown.wanted_bpp, where, scales, original, tuple(slots))


def _checked(folder: Path, name: str) -> Path:
    path = folder / name
    if Path(name).name != name or "\0" in name or path.is_symlink() or not path.is_file():
        raise InputError(
            f"no picture {words.shortened(name, 60)} in {folder}",
            hint="Write the crops into the folder of the report first.",
        )
    return path


def _size(folder: Path, name: str) -> int:
    return _checked(folder, name).stat().st_size


def _picture(folder: Path, name: str, view: str, alt: str) -> Picture:
    data = _checked(folder, name).read_bytes()
    width, height = struct.unpack(">II", data[16:24]) if data[:8] == _SIGNATURE and len(data) > 24 else (0, 0)
    if not (0 < width <= _LARGEST and 0 < height <= _LARGEST):
        raise InputError(
            f"{words.shortened(name, 60)} is no PNG of up to {_LARGEST} pixels a side",
            hint="Write the crops into the folder of the report first.",
        )
    return Picture(
        view, "data:image/png;base64," + base64.b64encode(data).decode("ascii"), width, height, alt
    )
