"""What starting up costs: which packages are loaded, and how much processor time it takes."""

from __future__ import annotations

import os
import pydoc
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import sarcodec
from sarcodec.bitstream.header import Band, Header, Layer, ModelRef
from sarcodec.bitstream.tile import BandRecord, TileRecord
from sarcodec.bitstream.writer import Writer
from sarcodec.types import Scale

HEAVY = {"torch", "compressai", "rasterio", "numpy", "matplotlib", "glymur", "safetensors"}
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 600 empty tiles, made without any network."""
    path = tmp_path_factory.mktemp("coded") / "a.sarc"
    header = Header(
        width=30 * 1024,
        height=20 * 1024,
        dtype="uint16",
        scale=Scale.DN,
        bands=(Band(40.0, 4.0, 700, 1, 900, palette=(0,)),),
        layers=(Layer(0, 16), Layer(1, 112)),
        model=ModelRef("lapped16", bytes(4), bytes(4)),
    )
    with path.open("wb") as file:
        writer = Writer(file, header)
        for _ in range(600):
            writer.add_tile(TileRecord((BandRecord(b"", (b"", b"")),)))
        writer.finish()
    return path


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments], env=env, capture_output=True, text=True, timeout=60, check=False
    )


def loaded(code: str) -> set[str]:
    """Heavy packages that are loaded once `code` has run."""
    done = run("-c", f"import sys\n{code}\nprint('loaded', *sys.modules, file=sys.stderr)")
    assert done.returncode == 0, done.stderr
    return HEAVY & set(done.stderr.rpartition("loaded ")[2].split())


def cpu_seconds(*arguments: str) -> float:
    """Least processor time of three runs; the clock on the wall tells more of what else runs here."""
    return least_cpu("-m", "sarcodec", *arguments)


@pytest.fixture(scope="module")
def least() -> float:
    """Processor time of what no command can do without, on this machine and now."""
    return least_cpu("-c", "import numpy, typer")


def least_cpu(*arguments: str) -> float:
    """Least processor time of three runs of Python."""
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert run(*arguments).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded("import sarcodec; sarcodec.SarcError; sarcodec.Window") == set()


def test_importing_the_command_line_loads_nothing_heavy() -> None:
    assert loaded("import sarcodec.cli") == set()


def test_public_functions_are_found_on_first_use() -> None:
    assert "torch" not in loaded("import sarcodec\nfor name in sarcodec.__all__: getattr(sarcodec, name)")


def test_the_package_shows_its_public_names_and_nothing_that_it_uses_itself() -> None:
    shown = {name for name in dir(sarcodec) if not name.startswith("__")}
    assert shown == {*sarcodec.__all__, "errors"}
    assert {"encode", "decode", "open", "encode_array", "decode_array", "extract"} <= shown


def test_help_on_the_package_describes_its_functions() -> None:
    text = pydoc.plain(pydoc.render_doc(sarcodec))
    for name in ("encode", "decode", "encode_array", "decode_array", "extract", "open"):
        assert name in (sarcodec.__doc__ or "")
        assert f"    {name}(" in text
    assert "import_module" not in text


def test_a_name_that_there_is_not_is_missed_by_python_and_by_type_checkers() -> None:
    with pytest.raises(AttributeError, match="nosuch"):
        sarcodec.nosuch()  # type: ignore[attr-defined]  # mypy complains of this comment if the name passes


@pytest.mark.parametrize("arguments", [["--help"], ["encode", "--help"], ["models", "--json"]])
def test_help_and_models_load_nothing_heavy(arguments: list[str]) -> None:
    assert loaded(f"from sarcodec.cli import main\nassert main({arguments}) == 0") == set()


def test_info_loads_neither_torch_nor_rasterio(coded: Path) -> None:
    assert loaded(f"from sarcodec.cli import main\nassert main(['info', {str(coded)!r}]) == 0") == {"numpy"}


def test_version_names_package_format_and_model() -> None:
    done = run("-m", "sarcodec", "--version")
    assert done.stdout.startswith("sarcodec ")
    assert "format 1.1" in done.stdout
    assert "default model lapped16" in done.stdout


def test_info_on_600_tiles_takes_no_more_than_four_times_what_its_imports_take(
    coded: Path, least: float
) -> None:
    assert cpu_seconds("info", str(coded), "--json") < 4 * least


def test_help_takes_no_more_than_three_times_what_its_imports_take(least: float) -> None:
    assert cpu_seconds("--help") < 3 * least
