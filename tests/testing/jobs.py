"""Commands that write one file, and what their folder may hold afterwards."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import rasterio

from conftest import TOY
from sarcodec.io.simulated import write_scene
from sarcodec.simulate import SceneSpec
from testing.commands import Start, finish, fork

OLD = b"an older file of the same name"


@dataclass(frozen=True)
class Job:
    """A command with one output, and what it does where nothing disturbs it."""

    title: str
    arguments: tuple[str, ...]
    output: str
    expected: bytes = b""
    begun: float = 0.0
    """Seconds until the partial file is there."""
    filled: float = 0.0
    """Seconds until the partial file has its final size for good."""
    seconds: float = 0.0

    def line(self, folder: Path, *, overwrite: bool) -> list[str]:
        """The command line that writes into `folder`."""
        return [*self.arguments, "-o", str(folder / self.output), *(["-f"] if overwrite else [])]


def jobs(folder: Path, size: tuple[int, int], model: str = TOY) -> tuple[Job, Job, Job]:
    """Encode at a quality, encode at a rate (it keeps latents in a temporary file), decode; not measured."""
    tif, sarc = folder / "scene.tif", folder / "scene.sarc"
    write_scene(tif, SceneSpec(*size, border=9))
    common = ("--quiet", "--model", model, "--device", "cpu", "-j", "2")
    found = (
        Job("encode -q", ("encode", str(tif), "-q", "60", *common), "a.sarc"),
        Job("encode --bpp", ("encode", str(tif), "--bpp", "0.31", *common), "a.sarc"),
        Job("decode", ("decode", str(sarc), *common), "a.tif"),
    )
    made = finish(fork([*found[0].arguments, "-o", str(sarc)]))
    assert made.code == 0, made.said
    return found


def measured(job: Job, folder: Path, start: Start = fork) -> Job:
    """Run a command undisturbed, twice, into a folder: its output and times."""
    target, sizes, known = folder / job.output, [(0.0, -1)], job
    for _ in range(2):
        sizes, began = [(0.0, -1)], time.monotonic()
        child = start(job.line(folder, overwrite=True))
        for _ in child.end():
            size = partial_size(folder)
            if size != sizes[-1][1]:
                sizes.append((time.monotonic() - began, size))
            time.sleep(0.0005)
        assert child.code == 0, child.said
        seconds, written = time.monotonic() - began, target.read_bytes()
        assert known.expected in (b"", written), f"{job.title} is not reproducible"
        target.unlink()
        there = [(at, size) for at, size in sizes if size >= 0]
        begun = there[0][0] if there else seconds
        filled = next((at for at, size in reversed(there) if size == len(written)), seconds)
        known = replace(job, expected=written, begun=begun, filled=filled, seconds=seconds)
    return known


def check(found: Sequence[Job], folder: Path) -> None:
    """See that what undisturbed commands wrote is whole: by ``sarcodec test``, and all blocks by rasterio."""
    for job in found:
        path = folder / job.output
        path.write_bytes(job.expected)
        if path.suffix == ".sarc":
            child = finish(fork(["test", str(path), "--model", TOY]))
            assert child.code == 0, child.said
        else:
            with rasterio.open(path) as raster:
                for _, window in raster.block_windows(1):
                    raster.read(1, window=window)
        path.unlink()


def partial_size(folder: Path) -> int:
    """Size of the partial file in a folder; -1 where there is none."""
    for name in os.listdir(folder):  # noqa: PTH208
        if name.endswith(".partial"):
            with suppress(FileNotFoundError):
                return os.stat(folder / name).st_size  # noqa: PTH116
    return -1


@dataclass
class State:
    """What lies in a command's folder."""

    target: bytes | None
    partials: list[str]
    others: list[str]

    @classmethod
    def of(cls, folder: Path, job: Job) -> State:
        """Look into a folder."""
        names = sorted(path.name for path in folder.iterdir())
        target = folder / job.output
        partials = [n for n in names if n.startswith(f".{job.output}.") and n.endswith(".partial")]
        others = [n for n in names if n not in (job.output, *partials)]
        return cls(target.read_bytes() if target.exists() else None, partials, others)

    def fault(self, job: Job, old: bytes | None, partials: int) -> str:
        """What is wrong with it: a bad file at the final name, or too many files left; "" if nothing."""
        if self.target not in (old, job.expected):
            return f"silent error: {len(self.target or b'')} bytes of neither the old nor the new file"
        if self.others or len(self.partials) > partials:
            return f"other: left behind {self.partials + self.others}"
        return ""
