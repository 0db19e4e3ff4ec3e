"""One target under atheris, in a process of its own: ``python -m fuzz.child TARGET [ARGUMENT]...``."""

from __future__ import annotations

import importlib
import logging
import sys
import warnings


def main() -> None:
    """Fuzz until libFuzzer has had enough; it ends the process."""
    atheris = importlib.import_module("atheris")  # not a dependency of the tests
    with atheris.instrument_imports(include=["sarcodec"]):
        import fuzz

        target = fuzz.target(sys.argv[1])
    warnings.simplefilter("error")
    logging.disable()
    # libFuzzer starts itself anew to merge, with its first argument as the command.
    atheris.Setup([f"{sys.executable} -m fuzz.child {sys.argv[1]}", *sys.argv[2:]], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
