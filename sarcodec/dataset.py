"""An open `.sarc` file: metadata at once, windows on request."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import numpy as np
import numpy.typing as npt

from sarcodec import arguments
from sarcodec.arguments import flag, shown, whole
from sarcodec.borrowed import borrowed, usable
from sarcodec.described import Described
from sarcodec.errors import UsageError
from sarcodec.limits import DEFAULT, Limits, limits_of
from sarcodec.metadata import RasterMeta
from sarcodec.nodata import as_masked
from sarcodec.parallel import workers
from sarcodec.places import open_here
from sarcodec.request import bands_of, decoding, factor_of, window_of
from sarcodec.source import alpha_band
from sarcodec.types import Window

if TYPE_CHECKING:
    from sarcodec.damage import DamagedTile
    from sarcodec.decoder import Decoder

PathLike = str | os.PathLike[str]
WindowLike = Window | tuple[int, int, int, int]
LimitsLike = Limits | Mapping[str, int]
Tick = Callable[[str, int, int], None]
"""Progress: stage, steps done, steps in all."""


def silent(stage: str, done: int, total: int) -> None:
    """No progress shown."""


def ticking(progress: object) -> Tick:
    """What shows progress; `UsageError` for what cannot."""
    return silent if progress is None else arguments.callback("progress", progress)


class SarcDataset(Described):
    """An open `.sarc` file; windows are decoded on request. Made by :func:`sarcodec.open`."""

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
        model: PathLike | None = None,
        device: str = "auto",
        limits: LimitsLike = DEFAULT,
    ) -> None:
        options = decoding(
            {
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
        )
        from sarcodec.decoder import Decoder
        from sarcodec.model.runtime import pick_device

        self.name = name
        self._reduced: dict[int, Decoder] = {}
        self._file = usable(file)
        own = ("base_only", "allow_partial", "unbiased", "targets", "model", "limits")
        self.decoder = Decoder(
            file,
            jobs=workers(options["jobs"]),
            textured=options["texture"] is not None,
            device=pick_device(options["device"]),
            **{key: options[key] for key in own},
        )

    @property
    def meta(self) -> RasterMeta:
        """All metadata."""
        return self.decoder.meta

    @property
    def fill(self) -> Any:
        """What pixels lost to damage become where `allow_partial` was given, else None."""
        return self.decoder.fill

    @property
    def damaged(self) -> tuple[DamagedTile, ...]:
        """Damaged tiles that reading has met so far, where `allow_partial` was given."""
        from sarcodec.damage import DamagedTile

        items = self.decoder.damaged.items()
        return tuple(sorted(DamagedTile(band + 1, row, col, why) for (band, row, col), why in items))

    def check_window(self, window: WindowLike | None) -> Window:
        """The window, or the whole raster; `UsageError` where it is none, or leaves the raster."""
        return window_of(window, self.meta)

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
        if self._file.closed:
            raise UsageError(f"{self.name} is closed", hint="Read before closing it.")
        from sarcodec.model.runtime import threads_kept

        with threads_kept():
            decoder, part = self.reduced(factor, part)
            different = sorted(set(bands))
            values = decoder.read(part, different)
        if different != bands:
            values = values[[different.index(number) for number in bands]]
        if masked:
            hidden = ~np.broadcast_to(self._seen(decoder, part), values.shape)
            values = as_masked(
                values, self.nodata, self.fill if self.decoder.damaged else None, hidden=hidden
            )
        return values[0] if alone else values

    def dataset_mask(self, *, window: WindowLike | None = None, reduce: int = 1) -> npt.NDArray[np.uint8]:
        """What rasterio calls the dataset's mask: 255 if a pixel is valid in any band, else 0.

        A mask band says so, else an alpha band, else nodata. Arguments, errors as of :meth:`read`.

        Returns
        -------
        ndarray, shape (height, width), uint8
        """
        if self._file.closed:
            raise UsageError(f"{self.name} is closed", hint="Read before closing it.")
        if self.decoder.has_mask or alpha_band(self.meta):
            decoder, part = self.reduced(reduce, self.check_window(window))
            seen = self._seen(decoder, part)
        else:
            masked: Any = self.read(window=window, reduce=reduce, masked=True)
            seen = ~masked.mask.all(axis=0)
        return np.where(seen, 255, 0).astype(np.uint8)

    def _seen(self, decoder: Decoder, part: Window) -> npt.NDArray[np.bool_]:
        """True where the mask or alpha band leaves a pixel of a window valid, shape (height, width)."""
        alpha = alpha_band(self.meta)
        return decoder.mask(part) if alpha is None else np.asarray(decoder.read(part, [alpha - 1])[0] != 0)

    def reduced(self, factor: int, window: Window) -> tuple[Decoder, Window]:
        """What decodes at this fraction of the resolution, and the window in its pixels."""
        factor = whole("reduce", factor)
        if factor == 1:
            return self.decoder, window
        from sarcodec.reduced import ReducedDecoder, reduced_window

        if factor not in self._reduced:
            self._reduced[factor] = ReducedDecoder(self.decoder, factor)
        return self._reduced[factor], reduced_window(window, factor, self.meta.width, self.meta.height)

    def verify(self, progress: Tick | None = silent) -> int:
        """Check every checksum and digest; returns how many tiles were checked, all bands counted."""
        tick = ticking(progress)
        from sarcodec.model.runtime import threads_kept
        from sarcodec.verify import verify

        with threads_kept():
            return verify(self.decoder, tick)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __repr__(self) -> str:
        state = "closed" if self._file.closed else "open"
        return f"<{state} SarcDataset {self.name!r}: {self._told()}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def open(  # noqa: A001
    path: PathLike | bytes | BinaryIO,
    *,
    jobs: int | None = None,
    base_only: bool = False,
    allow_partial: bool = False,
    unbiased: bool = False,
    targets: bool = True,
    texture: str | None = None,
    model: PathLike | None = None,
    device: str = "auto",
    limits: LimitsLike = DEFAULT,
) -> SarcDataset:
    """Open a `.sarc` file for reading windows; parameters as for :func:`sarcodec.decode`.

    With `allow_partial`, pixels that damage took are :attr:`SarcDataset.fill`.

    Parameters
    ----------
    path : path, bytes or binary file
        The name of the file, its bytes, or the file as it was opened by the caller. Such a file is read from
        its first byte and is not closed; nobody else may move its position meanwhile.

    Raises
    ------
    SarcError
        One of its subclasses.
    """
    given = borrowed(path)
    if given is None:
        check_header(path, limits_of(limits))  # type: ignore[arg-type]
    file, name = (open_file(path), os.fspath(path)) if given is None else (given, shown(path))  # type: ignore[arg-type]
    try:
        return SarcDataset(
            file,
            name,
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


def check_header(path: PathLike, limits: Limits) -> None:
    """Raise what is wrong with the file's name or header, before torch is imported."""
    from sarcodec.bitstream.reader import read_header

    with open_file(path) as file:
        read_header(file, limits=limits)


def open_file(path: PathLike) -> BinaryIO:
    """A binary file for reading; `InputError` if it cannot be opened, `UsageError` for what is no name."""
    return open_here(arguments.path("path", path))
