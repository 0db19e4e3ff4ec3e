"""Any raster that GDAL reads, as pixels and metadata."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
from rasterio.enums import ColorInterp, Interleaving, MaskFlags
from rasterio.windows import Window as GdalWindow

from sarcodec import arguments
from sarcodec.errors import InputError, UsageError
from sarcodec.io import gdal, inside, names
from sarcodec.io.describe import describe
from sarcodec.io.leftout import left_out
from sarcodec.limits import DEFAULT, Limits, check
from sarcodec.metadata import RasterMeta, check_counts
from sarcodec.places import local_path
from sarcodec.scale import DTYPES
from sarcodec.source import alpha_band
from sarcodec.types import Window

log = logging.getLogger(__name__)

_LOST_BLOCKS = re.compile("Incorrect count for .(Strip|Tile)(Offsets|ByteCounts)")


class RasterSource:
    """A raster opened for reading, a context manager. Nothing is written beside it.

    Parameters
    ----------
    path : path-like
        A file, or a name that GDAL gives to a dataset within a file (``NETCDF:a.nc:sigma0``).
    limits : Limits, optional
        Most pixels, columns, rows, bands, tags and ground control points.

    Raises
    ------
    InputError
        The raster cannot be opened, or is of a kind that this codec does not code.
    LimitError
        It is larger than `limits`.
    """

    meta: RasterMeta
    """All of it but the pixels."""
    left_out: tuple[str, ...]
    """What of the file is not carried (pages, overviews, ...), a sentence each."""

    numbers: tuple[int, ...]
    """The file's numbers, from 1, of the bands that are read."""
    without_nodata: tuple[int, ...]
    """Bands that are read, counted from 0, which declare no nodata while others do."""
    has_mask: bool
    """Whether a mask band of the file says which pixels are valid, or an alpha band that is left out."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        limits: Limits = DEFAULT,
        bands: Sequence[int] | None = None,
    ) -> None:
        self.name = os.fspath(path)
        self._lock, self._process = threading.Lock(), os.getpid()
        self._dataset = self._open(names.checked(self.name))
        try:
            with gdal.reading():
                _check_size(self._dataset, limits)
                self.numbers = _chosen(bands, self._dataset.count)
                _check_kind(self._dataset, self.name, self.numbers)
                whole = describe(self._dataset, self.numbers)
                alpha = alpha_band(whole)
                self._alpha = None if alpha is None else alpha + 1
                values = [self._dataset.nodatavals[number - 1] for number in self.numbers]
                self.without_nodata = tuple(
                    n
                    for n, v in enumerate(values)
                    if v is None and any(other is not None for other in values)
                )
                self.meta = whole.selected(self.numbers)
                self._check_masks()
                self.has_mask = self._mask_band() is not None
                check_counts(self.meta, limits)
                self.left_out = left_out(self._dataset)
        except gdal.GdalErrors as error:
            self.close()
            raise _unreadable(self.name, error) from error
        except BaseException:
            self.close()
            raise

    def read(self, band: int, window: Window) -> np.ndarray[Any, np.dtype[Any]]:
        """Read pixels; may be called from several threads, and in forked processes.

        Parameters
        ----------
        band : int
            Counted from 0.
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
        if self._process != os.getpid():  # GDAL seeks in a descriptor that the processes share
            self._dataset = self._open(names.checked(self.name))
            self._lock, self._process = threading.Lock(), os.getpid()
        try:
            with self._lock, gdal.reading(), gdal.Complaints() as complaints:
                where = GdalWindow(window.col, window.row, window.width, window.height)
                number = self.numbers[band]
                pixels: np.ndarray[Any, np.dtype[Any]] = self._dataset.read(number, window=where)
        except gdal.GdalErrors as error:
            raise self._damaged(band, window, gdal.reason(error)) from error
        for text in complaints.texts:
            if _LOST_BLOCKS.search(text):  # GDAL gives zeros then
                raise self._damaged(band, window, text)
        return pixels

    def mask(self, window: Window) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """True where the mask band leaves a pixel valid, shape (window.height, window.width).

        Raises
        ------
        InputError
            The file is damaged there, or the mask has values between valid and invalid.
        """
        where = GdalWindow(window.col, window.row, window.width, window.height)
        try:
            with self._lock, gdal.reading(), gdal.Complaints() as complaints:
                found = self._dataset.read_masks(self._mask_band() or 1, window=where)
        except gdal.GdalErrors as error:
            raise self._damaged(None, window, gdal.reason(error)) from error
        for text in complaints.texts:
            if _LOST_BLOCKS.search(text):
                raise self._damaged(None, window, text)
        if self._alpha is None and not np.isin(found, (0, 1, 255)).all():
            raise InputError(
                f"{self.name}: the mask band has values between 0 and 255: a soft edge is not carried",
                hint="Make it 0 and 255 first, for example with gdal_calc.py.",
            )
        return np.asarray(found != 0)

    def _check_masks(self) -> None:
        """Refuse bands that have masks of their own, unless one band alone is read."""
        flags = self._dataset.mask_flag_enums
        own = [number for number in self.numbers if not flags[number - 1]]
        if own and len(self.numbers) > 1:
            raise InputError(
                f"{self.name}: band {own[0]} has a mask band of its own, not one of the whole raster",
                hint=f"Code each band as a file of its own: --bands {own[0]}.",
            )

    def _mask_band(self) -> int | None:
        """A band that a mask band, or an alpha band that is left out, masks; None if there is none."""
        for number, flags in enumerate(self._dataset.mask_flag_enums, start=1):
            if not flags and self.numbers == (number,):
                return number
            if MaskFlags.per_dataset not in flags or number == self._alpha:
                continue
            if MaskFlags.alpha not in flags or self._alpha not in self.numbers:
                return number
        return None

    def tell_left_out(self) -> None:
        """Warn of everything in `left_out`, a log record each."""
        for text in self.left_out:
            log.warning("%s: %s", self.name, text)

    def close(self) -> None:
        """Close the raster; closing twice does no harm."""
        self._dataset.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _damaged(self, band: int | None, window: Window, reason: str) -> InputError:
        """The error for a band, or for the mask band, which is None."""
        what = "the mask band" if band is None else f"band {self.numbers[band]}"
        return InputError(
            f"{self.name}: {what}, rows {window.row} to {window.bottom - 1} cannot be read: {reason}",
            hint="The file is truncated or damaged; fetch or make it again.",
        )

    def _open(self, name: str) -> Any:
        try:
            # A VRT that lies in an archive could not be looked into first.
            return gdal.open_raster(name, vrt=os.path.isfile(name))
        except gdal.GdalErrors as error:
            raise _unreadable(self.name, error) from error


