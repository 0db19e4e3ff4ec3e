"""GDAL without side effects: what every call into it here is wrapped in."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError

GdalErrors: tuple[type[Exception], ...] = (RasterioError, CRSError, CPLE_BaseError, OSError)
"""What a failing call may raise; rasterio lets a few of GDAL's own errors through."""

_warnings = threading.Lock()  # warnings.catch_warnings is not thread-safe


@contextmanager
def opening() -> Iterator[None]:
    """Open a dataset without being told that it is not georeferenced."""
    with _warnings, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def reading() -> rasterio.Env:
    """Environment to read in; GDAL's messages go to the `rasterio` logger, not to standard error."""
    return rasterio.Env(CPL_DEBUG="OFF")


def writing() -> rasterio.Env:
    """Environment to write in: all metadata inside the file, none in an .aux.xml beside it."""
    return rasterio.Env(CPL_DEBUG="OFF", GDAL_PAM_ENABLED="NO")


class Complaints(logging.Handler):
    """Collects GDAL's warnings while it is entered; `texts` holds them."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a warning of this thread."""
        if record.thread == self._thread:
            self.texts.append(record.getMessage())

    def __enter__(self) -> Self:
        logging.getLogger("rasterio").addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        logging.getLogger("rasterio").removeHandler(self)


def reason(error: Exception) -> str:
    """The message of `error`, or of what caused it where rasterio says only to look there."""
    inner = error.__cause__ or error.__context__
    text = str(inner if inner is not None and "previous exception" in str(error) else error)
    return " ".join(text.split())
