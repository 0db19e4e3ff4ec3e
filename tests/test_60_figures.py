"""What the pages claim is what the committed runs found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sarcodec import zoo
from sarcodec.bench.report.document import read_json
from testing import benchmarks

ROOT = Path(__file__).parents[1]
PROGRAM = ROOT / "benchmarks" / "readme_figures.py"
COMMITTED = ROOT / "benchmarks" / "test_scenes" / "bench.json"


def check(page: Path, results: Path = COMMITTED) -> int:
    options = ["--check", "--page", str(page), "--results", str(results)]
    return subprocess.run([sys.executable, str(PROGRAM), *options], check=False).returncode


def test_the_readme_quotes_the_committed_run() -> None:
    assert check(ROOT / "README.md") == 0


def test_a_page_that_quotes_another_figure_is_found_out(tmp_path: Path) -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    before, rest = page.split("<!-- figures: begin -->")
    (tmp_path / "page.md").write_text(f"{before}<!-- figures: begin -->{rest.replace('%', '% ', 1)}")
    assert check(tmp_path / "page.md") == 1


def test_the_committed_run_is_of_the_model_that_ships() -> None:
    about = read_json(COMMITTED).about
    assert about["model"] == zoo.DEFAULT
    assert about["model_sha256"] == zoo.cards()[0].fields["sha256"]


@pytest.mark.parametrize("whole", [True, False])
def test_figures_of_any_run_can_be_written(tmp_path: Path, whole: bool) -> None:
    from dataclasses import replace

    from sarcodec.bench.report.document import write_json

    results = benchmarks.results()
    write_json(results if whole else replace(results, speed=(), bd_summary=()), tmp_path / "bench.json")
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- figures: begin -->\n<!-- figures: end -->\nz\n")
    options = ["--page", str(page), "--results", str(tmp_path / "bench.json")]
    subprocess.run([sys.executable, str(PROGRAM), *options], check=True)
    assert page.read_text().startswith("a\n")
    assert ("threads" in page.read_text()) == whole
    assert check(page, tmp_path / "bench.json") == 0
