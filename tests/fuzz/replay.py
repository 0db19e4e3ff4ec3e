"""Repeat inputs without atheris: ``python -m fuzz.replay TARGET FILE... [--add]``.

With ``--add`` they become part of the corpus for good, once they no longer fail.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

import fuzz
from fuzz import corpus


def main() -> None:
    """Give each file to the target; what fails, fails loudly."""
    parser = argparse.ArgumentParser(
        prog="python -m fuzz.replay", description="Repeat inputs of a fuzz target."
    )
    parser.add_argument("target", choices=fuzz.TARGETS)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--add", action="store_true", help="keep the inputs in the corpus")
    options = parser.parse_args()
    warnings.simplefilter("error")
    inputs = [file.read_bytes() for file in options.files]
    for data in inputs:
        fuzz.target(options.target)(data)
    sys.stdout.write(f"{len(inputs)} inputs of {options.target}: no failure\n")
    if options.add:
        found = {corpus.name_of(data, found=True): data for data in inputs}
        corpus.save(options.target, corpus.load(options.target) | found)


if __name__ == "__main__":
    main()
