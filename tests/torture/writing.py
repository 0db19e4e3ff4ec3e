"""Commands killed, interrupted and out of space at any moment: no bad file ever has the final name."""

from __future__ import annotations

import os
import random
import resource
import signal
import stat
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from conftest import TOY
from sarcodec import api
from sarcodec.io.simulated import write_scene
from sarcodec.simulate import SceneSpec
from testing import disks
from testing.commands import Child, Start, Step, finish, fork, side_by_side, spawn, warm_up
from testing.forked import each
from testing.jobs import OLD, Job, State, check, jobs, measured, partial_size
from torture.tally import Tally

Report = Callable[[str], None]

SEED = 20
WHOLE = 300.0
"""Seconds that all of it takes, about, on two cores."""
ATTEMPTS = 60
"""Times a command may end before it is hit."""
SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143}


@dataclass(frozen=True)
class Moment:
    """A time to strike: `delay` seconds after the command's start, or after a sign of its progress."""

    after: str
    """``"start"``, ``"begun"`` or ``"filled"``."""
    delay: float


def moment(job: Job, rng: random.Random) -> Moment:
    """A fifth at any time, half while the output is written, the rest between the last byte and the end."""
    kind = rng.random()
    if kind < 0.2:
        return Moment("start", rng.uniform(0, job.seconds))
    if kind < 0.7:
        return Moment("begun", rng.uniform(0, max(job.seconds - job.begun, 0.005)))
    return Moment("filled", rng.uniform(0, max(1.2 * (job.seconds - job.filled), 0.005)))


def strike(child: Child, at: Moment, folder: Path, job: Job, number: int) -> Step:
    """Send a signal at a moment of the command's life."""
    signs: dict[str, Callable[[], bool]] = {
        "start": lambda: True,
        "begun": lambda: partial_size(folder) >= 0,
        "filled": lambda: partial_size(folder) == len(job.expected),
    }
    while not signs[at.after]():
        if child.ended():
            return
        yield
    due = time.monotonic() + at.delay
    while time.monotonic() < due - 0.002:
        if child.ended():
            return
        yield
    while time.monotonic() < due:
        pass
    child.send(number)


@dataclass(frozen=True)
class Hit:
    """A command in a folder of its own that was hit by a signal."""

    job: Job
    number: signal.Signals
    start: Start = fork
    old: bytes | None = None
    """What the output's name holds before."""
    seed: int = 0

    def happen(self, root: Path) -> Generator[None, None, tuple[Child, Path, str]]:
        """Start the command and hit it, until it is hit before it ends; its folder, and how to repeat it."""
        rng = random.Random(f"{SEED} {self.job.title} {self.number} {self.seed}")
        for _ in range(ATTEMPTS):
            at, folder = moment(self.job, rng), Path(tempfile.mkdtemp(dir=root))
            if self.old:
                (folder / self.job.output).write_bytes(self.old)
            child = self.start(self.job.line(folder, overwrite=self.old is not None))
            yield from strike(child, at, folder, self.job, self.number)
            twice = self.number != signal.SIGKILL and rng.random() < 1 / 3
            if twice:
                later = Moment("start", rng.uniform(0, 0.2))
                yield from strike(child, later, folder, self.job, self.number)
            yield from child.end()
            if child.code != 0:
                return child, folder, f"{self.job.title}, {at}{', twice' if twice else ''}: "
        raise RuntimeError(f"{self.job.title} was not hit by {self.number.name} in {ATTEMPTS} attempts")


def killed(hit: Hit, root: Path, tally: Tally) -> Step:
    """Kill a command on the spot, look at what is left, run it again."""
    job, case = hit.job, f"{hit.job.title.split()[0]}, kill -9"
    child, folder, name = yield from hit.happen(root)
    state = State.of(folder, job)
    fault = state.fault(job, hit.old, partials=1)
    if fault or child.code != -signal.SIGKILL:
        outcome = fault.split(":")[0] if fault else "hang" if child.code is None else "crash"
        tally.add(case, outcome, f"{name}{fault} {child.code} {child.said}")
        return
    again = fork(job.line(folder, overwrite=state.target is not None))
    yield from again.end()
    wrong = State.of(folder, job).fault(job, job.expected, partials=0)
    if wrong or again.code != 0:
        tally.add(case, "other", f"{name}the next run: {wrong} {again.code} {again.said}")
        return
    left = "a partial file beside " if state.partials else ""
    kept = {None: "no file", OLD: "the old file", job.expected: "the new file"}[state.target]
    tally.add(case, f"killed: {left}{kept}")


