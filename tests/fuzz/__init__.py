"""Coverage-guided fuzzing of everything that reads a `.sarc` file; ``python -m fuzz`` runs it (see Makefile).

Nothing of `sarcodec` may be imported here: a child instruments it first.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

TARGETS = ("header", "file", "metadata", "mask", "decode")
"""In the order in which a file is read."""


def target(name: str) -> Callable[[bytes], None]:
    """The function of a target; imports what it fuzzes."""
    module = importlib.import_module("fuzz.pixels" if name == "decode" else "fuzz.parsers")
    found: Callable[[bytes], None] = module.ALL[name]
    return found
