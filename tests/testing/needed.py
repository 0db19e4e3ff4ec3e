"""What some tests need beside the package: they skip without it, or fail if it was asked for.

``pytest --require compressai`` says that CompressAI has to be there: a test that would skip fails.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec

import pytest


def _compressai() -> bool:
    """Whether it can be imported: its wheel alone, without what it depends on, does not count."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # its own, of torch
        try:
            import compressai.entropy_models  # noqa: F401
        except ImportError:
            return False
    return True


def _coder() -> bool:
    """Whether CompressAI's compiled coder is here, with the package around it or without."""
    from sarcodec.errors import SarcError
    from sarcodec.model import compressai_coder

    try:
        compressai_coder.coder()
    except SarcError:
        return False
    return True


def _library() -> bool:
    """Whether the package under test has its native library."""
    from sarcodec.native import library

    return library.own().exists()


def _program(*names: str) -> bool:
    return any(shutil.which(name) for name in names)


PRESENT: dict[str, Callable[[], bool]] = {
    "clang": lambda: _program("clang"),
    "coder": _coder,
    "gcc": lambda: _program("gcc"),
    "library": _library,
    "compressai": _compressai,
    "imagecodecs": lambda: find_spec("imagecodecs") is not None,
    "qemu": lambda: _program("qemu-aarch64", "qemu-aarch64-static"),
    "ziglang": lambda: find_spec("ziglang") is not None,
}
"""By the name of a thing, whether it is here."""
required: set[str] = set()
"""What ``--require`` named."""


def needed(name: str) -> None:
    """Skip this test, or all of this module if it stands at its top, unless `name` is here.

    Parameters
    ----------
    name : str
        One of `PRESENT`. If ``--require`` names it, its absence is a failure.
    """
    if _here(name):
        return
    if name in required:
        pytest.fail(f"{name} is not here, and --require {name} was given", pytrace=False)
    pytest.skip(f"{name} is not here", allow_module_level=True)


@cache
def _here(name: str) -> bool:
    return PRESENT[name]()