def interrupted(hit: Hit, root: Path, tally: Tally) -> Step:
    """Interrupt a command, a third of the time twice: it ends with its code and leaves nothing."""
    child, folder, name = yield from hit.happen(root)
    case = f"{hit.job.title.split()[0]}, {hit.number.name}"
    outcome, why = _interruption(hit, child, State.of(folder, hit.job))
    tally.add(case, outcome, name + why)


def _interruption(hit: Hit, child: Child, state: State) -> tuple[str, str]:
    """Outcome of an interrupted command, and what is wrong."""
    fault, code = state.fault(hit.job, hit.old, partials=0), child.code
    if fault or code is None:
        return ("hang", "") if code is None else (fault.split(":")[0], fault)
    # Before and after the command Python dies of the signal itself; a shell shows that as the same number.
    if code == -hit.number:
        return "ended by the signal itself, outside the command", ""
    if code != SIGNALS[hit.number] or "Traceback" in child.said:
        return "crash" if code < 0 else "other", f"ended with {code} {child.said}"
    place = "the new file in place already" if state.target == hit.job.expected else "nothing left"
    return f"{code}, {place}", ""


def refused(job: Job, child: Child, folder: Path, old: bytes | None, partials: int = 0) -> str:
    """What is wrong with a command that had no space: "" where it left with 9, a path and a hint."""
    # libtiff prints the reason of a failed write on its own, past GDAL and logging.
    lines = [line for line in child.said.splitlines() if not line.startswith("_tiff")]
    fault = State.of(folder, job).fault(job, old, partials)
    if fault:
        return fault
    if child.code is None or child.code < 0:
        return "hang" if child.code is None else f"crash: signal {-child.code}"
    if child.code != 9:
        return f"other: ended with {child.code} {child.said}"
    if len(lines) != 2 or str(folder) not in lines[0] or len(lines[1]) < 10:
        return f"other: said {child.said}"
    return ""


def too_large(job: Job, most: int, root: Path, tally: Tally) -> Step:
    """Run a command that may write no file larger than `most` bytes."""
    case, folder = f"{job.title.split()[0]}, file size limited", Path(tempfile.mkdtemp(dir=root))
    old = OLD if most % 2 else None
    if old:
        (folder / job.output).write_bytes(old)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    child = fork(job.line(folder, overwrite=True), limit)
    yield from child.end()
    wrong = refused(job, child, folder, old)
    tally.add(case, wrong.split(":")[0] if wrong else "WriteError", f"{job.title}, {most} bytes: {wrong}")


def to_a_full_device(job: Job, root: Path, tally: Tally) -> Step:
    """Write to a device that is always full, by name and through a link: both are refused and stay."""
    folder = Path(tempfile.mkdtemp(dir=root))
    device = disks.full_device(folder)
    link = folder / "link"
    link.symlink_to(device)
    for name in (device, link):
        for overwrite in ([], ["-f"]):
            child = fork([*job.arguments, "-o", str(name), *overwrite])
            yield from child.end()
            good = child.code == 9 and stat.S_ISCHR(device.stat().st_mode) and link.is_symlink()
            good &= str(name) in child.said
            outcome = "WriteError" if good else "other"
            tally.add("full device", outcome, f"{job.title}: {child.code} {child.said}")


def on_a_small_disk(job: Job, megabytes: int, tally: Tally) -> None:
    """Write to a small disk of its own, with half the space that the output takes."""

    def work(folder: Path) -> None:
        for old in (None, OLD):
            inner = folder / f"out{len(old or b'')}"
            inner.mkdir()
            if old:
                (inner / job.output).write_bytes(old)
            blocks = os.statvfs(folder)
            taken = len(job.expected) // 2 // blocks.f_frsize
            rest = folder / "rest"
            rest.write_bytes(bytes(blocks.f_frsize * max(blocks.f_bavail - taken, 0)))
            child = finish(fork(job.line(inner, overwrite=True)))
            wrong = refused(job, child, inner, old)
            if wrong:
                raise AssertionError(f"{wrong} (old file: {old is not None})")
            rest.unlink()

    wrong = disks.on_small_disk(work, megabytes)
    case = f"disk of {megabytes} MB"
    if wrong is None:
        tally.notes.append(f"{case}, {job.title}: skipped, this user may not mount a file system.")
        return
    for _ in range(2):
        tally.add(case, "other" if wrong else "WriteError", wrong)


