"""What the benchmark asks of a codec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sarcodec.bench.images import Image
from sarcodec.bench.results import CodecInfo

Raster = npt.NDArray[np.floating[Any]]
Prepared = Any
"""What `prepare` makes: only the codec itself looks inside."""


@dataclass(frozen=True)
class Coded:
    """An encoded image."""

    data: bytes
    """The whole file."""
    setting: float
    """Given to `encode` it makes the same file again."""


class Codec(Protocol):
    """One codec at one documented setting; whatever carries the rate is a single number.

    What is timed is `encode` and `decode` alone: `prepare` brings the image into the form in which the
    codec's library takes it.
    """

    def info(self) -> CodecInfo:
        """Name, version and settings. Raises `UsageError` with a hint where a package is missing."""
        ...

    def prepare(self, image: Image) -> Prepared:
        """The image as the codec's library takes it: 16-bit samples of the dB image, float dB, ..."""
        ...

    def encode(self, prepared: Prepared, setting: float, *, threads: int = 1) -> bytes:
        """A whole file in one attempt."""
        ...

    def search(self, prepared: Prepared, bpp: float) -> Coded:
        """The file nearest to `bpp` bits per pixel of the raster, valid or not, within 1 % where possible."""
        ...

    def decode(self, prepared: Prepared, data: bytes, *, threads: int = 1) -> Raster:
        """dB of power, shape (h, w), finite wherever the image is valid.

        `prepared` may give only what a decoder would know from a few header bytes (shape, value range).
        """
        ...
