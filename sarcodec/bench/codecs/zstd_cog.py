"""Lossless: the native values as a cloud-optimised GeoTIFF with ZSTD, as Copernicus ships them."""

from __future__ import annotations

from dataclasses import dataclass

from sarcodec.bench.codecs.interface import Coded, Raster
from sarcodec.bench.images import Image
from sarcodec.bench.results import CodecInfo
from sarcodec.io import cog
from sarcodec.radiometry import to_db


@dataclass(frozen=True)
class ZstdCog:
    """Behind `interface.Codec`; the setting is the number of the TIFF predictor."""

    def info(self) -> CodecInfo:
        """Version and settings."""
        return CodecInfo(
            name="zstd-cog",
            title="ZSTD COG",
            library=cog.version(),
            settings=(
                "native values, ZSTD at GDAL's level 9, 512-pixel tiles, the best of no predictor, 2 and 3 "
                "for each image, CRS, transform and nodata; no overviews, which would add about a third"
            ),
            lossless=True,
        )

    def prepare(self, image: Image) -> Image:
        """The image itself."""
        return image

    def encode(self, prepared: Image, setting: float, *, threads: int = 1) -> bytes:
        """The file with predictor `setting`."""
        return cog.encode(prepared.values, prepared.meta, predictor=round(setting), threads=threads)

    def search(self, prepared: Image, bpp: float) -> Coded:  # noqa: ARG002
        """The smallest of the files with each predictor, whatever `bpp` says."""
        made = [
            Coded(self.encode(prepared, setting), float(setting))
            for setting in cog.predictors(prepared.values.dtype)
        ]
        return min(made, key=lambda coded: len(coded.data))

    def decode(self, prepared: Image, data: bytes, *, threads: int = 1) -> Raster:  # noqa: ARG002
        """dB of power of the stored values, shape (h, w)."""
        return to_db(cog.decode(data), prepared.scale)
