"""An open `.sarc` file: metadata at once, windows on request."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self, Unpack

import numpy as np
import numpy.typing as npt

from sarcodec import arguments, memory
from sarcodec.arguments import flag, shown, whole
from sarcodec.bitstream.positioned import closed_error
from sarcodec.borrowed import borrowed, usable
from sarcodec.described import Described
from sarcodec.errors import InputError, UsageError
from sarcodec.keywords import DecodeKeywords, with_keywords
from sarcodec.limits import Limits
from sarcodec.metadata import RasterMeta
from sarcodec.nodata import as_masked
from sarcodec.options import DecodeOptions
from sarcodec.places import open_here
from sarcodec.progress import Tick, silent, ticking
from sarcodec.request import bands_of, factor_of, window_of
from sarcodec.source import alpha_band
from sarcodec.types import Basis, Scale, Window

if TYPE_CHECKING:
    from sarcodec.damage import DamagedTile
    from sarcodec.decoding.decoder import Decoder

PathLike = str | os.PathLike[str]
WindowLike = Window | tuple[int, int, int, int]


class SarcDataset(Described):
    """An open `.sarc` file; windows are decoded on request. Made by :func:`sarcodec.open`.

    Threads and forked processes may read one dataset at once. Pickling and copying it open its file again, by
    its path, with the same options.
    """

    @with_keywords(DecodeOptions)
    def __init__(
        self,
        file: BinaryIO,
        name: str,
        options: DecodeOptions | None = None,
        **keywords: Unpack[DecodeKeywords],
    ) -> None:
        self.options = DecodeOptions.of(options, keywords)
        self.name = name
        self._path = _path_of(file)
        self._file = usable(file)
        self._start()

    def _start(self) -> None:
        """Make what decodes, for this process."""
        from sarcodec.decoding.coded_file import CodedFile
        from sarcodec.decoding.decoder import Decoder
        from sarcodec.model.runtime import pick_device, threads_kept

        with threads_kept():
            self.coded = CodedFile(self._file, self.options, pick_device(self.options.device))
            self._decoders = {1: Decoder(self.coded)}

    @property
    def decoder(self) -> Decoder:
        """What decodes whole pixels."""
        return self._decoders[1]

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return bool(self._file.closed)

    @property
    def meta(self) -> RasterMeta:
        """All metadata."""
        return self.coded.meta

    @property
    def scales_of_values(self) -> tuple[Scale, ...]:
        """What the values of each band are; GDAL's scale and offset of a band count."""
        header = self.coded.header
        return tuple(header.pixel_scale(band).scale for band in range(self.meta.count))

    @property
    def scales_from(self) -> tuple[Basis, ...]:
        """How the scale of each band is known; `Basis.ASSUMED` is a guess."""
        header = self.coded.header
        return tuple(header.scale_basis(band) for band in range(self.meta.count))

    @property
    def fill(self) -> Any:
        """What pixels lost to damage become where `allow_partial` was given, else None."""
        return self.coded.fill

    @property
    def damaged(self) -> tuple[DamagedTile, ...]:
        """Damaged tiles that reading has met so far, where `allow_partial` was given."""
        from sarcodec.damage import DamagedTile

        items = list(self.coded.damaged.items())  # in one step: other threads may find more
        return tuple(sorted(DamagedTile(at.band + 1, at.row, at.col, why) for at, why in items))

    def check_window(self, window: WindowLike | None) -> Window:
        """The window, or the whole raster; `UsageError` where it is none, or leaves the raster."""
        return window_of(window, self.meta)

    @memory.told()
    def read(
        self,
        band: int | Sequence[int] | None = None,
        *,
        window: WindowLike | None = None,
        reduce: int = 1,
        out_shape: Sequence[int] | None = None,
        masked: bool = False,
    ) -> npt.NDArray[Any]:
        """Decode a window.

        Parameters
        ----------
        band : int or sequence of int, optional
            Counted from 1; all bands where left out.
        window : Window, tuple or rasterio window, optional
            (col, row, width, height); the whole raster where left out.
        reduce : int
            2, 4, 8 or 16: one pixel for so many a side, the mean of their decibels, in a part of the time.
            `window` is in pixels of the raster all the same, its edges multiples of this or the raster's own.
        out_shape : sequence of int, optional
            Instead of `reduce`: the shape that one of its values gives.
        masked : bool
            Return a masked array, in which nodata, what a mask or alpha band masks, and what was lost to
            damage are masked.

        Returns
        -------
        ndarray or masked array, native dtype
            Shape (height, width) for one band given by its number, else (bands, height, width).

        Raises
        ------
        UsageError
            An argument is of the wrong kind or out of range, or the file is closed.
        FormatError
            What is needed of the file is damaged.
        """
        bands, alone = bands_of(band, self.meta)
        part = self.check_window(window)
        factor, masked = whole("reduce", reduce), flag("masked", masked)
        if out_shape is not None:
            if factor != 1:
                raise UsageError("reduce and out_shape say the same", hint="Give one of them.")
            factor = factor_of(out_shape, part, len(bands))
        self._check_open()
        from sarcodec.decoding import pipeline
        from sarcodec.model.runtime import threads_kept

        with threads_kept():
            decoder, part = self.reduced(factor, part)
            different = sorted(set(bands))
            values = pipeline.read(decoder, part, different)
        if different != bands:
            values = values[[different.index(number) for number in bands]]
        if masked:
            hidden = ~np.broadcast_to(self._seen(decoder, part), values.shape)
            values = as_masked(values, self.nodata, self.fill if self.coded.damaged else None, hidden=hidden)
        return values[0] if alone else values

    @memory.told()
    def dataset_mask(self, *, window: WindowLike | None = None, reduce: int = 1) -> npt.NDArray[np.uint8]:
        """What rasterio calls the dataset's mask: 255 if a pixel is valid in any band, else 0.

        A mask band says so, else an alpha band, else nodata. Arguments, errors as of :meth:`read`.

        Returns
        -------
        ndarray, shape (height, width), uint8
        """
        self._check_open()
        if self.coded.has_mask or (alpha_band(self.meta) is not None and self.meta.nodata is None):
            decoder, part = self.reduced(reduce, self.check_window(window))
            if self.options.allow_partial:  # what damage reached is known once pixels were decoded
                self.read(window=window, reduce=reduce)
            seen = self._seen(decoder, part)
        else:
            masked: Any = self.read(window=window, reduce=reduce, masked=True)
            seen = ~masked.mask.all(axis=0)
        return np.where(seen, 255, 0).astype(np.uint8)

    def _seen(self, decoder: Decoder, part: Window) -> npt.NDArray[np.bool_]:
        """True where the mask or alpha band leaves a pixel of a window valid, shape (height, width)."""
        from sarcodec.decoding import mask_band, pipeline

        alpha = alpha_band(self.meta) if self.meta.nodata is None else None
        return (
            mask_band.shown(decoder, part)
            if alpha is None
            else np.asarray(pipeline.read(decoder, part, [alpha])[0] != 0)
        )

    def reduced(self, factor: int, window: Window) -> tuple[Decoder, Window]:
        """What decodes at this fraction of the resolution, and the window in its pixels."""
        factor = whole("reduce", factor)
        if factor == 1:
            return self.decoder, window
        from sarcodec.decoding.decoder import Decoder
        from sarcodec.decoding.overview import reduced_window

        if factor not in self._decoders:
            self._decoders[factor] = Decoder(self.coded, factor)
        return self._decoders[factor], reduced_window(window, factor, self.meta.width, self.meta.height)

    @memory.told()
    def verify(self, progress: Tick | None = silent) -> int:
        """Check every checksum and digest; returns how many tiles were checked, all bands counted."""
        tick = ticking(progress)
        from sarcodec.decoding.verify import verify
        from sarcodec.model.runtime import threads_kept

        self._check_open()
        with threads_kept():
            return verify(self.decoder, tick)

    def close(self) -> None:
        """Close the file; closing twice does no harm. Other threads that are reading get a `UsageError`."""
        self._file.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return f"<{state} SarcDataset {self.name!r}: {self._told()}>"

    def _check_open(self) -> None:
        """Raise `UsageError` after closing; in a process forked from one that used CUDA, go on without it."""
        if self.closed:
            raise closed_error(self.name)
        from sarcodec.model.runtime import forked_from_cuda

        if self.coded.model.on_cuda and forked_from_cuda():
            self._start()

    def __reduce__(self) -> tuple[Any, ...]:
        self._check_open()
        reader = self.coded.reader
        kept = reader.file.in_memory
        if self._path is None and kept is None:
            raise UsageError(
                f"{self.name} has no path, and cannot be pickled or copied", hint="Open the file by its path."
            )
        return _opened_again, (self.name, self._path, kept, self.options, (reader.header_crc, reader.size))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@with_keywords(DecodeOptions)
