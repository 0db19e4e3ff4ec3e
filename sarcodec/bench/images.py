"""Bands of rasters as images to compare codecs on, and sarcodec's own files as one of the codecs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec import api
from sarcodec.bench.rd import EncodeDecode, Mask, Raster
from sarcodec.io.raster import RasterSink, RasterSource
from sarcodec.metadata import BandMeta, RasterMeta
from sarcodec.radiometry import detect_scale, to_db, valid_mask
from sarcodec.types import Scale, Window


@dataclass(frozen=True)
class Image:
    """One band of a raster, all in memory."""

    name: str
    """File and band."""
    values: npt.NDArray[Any]
    """Shape (h, w), native dtype."""
    scale: Scale
    meta: RasterMeta
    """CRS, transform and nodata; no tags, so that files hold hardly more than pixels."""

    @property
    def db(self) -> npt.NDArray[np.float32]:
        """Decibels of power, shape (h, w)."""
        return to_db(self.values, self.scale)

    @property
    def valid(self) -> Mask:
        """True where the pixel is data, shape (h, w)."""
        return valid_mask(self.values, self.scale, self.meta.nodata)

    def write(self, path: Path) -> None:
        """Write a GeoTIFF of this band alone."""
        with RasterSink(path, self.meta, overwrite=True) as sink:
            sink.write(1, self.values, Window(0, 0, self.meta.width, self.meta.height))


def images(path: str | os.PathLike[str]) -> Iterator[Image]:
    """Every band of a raster file.

    Raises
    ------
    InputError
        The file cannot be read or holds what this codec does not code.
    """
    with RasterSource(path) as source:
        meta = source.meta
        whole = Window(0, 0, meta.width, meta.height)
        for band, about in enumerate(meta.bands, 1):
            values = source.read(band, whole)
            tags = {**meta.tags.get("", {}), **about.tags.get("", {})}
            scale = detect_scale(values.dtype, tags, values, nodata=meta.nodata)
            bare = replace(
                meta,
                count=1,
                bands=(BandMeta(colorinterp="gray"),),
                tags={},
                gcps=(),
                gcp_crs=None,
                rpcs=None,
            )
            yield Image(f"{Path(path).stem} {about.description or f'b{band}'}", values, scale, bare)


def sarcodec_files(
    image: Image, folder: Path, *, model: str | None = None, device: str = "auto", jobs: int | None = None
) -> EncodeDecode:
    """Encode and decode `image` through files in `folder`, as a user does; sizes are those of whole files."""
    source, coded, back = (folder / name for name in ("in.tif", "coded.sarc", "back.tif"))
    image.write(source)

    def encode_decode(_db: Raster, _valid: Mask, bpp: float) -> tuple[int, Raster]:
        api.encode(
            source, coded, bpp=bpp, scale=image.scale, model=model, device=device, jobs=jobs, overwrite=True
        )
        api.decode(coded, back, model=model, device=device, jobs=jobs, overwrite=True)
        with RasterSource(back) as decoded:
            values = decoded.read(1, Window(0, 0, image.meta.width, image.meta.height))
        return coded.stat().st_size, to_db(values, image.scale)

    return encode_decode
