"""Whether the package that training needs beside the defaults is installed; asking imports nothing."""

from __future__ import annotations

from importlib.util import find_spec

from sarcodec.errors import UsageError

PACKAGE = "compressai"


def check() -> None:
    """Refuse to train without CompressAI.

    Raises
    ------
    UsageError
        The package is not installed.
    """
    if find_spec(PACKAGE) is None:
        raise missing(f"no module named {PACKAGE!r}")


def missing(reason: str) -> UsageError:
    """The error that says what to install.

    Parameters
    ----------
    reason : str
        Why the package cannot be imported.
    """
    return UsageError(
        f"training needs the package {PACKAGE}: {reason}",
        hint='pip install "sarcodec[train]", with Python 3.11 or 3.12.',
    )
