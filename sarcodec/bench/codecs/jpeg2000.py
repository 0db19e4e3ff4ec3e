"""JPEG 2000 (9/7, OpenJPEG through glymur) at a wanted size, for comparison.

The dB image is mapped linearly to uint16 over its own valid range; the two ends of that range, which a
decoder would need, are not counted. One tile up to 4096 pixels, six resolutions, one quality layer, raw
codestream: a ``.jp2`` of the same stream is 85 bytes longer.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.bench.codecs.interface import Coded, Raster
from sarcodec.bench.codecs.samples import Mask, Samples, decibels, integers
from sarcodec.bench.codecs.search import TOLERANCE
from sarcodec.bench.images import Image
from sarcodec.bench.results import CodecInfo
from sarcodec.errors import SarcError

Floats = npt.NDArray[np.float32]

_BITS = 16
_TILE = 4096
_RESOLUTIONS = 6
_ATTEMPTS = 10
_BRACKET = 1.003  # nearer ratios give the same file


@dataclass(frozen=True)
class Codestream:
    """An encoded dB image."""

    data: bytes
    """The whole ``.j2k`` file."""
    low_db: float
    """dB of sample 0."""
    high_db: float
    """dB of sample 65535."""


def openjpeg_version() -> str:
    """Version of the OpenJPEG library in use.

    Raises
    ------
    SarcError
        No OpenJPEG library was found.
    """
    return str(_glymur().version.openjpeg_version)


@dataclass(frozen=True)
class Jpeg2000:
    """Behind `interface.Codec`; the setting is OpenJPEG's compression ratio."""

    resolutions: int = _RESOLUTIONS

    def info(self) -> CodecInfo:
        """Versions and settings."""
        return CodecInfo(
            name="jpeg2000",
            title="JPEG 2000 9/7",
            library=f"OpenJPEG {openjpeg_version()} through glymur {_glymur().__version__}",
            settings=(
                f"9/7 irreversible, {self.resolutions} resolutions, 64x64 blocks, one quality layer, one "
                "tile up to 4096 pixels, 16 bits over the valid dB range, raw codestream; the compression "
                "ratio carries the rate"
            ),
        )

    def prepare(self, image: Image) -> Samples:
        """The dB image on 16 bits."""
        return integers(image.db, image.valid, _BITS)

    def encode(self, prepared: Samples, setting: float, *, threads: int = 1) -> bytes:
        """A codestream in one attempt."""
        return encode_at(prepared.values, setting, threads, self.resolutions)

    def search(self, prepared: Samples, bpp: float, *, tolerance: float = TOLERANCE) -> Coded:
        """The codestream nearest to `bpp`."""

        def attempt(ratio: float) -> bytes:
            return self.encode(prepared, ratio)

        return _search(attempt, prepared.values.nbytes, bpp * prepared.values.size / 8, tolerance)

    def decode(self, prepared: Samples, data: bytes, *, threads: int = 1) -> Floats:
        """dB of power, shape (h, w)."""
        return decode(Codestream(data, prepared.low_db, prepared.high_db), threads=threads)


def encode_decode(db: Raster, valid: Mask, bpp: float) -> tuple[int, Floats]:
    """File size in bytes and the decoded dB image, at the nearest reachable rate.

    Parameters
    ----------
    db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
    bpp : float
        Wanted file size in bits per pixel of the raster, valid or not.
    """
    code = encode(db, valid, bpp)
    return len(code.data), decode(code)


def encode(
    db: Raster, valid: Mask, bpp: float, *, threads: int = 1, tolerance: float = TOLERANCE
) -> Codestream:
    """Encode to a file of `bpp`, as near as OpenJPEG gets.

    Parameters
    ----------
    db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
        Invalid pixels take the mean of the valid ones, which costs the least.
    bpp : float
        Wanted bits per pixel.
    threads : int
    tolerance : float
        Relative size error at which the search stops; infinite for a single attempt.

    Raises
    ------
    InputError
        No pixel is valid.
    """
    samples, low, high = samples_of(db, valid)

    def attempt(ratio: float) -> bytes:
        return encode_at(samples, ratio, threads)

    return Codestream(_search(attempt, samples.nbytes, bpp * db.size / 8, tolerance).data, low, high)


def samples_of(db: Raster, valid: Mask) -> tuple[npt.NDArray[np.uint16], float, float]:
    """The dB image on 16 bits over its own valid range, and that range."""
    samples = integers(db, valid, _BITS)
    return samples.values, samples.low_db, samples.high_db


