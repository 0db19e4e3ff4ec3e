"""Whatever happens while a file is written, no bad file ever has its name."""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conftest import TOY
from sarcodec import api, atomic
from sarcodec.bench import report
from sarcodec.bench.report import drawing, pixels
from sarcodec.cli import main
from sarcodec.errors import WriteError
from testing import benchmarks, faults
from testing.commands import Child, finish, fork, side_by_side, warm_up
from testing.forked import ends_well
from testing.jobs import OLD, Job, State, measured
from testing.jobs import jobs as unmeasured
from torture import writing
from torture.tally import Tally
from torture.writing import Hit

Jobs = Sequence[Job]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with scene.tif of two tiles, and scene.sarc coded from it."""
    return tmp_path_factory.mktemp("made")


@pytest.fixture(scope="module")
def jobs(made: Path) -> Jobs:
    """Encode at a quality, encode at a rate, decode."""
    warm_up(made, TOY)
    folder = made / "undisturbed"
    folder.mkdir()
    return [measured(job, folder) for job in unmeasured(made, (1056, 96))]


def calls(job: Job, made: Path, target: Path, *, overwrite: bool) -> None:
    """What a job's command does, in this process."""
    options: Any = {"model": TOY, "device": "cpu", "jobs": 1, "overwrite": overwrite}
    if job.title == "decode":
        api.decode(made / "scene.sarc", target, **options)
    elif job.title == "encode -q":
        api.encode(made / "scene.tif", target, quality=60, **options)
    else:
        api.encode(made / "scene.tif", target, bpp=0.31, **options)


# --- processes that end in the middle


def test_a_kill_at_any_moment_leaves_no_bad_file(jobs: Jobs, tmp_path: Path) -> None:
    tally = Tally("kill")
    hits = [Hit(jobs[n % 3], signal.SIGKILL, old=OLD if n % 2 else None, seed=n) for n in range(10)]
    side_by_side(writing.killed(hit, tmp_path, tally) for hit in hits)
    assert tally.failures == []
    assert sum(tally.cases.values()) == 10


@pytest.mark.parametrize("number", list(writing.SIGNALS))
def test_a_signal_leaves_nothing_behind(jobs: Jobs, tmp_path: Path, number: signal.Signals) -> None:
    tally = Tally("signal")
    hits = [Hit(jobs[n % 3], number, old=OLD if n % 2 else None, seed=n) for n in range(4)]
    side_by_side(writing.interrupted(hit, tmp_path, tally) for hit in hits)
    assert tally.failures == []
    assert sum(tally.cases.values()) == 4


@pytest.mark.parametrize(("which", "overwrite"), [(0, False), (2, True)])
def test_a_kill_between_any_two_steps_of_writing_leaves_the_old_file_or_the_new(
    jobs: Jobs, made: Path, tmp_path: Path, which: int, overwrite: bool
) -> None:
    job, target = jobs[which], tmp_path / jobs[which].output
    steps, old = faults.Steps(), OLD if overwrite else None
    with faults.watched(tmp_path, steps):
        calls(job, made, target, overwrite=overwrite)
    assert {"open", "fsync", "replace" if overwrite else "link"} <= {s.split()[-1] for s in steps.taken}
    for number in range(1, len(steps.taken) + 1):
        target.unlink(missing_ok=True)
        if old:
            target.write_bytes(old)

        def die(number: int = number) -> None:
            with faults.watched(tmp_path, faults.Steps(number)):
                calls(job, made, target, overwrite=overwrite)

        assert finish(fork(["models"], die)).code == -signal.SIGKILL
        place = f"before {steps.taken[number - 1]}, step {number} of {len(steps.taken)}"
        # Files that earlier turns left behind are gone: every run removes those of dead ones before it.
        assert State.of(tmp_path, job).fault(job, old, partials=1) == "", place
    calls(job, made, target, overwrite=True)
    assert State.of(tmp_path, job) == State(job.expected, [], [])


# --- no space


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.6, 0.95, 0.99999])
def test_a_limit_on_file_size_is_a_write_error(jobs: Jobs, tmp_path: Path, share: float) -> None:
    tally = Tally("size")
    side_by_side(writing.too_large(job, int(share * len(job.expected)), tmp_path, tally) for job in jobs)
    assert tally.failures == []
    assert tally.outcomes == {"WriteError": 3}


