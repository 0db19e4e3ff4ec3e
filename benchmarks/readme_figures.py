"""The figures in README.md, taken from a committed run of `sarcodec bench`.

python benchmarks/readme_figures.py            # writes them between the markers of README.md
python benchmarks/readme_figures.py --check    # exit code 1 where README.md says anything else
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sarcodec.atomic import replacing
from sarcodec.bench.report.document import read_json
from sarcodec.bench.results import OURS, REFERENCE, BdSummary, Results

HERE = Path(__file__).resolve().parent
START, END = "<!-- figures: begin -->", "<!-- figures: end -->"
KINDS = {"grd": "Sentinel-1 GRD", "multilook": "multilooked SLC", "": "all"}
"""Classes of the test scenes with a column, and its head; the empty one is all scenes."""

LACKING = (
    " That processor has no instructions for products of bytes (VNNI or the like), with which ours is faster."
)
"""What is said of one on which ours computes in floats throughout."""


def figures(results: Results) -> str:
    """Markdown: BD-rate of ours against every lossy codec by class, and speed."""
    titles = {codec.name: codec.title for codec in results.codecs}
    rows = {(row.reference, row.kind): row for row in results.bd_summary if row.test == OURS}
    # A codec without a comparison that can be trusted has no row.
    peers = [peer for (peer, kind), row in rows.items() if not kind and row.scenes >= row.warnings]
    counts = {kind: sum(kind in ("", scene.kind) for scene in results.scenes) for kind in KINDS}
    heads = [f"{name}, {counts[kind]} bands" for kind, name in KINDS.items()]
    table = [["BD-rate of sarcodec against", *heads], ["---", *["---:"] * len(heads)]]
    table += [[titles[peer], *(_cell(rows.get((peer, kind))) for kind in KINDS)] for peer in peers]
    lines = [f"| {' | '.join(row)} |" for row in table]
    return "\n".join([*lines, "", _rates(results), "", _speed(results)])


def _cell(row: BdSummary | None) -> str:
    if row is None or row.mean_percent is None:
        return "-"
    mark = "" if row.warnings == 0 else f", {row.warnings} left out"
    interval = "" if row.low_percent is None else f" ({row.low_percent:+.1f} to {row.high_percent:+.1f})"
    return f"{row.mean_percent:+.1f} %{interval}{mark}"


def _rates(results: Results) -> str:
    low, high = results.rates[0], results.rates[-1]
    out = any(row.warnings for row in results.bd_summary if row.test == OURS)
    note = " Left out are bands on which the curves share less than half of their errors." if out else ""
    return (
        f"Whole files, {low:g} to {high:g} bits per pixel; in brackets 95 % intervals over places. Negative: "
        f"ours are smaller at equal error.{note}"
    )


def _speed(results: Results) -> str:
    ours = [row for row in results.speed if row.codec == OURS]
    peer = [row for row in results.speed if row.codec == REFERENCE]
    if not ours or not peer:
        return "Speed was not measured in this run."
    said = [
        f"{row.encode_ratio:.2f} and {row.decode_ratio:.2f} at {row.bpp:.1f} bpp"
        for row in ours
        if row.encode_ratio is not None and row.decode_ratio is not None
    ]
    memory = next((row for row in ours if row.encode_mb and row.decode_mb), None)
    lacks = "" if results.about.get("byte_products", True) else LACKING
    text = (
        "Speed of encoding and decoding, times that of JPEG 2000 (OpenJPEG) in the same run, "
        f"{ours[0].threads} threads of an {results.about.get('processor', 'unknown processor')}: "
        f"{'; '.join(said)}. Ours encodes {ours[0].encode_mpix_s:.1f} and decodes "
        f"{ours[0].decode_mpix_s:.1f} megapixels a second there"
    )
    if memory is None or memory.encode_mb is None or memory.decode_mb is None:
        return f"{text}.{lacks}"
    return f"{text}, in {memory.encode_mb / 1000:.1f} and {memory.decode_mb / 1000:.1f} GB of memory.{lacks}"


def filled(page: str, results: Results) -> str:
    """`page` with the figures between its markers."""
    before, rest = page.split(START)
    return f"{before}{START}\n{figures(results)}\n{END}{rest.split(END)[1]}"


def main() -> int:
    """Write, or check; the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=HERE / "test_scenes" / "bench.json")
    parser.add_argument("--page", type=Path, default=HERE.parent / "README.md")
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    page = options.page.read_text(encoding="utf-8")
    wanted = filled(page, read_json(options.results))
    if options.check:
        return int(wanted != page)
    with replacing(options.page, overwrite=True) as partial:
        partial.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
