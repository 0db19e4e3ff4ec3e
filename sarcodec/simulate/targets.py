"""Point targets: buildings, masts, farmsteads and ships, as complex amplitudes on single pixels."""

from __future__ import annotations

import numpy as np

from sarcodec.bitstream.noise_hash import hash32
from sarcodec.simulate.lattice import Floats, uniform
from sarcodec.simulate.reflectivity import Cover

TOWN_DENSITY = 0.018  # targets per pixel where all is built up
LAND_DENSITY = 2.5e-4
WATER_DENSITY = 1.2e-5
_PLACE, _LEVEL, _PHASE = 40, 41, 42


def amplitudes(
    ground: Cover, seed: int, rows: range, cols: range, band: str, peak_gain: float
) -> Floats | None:
    """Complex amplitude of every point target in a window.

    VV peaks lie between 1 and 30 dB in towns and between -3 and 13 dB in the country, strong ones being
    rare, on ground of about -10 dB; VH is 7 dB lower. The bands share position and level, not phase.

    Parameters
    ----------
    ground : Cover
        Land cover of the same window, shape (n, m).
    peak_gain : float
        Power of the point-spread function at its centre.

    Returns
    -------
    ndarray, shape (2, n, m), float32, or None
        Real and imaginary parts in root linear power before the filter; None where there is no target.
    """
    density = np.float32(LAND_DENSITY) + np.float32(TOWN_DENSITY) * ground.town
    density += ground.water * (np.float32(WATER_DENSITY) - density)
    i = np.arange(rows.start, rows.stop)[:, None]
    j = np.arange(cols.start, cols.stop)[None, :]
    at = np.nonzero(uniform(hash32(seed, _PLACE, i, j)) < density)
    if not at[0].size:
        return None
    i, j, town = at[0] + rows.start, at[1] + cols.start, ground.town[at] > 0.1
    rank = uniform(hash32(seed, _LEVEL, i, j))
    peak_db = np.where(town, 1 + 29 * rank**6, 16 * rank**3 - 3) - (7 if band in ("VH", "HV") else 0)
    strength = np.sqrt(10 ** (peak_db / 10) / peak_gain)
    phase = 2 * np.pi * uniform(hash32(seed, _PHASE, *band.encode(), i, j))
    field = np.zeros((2, len(rows), len(cols)), np.float32)
    field[0][at] = strength * np.cos(phase)
    field[1][at] = strength * np.sin(phase)
    return field
