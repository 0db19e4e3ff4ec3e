"""An open file and how it is to be decoded: header, model, corrections, what is damaged."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from sarcodec import limits as lim
from sarcodec.bitstream.header import Header
from sarcodec.bitstream.reader import Reader
from sarcodec.corrections import layers as corrections
from sarcodec.damage import fill_value
from sarcodec.errors import FormatError
from sarcodec.invalid import valid_mask
from sarcodec.metadata import RasterMeta, from_chunks
from sarcodec.model.entropy import LatentCoder
from sarcodec.model.named import model_of
from sarcodec.options import DecodeOptions
from sarcodec.pixels import BandPixels
from sarcodec.source import alpha_band
from sarcodec.types import Place


def meta_of(header: Header, limits: lim.Limits = lim.DEFAULT) -> RasterMeta:
    """Size, type, georeferencing and tags of the coded raster."""
    size = (header.width, header.height, len(header.bands), header.dtype)
    return from_chunks(*size, header.geo, header.text, limits=limits)


class CodedFile:
    """What decoders of one open file share, whatever their resolution.

    Parameters
    ----------
    file : BinaryIO
        Seekable; stays the caller's to close.
    options : DecodeOptions
        With `allow_partial`, pixels that damage took become :attr:`fill`, and :attr:`damaged` has the tiles.
    device : str
        cpu or cuda.

    Raises
    ------
    UsageError
        What is asked contradicts itself or what the file has.
    FormatError
        The header is damaged, or a band's range holds no valid value.
    """

    damaged: dict[Place, str]
    """Damaged tiles met so far, and what is wrong with each."""

    def __init__(self, file: BinaryIO, options: DecodeOptions, device: str = "cpu") -> None:
        self.limits = options.largest
        self.reader = Reader(file, limits=self.limits, salvage=options.allow_partial)
        self.options, self.header = options, self.reader.header
        self.meta = meta_of(self.header, self.limits)
        self.corrections = corrections.applied(self.header, options, base_only=options.base_only)
        self.damaged = {}
        self.fill = fill_value(self.header, self.meta.nodata) if options.allow_partial else None
        self.model = model_of(self.header, name=options.model_name, device=device)
        self.jobs = options.threads
        bands = range(len(self.header.bands))
        self.coders = [LatentCoder(self.model, band.level) for band in self.header.bands]
        self.pixels = [BandPixels.of(self.header, number, self.meta.nodata) for number in bands]
        self.has_mask = self.header.has_mask and alpha_band(self.meta) is None
        for number in bands:
            if not self.empty(number):
                self.pixels[number].native(np.zeros((0, 0), np.float32))  # refuses a range without data

    def empty(self, number: int) -> bool:
        """Whether a band (from 0) has no valid pixel at all."""
        band = self.header.bands[number]
        zero = np.zeros(1, self.header.dtype)
        scale = self.header.pixel_scale(number)
        return band.vmin == 0 == band.vmax and not valid_mask(zero, scale, self.meta.nodata)[0]

    def lose(self, place: Place, error: FormatError) -> None:
        """Note a damaged tile, or raise what is wrong with it unless partial decodes are allowed."""
        if not self.options.allow_partial:
            raise error
        self.damaged.setdefault(place, error.message)
