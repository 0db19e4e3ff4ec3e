"""Shared fixtures: the toy model, hypothesis' profile; the option ``--require``."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from sarcodec.native import library
from testing import emulated, needed

if TYPE_CHECKING:
    from sarcodec.model.modelfile import Model

GOLDEN = Path(__file__).parent / "golden"
TOY = str(GOLDEN / "toy1.safetensors")

# Before torch is imported: more threads change no result here, they only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The package under test is the installed one. Children that run in this folder import the package of the
# folder instead, for which no library was built.
if library.own().exists():
    os.environ.setdefault(library.PLACE, str(library.own()))

# A shell that starts this in the background has it ignore Ctrl-C, and every child of it too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples every time, and no clock: the machine may be busy with something else.
settings.register_profile("sarcodec", derandomize=True, deadline=None)
settings.load_profile("sarcodec")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say on the command line what must not be missing."""
    parser.addoption(
        "--require",
        action="append",
        default=[],
        choices=sorted(needed.PRESENT),
        help="fail, in place of skipping, tests that need this and do not find it; may be repeated",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Before any module of tests is collected."""
    needed.required.update(config.getoption("require"))


@pytest.fixture(scope="session")
def toy() -> Model:
    """The toy model: untrained, small, every path in use; its file never changes."""
    from sarcodec.model import modelfile

    return modelfile.load(Path(TOY))


@pytest.fixture(params=[*library.FORMS, library.NUMPY])
def form(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each form of the processor in turn; NEON is emulated elsewhere, and what does not run here skips."""
    name = str(request.param)
    if library.runs_here(name):
        with library.using(name):
            yield name
    elif name == "neon":
        needed.needed("qemu")
        needed.needed("ziglang")
        with emulated.neon(request.getfixturevalue("neon_program")):
            yield name
    else:
        needed.needed("library")
        pytest.skip(f"this processor, or this installation, has no form {name}")


@pytest.fixture(scope="session")
def neon_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Kernels for NEON, as a program for the emulator."""
    return emulated.make(tmp_path_factory.mktemp("neon"))
