r"""Detected, multilooked, band-limited speckle.

Each look is circular complex white Gaussian noise, scaled by the root of the ground's power, low-passed
by one separable filter (the point-spread function), and detected as :math:`|z|^2`.

Number of looks. For independent looks with weights :math:`w_k` the equivalent number of looks is
:math:`E = (\sum w_k)^2 / \sum w_k^2` (Oliver and Quegan, *Understanding Synthetic Aperture Radar Images*,
section 4.3). With :math:`n = \lceil E \rceil` looks, all but the last of weight 1 and the last of weight
:math:`w`, this is :math:`(E-1) w^2 - 2 m w + m (E-m) = 0` where :math:`m = n-1`; its smaller root lies
within 0 .. 1 and gives any real :math:`E \ge 1`.

Correlation. The intensity correlation of circular Gaussian fields is the squared magnitude of the complex
one, so at lag 1 it is :math:`(\sum h_n h_{n+1})^2` for taps of unit energy.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from sarcodec.errors import UsageError
from sarcodec.simulate.lattice import Floats

MAX_ENL = 256.0
_CHUNK = 1 << 15  # samples filtered at a time, so that the running sums stay in the L2 cache


def look_weights(enl: float) -> Floats:
    """Weights of independent looks, summing to 1, whose equivalent number of looks is `enl`.

    Returns
    -------
    ndarray, shape (ceil(enl),), float32

    Raises
    ------
    UsageError
        If `enl` is not within 1 .. 256.
    """
    if not 1.0 <= enl <= MAX_ENL:
        raise UsageError(
            f"ENL is {enl}, outside 1 .. {MAX_ENL:g}", hint="Sentinel-1 IW GRD has an ENL of about 4.4."
        )
    count = int(np.ceil(enl))
    weights = np.ones(count)
    if count > enl:
        n, e = count - 1, enl
        # Cancellation-free smaller root of (e - 1) w^2 - 2 n w + n (e - n) = 0.
        weights[-1] = n * (e - n) / (n + np.sqrt(n * n - (e - 1) * n * (e - n)))
    return np.asarray(weights / weights.sum(), np.float32)


@dataclass(frozen=True)
class LowPass:
    """Separable point-spread function of a given oversampling.

    The complex field keeps the band ``1 / (2 * oversampling)`` cycles per pixel. Detection doubles the
    band, so 1 is the sampling that the detected image just needs and Sentinel-1 IW GRD lies near 1.4.
    """

    oversampling: float

    def __post_init__(self) -> None:
        if not 0.5 <= self.oversampling <= 4.0:
            raise UsageError(
                f"oversampling is {self.oversampling}, outside 0.5 .. 4",
                hint="0.5 gives white speckle, 1.4 that of Sentinel-1 IW GRD.",
            )

    @property
    def reach(self) -> int:
        """Pixels to each side that the filter reads."""
        return int(np.ceil(3 * self.oversampling))

    @cached_property
    def taps(self) -> Floats:
        """Sinc under a Hann window, unit energy: the centre tap, then one side (the other mirrors it)."""
        n = np.arange(self.reach + 1)
        side = np.sinc(n / (2 * self.oversampling)) * np.cos(np.pi * n / (2 * self.reach + 2)) ** 2
        return np.asarray(side / np.sqrt(2 * np.sum(side**2) - side[0] ** 2), np.float32)

    def correlation(self, lag: int) -> float:
        """Correlation coefficient of the detected, homogeneous image at `lag` pixels along an axis."""
        taps = np.concatenate([self.taps[:0:-1], self.taps]).astype(np.float64)
        return float(np.sum(taps[lag:] * taps[: taps.size - lag]) ** 2) if lag < taps.size else 0.0

    def apply(self, field: Floats, *, energy: bool = False) -> Floats:
        """Filter rows and columns; with `energy` the squared taps, which is what mean power sees.

        Parameters
        ----------
        field : ndarray, shape (k, n, m), float32

        Returns
        -------
        ndarray, shape (k, n - 2 * reach, m - 2 * reach), float32
        """
        taps = self.taps**2 if energy else self.taps
        reach, (planes, height, width) = self.reach, field.shape
        inner = width - 2 * reach
        out = np.empty((planes, height - 2 * reach, inner), np.float32)
        step = max(1, _CHUNK // (planes * width))
        for top in range(0, out.shape[1], step):
            count = min(step, out.shape[1] - top)
            centre, across = top + reach, out[:, top : top + count]
            down = field[:, centre : centre + count] * taps[0]
            part = np.empty_like(down)
            for k in range(1, reach + 1):
                np.add(
                    field[:, centre - k : centre - k + count],
                    field[:, centre + k : centre + k + count],
                    out=part,
                )
                part *= taps[k]
                down += part
            np.multiply(down[:, :, reach : reach + inner], taps[0], out=across)
            part = part[:, :, :inner]
            for k in range(1, reach + 1):
                np.add(
                    down[:, :, reach - k : reach - k + inner],
                    down[:, :, reach + k : reach + k + inner],
                    out=part,
                )
                part *= taps[k]
                across += part
        return out


@lru_cache(maxsize=1)
def _quantiles() -> Floats:
    """Tabulate normal quantiles at the 65536 midpoints, unit variance: 16 random bits -> a value.

    Cut at 4.3 sigma, which the sum over the filter's taps does not show, and six times faster than a
    ziggurat; it also takes a fixed number of bits, so a column is found by counting.
    """
    inverse = NormalDist().inv_cdf
    upper = np.array([inverse((k + 0.5) / 65536) for k in range(32768, 65536)])
    return np.asarray(np.concatenate([-upper[::-1], upper]) / np.sqrt(np.mean(upper**2)), np.float32)


def white_noise(seed: int, band: int, look: int, rows: range, width: int) -> Floats:
    """Real and imaginary parts of white noise, each of unit variance.

    The Philox key is (seed, band and look) and the counter's top words are (part, row), so rows are
    independent streams that can be made in any order; a wider scene repeats a narrower one and goes on.

    Returns
    -------
    ndarray, shape (2, len(rows), width), float32
    """
    generator = np.random.Philox(key=np.array([seed, (band << 32) | look], np.uint64))
    state = generator.state
    counter = state["state"]["counter"]
    table = _quantiles()
    field = np.empty((2, len(rows), width), np.float32)
    for part in range(2):
        for k, row in enumerate(rows):
            counter[:] = (0, 0, part, row & 0xFFFFFFFFFFFFFFFF)
            generator.state = state
            words = np.asarray(generator.random_raw(-(-width // 4)), "<u8")
            bits: npt.NDArray[np.uint16] = words.view("<u2")
            np.take(table, bits[:width], out=field[part, k], mode="clip")
    return field


def multilook(
    power: Floats, targets: Floats | None, rows: range, *, seed: int, band: int, weights: Floats, psf: LowPass
) -> Floats:
    """Speckled power of a scene.

    Parameters
    ----------
    power : ndarray, shape (n + 2 * reach, m + 2 * reach), float32
        Linear power of the ground, with the filter's reach on every side.
    targets : ndarray, shape (2, *power.shape), float32, or None
        Real and imaginary amplitude of point targets; the same in every look, added before the filter.
    rows : range
        Absolute rows of `power`.

    Returns
    -------
    ndarray, shape (n, m), float32
        Detected power, averaged over the looks.
    """
    reach = psf.reach
    root = np.sqrt(power * np.float32(0.5))
    out = np.zeros((power.shape[0] - 2 * reach, power.shape[1] - 2 * reach), np.float32)
    for look, weight in enumerate(weights):
        field = white_noise(seed, band, look, rows, power.shape[1])
        field *= root
        if targets is not None:
            field += targets
        field = psf.apply(field)
        field *= field
        field[0] += field[1]
        field[0] *= weight
        out += field[0]
    return out


def expected(power: Floats, targets: Floats | None, psf: LowPass) -> Floats:
    """Mean of `multilook` over all speckle: what infinitely many looks would show.

    Returns
    -------
    ndarray, shape (n, m), float32
        Linear power.
    """
    mean: Floats = psf.apply(power[None], energy=True)[0]
    if targets is not None:
        sharp = psf.apply(targets)
        mean += sharp[0] ** 2 + sharp[1] ** 2
    return mean
