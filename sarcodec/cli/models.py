"""``sarcodec models``: what is installed. Imports no torch."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from sarcodec.cli import console
from sarcodec.cli.options import JsonOption, epilog
from sarcodec.errors import FormatError

EPILOG = epilog(
    "sarcodec models",
    "sarcodec models --json",
    codes=(2, 4),
)

_PARTS = ("entropy", "synthesis", "analysis")


def models(as_json: JsonOption = False) -> None:
    """List the installed models, the default first."""
    from sarcodec import zoo

    found = [
        {
            **card.fields,
            "id": card.id,
            "default": card.id == zoo.DEFAULT,
            "path": str(card.path),
            "description": card.fields.get("description", ""),
            **weigh(card.path),
        }
        for card in zoo.cards()
    ]
    if as_json:
        console.say_json(found)
        return
    for model in found:
        mark = " (default)" if model["default"] else ""
        numbers = f"{model['parameters'] / 1e6:.2f} M parameters, {console.size_text(model['bytes'])}"
        console.say(f"{model['id']}{mark}: {numbers}")
        for line in (model["description"], model["path"]):
            if line:
                console.say(f"  {line}")


def weigh(path: Path) -> dict[str, int]:
    """Bytes of a model file, and numbers in its networks, from the head of the file alone.

    Raises
    ------
    FormatError
        It is no safetensors file.
    """
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            head: dict[str, Any] = json.loads(file.read(size)) if size < 2**24 else {}
    except (OSError, ValueError) as error:
        raise FormatError(
            f"model file {path} cannot be read: {error}", hint="Install sarcodec again."
        ) from error
    counts = [
        math.prod(tensor["shape"])
        for name, tensor in head.items()
        if name.partition("/")[0] in _PARTS and name.endswith((".weight", ".bias"))
    ]
    return {"bytes": path.stat().st_size, "parameters": sum(counts)}
