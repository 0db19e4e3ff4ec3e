"""Codecs for fields of floats through imagecodecs; docs/peers.md says why they are set as they are.

All of them get the float32 dB image less its mean.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sarcodec.bench.codecs.interface import Raster
from sarcodec.bench.codecs.peer import Peer, imagecodecs, library
from sarcodec.bench.codecs.samples import Mask, Samples, centred
from sarcodec.bench.codecs.search import Domain


def lerc(*, version: int = 6, compression: str | None = "zstd", level: int = 19) -> Peer:
    """LERC.

    Parameters
    ----------
    version : int
        Of the blob, 2 to 6.
    compression : {"zstd", "deflate"}, optional
        Of the blob as a whole.
    level : int
        Of that compression.
    """

    def encoded(prepared: Samples, setting: float, _threads: int) -> bytes:
        arguments = {"level": level} if compression else None
        return bytes(
            imagecodecs("LERC").lerc_encode(
                prepared.values,
                level=setting,
                version=version,
                compression=compression,
                compressionargs=arguments,
            )
        )

    return Peer(
        name="lerc",
        threaded=False,
        title=f"LERC and {compression or 'nothing more'}",
        settings=f"blob version {version}, then {compression} {level}; the largest error carries the rate",
        library=library("LERC"),
        samples=centred,
        encoded=encoded,
        decoded=lambda prepared, data, _: _back(imagecodecs("LERC").lerc_decode(data), prepared),
        domain=Domain(1e-4, 1000, rising=False, start=lambda bpp: 6.7 * bpp**-0.57, slope=1.7),
    )


def zfp(*, mode: str = "a", centre: bool = True) -> Peer:
    """ZFP.

    Parameters
    ----------
    mode : {"a", "r"}
        Fixed accuracy or fixed rate.
    centre : bool
        Whether the mean is taken off.
    """

    def kind(coder: Any) -> Any:
        return getattr(coder.ZFP.MODE, "FIXED_ACCURACY" if mode == "a" else "FIXED_RATE")

    def samples(db: Raster, valid: Mask) -> Samples:
        found = centred(db, valid)
        return found if centre else Samples(found.values + np.float32(found.low_db), 0.0, 1.0)

    def encoded(prepared: Samples, setting: float, threads: int) -> bytes:
        level, scale = _accuracy(setting) if mode == "a" else (setting, 1.0)
        execution = {"execution": "omp", "numthreads": threads} if threads > 1 else {}
        coder = imagecodecs("ZFP")
        data = coder.zfp_encode(
            prepared.values * np.float32(scale), level=level, mode=kind(coder), header=True, **execution
        )
        return np.float32(scale).tobytes() + bytes(data)

    def decoded(prepared: Samples, data: bytes, _threads: int) -> Raster:
        scale = np.frombuffer(data[:4], np.float32)[0]
        return _back(imagecodecs("ZFP").zfp_decode(data[4:]) / scale, prepared)

    return Peer(
        name="zfp",
        title="ZFP",
        settings=(
            "fixed accuracy, which ZFP rounds down to a power of two: the field is scaled so that every "
            "tolerance takes effect, 4 bytes for the scale; the tolerance carries the rate; decoding uses "
            "one thread"
        ),
        library=library("ZFP"),
        samples=samples,
        encoded=encoded,
        decoded=decoded,
        domain=(
            Domain(1e-4, 1e5, rising=False, start=lambda bpp: 80 / bpp, slope=1.0)
            if mode == "a"
            else Domain(0.1, 32, rising=True, start=lambda bpp: bpp, slope=1.0)
        ),
    )


def sz3() -> Peer:
    """SZ3 as its library sets itself."""

    def encoded(prepared: Samples, setting: float, _threads: int) -> bytes:
        return bytes(imagecodecs("SZ3").sz3_encode(prepared.values, mode="abs", abs=setting))

    def decoded(prepared: Samples, data: bytes, _threads: int) -> Raster:
        return _back(imagecodecs("SZ3").sz3_decode(data, prepared.values.shape, "float32"), prepared)

    return Peer(
        name="sz3",
        threaded=False,
        title="SZ3",
        settings=(
            "interpolation or Lorenzo, chosen and tuned by the library; the largest error carries the rate, "
            "which jumps where the choice changes"
        ),
        library=library("SZ3"),
        samples=centred,
        encoded=encoded,
        decoded=decoded,
        domain=Domain(1e-4, 1000, rising=False, start=lambda bpp: 2.1 * bpp**-0.63, slope=1.6),
    )


def sperr(*, mode: str = "bpp") -> Peer:
    """SPERR.

    Parameters
    ----------
    mode : {"bpp", "psnr", "pwe"}
        Fixed rate, fixed PSNR or fixed point-wise error.
    """

    def encoded(prepared: Samples, setting: float, threads: int) -> bytes:
        return bytes(
            imagecodecs("SPERR").sperr_encode(
                prepared.values, level=setting, mode=mode, header=True, numthreads=threads
            )
        )

    def decoded(prepared: Samples, data: bytes, threads: int) -> Raster:
        shape = prepared.values.shape
        values = imagecodecs("SPERR").sperr_decode(data, shape=shape, dtype="float32", numthreads=threads)
        return _back(values, prepared)

    return Peer(
        name="sperr",
        title="SPERR",
        settings="fixed rate: the embedded stream cut at the wanted bits per pixel",
        library=library("SPERR"),
        samples=centred,
        encoded=encoded,
        decoded=decoded,
        domain={
            "bpp": Domain(0.01, 32, rising=True, start=lambda bpp: bpp, slope=1.0),
            "psnr": Domain(1, 150, rising=True, start=lambda bpp: 31 * bpp**0.25, slope=4.0),
            "pwe": Domain(1e-4, 1000, rising=False, start=lambda bpp: 2.2 * bpp**-0.7, slope=1.4),
        }[mode],
    )


def _accuracy(tolerance: float) -> tuple[float, float]:
    """The power of two below a tolerance, and the scale of the field that makes them one."""
    power = 2.0 ** math.floor(math.log2(tolerance))
    return power, float(np.float32(power / tolerance))


def _back(values: Raster, prepared: Samples) -> Raster:
    return np.asarray(values + prepared.low_db, np.float32)
