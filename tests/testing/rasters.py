"""Hypothesis strategies for rasters of every kind, and the rules for which pixels are data, written again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from sarcodec.types import Scale

Array = npt.NDArray[Any]

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
QUALITIES = st.one_of(st.sampled_from([1, 50, 100]), st.integers(1, 100), st.floats(1, 100))
SIDES = st.one_of(st.sampled_from([1, 2, 15, 16, 17, 64]), st.integers(1, 40), st.integers(1, 300))
TILED = st.one_of(st.sampled_from([1, 255, 256, 257, 300]), st.integers(200, 300))
"""Sides about that of a tile of 256 pixels."""
FORMS = ("border", "slanted", "scattered", "block", "column", "pixel", "all")
PATTERNS = ("speckle", "speckle", "constant", "two", "wide", "ramp", "noise")


@dataclass(frozen=True)
class Raster:
    """Pixels, shape (bands, height, width), with what an encoder is told of them."""

    cube: Array
    scale: Scale
    nodata: float | None

    @property
    def bits(self) -> Array:
        """The pixels as unsigned integers of their size."""
        return self.cube.view(f"u{self.cube.itemsize}")

    @property
    def data(self) -> Array:
        """Which pixels are data, bool, shape of `cube`."""
        return is_data(self.cube, self.scale, self.nodata)


def is_data(values: Array, scale: Scale, nodata: float | None) -> Array:
    """Finite, not nodata as the dtype holds it, above 0 on linear scales, at most 450 away from 0 dB."""
    whole = values.dtype.kind in "iu"
    with np.errstate(all="ignore"):
        wide = values.astype(np.float64)
        valid = np.isfinite(wide) & (np.abs(wide) <= 450 if scale is Scale.DB and not whole else True)
        if scale is not Scale.DB:
            valid &= wide > 0
        if nodata is not None:
            valid &= wide != (nodata if whole else float(np.float64(nodata).astype(values.dtype)))
    return np.asarray(valid)


def _decibels(draw: st.DrawFn, shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """Decibels of a band without holes, float64."""
    pattern = draw(st.sampled_from(PATTERNS))
    rows, cols = np.linspace(0, 1, shape[0])[:, None], np.linspace(0, 1, shape[1])
    if pattern == "speckle":
        found = 8 * np.sin(3 * rows + 2 * cols) + 10 * np.log10(np.maximum(rng.gamma(4, 0.25, shape), 1e-9))
    elif pattern == "constant":
        found = np.zeros(shape)
    elif pattern == "two":
        found = draw(st.sampled_from([1.0, 30.0, 120.0])) * (rng.random(shape) < 0.5)
    elif pattern == "wide":
        found = rng.uniform(-100, 100, shape)
    elif pattern == "ramp":
        found = 60 * (rows - cols)
    else:
        found = rng.normal(0, draw(st.sampled_from([0.01, 3.0, 20.0])), shape)
    return np.asarray(found, np.float64)


def _native(db: Array, scale: Scale, dtype: np.dtype[Any], centre: float) -> Array:
    """Pixels of decibels: clipped to valid integers, to anything finite for floats."""
    if scale is Scale.DB:
        values = db + min(centre, 0)
    else:
        values = 10 ** ((db + centre) / (10 if scale is Scale.POWER else 20))
    if dtype.kind == "f":
        return values.astype(dtype)
    info = np.iinfo(dtype)
    lowest = int(info.min) if scale is Scale.DB else 1
    native: Array = np.clip(np.rint(values), lowest, int(info.max)).astype(dtype)
    return native


def _odd_values(dtype: np.dtype[Any]) -> list[float]:
    """Zeros, negatives, sentinels and ends of the range, as far as the dtype holds them."""
    if dtype.kind == "f":
        info = np.finfo(dtype)
        ends = [float(info.max), float(info.min), float(info.tiny), float(info.smallest_subnormal)]
        return [0.0, -0.0, -1.5, -9999.0, -32768.0, math.nan, math.inf, -math.inf, *ends]
    limits = np.iinfo(dtype)
    known = [0, 1, -1, -7, 255, -9999, -32768, 65535, int(limits.min), int(limits.max)]
    return [value for value in known if limits.min <= value <= limits.max]


def _where(draw: st.DrawFn, shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """Pixels to overwrite, bool, shape `shape`."""
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    row, col = draw(st.integers(0, shape[0] - 1)), draw(st.integers(0, shape[1] - 1))
    form = draw(st.sampled_from(FORMS))
    forms: dict[str, Array] = {
        "border": (cols <= shape[1] // 5) | (rows > 0.9 * shape[0]),
        "slanted": cols < row / 3 + 0.21 * rows,
        "scattered": rng.random(shape) < draw(st.sampled_from([0.01, 0.3, 0.9])),
        "block": (rows >= row) & (rows < row + 20) & (cols >= col) & (cols < col + 30),
        "column": cols == col,
        "pixel": (rows == row) & (cols == col),
        "all": np.ones(shape, bool),
    }
    return forms[form]


@st.composite
def rasters(
    draw: st.DrawFn,
    *,
    sides: st.SearchStrategy[int] = SIDES,
    dtypes: tuple[str, ...] = DTYPES,
    most_bands: int = 3,
) -> Raster:
    """Rasters of any type, scale and size, some pixels overwritten by what is not data, or hardly."""
    dtype, scale = np.dtype(draw(st.sampled_from(dtypes))), draw(st.sampled_from(Scale))
    shape = (draw(sides), draw(sides))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    centre = draw(st.sampled_from([-40.0, -12.0, 25.0, 55.0, 90.0]))
    odd = _odd_values(dtype)
    numbers = st.integers(-40000, 70000) if dtype.kind in "iu" else st.floats(-1e5, 1e5)
    nodata = draw(st.one_of(st.none(), st.sampled_from(odd), st.just(math.nan), st.just(0.5), numbers))
    cube = np.stack(
        [
            _native(_decibels(draw, shape, rng), scale, dtype, centre)
            for _ in range(draw(st.integers(1, most_bands)))
        ]
    )
    bits = cube.view(f"u{dtype.itemsize}")
    for _ in range(draw(st.integers(0, 4))):
        here = _where(draw, shape, rng)
        band = draw(st.integers(0, len(cube) - 1))
        if dtype.kind == "f" and draw(st.integers(0, 4)) == 0:
            payload = draw(st.integers(1, 2 ** (23 if dtype.itemsize == 4 else 52) - 1))
            bits[band][here] = int(np.array(-math.inf, dtype).view(bits.dtype)) | payload
        elif nodata is not None and draw(st.booleans()) and _holds(dtype, nodata):
            cube[band][here] = nodata
        else:
            cube[band][here] = draw(st.sampled_from(odd))
    return Raster(cube, scale, nodata)


def _holds(dtype: np.dtype[Any], value: float) -> bool:
    """Whether a pixel can be `value`."""
    if dtype.kind == "f":
        return True
    return (
        math.isfinite(value) and value == int(value) and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max
    )


@st.composite
def windows(draw: st.DrawFn, height: int, width: int) -> tuple[int, int, int, int]:
    """(col, row, width, height) of any rectangle within a raster, small ones and edges of tiles often."""
    edges = [at for at in (0, 15, 16, 250, 255, 256, 257, 299) if at < min(height, width)]
    sides = st.one_of(st.integers(1, 300), st.integers(1, 4))
    col = draw(st.one_of(st.integers(0, width - 1), st.sampled_from(edges)))
    row = draw(st.one_of(st.integers(0, height - 1), st.sampled_from(edges)))
    return col, row, min(draw(sides), width - col), min(draw(sides), height - row)
