"""The models that are installed: their cards and files. Imports no torch."""

from __future__ import annotations

import json
import os
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


def released_digest(path: Path) -> str | None:
    """SHA-256 in hexadecimal that an installed model's file must have; None for a file from elsewhere.

    A card that names none gives the empty text, which no file has.
    """
    there = path.resolve()
    for card in cards():
        if card.path == there:
            return str(card.fields.get("sha256", ""))
    return None


def installed(name: str) -> Path:
    """Path of an installed model, by id alone: what a `.sarc` file says is never taken for a path.

    Raises
    ------
    UnsupportedError
        No such model.
    """
    found = cards()
    for card in found:
        if card.id == name:
            return card.path
    known = ", ".join(card.id for card in found) or "none"
    raise UnsupportedError(
        f"model {name!r} is not installed (installed: {known})",
        hint="Update sarcodec, or give --model the path of a .safetensors model file.",
    )


def find(name: str | None = None) -> Path:
    """Path of the model that a user asks for, by id or by path; the default where left out.

    Raises
    ------
    UnsupportedError
        No such model.
    """
    if name is not None and name.endswith(".safetensors") and os.path.isfile(name):
        return Path(name)
    return installed(name or DEFAULT)
