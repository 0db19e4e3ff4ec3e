"""What users call: encode and decode, files and arrays."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from sarcodec.atomic import check_target, replacing
from sarcodec.dataset import PathLike, SarcDataset, Tick, open_file, silent
from sarcodec.dataset import open as open_dataset
from sarcodec.errors import InputError, UsageError
from sarcodec.layers import Extracted, keep_layers
from sarcodec.limits import DEFAULT, Limits
from sarcodec.metadata import RasterMeta
from sarcodec.parallel import workers
from sarcodec.scan import Source
from sarcodec.types import Quantity, Scale, Window

if TYPE_CHECKING:
    from sarcodec.damage import DamagedTile


@dataclass(frozen=True)
class EncodeReport:
    """What an encode did."""

    bytes: int
    """Size of the file."""
    bpp: float
    """8 * bytes / (pixels * bands), headers included."""
    level: int
    scale: Scale
    model: str
    seconds: float
    reached: bool
    """Whether the wanted bpp or rmse_db lies in the model's range; if not, the nearest was taken."""


@dataclass(frozen=True)
class DecodeReport:
    """What a decode did."""

    meta: RasterMeta
    """Metadata of the raster that was written."""
    damaged: tuple[DamagedTile, ...] = ()
    """Tiles that are lost, where `allow_partial` was given."""
    targets: bool = False
    """Whether bright targets were raised."""


@dataclass(frozen=True)
class ArraySource:
    """A numpy array of shape (bands, height, width) as a source."""

    array: npt.NDArray[Any]
    meta: RasterMeta

    def read(self, band: int, window: Window) -> npt.NDArray[Any]:
        """Pixels of a band (from 1)."""
        part: npt.NDArray[Any] = self.array[band - 1, window.row : window.bottom, window.col : window.right]
        return np.ascontiguousarray(part)


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
    target, gains = _target(quality, bpp, rmse_db), _checked(radiometry)
    with (
        RasterSource(src, limits=limits) as source,
        replacing(out, overwrite=overwrite) as partial,
        partial.open("w+b") as file,
    ):
        folder = partial.parent
        return _encode(
            source,
            file,
            target,
            scale,
            quantity,
            model,
            device,
            jobs,
            progress,
            folder,
            limits,
            gains,
            targets,
            texture,
        )


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
    if isinstance(array, np.ma.MaskedArray):
        nodata = float(array.fill_value) if nodata is None else nodata
        cube = np.where(array.mask, np.array(nodata, array.dtype), array.data)
    else:
        cube = np.asarray(array)
    if cube.ndim == 2:
        cube = cube[None]
    if cube.ndim != 3 or 0 in cube.shape:
        raise InputError(
            f"an array of shape {np.shape(array)} is no raster", hint="Give (bands, height, width)."
        )
    from sarcodec.radiometry import check_dtype

    check_dtype(cube.dtype)
    if nodata is not None and not isinstance(nodata, int | float | np.number):
        raise UsageError(f"nodata {nodata!r} is not a number")
    cube = cube.astype(cube.dtype.newbyteorder("="), copy=False)
    bare = RasterMeta(cube.shape[2], cube.shape[1], cube.shape[0], cube.dtype.name, nodata=nodata)
    meta = bare if meta is None else _matching(meta, bare)
    file = io.BytesIO()
    target, gains = _target(quality, bpp, rmse_db), _checked(radiometry)
    source, quantity = ArraySource(cube, meta), Quantity.UNKNOWN
    chosen: Any = {"radiometry": gains, "targets": targets, "texture": texture}
    _encode(source, file, target, scale, quantity, model, device, jobs, silent, **chosen)
    return file.getvalue()


def _matching(meta: RasterMeta, bare: RasterMeta) -> RasterMeta:
    """`meta`, made sure to describe the array that `bare` was made of."""
    for name in ("width", "height", "count", "dtype"):
        if getattr(meta, name) != getattr(bare, name):
            raise UsageError(
                f"meta says {name} {getattr(meta, name)}, the array has {getattr(bare, name)}",
                hint="Give the metadata of this very array.",
            )
    return meta if bare.nodata is None else replace(meta, nodata=bare.nodata)


def _target(quality: float | None, bpp: float | None, rmse_db: float | None) -> Any:
    from sarcodec.rate import Target

    if quality is bpp is rmse_db is None:
        quality = 50
    return Target(quality, bpp, rmse_db)


def _checked(radiometry: bool | int) -> bool | int:  # noqa: FBT001
    """`radiometry`, or `UsageError` where no cells have that side."""
    from sarcodec.bitstream.gaingrid import SIDES

    if not isinstance(radiometry, bool) and radiometry not in SIDES:
        known = ", ".join(map(str, SIDES))
        raise UsageError(
            f"gains cannot be measured on cells of {radiometry} pixels", hint=f"Give one of {known}."
        )
    return radiometry


def _encode(
    source: Source,
    file: BinaryIO,
    target: Any,
    scale: Scale | str | None,
    quantity: Quantity | str,
    model_name: str | None,
    device: str,
    jobs: int | None,
    progress: Tick,
    folder: Path | None = None,
    limits: Limits = DEFAULT,
    radiometry: bool | int = False,  # noqa: FBT001, FBT002
    targets: bool = False,  # noqa: FBT001, FBT002
    texture: bool = False,  # noqa: FBT001, FBT002
) -> EncodeReport:
    from sarcodec import encoder, rate, zoo
    from sarcodec.model import modelfile
    from sarcodec.model.runtime import pick_device, threads_kept

    began = time.monotonic()
    threads = workers(jobs)
    model = modelfile.load(zoo.find(model_name), pick_device(device))
    wanted_scale = None if scale in (None, "auto") else _enum(Scale, scale)
    wanted = _enum(Quantity, quantity)
    scene = encoder.survey(
        source, wanted_scale, wanted, threads, progress, limits, radiometry, targets, texture
    )
    latents = encoder.Latents(scene, model, keep=target.quality is None, folder=folder)
    try:
        with threads_kept():
            if target.quality is None:
                encoder.spool(latents, threads, progress)
            level, size, reached = rate.write_at(file, latents, model, target, threads, progress)
    finally:
        latents.close()
    seconds = time.monotonic() - began
    return EncodeReport(size, 8 * size / scene.pixels, level, scene.scale, model.id, seconds, reached)


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


def _enum(kind: Any, value: Any) -> Any:
    """A member of an enum by value."""
    try:
        return kind(value)
    except ValueError as error:
        names = ", ".join(member.value for member in kind)
        raise UsageError(f"{value!r} is not one of {names}") from error


def _check_distinct(src: PathLike, out: PathLike) -> None:
    if Path(out).exists() and Path(src).exists() and os.path.samefile(src, out):
        raise UsageError(f"{os.fspath(out)} is the input itself", hint="Give another output.")
