"""What users call: encode and decode, files and arrays."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy.typing as npt

from sarcodec import arguments, memory, provenance
from sarcodec.arguments import flag, whole
from sarcodec.arrays import source_of
from sarcodec.atomic import replacing
from sarcodec.dataset import PathLike, SarcDataset, WindowLike, check_header, open_file
from sarcodec.dataset import open as open_dataset
from sarcodec.encoding.report import EncodeReport
from sarcodec.endings import GEOTIFF, SARC, Kind, output_of
from sarcodec.errors import UsageError
from sarcodec.keywords import DecodeKeywords, EncodeKeywords, FileKeywords, with_keywords
from sarcodec.layers import Extracted, keep_layers
from sarcodec.limits import DEFAULT, limits_of
from sarcodec.metadata import RasterMeta
from sarcodec.options import DecodeOptions, EncodeOptions, LimitsLike
from sarcodec.progress import Tick, silent, ticking
from sarcodec.types import Window

if TYPE_CHECKING:
    from sarcodec.damage import DamagedTile


@dataclass(frozen=True)
class DecodeReport:
    """What a decode did."""

    meta: RasterMeta
    """Metadata of the raster that was written."""
    damaged: tuple[DamagedTile, ...] = ()
    """Tiles that are lost, where `allow_partial` was given."""
    corrections: tuple[str, ...] = ()
    """Corrections that were applied, each by its keyword: targets, unbiased, texture."""

    @property
    def targets(self) -> bool:
        """Whether bright targets were raised."""
        return "targets" in self.corrections


@with_keywords(EncodeOptions)
@memory.told()
def encode(
    src: PathLike,
    out: PathLike,
    *,
    overwrite: bool = False,
    progress: Tick | None = silent,
    options: EncodeOptions | None = None,
    **keywords: Unpack[FileKeywords],
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
    options : EncodeOptions, optional
        What all of these say but the files, `overwrite` and `progress`; those that are given as well count.

    Raises
    ------
    SarcError
        One of its subclasses, see :mod:`sarcodec.errors`.
    """
    from sarcodec.io.raster import RasterSource

    chosen, tick = EncodeOptions.of(options, keywords), ticking(progress)
    given, target = _files(src, out, SARC, overwrite=overwrite)
    with (
        RasterSource(given, limits=chosen.largest, bands=chosen.bands) as source,
        replacing(target, overwrite=overwrite) as partial,
        partial.open("w+b") as file,
    ):
        source.tell_left_out()
        from sarcodec.encoding import pipeline  # torch, which a slip of the pen need not wait for

        return pipeline.encode(source, file, chosen, tick, partial.parent)


@with_keywords(EncodeOptions, "bands")
@memory.told()
def encode_array(
    array: npt.ArrayLike,
    *,
    nodata: float | None = None,
    meta: RasterMeta | None = None,
    progress: Tick | None = silent,
    options: EncodeOptions | None = None,
    **keywords: Unpack[EncodeKeywords],
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
    chosen = EncodeOptions.of(options, keywords)
    if chosen.bands is not None:
        raise UsageError("bands chooses those of a file, not of an array", hint="Index the array instead.")
    tick, file = ticking(progress), io.BytesIO()
    source = source_of(array, nodata, meta, chosen.largest)
    from sarcodec.encoding import pipeline

    pipeline.encode(source, file, chosen, tick)
    return file.getvalue()


@with_keywords(DecodeOptions)
@memory.told()
def decode(
    src: PathLike,
    out: PathLike,
    *,
    window: WindowLike | None = None,
    reduce: int = 1,
    overwrite: bool = False,
    creation_options: Mapping[str, str] | None = None,
    progress: Tick | None = silent,
    options: DecodeOptions | None = None,
    **keywords: Unpack[DecodeKeywords],
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
        Where the index is lost, tiles are found without it.
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
    options : DecodeOptions, optional
        What `base_only`, `allow_partial`, `unbiased`, `targets`, `texture`, `model`, `device`, `jobs` and
        `limits` say, all at once; those that are given as well count.

    Raises
    ------
    SarcError
        One of its subclasses.
    """
    given, out = _files(src, out, GEOTIFF, overwrite=overwrite)
    chosen, tick, factor = DecodeOptions.of(options, keywords), ticking(progress), whole("reduce", reduce)
    creation = arguments.maybe(arguments.options, "creation_options", creation_options)
    check_header(given, chosen.largest)
    from sarcodec.decoding import mask_band, pipeline
    from sarcodec.io.raster import RasterSink
    from sarcodec.model.runtime import threads_kept

    with open_dataset(given, options=chosen) as dataset, threads_kept():
        part = dataset.check_window(window)
        meta = dataset.meta if window is None else dataset.meta.cropped(part)
        decoder, part = dataset.reduced(factor, part)
        meta = provenance.decoded(meta, decoder.header, decoder.corrections, factor)
        with RasterSink(out, meta, overwrite=overwrite, options=creation) as sink:
            for piece in pipeline.decode(decoder, part, range(meta.count), tick):
                sink.write(piece.band, piece.values, _within(piece.window, part))
            # Only now is it known what damage reached.
            for at in decoder.grid.touching(part) if decoder.coded.has_mask else ():
                tile = decoder.grid.window(*at)
                common = tile.intersect(part)
                assert common is not None
                seen = mask_band.shown_in_tile(decoder, *at)[common.inside(tile)]
                sink.write_mask(seen, _within(common, part))
            if dataset.damaged:
                meta = provenance.damaged(meta, dataset.fill, dataset.damaged)
                sink.amend(meta)
        applied = tuple(correction.use for correction in decoder.corrections)
        return DecodeReport(meta, dataset.damaged, applied)


def _within(window: Window, outer: Window) -> Window:
    """`window` as a place in an array that covers `outer`."""
    return Window(window.col - outer.col, window.row - outer.row, window.width, window.height)


@with_keywords(DecodeOptions)
@memory.told()
def decode_array(
    data: bytes, *, options: DecodeOptions | None = None, **keywords: Unpack[DecodeKeywords]
) -> npt.NDArray[Any]:
    """Decode a whole `.sarc` file in memory to an array of shape (bands, height, width), native dtype.

    Parameters as for :func:`sarcodec.open`.

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
    chosen = DecodeOptions.of(options, keywords)
    if chosen.allow_partial:
        raise UsageError(
            "an array cannot say which of its pixels are lost",
            hint="Use sarcodec.open(data, allow_partial=True): it has damaged and fill.",
        )
    with SarcDataset(io.BytesIO(data), "<bytes>", chosen) as dataset:
        return dataset.read()


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
    count, tick, allowed = whole("layers", layers), ticking(progress), limits_of(limits)
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
