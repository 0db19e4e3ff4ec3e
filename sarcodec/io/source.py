"""Any raster that GDAL reads, as pixels and metadata."""

from __future__ import annotations

import os
import re
import threading
from types import TracebackType
from typing import Any, Self

import numpy as np
import rasterio
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window as GdalWindow

from sarcodec.errors import InputError, UsageError
from sarcodec.io import gdal
from sarcodec.io.describe import describe
from sarcodec.metadata import RasterMeta
from sarcodec.types import Window

DTYPES = ("uint8", "uint16", "int16", "float32", "float64")
"""Pixel types that can be coded."""

_REMOTE = re.compile(r"\w+://|/vsi(curl|s3|gs|az|adls|oss|swift|webhdfs|hdfs)", re.IGNORECASE)
_GDAL_NAME = re.compile(r"/vsi|\w{2,}:")


class RasterSource:
    """A raster opened for reading, a context manager. Nothing is written beside it.

    Parameters
    ----------
    path : path-like
        A file, or a name that GDAL gives to a dataset within a file (``NETCDF:a.nc:sigma0``).

    Raises
    ------
    InputError
        The raster cannot be opened, or is of a kind that this codec does not code.
    """

    meta: RasterMeta
    """All of it but the pixels."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = os.fspath(path)
        _check_name(self.name)
        self._lock = threading.Lock()
        self._dataset = self._open()
        try:
            with gdal.reading():
                _check_kind(self._dataset, self.name)
                self.meta = describe(self._dataset)
        except gdal.GdalErrors as error:
            self.close()
            raise _unreadable(self.name, error) from error
        except BaseException:
            self.close()
            raise

    def read(self, band: int, window: Window) -> np.ndarray[Any, np.dtype[Any]]:
        """Read pixels; may be called from several threads.

        Parameters
        ----------
        band : int
            Counted from 1.
        window : Window
            Within the raster.

        Returns
        -------
        ndarray, shape (window.height, window.width), dtype `meta.dtype`
            Stored values; the band's scale and offset are not applied.

        Raises
        ------
        InputError
            The file is truncated or damaged there.
        UsageError
            There is no such band, or the window reaches beyond the raster.
        """
        check_window(self.meta, band, window)
        try:
            with self._lock, gdal.reading():
                where = GdalWindow(window.col, window.row, window.width, window.height)
                pixels: np.ndarray[Any, np.dtype[Any]] = self._dataset.read(band, window=where)
        except gdal.GdalErrors as error:
            raise InputError(
                f"{self.name}: band {band}, rows {window.row} to {window.bottom - 1} cannot be read: "
                f"{gdal.reason(error)}",
                hint="The file is truncated or damaged; fetch or make it again.",
            ) from error
        return pixels

    def close(self) -> None:
        """Close the raster; closing twice does no harm."""
        self._dataset.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> Any:
        try:
            with gdal.reading(), gdal.opening():
                return rasterio.open(self.name)
        except gdal.GdalErrors as error:
            raise _unreadable(self.name, error) from error


def check_window(meta: RasterMeta, band: int, window: Window) -> None:
    """Raise `UsageError` unless `band` and `window` are within the raster."""
    if not 1 <= band <= meta.count:
        raise UsageError(f"there is no band {band}", hint=f"Bands are counted from 1 to {meta.count}.")
    if window.right > meta.width or window.bottom > meta.height:
        raise UsageError(
            f"the window ends at column {window.right}, row {window.bottom}",
            hint=f"The raster has {meta.width} columns and {meta.height} rows.",
        )


def _unreadable(name: str, error: Exception) -> InputError:
    return InputError(
        f"{name} cannot be read as a raster: {gdal.reason(error)}",
        hint="Is the file complete, and in a format that GDAL reads, such as GeoTIFF?",
    )


def _check_name(name: str) -> None:
    if _REMOTE.search(name):
        raise InputError(
            f"{name} is not a file on this machine", hint="Download it first; nothing is fetched here."
        )
    if os.path.isdir(name):
        raise InputError(
            f"{name} is a directory",
            hint="Give the raster file in it; in a Sentinel-1 SAFE folder, a measurement/*.tiff.",
        )
    if not os.path.exists(name):
        if not _GDAL_NAME.match(name):
            raise InputError(f"{name} does not exist", hint="Check the name and the folder.")
    elif os.path.isfile(name) and not os.path.getsize(name):
        raise InputError(f"{name} is empty", hint="Fetch or make the file again.")


def _check_kind(dataset: Any, name: str) -> None:
    if not dataset.count:
        inner = dataset.subdatasets
        hint = (
            f"Name one of the rasters in it, such as {inner[0]}."
            if inner
            else "Give a raster with at least one band."
        )
        raise InputError(f"{name} has no bands of its own", hint=hint)
    kinds = sorted(set(dataset.dtypes))
    if len(kinds) > 1:
        raise InputError(
            f"{name}: bands differ in pixel type: {', '.join(kinds)}", hint="Code them as files of their own."
        )
    if kinds[0].startswith("complex"):
        raise InputError(
            f"{name}: pixels are {kinds[0]}; complex (SLC) data is not coded",
            hint="Detect it first: the amplitude |z| or the power |z|^2 as float32.",
        )
    if kinds[0] not in DTYPES:
        raise InputError(
            f"{name}: pixels are {kinds[0]}, which is not coded",
            hint=f"Convert to one of {', '.join(DTYPES)} first, for example with gdal_translate -ot Float32.",
        )
    if ColorInterp.palette in dataset.colorinterp:
        raise InputError(
            f"{name}: pixels are indexes into a palette, not backscatter",
            hint="Give the raster it was drawn from.",
        )
    if any(
        MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags for flags in dataset.mask_flag_enums
    ):
        raise InputError(
            f"{name}: valid pixels are marked by a mask band, which is not coded",
            hint="Mark invalid pixels by a nodata value instead, for example with gdalwarp -dstnodata.",
        )
