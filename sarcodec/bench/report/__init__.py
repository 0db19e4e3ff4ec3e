"""What a benchmark leaves behind: a page, figures for other programs, plots, and words for the terminal."""

from __future__ import annotations

from sarcodec.bench.report.crops import write_crops
from sarcodec.bench.report.document import read_json, to_json, write_csv, write_json
from sarcodec.bench.report.page import PLOTS, write_report
from sarcodec.bench.report.text import summary

__all__ = [
    "PLOTS",
    "read_json",
    "summary",
    "to_json",
    "write_crops",
    "write_csv",
    "write_json",
    "write_report",
]
