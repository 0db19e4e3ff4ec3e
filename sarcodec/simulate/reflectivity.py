"""The ground: normalised radar cross section as a function of seed, absolute row and column.

Land is cut into curved regions, each farmland, pasture or forest; farmland into rows of rectangular
fields along the region's own direction. Rivers and lakes follow level lines of smooth noise, towns grow
where a third noise is high, and slopes facing the sensor are bright. Levels are those of C band at 10 m.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.bitstream.noise_hash import hash32
from sarcodec.simulate.lattice import Floats, fractal, noise, uniform

REGION = (360, 300)  # pixels, width and height of a region before warping
NOISE_FLOOR_DB = -25.0  # noise-equivalent sigma nought of Sentinel-1 IW at mid swath

# Keys that keep the random fields apart.
_WARP_ROW, _WARP_COL, _TERRAIN, _RELIEF, _LAKE, _RIVER, _TOWN, _WIND, _MOTTLE = range(1, 10)
_SHIFT, _AREA, _FIELD_ROW, _FIELD, _BLOCK = range(20, 25)

_WARP_OCTAVES = ((512, 1.0), (128, 0.25), (32, 0.05))
_TERRAIN_OCTAVES = ((384, 1.0), (128, 0.42), (48, 0.2), (20, 0.09))
_RELIEF_OCTAVES = ((2048, 1.0), (512, 0.5))
_LAKE_OCTAVES = ((1024, 0.8), (256, 0.35), (64, 0.08), (24, 0.03))
_RIVER_OCTAVES = ((1024, 1.0), (384, 0.35), (96, 0.06))
_TOWN_OCTAVES = ((768, 0.8), (192, 0.5), (48, 0.15))
_WIND_OCTAVES = ((1024, 1.0), (256, 0.8), (64, 0.3))
_CHUNK_ROWS = 64  # keeps the some forty intermediate arrays in the cache
_DECIBEL = np.float32(np.log(10) / 10)


def _ramp(values: Floats) -> Floats:
    """Smooth step from 0 at -1/2 to 1 at 1/2."""
    t = np.clip(values + np.float32(0.5), 0, 1)
    return np.asarray(t * t * (np.float32(3) - np.float32(2) * t), np.float32)


def _power(db: Floats) -> Floats:
    return np.asarray(np.exp(db * _DECIBEL), np.float32)


@dataclass(frozen=True)
class Cover:
    """What lies on a window of the ground.

    Attributes
    ----------
    land : ndarray, shape (n, m), float32
        Co-polarised sigma nought of the land, dB.
    cross : ndarray, shape (n, m), float32
        How far VH lies below VV on land, dB.
    wind : ndarray, shape (n, m), float32
        Sigma nought of open water relative to its mean, dB.
    water, town : ndarray, shape (n, m), float32
        Cover fractions, 0 to 1.
    """

    land: Floats
    cross: Floats
    wind: Floats
    water: Floats
    town: Floats


@dataclass(frozen=True)
class _Regions:
    """Per-pixel properties of the region a pixel lies in; arrays of shape (n, m)."""

    key: npt.NDArray[np.uint32]
    along: Floats
    across: Floats
    row_height: Floats
    contrast: Floats
    level: Floats
    forest: Floats
    margin: Floats
    border: Floats


def _regions(seed: int, rows: range, cols: range) -> _Regions:
    """Warped brick lattice; `along` and `across` count fields in the region's own direction."""
    x = np.arange(cols.start, cols.stop, dtype=np.float32)[None, :]
    y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None]
    u = (fractal(rows, cols, _WARP_OCTAVES, _WARP_COL, seed) * np.float32(130) + x) / np.float32(REGION[0])
    v = (fractal(rows, cols, _WARP_OCTAVES, _WARP_ROW, seed) * np.float32(130) + y) / np.float32(REGION[1])
    j = np.floor(v).astype(np.int32)
    v -= j
    first = int(j.min())
    u += uniform(hash32(seed, _SHIFT, np.arange(first, int(j.max()) + 1)))[j - first]
    i = np.floor(u).astype(np.int32)
    u -= i
    left, span = int(i.min()), int(i.max()) - int(i.min()) + 1
    keys = hash32(
        seed, _AREA, np.arange(first, int(j.max()) + 1)[:, None], np.arange(left, left + span)
    ).ravel()
    number = (j - first) * span + (i - left)

    def draw(k: int) -> Floats:
        return uniform(hash32(keys, k))

    kind, angle = draw(0), draw(1) * np.float32(np.pi)
    length, height = 24 + 64 * draw(2) ** 2, 9 + 22 * draw(3) ** 2
    farm, forest = kind < 0.6, kind > 0.8
    contrast = np.where(farm, 2.0 + 3.5 * draw(4), np.where(forest, 0.3, 1.0)).astype(np.float32)
    level = np.where(forest, 1.6, 2.4 * draw(5) - 1.4).astype(np.float32)
    margin = np.where(farm, 5 * draw(6) - 2, 0).astype(np.float32)

    def spread(table: npt.NDArray[Any]) -> Floats:
        return np.asarray(np.take(table.astype(np.float32), number), np.float32)

    along = x * spread(np.cos(angle) / length) + y * spread(np.sin(angle) / length)
    across = y * spread(np.cos(angle) / height) - x * spread(np.sin(angle) / height)
    border = np.minimum(
        np.minimum(u, 1 - u) * np.float32(REGION[0]), np.minimum(v, 1 - v) * np.float32(REGION[1])
    )
    return _Regions(
        np.take(keys, number), along, across, spread(height), spread(contrast), spread(level),
        spread(forest.astype(np.float32)), spread(margin), np.asarray(border, np.float32),
    )  # fmt: skip


