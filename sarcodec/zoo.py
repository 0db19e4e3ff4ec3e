"""The models that are installed: their cards and files. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sarcodec.errors import UnsupportedError

DEFAULT = "lapped16"
"""Model that encodes unless another is asked for."""


@dataclass(frozen=True)
class Card:
    """What is known of a model without loading it."""

    id: str
    path: Path
    fields: dict[str, Any]
    """The card as written: description, data, steps, figures, licence."""


def folders() -> list[Path]:
    """Where models are looked for: inside the installed package, or beside it in a source tree."""
    here = Path(__file__).resolve().parent
    return [f for f in (here / "models", here.parent / "models") if f.is_dir()]


def cards() -> list[Card]:
    """All installed models, the default first, then by id."""
    found: dict[str, Card] = {}
    for folder in folders():
        for card in sorted(folder.glob("*/card.json")):
            fields = json.loads(card.read_text())
            found.setdefault(fields["id"], Card(fields["id"], card.parent / "model.safetensors", fields))
    return sorted(found.values(), key=lambda c: (c.id != DEFAULT, c.id))


def find(name: str | None = None) -> Path:
    """Path of a model file, by id or by path.

    Raises
    ------
    UnsupportedError
        No such model.
    """
    wanted = name or DEFAULT
    if wanted.endswith(".safetensors") and Path(wanted).is_file():
        return Path(wanted)
    for card in cards():
        if card.id == wanted:
            return card.path
    known = ", ".join(c.id for c in cards()) or "none"
    raise UnsupportedError(
        f"model {wanted!r} is not installed (installed: {known})",
        hint="Update sarcodec, or give --model the path of a .safetensors model file.",
    )
