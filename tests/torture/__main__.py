"""Every kind of harm, one line of result, and the tables of docs/reliability.md.

    PYTHONPATH=tests python -m torture --report docs/reliability.md

Everything is seeded: a case that fails is named, and comes again in the next run.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import sarcodec
from torture.kinds import KINDS, one, say
from torture.tally import BAD, Tally

START, END = "<!-- counts: begin -->", "<!-- counts: end -->"


def main() -> int:
    """Run what was chosen; 0 where nothing ended as it must not."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=KINDS, nargs="+", default=list(KINDS))
    parser.add_argument("--report", type=Path, help="Markdown page whose counts are made anew")
    chosen = parser.parse_args()
    # Children are forked; beside threads of OpenMP's they would wait for them for ever.
    os.environ["OMP_NUM_THREADS"] = "1"
    began = time.monotonic()
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        tallies = list(pool.map(one, chosen.only))
    seconds = time.monotonic() - began
    for kind, tally in zip(chosen.only, tallies, strict=True):
        say(f"{kind}: {sum(tally.cases.values())} cases, {tally.bad} bad, {tally.seconds:.0f} s")
        for failure in tally.failures[:50]:
            say(f"  {failure}")
    print(line(tallies, seconds), flush=True)
    if chosen.report:
        page = chosen.report.read_text(encoding="utf-8")
        before, rest = page.split(START)
        text = f"{before}{START}\n\n{tables(tallies, seconds)}\n{END}{rest.split(END)[1]}"
        chosen.report.write_text(text, encoding="utf-8")
    return 1 if any(tally.bad for tally in tallies) else 0


def line(tallies: list[Tally], seconds: float) -> str:
    """The one line."""
    bad = {name: sum(tally.outcomes[name] for tally in tallies) for name in BAD}
    done = ", ".join(f"{sum(tally.cases.values())} {tally.title}" for tally in tallies)
    counts = ", ".join(f"{count} {name}" for name, count in bad.items())
    return f"torture: {done}: {counts} ({seconds:.0f} s)"


def tables(tallies: list[Tally], seconds: float) -> str:
    """Counts of every kind, as Markdown."""
    software = (
        f"Python {platform.python_version()}, torch {version('torch')}, sarcodec {sarcodec.__version__}"
    )
    parts = [f"{line(tallies, seconds)}\n\n{_processor()}, {os.cpu_count()} threads; {software}."]
    for tally in tallies:
        parts.append(f"### {sum(tally.cases.values())} {tally.title}")
        parts.append(_table(("what was done", "cases"), sorted(tally.cases.items())))
        ended = sorted(tally.outcomes.items(), key=lambda item: -item[1])
        zeros = [(name, 0) for name in BAD if name not in tally.outcomes]
        parts.append(_table(("how it ended", "cases"), ended + zeros))
        parts += tally.notes
        parts += [f"- {failure}" for failure in tally.failures[:50]]
    return "\n\n".join(parts) + "\n"


def _table(head: tuple[str, str], rows: list[tuple[str, int]]) -> str:
    lines = [head, ("---", "---:"), *((name, str(count)) for name, count in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _processor() -> str:
    """The processor's name, as Linux tells it."""
    for text in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if text.startswith("model name"):
            return text.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    sys.exit(main())
