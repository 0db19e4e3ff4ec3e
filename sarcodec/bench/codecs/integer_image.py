"""Image codecs through imagecodecs, and WebP through GDAL; docs/peers.md says why they are set so."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.bench.codecs.interface import Raster
from sarcodec.bench.codecs.peer import Peer, imagecodecs, library
from sarcodec.bench.codecs.samples import Mask, Samples, decibels, fractions, integers
from sarcodec.bench.codecs.search import Domain
from sarcodec.io import cog

_BIAS = 0.0037930732552754493  # of JPEG XL's opsin absorbance; its XYB takes cube roots
_DARK, _LIGHT = _BIAS ** (1 / 3), (1 + _BIAS) ** (1 / 3)


def jpegxl(*, effort: int = 6, tier: int = 3, span: float = 0.25, even: bool = True) -> Peer:
    """JPEG XL, VarDCT.

    Parameters
    ----------
    effort : int
        libjxl's, 1 to 9.
    tier : int
        Decoding speed, 0 to 4.
    span : float
        Share of the brightness scale that the dB range fills.
    even : bool
        Whether samples are such that dB become linear in XYB; linear in light otherwise.
    """

    def samples(db: Raster, valid: Mask) -> Samples:
        unit = fractions(db, valid)
        light = unit.values * span
        if even:
            light = (_DARK + light * (_LIGHT - _DARK)) ** 3 - _BIAS
        return Samples(light.astype(np.float32), unit.low_db, unit.high_db)

    def encoded(prepared: Samples, setting: float, threads: int) -> bytes:
        coder = imagecodecs("JPEGXL")
        return bytes(
            coder.jpegxl_encode(
                prepared.values,
                distance=setting,
                effort=effort,
                decodingspeed=tier,
                lossless=False,
                numthreads=threads,
            )
        )

    def decoded(prepared: Samples, data: bytes, threads: int) -> Raster:
        light = imagecodecs("JPEGXL").jpegxl_decode(data, numthreads=threads).astype(np.float64)
        if even:
            light = (np.cbrt(light + _BIAS) - _DARK) / (_LIGHT - _DARK)
        unit = light / span
        return np.asarray(unit * (prepared.high_db - prepared.low_db) + prepared.low_db, np.float32)

    return Peer(
        name="jpegxl",
        title="JPEG XL",
        settings=(
            f"VarDCT, effort {effort}, decoding speed {tier}, float32 grey samples that make dB linear in "
            f"XYB over the lowest {span:g} of its brightness scale, bare codestream; the distance carries "
            "the rate"
        ),
        library=library("JPEGXL"),
        samples=samples,
        encoded=encoded,
        decoded=decoded,
        domain=Domain(0.01, 25, rising=False, start=lambda bpp: span * 3.3 * bpp**-0.94, slope=1.07),
    )


def avif(*, bits: int = 10, speed: int = 4) -> Peer:
    """AVIF by libaom.

    Parameters
    ----------
    bits : int
        8, 10 or 12.
    speed : int
        libaom's, 0 to 10.
    """

    def encoded(prepared: Samples, setting: float, threads: int) -> bytes:
        # imagecodecs takes a single channel for lossless; of three equal ones YUV400 keeps the luma.
        return bytes(
            imagecodecs("AVIF").avif_encode(
                _grey(prepared.values),
                level=round(setting),
                speed=speed,
                bitspersample=bits,
                pixelformat="yuv400",
                codec="aom",
                numthreads=threads,
            )
        )

    def decoded(prepared: Samples, data: bytes, threads: int) -> Raster:
        values = imagecodecs("AVIF").avif_decode(data, numthreads=threads)
        return decibels(values, prepared, bits)

    return Peer(
        name="avif",
        title="AVIF",
        settings=(
            f"libaom, speed {speed}, {bits} bits, monochrome (YUV400, full range), one tile; the quality "
            "carries the rate, a whole number of 64 effective steps"
        ),
        library=library("AVIF"),
        samples=lambda db, valid: integers(db, valid, bits),
        encoded=encoded,
        decoded=decoded,
        domain=Domain(
            0, 99, rising=True, start=lambda bpp: 51.7 + 16 * math.log(bpp), slope=1 / 16, whole=True
        ),
    )


def htj2k(*, bits: int = 16, decompositions: int = 6) -> Peer:
    """High-throughput JPEG 2000, 9/7, by OpenJPH.

    Parameters
    ----------
    bits : int
        8 or 16.
    decompositions : int
    """

    def encoded(prepared: Samples, setting: float, _threads: int) -> bytes:
        return bytes(
            imagecodecs("HTJ2K").htj2k_encode(
                prepared.values, level=setting, resolutions=decompositions, reversible=False
            )
        )

    return Peer(
        name="htj2k",
        threaded=False,
        title="HTJ2K 9/7",
        settings=(
            f"9/7 irreversible, {decompositions} decompositions, 64x64 blocks, one tile, {bits} bits, raw "
            "codestream; the quantisation step carries the rate"
        ),
        library=library("HTJ2K"),
        samples=lambda db, valid: integers(db, valid, bits),
        encoded=encoded,
        decoded=lambda p, data, _: decibels(imagecodecs("HTJ2K").htj2k_decode(data), p, bits),
        domain=Domain(1e-5, 1, rising=False, start=lambda bpp: 0.045 * bpp**-0.74, slope=1.35),
    )


def webp(**options: str | int) -> Peer:
    """WebP, 8 bits; `options` are GDAL's, in place of the chosen ones."""
    chosen: dict[str, str | int] = {
        "METHOD": 6,
        "SNS_STRENGTH": 0,
        "SEGMENTS": 1,
        "FILTER_TYPE": 0,
        "FILTER_STRENGTH": 100,
        **options,
    }
    return Peer(
        name="webp",
        threaded=False,
        title="WebP",
        settings=(
            "8 bits, the most that the format has; method 6, no spatial noise shaping, one segment, simple "
            "loop filter of strength 100; the quality carries the rate"
        ),
        library=cog.webp_version,
        samples=lambda db, valid: integers(db, valid, 8),
        encoded=lambda prepared, setting, _: cog.encode_webp(prepared.values, setting, chosen),
        decoded=lambda prepared, data, _: decibels(cog.decode_webp(data), prepared, 8),
        domain=Domain(1e-5, 100, rising=True, start=lambda bpp: 50 * bpp**2.2, slope=0.45),
    )


def _grey(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.repeat(values[:, :, None], 3, axis=2)
