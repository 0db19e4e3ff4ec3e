"""What users call: encode and decode, files and arrays."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from sarcodec import arguments, memory
from sarcodec.arguments import flag
from sarcodec.arrays import source_of
from sarcodec.atomic import replacing
from sarcodec.dataset import (
    LimitsLike,
    PathLike,
    SarcDataset,
    Tick,
    WindowLike,
    check_header,
    open_file,
    silent,
    ticking,
)
from sarcodec.dataset import open as open_dataset
from sarcodec.encoding import EncodeReport, Order, carry_out
from sarcodec.endings import GEOTIFF, SARC, Kind, output_of
from sarcodec.errors import UsageError
from sarcodec.layers import Extracted, keep_layers
from sarcodec.limits import DEFAULT, limits_of
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
    scale: Scale | str | Sequence[Scale | str | None] | None = None,
    quantity: Quantity | str = Quantity.UNKNOWN,
    radiometry: bool | int = False,
    targets: bool = False,
    texture: bool = False,
    model: PathLike | None = None,
    device: str = "auto",
    jobs: int | None = None,
    overwrite: bool = False,
    progress: Tick | None = silent,
    limits: LimitsLike = DEFAULT,
    bands: Sequence[int] | None = None,
) -> EncodeReport:
    """Encode a raster file.

    Parameters
    ----------
    src, out : path
        Any raster that GDAL reads; the `.sarc` file to write.
    quality, bpp, rmse_db : float, optional
        At most one: 1..100, bits per pixel and band of the whole file, or error over valid pixels in dB.
        Quality 50 where none is given.
    scale : Scale or str, or a sequence of them, optional
        What pixel values are: dn, amplitude, power (also linear, intensity) or db (also decibel), in capitals
        or not; for all bands, or one for each (``"db,power"``). What is left out, None or auto is found out;
        docs/cli.md tells how.
    quantity : Quantity or str
        sigma0, gamma0, beta0, dn or unknown: noted in the file.
    bands : sequence of int, optional
        The bands to encode, counted from 1; all of them if left out.
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
    limits : Limits or mapping
        Largest sizes to accept, ``{"bands": 100}`` for example; who decodes needs them raised as well.

    Raises
    ------
    SarcError
        One of its subclasses, see :mod:`sarcodec.errors`.
    """
    from sarcodec.io.raster import RasterSource

    order = Order(
        quality, bpp, rmse_db, scale, quantity, radiometry, targets, texture, model, device, jobs, limits
    )
    tick = ticking(progress)
    given, target = _files(src, out, SARC, overwrite=overwrite)
    with (
        RasterSource(given, limits=limits_of(limits), bands=bands) as source,
        replacing(target, overwrite=overwrite) as partial,
        partial.open("w+b") as file,
    ):
        source.tell_left_out()
        return carry_out(order, source, file, tick, partial.parent)


@memory.told()
def encode_array(
    array: npt.ArrayLike,
    *,
    quality: float | None = None,
    bpp: float | None = None,
    rmse_db: float | None = None,
    scale: Scale | str | Sequence[Scale | str | None] | None = None,
    quantity: Quantity | str = Quantity.UNKNOWN,
    nodata: float | None = None,
    meta: RasterMeta | None = None,
    radiometry: bool | int = False,
    targets: bool = False,
    texture: bool = False,
    model: PathLike | None = None,
    device: str = "auto",
    jobs: int | None = None,
    progress: Tick | None = silent,
    limits: LimitsLike = DEFAULT,
) -> bytes:
    """Encode an array; parameters that are not listed are those of :func:`encode`.

    Parameters
    ----------
    array : array, masked array, or what NumPy makes one of
        Shape (height, width) or (bands, height, width). A mask survives: the file declares a nodata value,
        every masked pixel comes back as this value, and no other pixel does.
    nodata : float, optional
        The value of pixels that are not valid. In a masked array it is what masked pixels become; if it is
        left out they become the nodata value of `meta`, or else the fill value of the array, or else, if
        that is no value of the pixel type or is that of a pixel that is not masked, a value that is free.
    meta : RasterMeta, optional
        What else the file keeps (CRS, transform, tags). It must be of the array's size and type.

    Returns
    -------
    bytes
        A whole `.sarc` file.

    Raises
    ------
    UsageError
        An argument is of the wrong kind or out of range, or `nodata` is that of a pixel that is not masked.
    InputError
        The array is no raster, or is of a type that cannot be coded.
    LimitError
        The array is larger than `limits`.
    """
    order = Order(
        quality, bpp, rmse_db, scale, quantity, radiometry, targets, texture, model, device, jobs, limits
    )
    tick, file = ticking(progress), io.BytesIO()
    carry_out(order, source_of(array, nodata, meta, limits_of(limits)), file, tick)
    return file.getvalue()


@memory.told()
def decode(
    src: PathLike,
    out: PathLike,
    *,
    window: WindowLike | None = None,
    base_only: bool = False,
    allow_partial: bool = False,
    unbiased: bool = False,
    reduce: int = 1,
    targets: bool = True,
    texture: str | None = None,
    model: PathLike | None = None,
    device: str = "auto",
    jobs: int | None = None,
    overwrite: bool = False,
    creation_options: Mapping[str, str] | None = None,
    progress: Tick | None = silent,
    limits: LimitsLike = DEFAULT,
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
    given, out = _files(src, out, GEOTIFF, overwrite=overwrite)
    check_header(given, limits_of(limits))
    from sarcodec.damage import marked
    from sarcodec.io.raster import RasterSink
    from sarcodec.meaning import tags
    from sarcodec.model.runtime import threads_kept
    from sarcodec.verify import inspect

    tick, factor = ticking(progress), arguments.whole("reduce", reduce)
    options = arguments.maybe(arguments.options, "creation_options", creation_options)
    chosen: Any = {"base_only": base_only, "allow_partial": allow_partial, "model": model, "device": device}
    chosen |= {"unbiased": unbiased, "targets": targets, "texture": texture}
    with open_dataset(given, jobs=jobs, limits=limits, **chosen) as coded, threads_kept():
        part = coded.check_window(window)
        meta = coded.meta if window is None else coded.meta.cropped(part)
        decoder, part = coded.reduced(factor, part)
        if factor != 1:
            from sarcodec import reduced

            meta = reduced.marked(meta, factor)
        if unbiased:
            from sarcodec import gain

            meta = gain.marked(meta)
        if texture is not None:
            from sarcodec.texture import marked as textured

            meta = textured(meta)
        meta = tags.marked(meta, decoder.header)
        bands = range(meta.count)
        target = RasterSink(out, meta, overwrite=overwrite, options=options)
        damaged: tuple[DamagedTile, ...] = ()
        if allow_partial:
            damaged = tuple(sorted(inspect(decoder, part, bands, tick)))
        if damaged:
            meta = marked(meta, coded.fill, damaged)
            target = RasterSink(out, meta, overwrite=overwrite, options=options)
        with target as sink:
            for band, piece, values in decoder.strips(part, bands, tick):
                place = Window(piece.col - part.col, piece.row - part.row, piece.width, piece.height)
                sink.write(band, values, place)
            # Only now is it known what damage reached.
            for at in decoder.grid.touching(part) if decoder.has_mask else ():
                whole = decoder.grid.window(*at)
                common = whole.intersect(part)
                assert common is not None
                place = Window(common.col - part.col, common.row - part.row, common.width, common.height)
                sink.write_mask(decoder.shown(*at)[common.inside(whole)], place)
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
    model: PathLike | None = None,
    limits: LimitsLike = DEFAULT,
) -> npt.NDArray[Any]:
    """Decode a whole `.sarc` file in memory to an array of shape (bands, height, width), native dtype.

    Parameters as for :func:`decode`.

    Raises
    ------
    UsageError
        `data` are not bytes, or an option is of the wrong kind.
    FormatError
        The bytes are no `.sarc` file, or are damaged.
    """
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise UsageError(
            f"data={arguments.shown(data)} are not bytes",
            hint="Give the bytes of a .sarc file. For a file, use sarcodec.open(name).read().",
        )
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
    progress: Tick | None = silent,
    limits: LimitsLike = DEFAULT,
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
    count, tick, allowed = arguments.whole("layers", layers), ticking(progress), limits_of(limits)
    given, target = _files(src, out, SARC, overwrite=overwrite)
    with (
        open_file(given) as source,
        replacing(target, overwrite=overwrite) as partial,
        partial.open("wb") as file,
    ):
        return keep_layers(source, file, count, tick, allowed)


def _files(src: object, out: object, kind: Kind, *, overwrite: object) -> tuple[str, str]:
    """The names of input and output, checked before anything slow begins; raises as `output_of`."""
    given, target = arguments.path("src", src), arguments.path("out", out)
    return given, output_of(given, target, kind, overwrite=flag("overwrite", overwrite))
