"""Which form of the processor is chosen, and what is said if one cannot be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from sarcodec.errors import SarcError, UsageError
from sarcodec.native import library
from testing.needed import needed
from testing.scenes import dn

REPORT = "from sarcodec.native import library; print(library.chosen().name)"


def said(**variables: str) -> subprocess.CompletedProcess[str]:
    """What a process finds that imports the same package as this one."""
    env = {key: value for key, value in os.environ.items() if key not in (library.CHOICE, library.PLACE)}
    return subprocess.run(
        [sys.executable, "-c", REPORT],
        cwd=library.HERE.parents[1],
        env=env | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_fastest_form_that_runs_here_is_chosen() -> None:
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    fits = {
        "avx512vnni": "avx512_vnni" in flags,
        "avx2": "avx2" in flags,
        "neon": os.uname().machine == "aarch64",
    }
    built = library.own().exists()
    expected = next((name for name, fit in fits.items() if fit and built), "numpy")
    assert said().stdout.strip() == expected


@pytest.mark.parametrize("name", ["avx512vnni", "avx2", "neon", "numpy"])
def test_a_form_can_be_asked_for_and_is_refused_if_it_does_not_run(name: str) -> None:
    done = said(SARCODEC_CPU=name)
    if library.runs_here(name):
        assert done.stdout.strip() == name
    else:
        assert done.returncode
        assert f"SARCODEC_CPU={name}: " in done.stderr


def test_a_form_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError) as caught:
        library.form("avx10")
    assert "SARCODEC_CPU=avx10" in str(caught.value)
    assert caught.value.hint == "Give avx512vnni, avx2, neon or numpy."


def test_a_library_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    (tmp_path / "library.so").write_bytes(b"not one")
    done = said(SARCODEC_LIBRARY=str(tmp_path / "library.so"))
    assert done.returncode
    assert "library.so cannot be loaded" in done.stderr


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not here")
def test_a_library_of_other_sources_is_not_used(tmp_path: Path) -> None:
    """Such as one that was built before a kernel got another argument."""
    source = tmp_path / "old.c"
    source.write_text("unsigned sarcodec_sources(void) { return 5; }\n")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", tmp_path / "old.so", source], check=True)
    done = said(SARCODEC_LIBRARY=str(tmp_path / "old.so"))
    assert done.returncode
    assert "was built from other C files" in done.stderr


def test_a_library_without_sources_beside_it_is_used(tmp_path: Path) -> None:
    """They may be left out of a package."""
    needed("library")
    package = tmp_path / "sarcodec"
    shutil.copytree(library.HERE.parent, package, ignore=shutil.ignore_patterns("*.[ch]", "models"))
    shutil.copy(library.own(), package / "native")
    assert not list((package / "native").glob("*.c"))
    done = subprocess.run(
        [sys.executable, "-c", "import sarcodec; print(sarcodec.__file__);" + REPORT],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(package / "__init__.py"), said().stdout.strip()]


def test_threads_that_ask_first_are_all_given_the_same_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_default", [])
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: library.chosen(), range(64)))
    assert all(form is found[0] for form in found)


def test_without_a_library_the_twins_do_the_work_and_say_so(tmp_path: Path) -> None:
    """A copy of the package without what was built: the same bytes, and one warning."""
    code = (
        "import sys, logging, pathlib; logging.basicConfig(format='%(message)s')\n"
        "from sarcodec.native import library\n"
        "library._library.cache_clear(); library._library = lambda: None\n"
        "import numpy as np, sarcodec\n"
        "values = np.load(sys.argv[1])\n"
        "data = sarcodec.encode_array(values, quality=40, scale='dn', nodata=0)\n"
        "assert np.array_equal(sarcodec.decode_array(data), np.load(sys.argv[2]))\n"
        "print(library.chosen().name, len(data))"
    )
    import sarcodec

    values = dn((70, 50))
    data = sarcodec.encode_array(values, quality=40, scale="dn", nodata=0)
    np.save(tmp_path / "in.npy", values)
    np.save(tmp_path / "out.npy", sarcodec.decode_array(data))
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "in.npy"), str(tmp_path / "out.npy")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["numpy", str(len(data))], done.stderr
    assert done.stderr.count("no native library") == 1


def test_files_are_the_same_in_every_form(form: str) -> None:
    import sarcodec

    values = dn((96, 80))
    data = sarcodec.encode_array(values, quality=60, scale="dn", nodata=0)
    pixels = sarcodec.decode_array(data)
    with library.using(library.NUMPY):
        assert sarcodec.encode_array(values, quality=60, scale="dn", nodata=0) == data
        assert np.array_equal(sarcodec.decode_array(data), pixels)


def test_an_unknown_coder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import sarcodec

    monkeypatch.setenv("SARCODEC_CODER", "zstd")
    with pytest.raises(SarcError, match="SARCODEC_CODER=zstd is no entropy coder"):
        sarcodec.encode_array(dn((32, 32)), quality=60, scale="dn", nodata=0)
