"""What the makers of bad files share: whole files to spoil."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torture.container import Raw, record, sealed

GOLDEN = Path(__file__).parents[1] / "golden"

Make = Callable[[], bytes]


def good(name: str = "uint16_border") -> bytes:
    """A golden file."""
    return (GOLDEN / f"{name}.sarc").read_bytes()


def raw(name: str = "uint16_border") -> Raw:
    """The parts of a golden file."""
    return Raw.of(good(name))


def spoiled(change: Callable[[Raw], object], name: str = "uint16_border") -> Make:
    """A maker: a golden file after `change`, with every checksum right."""

    def make() -> bytes:
        parts = raw(name)
        change(parts)
        return parts.to_bytes()

    return make


def with_index(change: Callable[[list[int]], bytes], name: str = "two_tiles") -> Make:
    """A maker: a golden file with another index, its checksum right; `change` gets the right lengths."""

    def make() -> bytes:
        parts = raw(name)
        head = parts.header()
        made = [record(one, head, number) for number, one in enumerate(parts.records)]
        return sealed(head, made, change([len(one) for one in made]))

    return make
