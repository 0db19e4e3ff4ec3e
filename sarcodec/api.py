"""What users call: encode and decode, files and arrays."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from sarcodec import memory
from sarcodec.arrays import source_of
from sarcodec.atomic import check_target, replacing
from sarcodec.dataset import PathLike, SarcDataset, Tick, open_file, silent
from sarcodec.dataset import open as open_dataset
from sarcodec.encoding import EncodeReport, Order, carry_out
from sarcodec.errors import UsageError
from sarcodec.layers import Extracted, keep_layers
from sarcodec.limits import DEFAULT, Limits
from sarcodec.metadata import RasterMeta
from sarcodec.types import Quantity, Scale, Window

if TYPE_CHECKING:
    from sarcodec.damage import DamagedTile


@dataclass(frozen=True)
class DecodeReport:
    """What a decode did."""

    meta: RasterMeta
    """Metadata of the raster that was written."""
    damaged: tuple[DamagedTile, ...] = ()
    """Tiles that are lost, where `allow_partial` was given."""
    targets: bool = False
    """Whether bright targets were raised."""


@memory.told()
def encode(
    src: PathLike,
    out: PathLike,
    *,
    quality: float | None = None,
    bpp: float | None = None,
    rmse_db: float | None = None,
    scale: Scale | str | None = None,
    quantity: Quantity | str = Quantity.UNKNOWN,
    radiometry: bool | int = False,
    targets: bool = False,
    texture: bool = False,
    model: str | None = None,
    device: str = "auto",
    jobs: int | None = None,
    overwrite: bool = False,
    progress: Tick = silent,
    limits: Limits = DEFAULT,
) -> EncodeReport:
    """Encode a raster file.

    Parameters
    ----------
    src, out : path
        Any raster that GDAL reads; the `.sarc` file to write.
    quality, bpp, rmse_db : float, optional
        At most one: 1..100, bits per pixel and band of the whole file, or error over valid pixels in dB.
        Quality 50 where none is given.
    scale : Scale or str, optional
        What pixel values are (dn, amplitude, power, db); found out where left out.
    radiometry : bool or int
        Measure, and store, the gains that `unbiased` decoding brings mean power back with. A number, 64, 32
        or 16, is the side in pixels of the cells they are measured on: smaller ones hold for smaller areas
        and take more bytes. Where True, each tile has 64 or, where that would not do, 32.
    targets : bool
        Store by how much the peaks of bright targets come back too low; decoding then raises them.
    texture : bool
        Measure, and store, what decoding with ``texture="speckle"`` makes noise of.
    model : str, optional
        Id of an installed model, or path of a model file.
    device : str
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    jobs : int, optional
        Threads; the file is the same for any number.
    progress : callable, optional
        Called with a stage, steps done and steps in all.
    limits : Limits
        Largest sizes to accept; who decodes needs them raised as well.

    Raises
    ------
    SarcError
        One of its subclasses, see :mod:`sarcodec.errors`.
    """
    from sarcodec.io.raster import RasterSource

    check_target(out, overwrite=overwrite)
    _check_distinct(src, out)
    order = Order(
        quality, bpp, rmse_db, scale, quantity, radiometry, targets, texture, model, device, jobs, limits
    )
    with (
        RasterSource(src, limits=limits) as source,
        replacing(out, overwrite=overwrite) as partial,
        partial.open("w+b") as file,
    ):
        return carry_out(order, source, file, progress, partial.parent)


@memory.told()
def encode_array(
    array: npt.NDArray[Any],
    *,
    quality: float | None = None,
    bpp: float | None = None,
    rmse_db: float | None = None,
    scale: Scale | str | None = None,
    nodata: float | None = None,
    meta: RasterMeta | None = None,
    radiometry: bool | int = False,
    targets: bool = False,
    texture: bool = False,
    model: str | None = None,
    device: str = "auto",
    jobs: int | None = None,
) -> bytes:
    """Encode an array of shape (height, width) or (bands, height, width); parameters as for :func:`encode`.

    Masked pixels of a masked array become `nodata`, or the array's fill value where that is not given.
    `meta`, where given, says what else the file keeps (CRS, transform, tags), and its own nodata; it must be
    of the array's size and type.

    Returns
    -------
    bytes
        A whole `.sarc` file.
    """
    unsaid = Quantity.UNKNOWN
    order = Order(quality, bpp, rmse_db, scale, unsaid, radiometry, targets, texture, model, device, jobs)
    file = io.BytesIO()
    carry_out(order, source_of(array, nodata, meta), file)
    return file.getvalue()


@memory.told()
def decode(
    src: PathLike,
    out: PathLike,
    *,
    window: Window | tuple[int, int, int, int] | None = None,
    base_only: bool = False,
    allow_partial: bool = False,
    unbiased: bool = False,
    reduce: int = 1,
    targets: bool = True,
    texture: str | None = None,
    model: str | None = None,
    device: str = "auto",
    jobs: int | None = None,
    overwrite: bool = False,
    creation_options: Mapping[str, str] | None = None,
    progress: Tick = silent,
    limits: Limits = DEFAULT,
) -> DecodeReport:
    """Decode a `.sarc` file into a GeoTIFF with all metadata of the source.

    Parameters
    ----------
    src, out : path
        The `.sarc` file; the GeoTIFF to write.
    window : Window or tuple, optional
        (col, row, width, height) in pixels; georeferencing is moved along.
    base_only : bool
        Decode the base layer alone: smoother, faster.
    allow_partial : bool
        Go on where tiles are damaged: they, and what their loss reaches, become nodata, and a tag names them.
        The file is looked through for damage first. Where the index is lost, tiles are found without it.
    unbiased : bool
        Apply the gains of a file that was encoded with `radiometry`: pixels then estimate mean power, and a
        tag says so. A tile whose gains are damaged counts as damaged.
    reduce : int
        2, 4, 8 or 16: one pixel for so many a side, see :meth:`SarcDataset.read`; a tag says so.
    targets : bool
        Raise bright targets where the file says by how much, unless `base_only`: one encoded with `targets`
        does. A tile whose list of them is damaged counts as damaged.
    texture : str, optional
        ``"speckle"`` adds noise to a file that was encoded with `texture`, the same at every decode, that
        looks like the speckle the code left out and costs up to 3.1 dB of PSNR; a tag says so.
    creation_options : mapping, optional
        GDAL creation options of the GeoTIFF.
    limits : Limits
        Largest sizes to accept.

    Raises
    ------
    SarcError
        One of its subclasses.
    """
    from sarcodec.damage import marked
    from sarcodec.io.raster import RasterSink
    from sarcodec.model.runtime import threads_kept
    from sarcodec.verify import inspect

    check_target(out, overwrite=overwrite)
    _check_distinct(src, out)
    chosen: Any = {"base_only": base_only, "allow_partial": allow_partial, "model": model, "device": device}
    chosen |= {"unbiased": unbiased, "targets": targets, "texture": texture}
    with open_dataset(src, jobs=jobs, limits=limits, **chosen) as coded, threads_kept():
        part = coded.check_window(window)
        meta = coded.meta if window is None else coded.meta.cropped(part)
        decoder, part = coded.reduced(reduce, part)
        if reduce != 1:
            from sarcodec import reduced

            meta = reduced.marked(meta, reduce)
        if unbiased:
            from sarcodec import gain

            meta = gain.marked(meta)
        if texture is not None:
            from sarcodec.texture import marked as textured

            meta = textured(meta)
        bands = range(meta.count)
        target = RasterSink(out, meta, overwrite=overwrite, options=creation_options)
        damaged: tuple[DamagedTile, ...] = ()
        if allow_partial:
            damaged = tuple(sorted(inspect(decoder, part, bands, progress)))
        if damaged:
            meta = marked(meta, coded.fill, damaged)
            target = RasterSink(out, meta, overwrite=overwrite, options=creation_options)
        with target as sink:
            for band, piece, values in decoder.strips(part, bands, progress):
                place = Window(piece.col - part.col, piece.row - part.row, piece.width, piece.height)
                sink.write(band + 1, values, place)
        return DecodeReport(meta, damaged, coded.decoder.sides.raises)


@memory.told()
def decode_array(
    data: bytes,
    *,
    unbiased: bool = False,
    targets: bool = True,
    texture: str | None = None,
    jobs: int | None = None,
    device: str = "auto",
    model: str | None = None,
    limits: Limits = DEFAULT,
) -> npt.NDArray[Any]:
    """Decode a whole `.sarc` file in memory to an array of shape (bands, height, width), native dtype.

    Parameters as for :func:`decode`.
    """
    chosen: Any = {"jobs": jobs, "device": device, "model": model, "limits": limits}
    chosen |= {"unbiased": unbiased, "targets": targets, "texture": texture}
    with SarcDataset(io.BytesIO(data), "<bytes>", **chosen) as coded:
        return coded.read()


@memory.told()
def extract(
    src: PathLike,
    out: PathLike,
    *,
    layers: int = 1,
    overwrite: bool = False,
    progress: Tick = silent,
    limits: Limits = DEFAULT,
) -> Extracted:
    """Cut a `.sarc` file to its first layers, without decoding it; loads no model.

    Parameters
    ----------
    src, out : path
        The `.sarc` file; the one to write.
    layers : int
        1 keeps the base layer alone.

    Raises
    ------
    SarcError
        One of its subclasses.
    """
    check_target(out, overwrite=overwrite)
    _check_distinct(src, out)
    with (
        open_file(src) as source,
        replacing(out, overwrite=overwrite) as partial,
        partial.open("wb") as file,
    ):
        return keep_layers(source, file, layers, progress, limits)


def _check_distinct(src: PathLike, out: PathLike) -> None:
    if Path(out).exists() and Path(src).exists() and os.path.samefile(src, out):
        raise UsageError(f"{os.fspath(out)} is the input itself", hint="Give another output.")