@memory.told()
def open(  # noqa: A001
    path: PathLike | bytes | BinaryIO,
    *,
    options: DecodeOptions | None = None,
    **keywords: Unpack[DecodeKeywords],
) -> SarcDataset:
    """Open a `.sarc` file for reading windows; other parameters as for :func:`sarcodec.decode`.

    With `allow_partial`, pixels that damage took are :attr:`SarcDataset.fill`.

    Parameters
    ----------
    path : path, bytes or binary file
        The name of the file, its bytes, or the file as it was opened by the caller. Such a file is read from
        its first byte and is not closed; nobody else may move its position meanwhile.
    options : DecodeOptions, optional
        What the other parameters say, all at once; those that are given as well count.

    Raises
    ------
    SarcError
        One of its subclasses.
    """
    chosen = DecodeOptions.of(options, keywords)
    given = borrowed(path)
    if given is None:
        check_header(path, chosen.largest)  # type: ignore[arg-type]
    file, name = (open_file(path), os.fspath(path)) if given is None else (given, shown(path))  # type: ignore[arg-type]
    try:
        return SarcDataset(file, name, chosen)
    except BaseException:
        file.close()
        raise


def check_header(path: PathLike, limits: Limits) -> None:
    """Raise what is wrong with the file's name or header, before torch is imported."""
    from sarcodec.bitstream.reader import read_header

    with open_file(path) as file:
        read_header(file, limits=limits)


def _opened_again(
    name: str, path: str | None, data: bytes | None, options: DecodeOptions, known: tuple[int, int]
) -> SarcDataset:
    """A dataset out of a pickle.

    Raises
    ------
    InputError
        Another file lies at its path now.
    """
    assert path is not None or data is not None
    dataset = open(path, options=options) if path else SarcDataset(io.BytesIO(data or b""), name, options)
    reader = dataset.coded.reader
    if (reader.header_crc, reader.size) != known:
        dataset.close()
        raise InputError(
            f"{path} is not the file that the dataset was opened from", hint="Open it anew, by sarcodec.open."
        )
    dataset.name = name
    return dataset


def _path_of(file: BinaryIO) -> str | None:
    """Where a file lies that may be opened again, None where that is unknown."""
    name = getattr(file, "name", None) if isinstance(file, io.BufferedReader | io.FileIO) else None
    return str(Path(name).absolute()) if isinstance(name, str) else None


def open_file(path: PathLike) -> BinaryIO:
    """A binary file for reading; `InputError` if it cannot be opened, `UsageError` for what is no name."""
    return open_here(arguments.path("path", path))
