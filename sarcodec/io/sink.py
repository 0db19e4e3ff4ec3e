"""A tiled GeoTIFF that appears only when it is complete."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import rasterio
from rasterio.windows import Window as GdalWindow

from sarcodec import atomic
from sarcodec.endings import GEOTIFF, check_ending
from sarcodec.errors import OutputExistsError, UsageError, WriteError
from sarcodec.io import beside, gdal, residue
from sarcodec.io.apply import apply, profile
from sarcodec.io.complete import has_all_blocks
from sarcodec.io.describe import describe
from sarcodec.io.options import creation_options, is_set
from sarcodec.io.source import check_window
from sarcodec.io.trial import Trial, retried, tried
from sarcodec.metadata import RasterMeta, to_fields
from sarcodec.types import Window

_SIDECARS = (beside.ENDING, ".ovr", ".msk")
"""What GDAL would read as part of the file beside which it lies."""


class RasterSink:
    """A GeoTIFF opened for writing, a context manager.

    The file is complete, checked and in place when the block ends; where the block raises, nothing is left.

    Parameters
    ----------
    path : path-like
        The file to write.
    meta : RasterMeta
        All of it is stored in the file itself. A CRS that GeoTIFF cannot hold stands in an .aux.xml beside
        it too, for GDAL; one that GDAL cannot hold there either is left out, with a warning.
    overwrite : bool
        Whether an existing file, and what belongs to it (.aux.xml, .ovr, .msk), may be replaced.
    options : mapping of str to str, optional
        GDAL's creation options for GeoTIFF, in place of or on top of: 256-pixel tiles, bands one after
        the other, DEFLATE with the predictor for the pixel type, BigTIFF where it may be needed.

    Raises
    ------
    OutputExistsError
        The file exists and `overwrite` is false.
    WriteError
        The file could not be written completely.
    UsageError
        `path` does not end in .tif or .tiff, or GDAL does not accept `options` or would change pixels by
        them.
    InputError
        PROJ finds no data, and so knows no CRS.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        meta: RasterMeta,
        *,
        overwrite: bool,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.path = Path(path)
        check_ending(self.path, GEOTIFF)
        if len(os.fsencode(self.path.absolute())) > gdal.PATH_BYTES:
            raise UsageError(
                f"the path of {self.path.name} is longer than GDAL takes, {gdal.PATH_BYTES} bytes",
                hint="Choose a folder less deep.",
            )
        self.meta = meta
        self._overwrite = overwrite
        self._options = creation_options(meta.dtype, options or {})
        self._lock = threading.Lock()
        self._masked = 0
        """Pixels that the mask band was told to mask."""
        self._has_mask = False
        self._amended: RasterMeta | None = None

    def __enter__(self) -> Self:
        self._session = self._open()
        self._dataset = self._session.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.__exit__(kind, error, trace)

    def write(self, band: int, array: np.ndarray[Any, np.dtype[Any]], window: Window) -> None:
        """Write pixels; may be called from several threads.

        Windows that fall together with the file's 256-pixel tiles are the fastest to write.

        Parameters
        ----------
        band : int
            Counted from 0.
        array : ndarray, shape (window.height, window.width), dtype `meta.dtype`
            Stored values, before any scale and offset.
        window : Window
            Within the raster.

        Raises
        ------
        UsageError
            Band, window, shape or dtype do not fit the raster.
        WriteError
            The disk is full, for example.
        """
        check_window(self.meta, band, window)
        if array.shape != (window.height, window.width) or array.dtype != self.meta.dtype:
            raise UsageError(
                f"an array of {array.dtype} {array.shape} does not fill the window",
                hint=f"Give {self.meta.dtype} {(window.height, window.width)}.",
            )
        where = GdalWindow(window.col, window.row, window.width, window.height)
        with self._lock, gdal.writing(), self._failing():
            self._dataset.write(array, band + 1, window=where)

    def write_mask(self, valid: np.ndarray[Any, np.dtype[np.bool_]], window: Window) -> None:
        """Write a part of the mask band, True where a pixel is valid; the file gets one with the first part.

        Raises
        ------
        WriteError
            The disk is full, for example.
        """
        where = GdalWindow(window.col, window.row, window.width, window.height)
        with self._lock, gdal.writing(), self._failing():
            self._dataset.write_mask(valid, window=where)
        self._masked += int(np.count_nonzero(~valid))
        self._has_mask = True

    def amend(self, meta: RasterMeta) -> None:
        """Declare another nodata value, and other tags of the raster, than when the file was opened.

        The file is copied when it is complete: GDAL leaves blocks of nothing but zeros out as long as no
        nodata value is declared, and they would become nodata if one were declared then.
        """
        self._amended = meta

    def _record(self, dataset: Any, trial: Trial) -> None:
        """Write what GDAL would not give back of the metadata as a tag."""
        rest = residue.record(self.meta, trial.found)
        if rest:
            dataset.update_tags(ns=residue.NAMESPACE, **{residue.KEY: rest})

    @contextmanager
    def _open(self) -> Iterator[Any]:
        self._check_sidecars()
        trial = tried(self.meta, self._options)
        with beside.written(self.path, trial.beside, overwrite=self._overwrite):
            with atomic.replacing(self.path, overwrite=self._overwrite) as partial:
                dataset = self._create(partial, trial)
                try:
                    yield dataset
                except BaseException:
                    with suppress(*gdal.GdalErrors), gdal.writing():
                        dataset.close()
                    raise
                with self._failing(), gdal.writing():
                    dataset.close()
                if self._amended is not None:
                    self._copy(partial, self._amended, trial)
                self._verify(partial)
            for sidecar in self._sidecars():
                sidecar.unlink(missing_ok=True)

    def _create(self, partial: Path, trial: Trial) -> Any:
        with self._failing(), gdal.writing(), gdal.opening():
            dataset = rasterio.open(partial, "w", driver="GTiff", **profile(trial.given), **self._options)
            apply(dataset, trial.given)
            self._record(dataset, trial)
        return dataset

    def _copy(self, partial: Path, meta: RasterMeta, trial: Trial) -> None:
        """Write the complete file once more, with other metadata."""
        first = partial.with_name(f"{partial.name.removesuffix('.partial')}a.partial")
        partial.rename(first)
        try:
            mode = stat.S_IMODE(first.stat().st_mode)
            os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
            self.meta = meta
            dataset = self._create(partial, retried(trial, meta, self._options))
            with (
                self._failing(),
                gdal.writing(),
                gdal.opening(),
                dataset,
                rasterio.open(first, driver="GTiff") as source,
            ):
                for _, window in source.block_windows(1):
                    dataset.write(source.read(window=window), window=window)
                    if self._has_mask:
                        dataset.write_mask(source.read_masks(1, window=window), window=window)
        except OSError as error:
            raise atomic.write_error(self.path, error) from error
        finally:
            first.unlink(missing_ok=True)

    def _verify(self, partial: Path) -> None:
        # GDAL flushes blocks when it closes, and then reports no failure.
        size = partial.stat().st_size
        with (
            self._failing(),
            gdal.writing(),
            gdal.opening(),
            rasterio.open(partial, driver="GTiff") as dataset,
        ):
            found, wanted = to_fields(describe(dataset)), to_fields(self.meta)
            if found != wanted:
                keys = sorted(
                    key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key)
                )
                raise WriteError(
                    f"{self.path} could not be written: metadata fields {', '.join(keys)} did not survive",
                    hint="Report this with the input's gdalinfo.",
                )
            masked = sum(
                int(np.count_nonzero(dataset.read_masks(1, window=window) == 0))
                for _, window in (dataset.block_windows(1) if self._masked else ())
            )
            whole = masked == self._masked and has_all_blocks(
                dataset, size, sparse=is_set(self._options, "SPARSE_OK")
            )
            if not whole:
                raise WriteError(
                    f"{self.path} could not be written: blocks are missing from the file",
                    hint="Check the free space and quota of its folder. Nothing was left behind.",
                )

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except gdal.GdalErrors as error:
            raise atomic.write_error(self.path, OSError(gdal.reason(error))) from error

    def _sidecars(self) -> list[Path]:
        paths = [self.path.with_name(self.path.name + ending) for ending in _SIDECARS]
        return [path for path in paths if os.path.lexists(path)]

    def _check_sidecars(self) -> None:
        for sidecar in () if self._overwrite else self._sidecars():
            raise OutputExistsError(
                f"{sidecar} exists and would be taken for a part of {self.path.name}",
                hint="Remove it, choose another name, or allow overwriting.",
            )