def test_a_full_device_is_refused_and_stays_a_device(jobs: Jobs, tmp_path: Path) -> None:
    tally = Tally("device")
    side_by_side(writing.to_a_full_device(job, tmp_path, tally) for job in jobs)
    assert tally.failures == []
    assert tally.outcomes == {"WriteError": 12}


def test_a_full_disk_is_a_write_error(jobs: Jobs) -> None:
    tally = Tally("disk")
    for job in jobs:
        writing.on_a_small_disk(job, 1, tally)
    if tally.notes:
        pytest.skip(tally.notes[0])
    assert tally.failures == []
    assert tally.outcomes == {"WriteError": 6}


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs a device file")
def test_standard_output_that_is_full_exits_9(
    jobs: Jobs, made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(["info", str(made / "scene.sarc"), "--json"]) == 9
    assert "standard output could not be written: No space left" in capsys.readouterr().err


@pytest.mark.parametrize("missing", [1, 300, 3000, 20000])
def test_a_simulated_scene_whose_end_does_not_fit_is_a_write_error(
    jobs: Jobs, tmp_path: Path, missing: int
) -> None:
    command = ["simulate", str(tmp_path / "s.tif"), "--size", "300x520", "--quiet"]
    assert finish(fork(command)).code == 0
    most = (tmp_path / "s.tif").stat().st_size - missing
    child = finish(fork([*command, "-f"], lambda: limit(most)))
    assert child.code == 9, child.said
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [most + missing]


def limit(most: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def checkpoint_file(path: Path) -> None:
    from sarcodec.train import checkpoint

    net = torch.nn.Linear(99, 99)
    checkpoint.save(path, net, torch.optim.Adam(net.parameters()), 1, {})


def model_file(path: Path) -> None:
    from sarcodec.model import modelfile

    toy = modelfile.load(Path(TOY))
    modelfile.write(
        path, {"x": torch.zeros(999)}, id="x", shape=toy.shape, layers=toy.layers, unit_db=1, first_coded=0
    )


def curves_file(path: Path) -> None:
    from sarcodec.train import curves

    curves.draw(path.parent)


def picture_file(path: Path) -> None:
    pixels.write_png(path, np.random.default_rng(0).integers(0, 256, (99, 99), np.uint8))


@pytest.mark.parametrize(
    "write",
    [
        checkpoint_file,
        model_file,
        curves_file,
        picture_file,
        lambda path: report.write_csv(benchmarks.results(), path),
        lambda path: report.write_json(benchmarks.results(), path),
        lambda path: drawing.write_png([], path),
    ],
)
def test_every_other_file_that_does_not_fit_is_a_write_error(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    (tmp_path / "log.csv").write_text("step,loss,bpp,rmse_db\n1,2,3,4\n2,2,3,4\n")

    def work() -> None:
        limit(20)
        with pytest.raises(WriteError, match="File too large"):
            write(tmp_path / "new")

    assert ends_well(work, seconds=60) == ""
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


@pytest.mark.parametrize(
    ("which", "overwrite", "number"),
    [(0, False, errno.ENOSPC), (1, True, errno.EIO), (2, False, errno.EIO), (2, True, errno.ENOSPC)],
)
def test_whichever_step_of_writing_fails_the_old_file_or_the_new_is_there(
    jobs: Jobs, made: Path, tmp_path: Path, which: int, overwrite: bool, number: int
) -> None:
    job, target = jobs[which], tmp_path / jobs[which].output
    old, failed, at = OLD if overwrite else None, 0, 0
    while True:
        at += 1
        for path in tmp_path.iterdir():
            path.unlink()
        if old:
            target.write_bytes(old)
        steps, error = faults.Steps(at, faults.failing(number)), None
        try:
            with faults.watched(tmp_path, steps):
                calls(job, made, target, overwrite=overwrite)
        except WriteError as caught:
            error, failed = caught, failed + 1
        if len(steps.taken) < at:
            break
        what, state = steps.taken[at - 1], State.of(tmp_path, job)
        # Only a sibling whose removal itself fails may stay.
        assert state.fault(job, old, partials=what == "unlink") == "", what
        assert state.target == (old if error else job.expected), what
        assert error is None or (error.hint and str(tmp_path) in error.message), what
    assert failed >= 5


@pytest.mark.parametrize("which", [0, 1, 2])
def test_running_out_of_memory_is_two_lines_and_leaves_nothing(
    jobs: Jobs, tmp_path: Path, which: int
) -> None:
    from sarcodec.model.entropy import LatentCoder

    def exhaust() -> None:
        def fail(*_: object, **__: object) -> None:
            raise MemoryError

        LatentCoder.encode = LatentCoder.decode = fail  # type: ignore[method-assign,assignment]

    child = finish(fork(jobs[which].line(tmp_path, overwrite=False), exhaust))
    assert (child.code, child.said.count("\n")) == (7, 2)
    assert "not enough memory" in child.said
    assert list(tmp_path.iterdir()) == []


# --- several at once


def ended(children: Sequence[Child]) -> list[int | None]:
    """Exit codes of commands that run at the same time."""
    side_by_side((child.end() for child in children), at_once=len(children))
    return [child.code for child in children]


def test_eight_processes_decode_one_file_alike(jobs: Jobs, tmp_path: Path) -> None:
    job, outputs = jobs[2], [tmp_path / f"{number}.tif" for number in range(8)]
    children = [fork([*job.arguments, "-o", str(output)]) for output in outputs]
    assert ended(children) == [0] * 8
    assert [output.read_bytes() == job.expected for output in outputs] == [True] * 8
    assert len(list(tmp_path.iterdir())) == 8


def together(folder: Path, count: int) -> None:
    """Let a file be given its name only when `count` processes have theirs complete."""
    real = atomic._put

    def put(*arguments: Any, **options: Any) -> None:
        (folder / f"{os.getpid()}.ready").touch()
        give_up = time.monotonic() + 60
        while len(list(folder.iterdir())) < count and time.monotonic() < give_up:
            time.sleep(0.001)
        real(*arguments, **options)

    atomic._put = put


@pytest.mark.parametrize("turn", range(3))
def test_of_two_encoders_of_one_new_file_exactly_one_wins(
    jobs: Jobs, made: Path, tmp_path: Path, turn: int
) -> None:
    ready = tmp_path / "ready"
    ready.mkdir()
    target, wanted = tmp_path / "a.sarc", {}
    children = []
    for quality in (20, 80):
        plain = ["encode", str(made / "scene.tif"), "-q", str(quality), "--quiet", "--model", TOY, "-j", "1"]
        assert finish(fork([*plain, "-o", str(tmp_path / "alone"), "-f"])).code == 0
        wanted[quality] = (tmp_path / "alone").read_bytes()
        children.append(fork([*plain, "-o", str(target)], lambda: together(ready, 2)))
    codes = ended(children)
    assert sorted(codes, key=str) == [0, 8]
    assert target.read_bytes() == wanted[(20, 80)[codes.index(0)]]
    assert "a.sarc exists" in children[codes.index(8)].said
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.sarc", "alone", "ready"]


def test_two_encoders_that_may_overwrite_leave_one_whole_file(jobs: Jobs, made: Path, tmp_path: Path) -> None:
    first, second = jobs[0], jobs[1]
    (tmp_path / "a.sarc").write_bytes(OLD)
    for _ in range(3):
        children = [fork(job.line(tmp_path, overwrite=True)) for job in (first, second, first, second)]
        assert ended(children) == [0] * 4
        state = State.of(tmp_path, first)
        assert state.target in (first.expected, second.expected)
        assert (state.partials, state.others) == ([], [])


# --- one process for long


def test_repeated_use_leaves_no_file_open(jobs: Jobs, made: Path, tmp_path: Path) -> None:
    counts = []
    for _ in range(4):
        for job in jobs:
            calls(job, made, tmp_path / job.output, overwrite=True)
            with pytest.raises(WriteError):
                calls(job, made, tmp_path / "nowhere" / job.output, overwrite=True)
        counts.append(len(os.listdir("/proc/self/fd")))  # noqa: PTH208
    assert len(set(counts[1:])) == 1
