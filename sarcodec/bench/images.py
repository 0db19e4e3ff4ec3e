"""Bands of rasters as images to compare codecs on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.errors import InputError
from sarcodec.io.ground import pixel_m
from sarcodec.io.raster import RasterSink, RasterSource
from sarcodec.meaning.decide import meanings
from sarcodec.metadata import BandMeta, RasterMeta
from sarcodec.radiometry import to_db, valid_mask
from sarcodec.source import alpha_band
from sarcodec.types import Scale, TileGrid, Window

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

TILE_SIDE = 1024
LARGEST = 4096  # pixels a side; the middle of a larger raster is cut out
SMALL = 512  # pixels a side; below it the headers of a file weigh too much to mix with others


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
    path: str = ""
    """Of the raster, with links resolved."""
    full: tuple[int, int] = (0, 0)
    """Width and height of the whole raster, pixels."""
    group: str = ""
    """Bands of one raster and dates of one place have the same."""
    file: str = ""
    band: str = ""
    kind: str = ""
    """Class in the report."""
    truth_db: Floats | None = None
    """The same without speckle, dB of power; None where nobody knows."""
    before: str = ""
    """Name of the image of the same place on an earlier date; empty for none."""
    change: Mask | None = None
    """Where the ground is known to have changed since `before`; None where nobody knows."""
    cut: bool = False
    """Whether this is the middle of a larger raster."""

    @cached_property
    def db(self) -> Floats:
        """Decibels of power, shape (h, w)."""
        return to_db(self.values, self.scale)

    @cached_property
    def valid(self) -> Mask:
        """True where the pixel is data, shape (h, w)."""
        return valid_mask(self.values, self.scale, self.meta.nodata)

    @cached_property
    def pixel_m(self) -> float | None:
        """Ground size of a pixel from its transform, metres; None where the raster has none."""
        return pixel_m(self.meta)

    def write(self, path: Path) -> None:
        """Write a GeoTIFF of this band alone."""
        with RasterSink(path, self.meta, overwrite=True) as sink:
            sink.write(0, self.values, Window(0, 0, self.meta.width, self.meta.height))


def images(path: str | os.PathLike[str], *, largest: int = LARGEST) -> Iterator[Image]:
    """Every band of a raster file; of a raster of more than `largest` pixels a side its middle.

    Raises
    ------
    InputError
        The file cannot be read or holds what this codec does not code.
    """
    with RasterSource(path) as source:
        meta = source.meta
        window = _middle(meta.width, meta.height, largest)
        part = meta.cropped(window)
        kind = Path(path).resolve().parent.name or "scenes"
        grid = TileGrid(meta.width, meta.height, TILE_SIDE)
        found = meanings(source, (), grid, 1, lambda: None, matters=False, exactly=False)
        plain = all(meaning.pixel.plain for meaning in found)
        if source.has_mask or alpha_band(meta) is not None or not plain:
            raise InputError(
                f"{source.name}: a mask band, or a band with a scale or an offset, is not compared",
                hint="Write the values themselves first, with a nodata value: gdal_translate -unscale",
            )
        for band, about in enumerate(meta.bands):
            values = source.read(band, window)
            bare = replace(
                part,
                count=1,
                bands=(BandMeta(colorinterp="gray"),),
                tags={},
                gcps=(),
                gcp_crs=None,
                rpcs=None,
            )
            label = about.description or f"b{band + 1}"
            yield Image(
                name=f"{Path(path).stem} {label}",
                values=values,
                scale=found[band].pixel.scale,
                meta=bare,
                path=str(Path(path).resolve()),
                full=(meta.width, meta.height),
                file=Path(path).name,
                band=label,
                kind=kind if min(values.shape) >= SMALL else f"{kind}, small",
                cut=window.pixels < meta.width * meta.height,
            )


def _middle(width: int, height: int, largest: int) -> Window:
    w, h = min(width, largest), min(height, largest)
    return Window((width - w) // 2, (height - h) // 2, w, h)