def cover(seed: int, rows: range, cols: range) -> Cover:
    """Land cover of a window; rows and columns may lie outside the raster."""
    whole = Cover(*(np.empty((len(rows), len(cols)), np.float32) for _ in fields(Cover)))
    for top in range(0, len(rows), _CHUNK_ROWS):
        part = _cover(seed, rows[top : top + _CHUNK_ROWS], cols)
        for item in fields(Cover):
            getattr(whole, item.name)[top : top + _CHUNK_ROWS] = getattr(part, item.name)
    return whole


def _cover(seed: int, rows: range, cols: range) -> Cover:
    area = _regions(seed, rows, cols)
    strip = np.floor(area.across)
    inside = area.across - strip
    strip_key = hash32(area.key, _FIELD_ROW, strip.astype(np.int32))
    cell = np.floor(area.along + uniform(strip_key) * np.float32(7)).astype(np.int32)
    cell >>= (strip_key & np.uint32(1)).astype(np.int32)  # half of the rows have fields twice as long
    field = hash32(strip_key, _FIELD, cell)
    # Two 16-bit halves of one hash: the sum of two uniforms for VV, the low half alone for VH.
    low = (field & np.uint32(0xFFFF)).astype(np.float32) * np.float32(2.0**-16)
    high = (field >> np.uint32(16)).astype(np.float32) * np.float32(2.0**-16)
    land = (low + high - np.float32(1)) * area.contrast + area.level
    cross = np.float32(7.2) + (low - np.float32(0.5)) * np.float32(1.4) - area.forest

    edge = np.minimum(inside, 1 - inside) * area.row_height
    land += area.margin * _ramp(np.float32(1.0) - edge)
    road = (area.key & np.uint32(3) == 0).astype(np.float32)
    land -= road * np.float32(5) * _ramp(np.float32(1.5) - area.border)
    mottle = noise(rows, cols, 4, _MOTTLE, seed)
    land += (np.float32(0.35) + np.float32(0.6) * area.forest) * mottle
    land += slope(seed, rows, cols)
    land -= np.float32(10.5)

    town = _ramp((fractal(rows, cols, _TOWN_OCTAVES, _TOWN, seed) - np.float32(1.25)) * np.float32(2.5))
    if town.any():
        block = uniform(hash32(field, _BLOCK, np.floor(area.along * 4).astype(np.int32)))
        street = _ramp(np.float32(1.8) - edge)
        land += town * (np.float32(1.5) + np.float32(9) * block**4 - np.float32(6) * street)
        cross += town * np.float32(0.8)

    lake = fractal(rows, cols, _LAKE_OCTAVES, _LAKE, seed)
    bank = fractal(rows, cols, _RIVER_OCTAVES, _RIVER, seed)
    width = np.float32(0.012) + np.float32(0.02) * np.clip(lake + np.float32(0.5), 0, None)
    water = np.maximum(
        _ramp((lake - np.float32(0.95)) * np.float32(180)),
        _ramp((width - np.abs(bank)) * np.float32(180)),
    )
    wind = np.zeros_like(water)
    if water.any():
        wind = fractal(rows, cols, _WIND_OCTAVES, _WIND, seed) * np.float32(1.2)
    return Cover(land, cross, wind, water, town * (1 - water))


def slope(seed: int, rows: range, cols: range) -> Floats:
    """Brightening of slopes that face the sensor, dB, shape (n, m); range runs along the columns."""
    wide = range(cols.start, cols.stop + 1)
    # The magnitude folds smooth noise into sharp valleys.
    height = np.abs(fractal(rows, wide, _TERRAIN_OCTAVES, _TERRAIN, seed))
    relief = np.clip(
        fractal(rows, cols, _RELIEF_OCTAVES, _RELIEF, seed) * 2 + np.float32(0.6), np.float32(0.15), 4
    )
    tilt = (height[:, 1:] - height[:, :-1]) * relief * np.float32(110)
    # Layover and shadow have a limit.
    return np.asarray(np.float32(6) * tilt / (np.float32(6) + np.abs(tilt)), np.float32)


def backscatter(ground: Cover, cols: range, width: int, band: str) -> Floats:
    """Linear power of a window, sigma nought plus thermal noise, shape (n, m), float32.

    Land loses 2.5 dB and water 6 dB from near to far range; the noise floor is lowest at mid swath.
    """
    across = (np.arange(cols.start, cols.stop, dtype=np.float32) / np.float32(width) - np.float32(0.5))[
        None, :
    ]
    cross_polarised = band in ("VH", "HV")
    land = ground.land - np.float32(2.5) * across
    water = ground.wind - np.float32(6) * across - np.float32(31.0 if cross_polarised else 21.0)
    if cross_polarised:
        land -= ground.cross
    # Mixed in power over the shore; the ramp is already smooth, the point-spread function does the rest.
    land_power, water_power = _power(land), _power(water)
    floor = _power(np.asarray(NOISE_FLOOR_DB + 8 * across * across, np.float32))
    return np.asarray(land_power + ground.water * (water_power - land_power) + floor, np.float32)
