"""The corpus: one zip a target, the same bytes for the same inputs.

An entry is named by its content. Names that begin with ``found-`` are inputs that once failed: they stay
whatever they cover.
"""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"
FOUND = "found-"


def path(target: str) -> Path:
    """The zip of a target."""
    return FOLDER / f"{target}.zip"


def load(target: str) -> dict[str, bytes]:
    """Inputs of a target by name; empty where there is no corpus."""
    if not path(target).exists():
        return {}
    with zipfile.ZipFile(path(target)) as packed:
        return {name: packed.read(name) for name in sorted(packed.namelist())}


def save(target: str, inputs: dict[str, bytes]) -> None:
    """Write the zip: entries sorted, without dates."""
    FOLDER.mkdir(exist_ok=True)
    with zipfile.ZipFile(path(target), "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for name, data in sorted(inputs.items()):
            packed.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED, 9)


def name_of(data: bytes, *, found: bool = False) -> str:
    """Name of an input."""
    return (FOUND if found else "") + hashlib.sha1(data, usedforsecurity=False).hexdigest()[:16]


def unpack(target: str, folder: Path) -> None:
    """Put the inputs of a target into a folder, a file each."""
    for name, data in load(target).items():
        (folder / name).write_bytes(data)


def pack(target: str, folder: Path) -> int:
    """Make the inputs in a folder the corpus of a target, beside those that once failed; returns how many."""
    kept = {name: data for name, data in load(target).items() if name.startswith(FOUND)}
    known = set(kept.values())
    fresh = (entry.read_bytes() for entry in sorted(folder.iterdir()))
    inputs = kept | {name_of(data): data for data in fresh if data not in known}
    save(target, inputs)
    return len(inputs)