def check_window(meta: RasterMeta, band: int, window: Window) -> None:
    """Raise `UsageError` unless `band` and `window` are within the raster."""
    if not 0 <= band < meta.count:
        raise UsageError(f"there is no band {band}", hint=f"There are bands 0 to {meta.count - 1}.")
    if window.right > meta.width or window.bottom > meta.height:
        raise UsageError(
            f"the window ends at column {window.right}, row {window.bottom}",
            hint=f"The raster has {meta.width} columns and {meta.height} rows.",
        )


def _unreadable(name: str, error: Exception) -> InputError:
    hint = inside.hint_of_unreadable(local_path(name))
    return InputError(
        f"{name} cannot be read as a raster: {gdal.reason(error)}",
        hint=hint or "Is the file complete, and in a format that GDAL reads, such as GeoTIFF?",
    )


def _check_size(dataset: Any, limits: Limits) -> None:
    check("width", dataset.width, limits.side, limit="side")
    check("height", dataset.height, limits.side, limit="side")
    check("number of pixels per band", dataset.width * dataset.height, limits.pixels, limit="pixels")
    check("number of bands", dataset.count, limits.bands, limit="bands")
    if dataset.count:
        # GDAL unpacks a block as a whole, and keeps it beside what it was unpacked from.
        together = dataset.count if dataset.interleaving is Interleaving.pixel else 1
        height, width = dataset.block_shapes[0]
        pixel = np.dtype(dataset.dtypes[0]).itemsize if dataset.dtypes[0] != "complex_int16" else 4
        check(
            "memory for a block in bytes",
            2 * height * width * pixel * together,
            limits.memory,
            limit="memory",
        )


def _chosen(bands: Sequence[int] | None, count: int) -> tuple[int, ...]:
    """The bands asked for, all of them if None."""
    if bands is None:
        return tuple(range(1, count + 1))
    numbers = tuple(arguments.whole("bands", number) for number in arguments.several("bands", bands))
    wrong = [n for n in numbers if not 1 <= n <= count]
    twice = [n for n in numbers if numbers.count(n) > 1]
    if not numbers or wrong or twice:
        what = f"there is no band {wrong[0]}" if wrong else f"band {twice[0]} is named twice" if twice else ""
        every = ",".join(map(str, range(1, min(count, 3) + 1)))
        raise UsageError(
            what or "no band is named",
            hint=f"The raster has bands 1 to {count}; name each once, such as --bands {every}.",
        )
    return numbers


def _check_kind(dataset: Any, name: str, numbers: tuple[int, ...]) -> None:
    if not dataset.count:
        hint = inside.named(dataset.subdatasets) or "Give a raster with at least one band."
        raise InputError(f"{name} has no bands of its own", hint=hint)
    kinds = sorted({dataset.dtypes[number - 1] for number in numbers})
    if len(kinds) > 1:
        raise InputError(
            f"{name}: bands differ in pixel type: {', '.join(kinds)}",
            hint="Code them as files of their own, each with --bands.",
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
    if any(dataset.colorinterp[number - 1] is ColorInterp.palette for number in numbers):
        raise InputError(
            f"{name}: pixels are indexes into a palette, not backscatter",
            hint="Give the raster it was drawn from.",
        )