def repeated(root: Path, rounds: int, tally: Tally) -> None:
    """Encode and decode a scene of 512 x 512 pixels again and again: memory and open files do not grow."""
    tif, sarc, back = root / "leak.tif", root / "leak.sarc", root / "leak_back.tif"
    write_scene(tif, SceneSpec(512, 512))
    warm = max(1, rounds // 4)

    def work() -> str:
        memory, files = [], []
        for number in range(warm + rounds):
            bpp = 0.4 if number % 2 else None
            api.encode(tif, sarc, bpp=bpp, overwrite=True, model=TOY, device="cpu", jobs=2)
            api.decode(sarc, back, overwrite=True, model=TOY, device="cpu", jobs=2)
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
            memory.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
            files.append(len(os.listdir("/proc/self/fd")))  # noqa: PTH208
        before = max(memory[warm // 2 : warm])
        return f"{before:.0f} {memory[-1]:.0f} {files[warm]} {files[-1]}"

    (ended,) = each((work,), seconds=600)
    if ended.fault:
        tally.add("used again and again", "other", ended.fault)
        return
    before, after, files, files_after = (int(part) for part in ended.said.split())
    good = after < 1.05 * before and files == files_after
    tally.add("used again and again", "no leak" if good else "other", ended.said)
    tally.notes.append(
        f"{rounds} encodes and decodes of 512 x 512 in one process after {warm} to warm up: "
        f"{before} MB of memory before, {after} MB after; {files} files open before, {files_after} after."
    )


def hits(measures: Mapping[Start, Sequence[Job]], share: float) -> Iterator[Hit]:
    """Every signal to every command, in the numbers that `share` leaves of it; half over an older file."""
    counts = {signal.SIGKILL: 100, signal.SIGINT: 25, signal.SIGTERM: 25}
    for (number, count), (start, part) in product(counts.items(), {fork: 0.8, spawn: 0.2}.items()):
        q, bpp, decode = measures[start]
        for seed in range(max(1, round(share * count * part))):
            old = OLD if seed // 2 % 2 else None
            yield Hit((q, bpp)[seed % 2], number, start, old, seed)
            if number != signal.SIGKILL or seed % 2:
                yield Hit(decode, number, start, old, seed)


def struck(found: Sequence[Hit], root: Path, tally: Tally, report: Report) -> Iterator[Step]:
    """Every hit."""
    for number, hit in enumerate(found):
        if number % 50 == 0:
            report(f"writing: {number} of {len(found)} commands hit by a signal")
        yield (killed if hit.number == signal.SIGKILL else interrupted)(hit, root, tally)


def starved(measures: Sequence[Job], share: float, root: Path, tally: Tally) -> Iterator[Step]:
    """Everything that is done without space, but for disks."""
    for job in (measures[0], measures[2]):
        for size in np.linspace(0, len(job.expected) - 1, max(2, round(20 * share))).round():
            yield too_large(job, int(size), root, tally)
    for job in measures:
        yield to_a_full_device(job, root, tally)


def run(seconds: float, report: Report) -> Tally:
    """Kill, interrupt and starve encodes and decodes of a scene of several tiles; about `seconds` long."""
    tally, began = Tally("kills, signals and full disks"), time.monotonic()
    share = min(1.0, seconds / WHOLE)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        warm_up(root, TOY)
        plain = jobs(root, (2100, 1300))
        folder = root / "undisturbed"
        folder.mkdir()
        measures: dict[Start, Sequence[Job]] = {
            start: [measured(job, folder, start) for job in plain] for start in (fork, spawn)
        }
        check(measures[fork], root)
        for start, jobs_there in measures.items():
            times = ", ".join(f"{job.title} {job.seconds:.1f} s" for job in jobs_there)
            report(f"writing: undisturbed {'forked' if start is fork else 'as processes'}: {times}")
        side_by_side(struck(list(hits(measures, share)), root, tally, report))
        side_by_side(starved(measures[fork], share, root, tally))
        for megabytes in (1, 2, 5):
            for job in measures[fork]:
                on_a_small_disk(job, megabytes, tally)
        repeated(root, max(4, round(60 * share)), tally)
    tally.seconds = time.monotonic() - began
    return tally
