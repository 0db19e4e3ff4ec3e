"""A codec made of four functions and the domain of its one setting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from sarcodec.bench.codecs.interface import Coded, Raster
from sarcodec.bench.codecs.samples import Mask, Samples
from sarcodec.bench.codecs.search import TOLERANCE, Domain, nearest
from sarcodec.bench.images import Image
from sarcodec.bench.results import CodecInfo
from sarcodec.errors import UsageError

HINT = 'Install the codecs to compare with: pip install "sarcodec[peers]"'


@dataclass(frozen=True)
class Peer:
    """Behind `interface.Codec`."""

    name: str
    title: str
    settings: str
    """In words."""
    library: Callable[[], str]
    """What does the work, with its version; raises UsageError where it is missing."""
    samples: Callable[[Raster, Mask], Samples]
    """dB image and valid mask to what the library takes."""
    encoded: Callable[[Samples, float, int], bytes]
    """(samples, setting, threads) to a whole file."""
    decoded: Callable[[Samples, bytes, int], Raster]
    """(range and shape, file, threads) to dB of power."""
    domain: Domain
    threaded: bool = True
    """Whether the library uses the threads that it is given."""

    def info(self) -> CodecInfo:
        """Name, version and settings."""
        return CodecInfo(self.name, self.title, self.library(), self.settings, threaded=self.threaded)

    def prepare(self, image: Image) -> Samples:
        """The image as the codec's library takes it."""
        return self.samples(image.db, image.valid)

    def encode(self, prepared: Samples, setting: float, *, threads: int = 1) -> bytes:
        """A whole file in one attempt."""
        return self.encoded(prepared, setting, threads)

    def search(self, prepared: Samples, bpp: float, *, tolerance: float = TOLERANCE) -> Coded:
        """The file nearest to `bpp` bits per pixel."""

        def attempt(setting: float) -> bytes:
            return self.encode(prepared, setting)

        return nearest(attempt, prepared.values.size, bpp, self.domain, tolerance=tolerance)

    def decode(self, prepared: Samples, data: bytes, *, threads: int = 1) -> Raster:
        """dB of power, shape (h, w)."""
        return self.decoded(prepared, data, threads)


def imagecodecs(codec: str) -> Any:
    """The package imagecodecs, imported when it is first needed.

    Parameters
    ----------
    codec : str
        Name of its class of constants for the codec wanted, such as ``AVIF``.

    Raises
    ------
    UsageError
        It is not installed, or was built without that codec.
    """
    try:
        module = import_module("imagecodecs")
        found = bool(getattr(module, codec).available)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"{codec} needs the package imagecodecs", hint=HINT) from error
    if not found:
        raise UsageError(f"this build of imagecodecs {module.__version__} has no {codec}", hint=HINT)
    return module


def library(codec: str) -> Callable[[], str]:
    """Says which version of `codec` imagecodecs holds."""

    def words() -> str:
        module = imagecodecs(codec)
        version = getattr(module, f"{codec.lower()}_version")()
        return f"{version} through imagecodecs {module.__version__}"

    return words
