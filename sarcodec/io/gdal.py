"""GDAL without side effects: what every call into it here is wrapped in."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.env import getenv, hasenv
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from sarcodec.io.proj import ProjEnv

GdalErrors: tuple[type[Exception], ...] = (RasterioError, CRSError, CPLE_BaseError, OSError)
"""What a failing call may raise; rasterio lets a few of GDAL's own errors through."""

CACHE_BYTES = 256 * 2**20
"""GDAL's block cache, by itself 5 % of the memory: holds a tile row of a striped scene 25,000 pixels wide."""

PATH_BYTES = 1900
"""Longest path that GDAL gets; its buffers hold 2047 bytes, and it appends endings of its own."""

_FETCHING = {
    "DAAS", "EEDA", "EEDAI", "GTI", "HTTP", "NGW", "OGCAPI", "PLMOSAIC", "STACIT", "STACTA", "WCS", "WMS",
    "WMTS",
}  # fmt: skip
_INDIRECT = {"DERIVED", "MRF"}  # open what a text in them names; MRF also writes a cache

_OFFLINE = {
    # No name of a file equals it, so the handlers of /vsicurl/, /vsis3/ and their like open nothing.
    "CPL_VSIL_CURL_ALLOWED_FILENAME": "-",
    # Nobody listens there: what else asks for an address finds no way out.
    "GDAL_HTTP_PROXY": "socks5h://127.0.0.1:1",
    "GDAL_HTTPS_PROXY": "socks5h://127.0.0.1:1",
    "GDAL_HTTP_MAX_RETRY": "0",
    "GDAL_VRT_ENABLE_PYTHON": "NO",
    # Nothing is written beside an input.
    "CPL_VSIL_GZIP_WRITE_PROPERTIES": "NO",
    # GDAL's own threads do not see the options of this one.
    "VRT_NUM_THREADS": "1",
}

_warnings = threading.Lock()  # warnings.catch_warnings is not thread-safe


def _in_child() -> None:
    """Forget a thread that was opening a dataset at the time of a fork: it is not in the child."""
    global _warnings  # noqa: PLW0603
    _warnings = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


@contextmanager
def opening() -> Iterator[None]:
    """Open a dataset without being told that it is not georeferenced."""
    with _warnings, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def reading() -> rasterio.Env:
    """Environment to read in; GDAL's messages go to the `rasterio` logger, nothing is fetched or run."""
    return ProjEnv(CPL_DEBUG="OFF", **_OFFLINE, **_cache())


def writing() -> rasterio.Env:
    """Environment to write in: all metadata inside the file, none in an .aux.xml beside it."""
    return ProjEnv(CPL_DEBUG="OFF", GDAL_PAM_ENABLED="NO", **_OFFLINE, **_cache())


def open_raster(name: str, *, vrt: bool) -> Any:
    """Open for reading with the drivers that neither fetch nor open what a text in the file names.

    Parameters
    ----------
    name : str
        Handed to GDAL as it is.
    vrt : bool
        Whether it may be a VRT.
    """
    with reading() as env, opening():
        barred = _FETCHING | _INDIRECT | (set() if vrt else {"VRT"})
        # rasterio.open takes one driver at most.
        return DatasetReader(name, driver=sorted(set(env.drivers()) - barred))


def _cache() -> dict[str, Any]:
    """The bound of the block cache, unless the user has set one."""
    chosen = "GDAL_CACHEMAX" in os.environ or (hasenv() and "GDAL_CACHEMAX" in getenv())
    return {} if chosen else {"GDAL_CACHEMAX": CACHE_BYTES}


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
