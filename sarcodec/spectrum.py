r"""From the correlation of speckle's power to a filter for normal noise.

If :math:`v(z)` is a function of normal z with the Hermite coefficients :math:`c_k`, the correlation of v at
two places whose z have the correlation :math:`\rho` is
:math:`\sum_{k \ge 1} c_k^2 \rho^k / k! \, / \sum_{k \ge 1} c_k^2 / k!` (Mehler's formula; A. Papoulis,
*Probability, Random Variables, and Stochastic Processes*). The filter is the inverse Fourier transform of
the root of the power spectrum.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

LAGS = 8
"""Largest lag that is looked at, pixels."""
ORDERS = 12
_PAD = 32  # sides of transforms are multiples: no large primes

Doubles = npt.NDArray[np.float64]


def correlation(values: Doubles, valid: npt.NDArray[np.bool_]) -> Doubles | None:
    """Autocorrelation over all pairs of valid pixels, None without variance.

    Parameters
    ----------
    values : float64 array, shape (h, w)
        Of zero mean, 0 where not valid.

    Returns
    -------
    float64 array, shape (LAGS + 1, LAGS + 1)
        Lags down and to the right; both diagonals together.
    """
    size = tuple(-(-(length + LAGS) // _PAD) * _PAD for length in values.shape)
    covariance, pairs = (
        np.fft.irfft2(np.square(np.abs(np.fft.rfft2(a, size))), size) for a in (values, valid.astype(float))
    )
    n = np.arange(LAGS + 1)
    sums, counts = (a[np.ix_(n, n)] + a[np.ix_(-n, n)] for a in (covariance, pairs))
    rho = sums / np.maximum(counts, 1)
    return np.asarray(rho / rho[0, 0]) if rho[0, 0] > 0 else None


def normal_correlation(rho: Doubles, sigma: float, b: float) -> Doubles:
    r"""Correlation of normal z for which :math:`10^{\sigma q(z) / 10}` has the correlation `rho`.

    Parameters
    ----------
    sigma : float
        dB.
    b : float
        Weight of the square in q, see :mod:`sarcodec.corrections.texture_noise`.
    """
    known = np.linspace(-1, 1, 401)
    weights = _weights(round(sigma, 2), round(b, 3))
    image = np.maximum.accumulate(sum(w * known**k for k, w in enumerate(weights, 1)))
    return np.asarray(np.interp(rho, image / image[-1], known))


@lru_cache(maxsize=64)
def _weights(sigma: float, b: float) -> list[float]:
    """Coefficients of the powers of the correlation of z, from the first power on."""
    z = np.linspace(-8, 8, 1601)
    share = 10 ** (sigma / 10 * (z + b * (z * z - 1)) / math.sqrt(1 + 2 * b * b)) * np.exp(-z * z / 2)
    share /= share.sum()
    before, hermite, out = np.ones(z.shape), z, []
    for k in range(1, ORDERS):
        out.append(float((share * hermite).sum()) ** 2 / math.factorial(k))
        before, hermite = hermite, z * hermite - k * before
    return out


def kernel_of(rho: Doubles, reach: int) -> Doubles:
    """One quadrant of the filter of zero phase, shape (reach + 1, reach + 1), over its centre.

    Parameters
    ----------
    rho : float64 array, shape (LAGS + 1, LAGS + 1)
        Correlation of what comes out of it.
    """
    n = np.arange(-LAGS, LAGS + 1)
    window = np.cos(np.pi * n / (2 * LAGS + 2))
    full = np.zeros((4 * LAGS, 4 * LAGS))
    full[np.ix_(n, n)] = rho[np.abs(n)[:, None], np.abs(n)] * np.outer(window, window)
    spectrum = np.maximum(np.fft.fft2(full).real, 0)
    quadrant = np.fft.ifft2(np.sqrt(spectrum)).real[: reach + 1, : reach + 1]
    return np.asarray(quadrant / quadrant[0, 0])
