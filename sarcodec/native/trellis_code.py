"""The trellis: two quantisers, and a machine of 256 states that the parity of each symbol drives.

State s has quantiser s mod 2: 0 has even multiples of a step, 1 odd ones and zero. The code is Ungerboeck's
(IEEE Communications Magazine 25(2), 1987; parity checks 515 and 362, octal).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

STATES: Final = 256
ODD_STATE, ODD_SYMBOL = 0o515 >> 1, 0o362 >> 1
"""What flips if the state, and if the symbol is odd."""
SCALES: Final = 64
"""Tables of one quantiser: deviations 2^((i - 16) / 5) quantiser steps, i = 0..63."""
MEAN_STEPS: Final = 16
"""Decoded latents are integers in sixteenths of a quantiser step."""
SHRUNK: Final = 3
"""Magnitudes with a reconstruction of their own: 1, 2, and all beyond."""
PIECE: Final = 4096
"""Steps of a path that are found together; what the encoder holds grows with them."""
AHEAD: Final = 256
"""Steps beyond a piece that are looked at, so that a path is as good as one found in one piece: cheapest
paths to all states have come from one long before."""
FARTHEST: Final = 2.0**23
"""Steps: the search takes residuals beyond for this one. Up to it, points are exact in float32."""


def parities(taps: int) -> npt.NDArray[np.bool_]:
    """Whether the number of bits that a register's contents, 0 .. STATES - 1, share with `taps` is odd."""
    return np.array([(contents & taps).bit_count() % 2 == 1 for contents in range(STATES)])


REGISTER_QUANTISER: Final = parities(0o236)
"""Of a search for a path, which has states in other order: as the contents of a shift register, into whose
highest bit goes whether the symbol is odd, plus a parity of the contents. The bits of both taps are those of
the check polynomials from the other end. Contents 2 n and 2 n + 1 then go on to n and n + STATES / 2."""
REGISTER_PARITY: Final = parities(0o145)
"""See :data:`REGISTER_QUANTISER`."""


def onward(state: int, symbol: int) -> int:
    """The state after a symbol."""
    return (state >> 1) ^ (ODD_STATE * (state & 1)) ^ (ODD_SYMBOL * (symbol & 1))


def points(symbols: Array, quantisers: Array, shrink: Array) -> Array:
    """What symbols stand for, in sixteenths of a step.

    Parameters
    ----------
    symbols, quantisers : int arrays of one shape
    shrink : int array, shape (2, SHRUNK)
        Sixteenths of a step by which a magnitude lies nearer to zero than the quantiser's point.
    """
    size = np.abs(symbols)
    away = MEAN_STEPS * (2 * size - quantisers) - shrink[quantisers, np.clip(size, 1, SHRUNK) - 1]
    return np.asarray(np.sign(symbols) * away)


def paired(prices: Array) -> Array:
    """Prices as the search looks them up: that of a magnitude beside that of the one below of equal parity.

    Parameters
    ----------
    prices : float32 array, shape (2 * SCALES, widest + 1)
        Squared steps that a magnitude costs under a table; the last are those of all beyond.

    Returns
    -------
    float32 array, shape (2 * SCALES, 2, places, 2)
        By table, parity and half of a magnitude: of the magnitude less 2, if that is not negative, and of
        itself.
    """
    widest = prices.shape[1] - 1
    size = 2 * np.arange(widest // 2 + 3) + np.arange(2)[:, None]
    both = np.stack((np.where(size < 2, size, size - 2), size), axis=-1)
    return np.ascontiguousarray(prices[:, np.minimum(both, widest)], np.float32)
