"""Rate and distortion of codecs on one scene, and their comparison over several."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec import metrics
from sarcodec.errors import InputError, VerifyError

Raster = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]

EncodeDecode = Callable[[Raster, Mask, float], tuple[int, Raster]]
"""(dB image, valid, wanted bpp) -> (bytes of the whole file, decoded dB image)."""


@dataclass(frozen=True)
class RdPoint:
    """One codec at one rate on one scene."""

    scene: str
    codec: str
    wanted_bpp: float
    bytes: int
    """The whole file."""
    bpp: float
    """8 * bytes / all pixels of the raster, valid or not."""
    rmse_db: float
    """Over valid pixels, like the two that follow."""
    psnr_db: float
    ssim: float
    seconds: float
    """Encoding, its rate search included, and decoding."""


@dataclass(frozen=True)
class Comparison:
    """BD-rate of a codec against a reference on one scene."""

    scene: str
    bd: metrics.BdRate | None
    """None where the two curves share no error."""


def measure(
    scene: str,
    db: Raster,
    valid: Mask,
    rates: Sequence[float],
    codecs: Mapping[str, EncodeDecode],
    *,
    on_decoded: Callable[[RdPoint, Raster], None] | None = None,
) -> list[RdPoint]:
    """Run every codec at every rate.

    Parameters
    ----------
    scene : str
        Name for the report.
    db : ndarray, shape (h, w), float, dB of power
    valid : ndarray, shape (h, w), bool
    rates : sequence of float
        Wanted bits per pixel.
    codecs : mapping of name to EncodeDecode
    on_decoded : callable, optional
        Is given each point and its decoded dB image.

    Raises
    ------
    InputError
        No pixel is valid.
    VerifyError
        A codec returned another shape, or valid pixels that are not finite.
    """
    if not valid.any():
        raise InputError(f"{scene} has no valid pixel to compare")
    points = []
    for name, encode_decode in codecs.items():
        for rate in rates:
            start = time.perf_counter()
            size, decoded = encode_decode(db, valid, rate)
            seconds = time.perf_counter() - start
            if decoded.shape != db.shape or not np.isfinite(decoded[valid]).all():
                raise VerifyError(f"{name} at {rate} bpp did not return every valid pixel of {scene}")
            point = RdPoint(
                scene=scene,
                codec=name,
                wanted_bpp=rate,
                bytes=size,
                bpp=8 * size / db.size,
                rmse_db=metrics.rmse_db(db, decoded, valid),
                psnr_db=metrics.psnr_db(db, decoded, valid),
                ssim=metrics.ssim(db, decoded, valid),
                seconds=seconds,
            )
            points.append(point)
            if on_decoded is not None:
                on_decoded(point, decoded)
    return points


def compare(points: Sequence[RdPoint], *, reference: str, test: str) -> list[Comparison]:
    """BD-rate of `test` against `reference` on every scene, in the order of the scenes."""
    found = []
    for scene in dict.fromkeys(point.scene for point in points):
        curves = []
        for codec in (reference, test):
            # Two wanted rates may end in one file; a curve takes it once.
            curve = {p.rmse_db: p.bpp for p in points if (p.scene, p.codec) == (scene, codec)}
            curves += [list(curve.values()), list(curve)]
        try:
            found.append(Comparison(scene, metrics.bd_rate(*curves)))
        except InputError:
            found.append(Comparison(scene, None))
    return found


def mean_percent(comparisons: Sequence[Comparison]) -> float | None:
    """Mean BD-rate in percent over the scenes that have one; None where none has."""
    found = [c.bd.percent for c in comparisons if c.bd is not None]
    return sum(found) / len(found) if found else None
