"""CompressAI's compiled coder in place of ours, if ``SARCODEC_CODER=compressai`` asks for it.

It writes the same bytes. It checks nothing: it loops on huge symbols and crashes on empty input, so that
:mod:`sarcodec.model.rans` guards it. Streams are always read by our own kernels, because CompressAI's reader
does not know where a stream ends.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Sequence
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.errors import UsageError
from sarcodec.model.tables import Tables

CHOICE = "SARCODEC_CODER"
"""The variable that names a coder: ``native`` or ``compressai``."""

_INSTALL = 'Run pip install "sarcodec[train]", or unset the variable: our own coder writes the same bytes.'

Part = tuple[npt.NDArray[np.int32], npt.NDArray[np.uint16], Tables]
"""Symbols, the table of each, and the tables."""


def is_wanted() -> bool:
    """Whether the environment asks for CompressAI's coder.

    Raises
    ------
    UsageError
        It asks for one that there is not.
    """
    name = os.environ.get(CHOICE) or "native"
    if name not in {"native", "compressai"}:
        raise UsageError(f"{CHOICE}={name} is no entropy coder", hint="Give native or compressai.")
    return name == "compressai"


def stream_of(parts: Sequence[Part]) -> bytes:
    """The stream of all parts, as CompressAI writes it."""
    encoder = coder().BufferedRansEncoder()
    for symbols, indexes, tables in parts:
        encoder.encode_with_indexes(symbols.tolist(), indexes.tolist(), *lists(tables))
    stream: bytes = encoder.flush()
    return stream


def lists(tables: Tables) -> tuple[list[list[int]], list[int], list[int]]:
    """Cumulative counts, sizes and offsets, as CompressAI's coders take them."""
    cdfs = [row[:used].tolist() for row, used in zip(tables.cdf, tables.size, strict=True)]
    return cdfs, tables.size.tolist(), tables.offset.tolist()


@cache
def coder() -> Any:
    """The module ``compressai.ans``: 1 ms by its path, seconds through the package.

    Raises
    ------
    UsageError
        It is not installed.
    """
    if "compressai.ans" in sys.modules:
        return sys.modules["compressai.ans"]
    package = importlib.util.find_spec("compressai")
    folders = list(package.submodule_search_locations or ()) if package else []
    for path in (p for folder in folders for p in Path(folder).glob("ans*")):
        if path.name in {f"ans{suffix}" for suffix in EXTENSION_SUFFIXES}:
            spec = importlib.util.spec_from_loader("ans", ExtensionFileLoader("ans", str(path)))
            assert spec is not None
            assert spec.loader is not None
            try:
                module = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(module)
            except ImportError as error:
                raise UsageError(f"{CHOICE}=compressai: {error}", hint=_INSTALL) from error
            sys.modules["compressai.ans"] = module  # its types can be registered once in a process
            return module
    raise UsageError(
        f"{CHOICE}=compressai, and CompressAI is not installed",
        hint=_INSTALL,
    )