def decode(code: Codestream, *, threads: int = 1) -> Floats:
    """Decode to dB.

    Returns
    -------
    ndarray, shape (h, w), float32, dB of power
    """
    with _scratch(threads) as path:
        path.write_bytes(code.data)
        samples = _glymur().Jp2k(path)[:]
    return decibels(samples, Samples(samples, code.low_db, code.high_db), _BITS)


def _search(encode: Callable[[float], bytes], raw: int, wanted: float, tolerance: float) -> Coded:
    """The codestream whose size is nearest to `wanted` bytes, of samples of `raw` bytes.

    OpenJPEG takes a ratio and stays below it, in jumps of up to a fifth of the file on a 512x512 image:
    correct the ratio by the miss until two ratios bracket the wanted size, then halve the bracket.
    """
    ratio = max(raw / wanted, 1.0)
    small, large = np.inf, 0.0  # ratios known to give files below and above the wanted size
    best = Coded(b"", ratio)
    for _ in range(_ATTEMPTS):
        data = encode(ratio)
        if not best.data or abs(len(data) - wanted) < abs(len(best.data) - wanted):
            best = Coded(data, ratio)
        if abs(len(data) / wanted - 1) <= tolerance:
            break
        if len(data) < wanted:
            small = min(small, ratio)
        else:
            large = max(large, ratio)
        if small / max(large, 1.0) < _BRACKET:
            break
        ratio = math.sqrt(large * small) if large and small < np.inf else ratio * len(data) / wanted
        if ratio <= 1:  # OpenJPEG takes a ratio of 1 for lossless
            break
    return best


def encode_at(
    samples: npt.NDArray[np.uint16], ratio: float, threads: int, resolutions: int = _RESOLUTIONS
) -> bytes:
    """A codestream of 16-bit samples at a compression ratio, in one attempt."""
    height, width = samples.shape
    options: dict[str, Any] = {}
    if max(height, width) > _TILE:
        options["tilesize"] = (min(height, _TILE), min(width, _TILE))
    levels = min(resolutions, min(height, width).bit_length())
    with _scratch(threads) as path:
        _glymur().Jp2k(path, data=samples, cratios=(ratio,), irreversible=True, numres=levels, **options)
        return path.read_bytes()


@contextmanager
def _scratch(threads: int) -> Iterator[Path]:
    """A file name that glymur may write or read, with its thread count set meanwhile."""
    glymur = _glymur()
    before = glymur.get_option("lib.num_threads")
    glymur.set_option("lib.num_threads", threads)
    try:
        with tempfile.TemporaryDirectory(prefix="sarcodec-") as folder:
            yield Path(folder) / "image.j2k"
    finally:
        glymur.set_option("lib.num_threads", before)


@cache
def _glymur() -> Any:
    """Import glymur with an OpenJPEG library: the configured one, the system's, or rasterio's."""
    bundled = _bundled_library()
    if "glymur" not in sys.modules and not _configured() and not find_library("openjp2") and bundled:
        with _temporary_config(bundled):
            glymur = import_module("glymur")
    else:
        glymur = import_module("glymur")
    if glymur.version.openjpeg_version == "0.0.0":
        raise SarcError(
            "glymur found no OpenJPEG library",
            hint="Install it (Debian: apt-get install libopenjp2-7) or a rasterio wheel, which holds a copy.",
        )
    return glymur


def _configured() -> bool:
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return (home / "glymur" / "glymurrc").exists() or Path("glymurrc").exists()


def _bundled_library() -> Path | None:
    """OpenJPEG inside rasterio's wheel, found without importing rasterio."""
    spec = find_spec("rasterio")
    for package in (spec.submodule_search_locations if spec else None) or ():
        for folder in (Path(package).parent / "rasterio.libs", Path(package) / ".dylibs"):
            for library in sorted(folder.glob("*openjp2*")):
                return library
    return None


@contextmanager
def _temporary_config(library: Path) -> Iterator[None]:
    """Let glymur, which reads its configuration once, on import, find `library`."""
    before = os.environ.get("XDG_CONFIG_HOME")
    with tempfile.TemporaryDirectory(prefix="sarcodec-") as folder:
        config = Path(folder) / "glymur" / "glymurrc"
        config.parent.mkdir()
        escaped = str(library).replace("%", "%%")
        config.write_text(f"[library]\nopenjp2: {escaped}\n", encoding="utf-8")
        os.environ["XDG_CONFIG_HOME"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["XDG_CONFIG_HOME"]
            else:
                os.environ["XDG_CONFIG_HOME"] = before
