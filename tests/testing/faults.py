"""The n-th of all steps by which the library writes a file fails, or ends the process."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from unittest import mock

import rasterio


def failing(number: int) -> Callable[[], None]:
    """Harm that is an `OSError`."""

    def fail() -> None:
        raise OSError(number, os.strerror(number))

    return fail


def dying() -> None:
    """Harm that is the end of the process on the spot."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Steps:
    """Counts steps; at number `harmed`, counted from 1, `harm` happens instead."""

    harmed: int = 0
    harm: Callable[[], None] = dying
    taken: list[str] = field(default_factory=list)

    def take(self, what: str) -> None:
        """A step is about to be taken."""
        self.taken.append(what)
        if len(self.taken) == self.harmed:
            self.harm()


class _Watched:
    """A file or raster opened for writing whose every write, flush and close is a step."""

    def __init__(self, inner: Any, steps: Steps, kind: str) -> None:
        self.__dict__.update(inner=inner, steps=steps, kind=kind)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if name not in ("write", "flush", "truncate", "close"):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            if name == "close":  # what fails to close is closed all the same
                if not self.inner.closed:
                    found()
                    self.steps.take(f"{self.kind} close")
                return None
            self.steps.take(f"{self.kind} {name}")
            return found(*arguments, **options)

        return call

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.inner, name, value)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@contextmanager
def watched(folder: Path, steps: Steps) -> Iterator[None]:
    """Let everything that is written in `folder` within the block be steps."""

    def ours(path: Any) -> bool:
        return isinstance(path, str | os.PathLike) and os.fspath(path).startswith(str(folder))

    def stepping(module: Any, name: str, *, always: bool = False) -> Any:
        real = getattr(module, name)

        def call(*arguments: Any, **options: Any) -> Any:
            if always or ours(arguments[0]):
                steps.take(name)
            return real(*arguments, **options)

        return mock.patch.object(module, name, call)

    real_open, real_raster = io.open, rasterio.open

    def open_file(path: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if not set(mode) & set("wax+"):
            return real_open(path, mode, *arguments, **options)
        if not isinstance(path, int) and not ours(path):
            return real_open(path, mode, *arguments, **options)
        steps.take("open")
        return _Watched(real_open(path, mode, *arguments, **options), steps, "file")

    def open_raster(path: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if mode == "r" or not ours(path):
            return real_raster(path, mode, *arguments, **options)
        steps.take("raster open")
        return _Watched(real_raster(path, mode, *arguments, **options), steps, "raster")

    with (
        mock.patch.object(io, "open", open_file),
        mock.patch.object(rasterio, "open", open_raster),
        stepping(os, "fsync", always=True),
        stepping(os, "replace"),
        stepping(os, "link"),
        stepping(os, "unlink"),
        stepping(os, "open"),
    ):
        yield
