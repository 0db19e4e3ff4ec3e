"""What the pixel values of a raster are: which types can be coded, and how the scale is guessed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.errors import InputError
from sarcodec.invalid import DB_LIMIT, Values, native_nodata
from sarcodec.types import Scale

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
"""Pixel types that can be coded."""

_DB_BULK = (-80.0, 60.0)  # no calibrated backscatter and no common DN lies outside
_DN_LIMIT = 65535.0
_NAMES = {**{scale.value: scale for scale in Scale}, "intensity": Scale.POWER}


def check_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return `dtype` as a numpy dtype, or raise `InputError` where it cannot be coded."""
    found = np.dtype(dtype)
    if found.name in DTYPES:
        return found
    hint = "Detect it first: code the amplitude abs(z) or the power abs(z)**2."
    raise InputError(
        f"pixels of type {found.name} cannot be coded",
        hint=hint if found.kind == "c" else f"Convert it to one of {', '.join(DTYPES)}.",
    )


def detect_scale(
    dtype: npt.DTypeLike, tags: Mapping[str, str], sample: Values, *, nodata: float | None = None
) -> Scale:
    """Guess what the pixel values are; ``--scale`` overrides it.

    1. A tag ``SCALE`` (any case) of dn, amplitude, power, intensity or db decides.
    2. Integers are DN.
    3. Floats with negative values are decibels where the 1st to 99th percentile lies in -80..+60 and the
       median is at least 1 away from 0. Otherwise they are power with noise subtracted: calibrated power
       has its median within 1 of 0.
    4. Floats without negative values are amplitude where all are whole numbers up to 65535 (DN kept as
       float), and power otherwise. Decibels that are all positive look like power: use ``--scale db``.

    Parameters
    ----------
    dtype : dtype
        Native dtype of the band.
    tags : mapping
        Tags of the default namespace, of the band or of the dataset.
    sample : ndarray, any shape, native dtype
        Some pixels; NaN, infinities, `nodata` and values below -450 (sentinels) are left out.
    nodata : float, optional

    Raises
    ------
    InputError
        The dtype cannot be coded.
    """
    kind = check_dtype(dtype).kind
    for key, text in tags.items():
        if key.upper() == "SCALE" and text.strip().lower() in _NAMES:
            return _NAMES[text.strip().lower()]
    if kind in "iu":
        return Scale.DN
    kept = np.isfinite(sample) & (sample >= -DB_LIMIT)
    native = native_nodata(nodata, sample.dtype)
    bulk = sample[kept if native is None else kept & (sample != native)]
    if bulk.size == 0:
        return Scale.POWER
    if bulk.min() < 0:
        low, median, high = np.percentile(bulk, (1, 50, 99))
        plausible = low >= _DB_BULK[0] and high <= _DB_BULK[1] and abs(median) >= 1
        return Scale.DB if plausible else Scale.POWER
    whole = 1 < bulk.max() <= _DN_LIMIT and bool((bulk == np.rint(bulk)).all())
    return Scale.AMPLITUDE if whole else Scale.POWER
