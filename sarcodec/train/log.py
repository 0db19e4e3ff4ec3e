"""Logs of a run as CSV, that agree with the checkpoint the run resumes from."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from sarcodec.atomic import replacing

HEAD, TAIL = ("step", "minutes"), ("lr",)


def add(path: Path, step: int, minutes: float, figures: Mapping[str, float], lr: float) -> None:
    """Add a line; a new file begins with the names of the columns."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow([*HEAD, *figures, *TAIL])
        values = (v if isinstance(v, int) else f"{v:.5f}" for v in figures.values())
        writer.writerow([step, f"{minutes:.2f}", *values, f"{lr:.2e}"])


def read(path: Path) -> list[dict[str, str]]:
    """Complete lines of a log, by column; empty where there is none."""
    if not path.exists():
        return []
    rows = csv.DictReader(path.read_text().splitlines())
    return [row for row in rows if None not in row.values() and (row["step"] or "").isdigit()]


def cut(path: Path, step: int) -> None:
    """Drop what was logged after `step`: the run goes over it again."""
    rows = read(path)
    kept = [row for row in rows if int(row["step"]) <= step]
    if not kept:
        path.unlink(missing_ok=True)
    elif len(path.read_text().splitlines()) > len(kept) + 1:
        with replacing(path, overwrite=True) as partial, partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(kept[0]))
            writer.writeheader()
            writer.writerows(kept)
