"""The codec of this package as one of those compared: whole files, as ``sarcodec encode`` writes them."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from sarcodec import __version__, api, zoo
from sarcodec.bench.codecs.interface import Coded, Raster
from sarcodec.bench.images import Image
from sarcodec.bench.results import OURS, CodecInfo
from sarcodec.model import modelfile
from sarcodec.model.modelfile import Model
from sarcodec.radiometry import to_db
from sarcodec.wanted import QUALITY


@dataclass(frozen=True)
class Sarc:
    """sarcodec with one model; the quality carries the rate."""

    model: str | None = None
    device: str = "cpu"

    def info(self) -> CodecInfo:
        """Version and model."""
        model = self._model()
        return CodecInfo(
            name=OURS,
            title=f"sarcodec {model.id}",
            library=f"sarcodec {__version__}",
            settings=(
                f"model {model.id}, GeoTIFF of the band with CRS and transform, without tags; "
                f"on {self.device}; the rate level carries the rate, found by --bpp"
            ),
        )

    def prepare(self, image: Image) -> Image:
        """The image itself: native values and metadata, as `encode` reads them from a raster."""
        return image

    def search(self, prepared: Image, bpp: float) -> Coded:
        """The file that ``sarcodec encode --bpp`` makes of a GeoTIFF of the band."""
        with tempfile.TemporaryDirectory(prefix="sarcodec-") as scratch:
            source, coded = Path(scratch) / "in.tif", Path(scratch) / "coded.sarc"
            prepared.write(source)
            report = api.encode(
                source, coded, bpp=bpp, scale=prepared.scale, model=self.model, device=self.device
            )
            data = coded.read_bytes()
        low, high = QUALITY
        return Coded(data, low + (high - low) * report.level / self._model().top_level)

    def encode(self, prepared: Image, setting: float, *, threads: int = 1) -> bytes:
        """The same file from memory, in one pass at a quality of 1 to 100."""
        return api.encode_array(
            prepared.values,
            quality=setting,
            scale=prepared.scale,
            meta=prepared.meta,
            model=self.model,
            device=self.device,
            jobs=threads,
        )

    def decode(self, prepared: Image, data: bytes, *, threads: int = 1) -> Raster:
        """dB of power of the decoded native values, shape (h, w)."""
        values = api.decode_array(data, jobs=threads, model=self.model, device=self.device)
        return to_db(values[0], prepared.scale)

    def _model(self) -> Model:
        return modelfile.load(zoo.find(self.model), self.device)
