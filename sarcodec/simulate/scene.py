"""A whole scene: ground, speckle and border, streamed by row blocks as stored values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sarcodec import limits
from sarcodec.errors import UsageError
from sarcodec.simulate import reflectivity, speckle, targets
from sarcodec.simulate.lattice import Floats
from sarcodec.types import Scale

BANDS = ("VV", "VH")  # dual polarisation as over land; each has speckle of its own
DN_GAIN = 600.0  # DN of 0 dB: the calibration constant of Sentinel-1 IW GRD is of this size
STRIP = 128  # rows made at a time: the filter's reach then costs a tenth, and a strip stays small


@dataclass(frozen=True)
class SceneSpec:
    """What to simulate.

    Attributes
    ----------
    width, height : int
        Pixels.
    bands : tuple of str
        "VV", "VH" or both.
    scale : Scale
        ``DN`` gives uint16 amplitude, ``POWER`` and ``DB`` float32.
    enl : float
        Equivalent number of looks, 1 to 256.
    oversampling : float
        Of the detected image, 0.5 to 4; the default gives a lag-1 correlation of 0.65.
    seed : int
        0 to 2**64 - 1.
    date : int
        0 to 65535: the same ground on another day, that is, under other speckle.
    border : int or None
        Mean width of the nodata border in pixels; None takes 1/64 of the shorter side.

    Raises
    ------
    UsageError
        If a value is out of range.
    LimitError
        If a side or the number of pixels is above the limits.
    """

    width: int
    height: int
    bands: tuple[str, ...] = ("VV",)
    scale: Scale = Scale.DN
    enl: float = 4.4
    oversampling: float = 1.3
    seed: int = 0
    date: int = 0
    border: int | None = None

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 1:
            raise UsageError(
                f"size {self.width}x{self.height} has no pixels", hint="Give a side of 1 pixel or more."
            )
        limits.check("side", max(self.width, self.height), limits.DEFAULT.side)
        limits.check("number of pixels", self.width * self.height, limits.DEFAULT.pixels)
        if not self.bands or len(set(self.bands)) < len(self.bands) or not set(self.bands) <= set(BANDS):
            raise UsageError(
                f"bands {','.join(self.bands) or '(none)'} cannot be simulated", hint="Use VV, VH or VV,VH."
            )
        if self.scale not in (Scale.DN, Scale.POWER, Scale.DB):
            raise UsageError(f"scale {self.scale.value} cannot be simulated", hint="Use dn, power or db.")
        if not 0 <= self.seed < 2**64:
            raise UsageError(
                f"seed is {self.seed}, outside 0 .. 2**64 - 1", hint="Use a small non-negative integer."
            )
        if not 0 <= self.date < 2**16:
            raise UsageError(
                f"date is {self.date}, outside 0 .. 65535", hint="Number the dates of a place from 0."
            )
        if self.margin < 0 or (self.margin and 4 * self.margin > min(self.width, self.height)):
            raise UsageError(
                f"border is {self.margin} pixels of {self.width}x{self.height}",
                hint="Use at most a quarter of the shorter side, 0 for none.",
            )
        speckle.look_weights(self.enl)
        speckle.LowPass(self.oversampling)

    @property
    def margin(self) -> int:
        """Mean width of the nodata border, pixels."""
        return min(self.width, self.height) // 64 if self.border is None else self.border

    @property
    def dtype(self) -> str:
        """Sample type of the stored values."""
        return "uint16" if self.scale is Scale.DN else "float32"

    @property
    def nodata(self) -> float:
        """Value outside the frame: 0 on linear scales, NaN where 0 dB is a value."""
        return float("nan") if self.scale is Scale.DB else 0.0


@dataclass(frozen=True)
class SceneBlock:
    """Rows of a scene.

    Attributes
    ----------
    row : int
        First row.
    values : ndarray, shape (bands, n, width), uint16 or float32
        As stored, nodata outside the frame.
    truth : ndarray, shape (bands, n, width), float32
        The same without speckle: power (DN squared for DN) or dB; empty unless asked for.
    """

    row: int
    values: npt.NDArray[np.uint16] | Floats
    truth: Floats


@dataclass(frozen=True)
class Scene:
    """Makes any rows of the scene that `spec` describes."""

    spec: SceneSpec
    _psf: speckle.LowPass = field(init=False, repr=False)
    _weights: Floats = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_psf", speckle.LowPass(self.spec.oversampling))
        object.__setattr__(self, "_weights", speckle.look_weights(self.spec.enl))

    def blocks(self, rows: int = 256, *, truth: bool = False) -> Iterator[SceneBlock]:
        """All rows from the top, `rows` at a time."""
        for start in range(0, self.spec.height, rows):
            yield self.block(start, min(start + rows, self.spec.height), truth=truth)

    def block(self, start: int, stop: int, *, truth: bool = False) -> SceneBlock:
        """Rows `start` to `stop`; the values do not depend on how a scene is cut into blocks."""
        shape = (len(self.spec.bands), stop - start, self.spec.width)
        values = np.empty(shape, self.spec.dtype)
        clean = np.empty(shape if truth else (0, 0, 0), np.float32)
        for top in range(start, stop, STRIP):
            bottom = min(top + STRIP, stop)
            at = slice(top - start, bottom - start)
            self._strip(top, bottom, values[:, at], clean[:, at] if truth else None)
        return SceneBlock(start, values, clean)

    def valid(self, start: int, stop: int) -> npt.NDArray[np.bool_]:
        """Tell where the frame is, True inside, shape (n, width); its sides are slightly slanted."""
        width, height, margin = self.spec.width, self.spec.height, self.spec.margin
        if not margin:
            return np.ones((stop - start, width), bool)
        # Integers only, so that the sides are the same everywhere; each drifts by one margin from end to end.
        row = np.arange(start, stop)[:, None]
        col = np.arange(width)[None, :]
        left = margin // 2 + (margin * row) // height
        top = margin // 2 + (margin * (width - 1 - col)) // width
        return np.asarray(
            (col >= left)
            & (col < left + width - 2 * margin)
            & (row >= top)
            & (row < top + height - 2 * margin)
        )

    def _strip(
        self, top: int, bottom: int, values: npt.NDArray[np.uint16] | Floats, clean: Floats | None
    ) -> None:
        spec, reach = self.spec, self._psf.reach
        rows, cols = range(top - reach, bottom + reach), range(-reach, spec.width + reach)
        ground = reflectivity.cover(spec.seed, rows, cols)
        outside = ~self.valid(top, bottom)
        peak_gain = float(self._psf.taps[0]) ** 4
        for index, band in enumerate(spec.bands):
            power = reflectivity.backscatter(ground, cols, spec.width, band)
            points = targets.amplitudes(ground, spec.seed, rows, cols, band, peak_gain)
            seen = speckle.multilook(
                power, points, rows,
                seed=spec.seed, band=BANDS.index(band) + len(BANDS) * spec.date,
                weights=self._weights, psf=self._psf,
            )  # fmt: skip
            values[index] = self._stored(seen)
            values[index][outside] = spec.nodata
            if clean is not None:
                clean[index] = self._truth(speckle.expected(power, points, self._psf))
                clean[index][outside] = spec.nodata

    def _stored(self, power: Floats) -> npt.NDArray[np.uint16] | Floats:
        """Linear power to stored values: finite, above zero and, as DN, within 1 .. 65535."""
        if self.spec.scale is Scale.DN:
            dn = np.rint(np.sqrt(power) * np.float32(DN_GAIN))
            return np.asarray(np.clip(dn, 1, 65535), np.uint16)
        return _decibels(power) if self.spec.scale is Scale.DB else np.maximum(power, np.float32(1e-9))

    def _truth(self, power: Floats) -> Floats:
        if self.spec.scale is Scale.DN:
            return power * np.float32(DN_GAIN**2)
        return _decibels(power) if self.spec.scale is Scale.DB else power


def _decibels(power: Floats) -> Floats:
    return np.asarray(10 * np.log10(np.maximum(power, np.float32(1e-9))), np.float32)
