"""An open `.sarc` file: metadata at once, windows on request."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import numpy.typing as npt

from sarcodec import memory
from sarcodec.bitstream.positioned import closed_error
from sarcodec.errors import InputError, UsageError
from sarcodec.limits import DEFAULT, Limits
from sarcodec.metadata import RasterMeta
from sarcodec.parallel import workers
from sarcodec.types import Window

if TYPE_CHECKING:
    from sarcodec.damage import DamagedTile
    from sarcodec.decoder import Decoder

PathLike = str | os.PathLike[str]
Tick = Callable[[str, int, int], None]
"""Progress: stage, steps done, steps in all."""


def silent(stage: str, done: int, total: int) -> None:
    """No progress shown."""


class SarcDataset:
    """An open `.sarc` file; windows are decoded on request. Made by :func:`sarcodec.open`.

    Threads and forked processes may read one dataset at once. Pickling and copying it open its file again, by
    its path, with the same options.
    """

    def __init__(
        self,
        file: BinaryIO,
        name: str,
        *,
        jobs: int | None = None,
        base_only: bool = False,
        allow_partial: bool = False,
        unbiased: bool = False,
        targets: bool = True,
        texture: str | None = None,
        model: str | None = None,
        device: str = "auto",
        limits: Limits = DEFAULT,
    ) -> None:
        self.name = name
        self._path = _path_of(file)
        self._file = file
        self._options: dict[str, Any] = {
            "jobs": jobs,
            "base_only": base_only,
            "allow_partial": allow_partial,
            "unbiased": unbiased,
            "targets": targets,
            "texture": texture,
            "model": model,
            "device": device,
            "limits": limits,
        }
        self._start()

    def _start(self) -> None:
        """Make what decodes, for this process."""
        from sarcodec.decoder import Decoder
        from sarcodec.model.runtime import pick_device, threads_kept

        self._reduced: dict[int, Decoder] = {}
        own = ("base_only", "allow_partial", "unbiased", "targets", "model", "limits")
        with threads_kept():
            self.decoder = Decoder(
                self._file,
                jobs=workers(self._options["jobs"]),
                textured=_textured(self._options["texture"]),
                device=pick_device(self._options["device"]),
                **{name: self._options[name] for name in own},
            )

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._file.closed

    @property
    def meta(self) -> RasterMeta:
        """All metadata."""
        return self.decoder.meta

    @property
    def profile(self) -> dict[str, Any]:
        """What rasterio calls a profile: driver, dtype, nodata, width, height, count, crs, transform."""
        from sarcodec.io.raster import profile

        return profile(self.meta)

    @property
    def fill(self) -> Any:
        """What pixels lost to damage become where `allow_partial` was given, else None."""
        return self.decoder.fill

    @property
    def damaged(self) -> tuple[DamagedTile, ...]:
        """Damaged tiles that reading has met so far, where `allow_partial` was given."""
        from sarcodec.damage import DamagedTile

        items = list(self.decoder.damaged.items())  # in one step: other threads may find more
        return tuple(sorted(DamagedTile(band + 1, row, col, why) for (band, row, col), why in items))

    def check_window(self, window: Window | tuple[int, int, int, int] | None) -> Window:
        """The window, or the whole raster; `UsageError` where it leaves the raster."""
        whole = Window(0, 0, self.meta.width, self.meta.height)
        if window is None:
            return whole
        part = window if isinstance(window, Window) else Window(*_window_numbers(window))
        if part.intersect(whole) != part:
            raise UsageError(
                f"window {part.col},{part.row},{part.width},{part.height} leaves the raster of "
                f"{whole.width}x{whole.height}",
                hint="Give col,row,width,height inside it.",
            )
        return part

    @memory.told()
    def read(
        self,
        band: int | None = None,
        *,
        window: Window | tuple[int, int, int, int] | None = None,
        reduce: int = 1,
    ) -> npt.NDArray[Any]:
        """Decode a window.

        Parameters
        ----------
        band : int, optional
            Counted from 1; all bands where left out.
        window : Window, tuple or rasterio window, optional
            (col, row, width, height); the whole raster where left out.
        reduce : int
            2, 4, 8 or 16: one pixel for so many a side, the mean of their decibels, in a part of the time.
            `window` is in pixels of the raster all the same, its edges multiples of this or the raster's own.

        Returns
        -------
        ndarray, native dtype
            Shape (height, width) for one band, else (bands, height, width).
        """
        count = self.meta.count
        if band is not None and not 1 <= band <= count:
            raise UsageError(f"band {band} is not one of 1..{count}")
        self._check_open()
        bands = list(range(count)) if band is None else [band - 1]
        from sarcodec.model.runtime import threads_kept

        with threads_kept():
            decoder, part = self.reduced(reduce, self.check_window(window))
            values = decoder.read(part, bands)
        return values if band is None else values[0]

    def reduced(self, factor: int, window: Window) -> tuple[Decoder, Window]:
        """What decodes at this fraction of the resolution, and the window in its pixels."""
        if factor == 1:
            return self.decoder, window
        from sarcodec.reduced import ReducedDecoder, reduced_window

        if factor not in self._reduced:
            self._reduced[factor] = ReducedDecoder(self.decoder, factor)
        return self._reduced[factor], reduced_window(window, factor, self.meta.width, self.meta.height)

    @memory.told()
    def verify(self, progress: Tick = silent) -> int:
        """Check every checksum and digest; returns how many tiles were checked, all bands counted."""
        from sarcodec.model.runtime import threads_kept
        from sarcodec.verify import verify

        self._check_open()
        with threads_kept():
            return verify(self.decoder, progress)

    def close(self) -> None:
        """Close the file; closing twice does no harm. Other threads that are reading get a `UsageError`."""
        self._file.close()

    def _check_open(self) -> None:
        """Raise `UsageError` after closing; in a process forked from one that used CUDA, go on without it."""
        if self.closed:
            raise closed_error(self.name)
        from sarcodec.model.runtime import forked_from_cuda

        if self.decoder.model.on_cuda and forked_from_cuda():
            self._start()

    def __reduce__(self) -> tuple[Any, ...]:
        self._check_open()
        reader = self.decoder.reader
        kept = reader.file.in_memory
        if self._path is None and kept is None:
            raise UsageError(
                f"{self.name} has no path, and cannot be pickled or copied", hint="Open the file by its path."
            )
        return _opened_again, (self.name, self._path, kept, self._options, (reader.header_crc, reader.size))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@memory.told()
def open(  # noqa: A001
    path: PathLike,
    *,
    jobs: int | None = None,
    base_only: bool = False,
    allow_partial: bool = False,
    unbiased: bool = False,
    targets: bool = True,
    texture: str | None = None,
    model: str | None = None,
    device: str = "auto",
    limits: Limits = DEFAULT,
) -> SarcDataset:
    """Open a `.sarc` file for reading windows; parameters as for :func:`sarcodec.decode`.

    With `allow_partial`, pixels that damage took are :attr:`SarcDataset.fill`.

    Raises
    ------
    SarcError
        One of its subclasses.
    """
    file = open_file(path)
    try:
        return SarcDataset(
            file,
            os.fspath(path),
            jobs=jobs,
            base_only=base_only,
            allow_partial=allow_partial,
            unbiased=unbiased,
            targets=targets,
            texture=texture,
            model=model,
            device=device,
            limits=limits,
        )
    except BaseException:
        file.close()
        raise


def _opened_again(
    name: str, path: str | None, data: bytes | None, options: dict[str, Any], known: tuple[int, int]
) -> SarcDataset:
    """A dataset out of a pickle.

    Raises
    ------
    InputError
        Another file lies at its path now.
    """
    assert path is not None or data is not None
    dataset = open(path, **options) if path else SarcDataset(io.BytesIO(data or b""), name, **options)
    reader = dataset.decoder.reader
    if (reader.header_crc, reader.size) != known:
        dataset.close()
        raise InputError(
            f"{path} is not the file that the dataset was opened from", hint="Open it anew, by sarcodec.open."
        )
    dataset.name = name
    return dataset


def _path_of(file: BinaryIO) -> str | None:
    """Where a file lies that may be opened again, None where that is unknown."""
    named = isinstance(file, io.BufferedReader | io.FileIO) and isinstance(file.name, str)
    return str(Path(file.name).absolute()) if named else None


def open_file(path: PathLike) -> BinaryIO:
    """A binary file for reading; `InputError` where it cannot be opened."""
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise InputError(f"cannot open {os.fspath(path)}: {error.strerror or error}") from error


def _textured(texture: str | None) -> bool:
    """Whether noise is wanted; `UsageError` for a kind of it that there is not."""
    if texture not in {None, "speckle"}:
        raise UsageError(f"there is no texture {texture!r}", hint='Give "speckle".')
    return texture is not None


def _window_numbers(window: Any) -> tuple[int, int, int, int]:
    """Four whole numbers from a tuple or a rasterio window."""
    numbers = window.flatten() if hasattr(window, "flatten") else tuple(window)
    if len(numbers) != 4 or any(n != int(n) for n in numbers):
        raise UsageError(f"window {window} is not four whole numbers", hint="Give col,row,width,height.")
    col, row, width, height = (int(n) for n in numbers)
    return col, row, width, height
