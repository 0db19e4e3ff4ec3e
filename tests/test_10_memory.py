"""What limits leave, what errors mean that there is no memory, and work that is rehearsed in a child."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import GOLDEN, TOY
from sarcodec import memory
from sarcodec.errors import InputError, LimitError, OutOfMemoryError
from testing.environments import ROOT
from testing.forked import ends_well

LIMITED = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system limits otherwise")


def limited(work: Callable[[], None], kind: int = resource.RLIMIT_AS, more: int = 2 * 10**8) -> str:
    """How `work` ends in a child that may take so many bytes more than it has; "" where well."""

    def child() -> None:
        lines = Path("/proc/self/status").read_text().splitlines()
        name = "VmSize" if kind == resource.RLIMIT_AS else "VmData"
        taken = next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024
        resource.setrlimit(kind, (taken + more, taken + more))
        work()

    return ends_well(child, seconds=60)


def test_without_a_limit_everything_is_allowed() -> None:
    assert memory.room() == {}
    memory.need("a scene", 10**18)
    memory.rehearsed(lambda: os._exit(9), "nothing")  # not even tried


@LIMITED
@pytest.mark.parametrize("kind", [resource.RLIMIT_AS, resource.RLIMIT_DATA])
def test_what_is_above_a_limit_is_refused_with_numbers(kind: int) -> None:
    def work() -> None:
        memory.need("a chip", 10**8)
        with pytest.raises(OutOfMemoryError, match=r"a tile takes 400 MB, the limit .* leaves (199|200) MB"):
            memory.need("a tile", 4 * 10**8)

    assert limited(work, kind) == ""


@LIMITED
def test_mapped_files_count_for_address_space_only() -> None:
    def work() -> None:
        memory.need("a library", 10**9, 10**8)

    assert limited(work, resource.RLIMIT_DATA) == ""
    assert "OutOfMemoryError" in limited(work, resource.RLIMIT_AS)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        ImportError("libtorch_python.so: cannot map zero-fill pages"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("can't start new thread"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
        ValueError("Out of memory allocating 4294967296 bytes"),
    ],
)
def test_errors_that_mean_no_memory_become_one(error: Exception) -> None:
    assert memory.lacking(error)
    with pytest.raises(LimitError, match="not enough memory") as caught, memory.told():
        raise error
    assert caught.value.exit_code == 7
    assert "-j 1" in caught.value.hint
    with pytest.raises(OutOfMemoryError), memory.told():
        raise InputError("a.tif cannot be read") from error


@pytest.mark.parametrize("error", [ValueError("a"), OSError(errno.EIO, "Broken"), InputError("no")])
def test_other_errors_stay_what_they_are(error: Exception) -> None:
    assert not memory.lacking(error)
    with pytest.raises(type(error)) as caught, memory.told():
        raise error
    assert caught.value is error


@LIMITED
@pytest.mark.parametrize(
    "work",
    [
        os.abort,
        lambda: os.kill(os.getpid(), signal.SIGSEGV),
        lambda: bytearray(10**9),
        lambda: bytearray(15 * 10**7),  # there is as much, but nothing beside it
    ],
)
def test_work_that_dies_in_its_rehearsal_is_not_begun(work: Callable[[], object]) -> None:
    def rehearse() -> None:
        with pytest.raises(OutOfMemoryError, match="too little for loading"):
            memory.rehearsed(work, "loading")

    assert limited(rehearse) == ""


@LIMITED
def test_work_that_hangs_in_its_rehearsal_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "PATIENCE", 0.3)

    def rehearse() -> None:
        with pytest.raises(OutOfMemoryError, match="too little for loading"):
            memory.rehearsed(lambda: time.sleep(60), "loading")

    assert limited(rehearse) == ""


@LIMITED
def test_work_that_fails_for_another_reason_is_left_to_the_caller() -> None:
    def rehearse() -> None:
        memory.rehearsed(lambda: 1 / 0, "loading")
        memory.rehearsed(lambda: None, "loading")

    assert limited(rehearse, more=10**9) == ""


@LIMITED
def test_an_interrupt_ends_a_rehearsal_with_its_child() -> None:
    def rehearse() -> None:
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            memory.rehearsed(lambda: time.sleep(60), "loading")
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)

    assert limited(rehearse) == ""


_UNDER = """
import resource, runpy, sys
limit = int(sys.argv[1])
resource.setrlimit(getattr(resource, sys.argv[2]), (limit, limit))
sys.argv = ["sarcodec", *sys.argv[3:]]
runpy.run_module("sarcodec", run_name="__main__", alter_sys=True)
"""


@LIMITED
@pytest.mark.parametrize(
    ("kind", "megabytes"), [("AS", 60), ("AS", 250), ("AS", 3600), ("DATA", 25), ("DATA", 120)]
)
def test_a_command_under_a_limit_does_its_work_or_says_that_memory_lacks(
    tmp_path: Path, kind: str, megabytes: int
) -> None:
    out = tmp_path / "a.tif"
    line = ["decode", str(GOLDEN / "two_tiles.sarc"), "-o", str(out), "--model", TOY, "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", _UNDER, str(megabytes * 10**6), f"RLIMIT_{kind}", *line],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, 7), done.stderr
    if done.returncode:
        assert done.stderr.startswith("sarcodec: error: not enough memory: ")
        assert done.stderr.count("\n") == 2
        assert "Install" not in done.stderr
        assert list(tmp_path.iterdir()) == []
    else:
        assert out.exists()
