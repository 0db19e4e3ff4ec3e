"""What calls what: the modules that an encode or a decode enters, and calls that go up against the layers.

``python -m testing.flow SCENE.tif`` prints both for a raster. A call by a thread of a pool has no caller: the
thread that makes it says nothing of who asked for it.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import FrameType

import sarcodec

PACKAGE = Path(sarcodec.__file__).parent
PROJECT = Path(__file__).parents[2] / "pyproject.toml"
POOL = "parallel"


def ranks() -> dict[str, int]:
    """Rank of each module or folder of the package, 0 for the highest, as the import contracts have it."""
    contracts = tomllib.loads(PROJECT.read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "layers")
    return {name.strip(): rank for rank, layer in enumerate(layers) for name in layer.split("|")}


@dataclass
class Trace:
    """What was seen while :meth:`of` ran."""

    entered: set[str] = field(default_factory=set)
    """Modules of which a function was called."""
    climbs: set[tuple[str, str]] = field(default_factory=set)
    """Caller and callee, where the callee's layer is above the caller's."""

    @staticmethod
    def of(call: Callable[[], object]) -> Trace:
        """The trace of a call, in this thread and in those that it starts."""
        trace, rank = Trace(), ranks()

        def seen(frame: FrameType, event: str, _argument: object) -> None:
            module = _module(frame)
            if event != "call" or module is None or frame.f_code.co_name == "<module>":
                return
            trace.entered.add(module)
            caller = _module(frame.f_back) if frame.f_back else None
            if caller is None or caller == POOL:
                return
            above, below = rank.get(module.split(".")[0]), rank.get(caller.split(".")[0])
            if above is not None and below is not None and above < below and not _resumed(frame):
                trace.climbs.add((caller, module))

        threading.setprofile(seen)
        sys.setprofile(seen)
        try:
            call()
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
        return trace


def _module(frame: FrameType) -> str | None:
    """Name of a frame's module within the package."""
    return _named(frame.f_code.co_filename)


@cache
def _named(filename: str) -> str | None:
    path = Path(filename)
    if not path.is_relative_to(PACKAGE):
        return None
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def _resumed(frame: FrameType) -> bool:
    """Whether a generator goes on: whoever takes its next value need not know who made it."""
    return bool(frame.f_code.co_flags & 0x20) and frame.f_lasti > 3


def main(scene: str) -> None:
    """Print the traces of an encode at quality 50 and of its decode."""
    with tempfile.TemporaryDirectory() as folder:
        coded, back = Path(folder) / "scene.sarc", Path(folder) / "back.tif"
        ways: dict[str, Callable[[], object]] = {
            "encode": lambda: sarcodec.encode(scene, coded, quality=50, jobs=1, overwrite=True),
            "decode": lambda: sarcodec.decode(coded, back, jobs=1, overwrite=True),
        }
        for call in ways.values():
            call()  # loads
        for name, call in ways.items():
            trace = Trace.of(call)
            print(f"{name}: {len(trace.entered)} modules, {len(trace.climbs)} climbs")  # noqa: T201
            print(" ", " ".join(sorted(trace.entered)))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])
