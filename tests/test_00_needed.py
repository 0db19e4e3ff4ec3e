"""What a test needs beside the package: it skips without it, and fails where the command line asks for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from testing import needed

HERE = Path(__file__).parent
OUTCOME = {True: pytest.fail.Exception, False: pytest.skip.Exception}


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a thing that is never here."""
    monkeypatch.setitem(needed.PRESENT, "nothing", lambda: False)
    monkeypatch.setattr(needed, "required", set())
    return "nothing"


@pytest.mark.parametrize("required", [True, False])
def test_what_is_missing_skips_or_fails(nothing: str, *, required: bool) -> None:
    if required:
        needed.required.add(nothing)
    with pytest.raises(OUTCOME[required], match="nothing is not here"):
        needed.needed(nothing)


def test_what_is_here_lets_a_test_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(needed.PRESENT, "something", lambda: True)
    needed.needed("something")


@pytest.mark.parametrize(
    ("options", "code"), [((), 5), (("--require", "compressai"), 2), (("--require", "x"), 4)]
)
def test_the_command_line_turns_a_skipped_module_into_a_failure(options: tuple[str, ...], code: int) -> None:
    """Exit codes of pytest: nothing collected, errors while collecting, a wrong option."""
    script = (
        "import sys; sys.modules['compressai'] = None; import pytest; "
        "sys.exit(pytest.main(['-p', 'no:cacheprovider', '--co', *sys.argv[1:]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *options, str(HERE / "test_40_growth.py")],
        cwd=HERE.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
