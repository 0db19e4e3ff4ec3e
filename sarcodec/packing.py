"""Codes of packed training scenes: uint16, dB in the low 15 bits, the top bit set where invalid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

STEP_DB = 0.008
"""Decibels a code step stands for."""
ZERO_DB = -100.0
"""Decibels of code 0; code 32767 is +162 dB."""
INVALID = 1 << 15
"""Flag of a pixel that is not data; the low bits then hold a harmless fill value."""


def to_codes(db: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Nearest codes of decibels, clipped to the range of codes."""
    codes = np.clip(np.rint((db - ZERO_DB) / STEP_DB), 0, INVALID - 1)
    return np.asarray(codes, np.uint16)


def from_codes(codes: npt.NDArray[np.uint16]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Decibels of codes, and which pixels are data."""
    db = (codes & (INVALID - 1)) * np.float32(STEP_DB) + np.float32(ZERO_DB)
    return db.astype(np.float32), codes < INVALID
