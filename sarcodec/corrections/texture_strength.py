"""How strong the noise of a texture has to be: homogeneous blocks are to look as the source's do.

Its strength is set so that their equivalent number of looks is the source's, as far as a loss of `LOSS_DB` of
PSNR allows; where that is not enough noise, what depends on contrast alone is taken back, which smooths. A
constant then gives them the source's mean power.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sarcodec.speckle import autocorrelation, enl, homogeneous_blocks
from sarcodec.types import Window

LOSS_DB = 3.05
"""PSNR that noise may cost; what is independent of the residual and as strong costs 3.01."""
BLOCK, MOST, FEWEST = 32, 200, 6
"""Side of blocks in pixels, how many are looked at, and how many have to be homogeneous."""
CALM = 8
"""One of how many blocks is looked at where none is homogeneous."""
CLOSE = 0.005
"""Relative distance from the source's looks that is near enough."""
STEPS = 10
"""Bisections."""

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Parts:
    """A tile, and the same of the blocks that are looked at; dB."""

    source: Doubles
    db: Doubles
    bent: Doubles
    """What depends on contrast alone, the whole of it."""
    noise: Doubles
    losses: tuple[Doubles, Doubles, Doubles]
    """Decoded less source, bent and noise of all valid pixels, shape (n,)."""
    blocks: list[Window]

    @staticmethod
    def of(
        source: Floats, db: Floats, valid: Mask, bent: Doubles, noise: Floats, found: list[Window]
    ) -> Parts:
        """Blocks one below another, shape (n * BLOCK, BLOCK); no rows where there are none."""
        losses = ((db - source)[valid].astype(np.float64), bent[valid], noise[valid].astype(np.float64))
        cut = [
            np.concatenate(
                [np.zeros((0, BLOCK)), *(a[b.row : b.bottom, b.col : b.right] for b in found)],
                dtype=np.float64,
            )
            for a in (source, db, bent, noise)
        ]
        places = [Window(0, BLOCK * n, BLOCK, BLOCK) for n in range(len(found))]
        return Parts(cut[0], cut[1], cut[2], cut[3], losses, places)

    def balance(self) -> tuple[float, float, float]:
        """Strength of the noise, share of what is bent, dB of lift."""
        if not self.blocks:
            return min(1.0, self._most(1.0)), 1.0, 0.0
        goal, share = self._looks(self.source), 1.0
        most = self._most(share)
        strength = self._solved(lambda s: goal - self._textured_looks(s, share), most)
        if strength == most and self._textured_looks(most, share) > goal * (1 + CLOSE):
            share = self._solved(lambda f: self._textured_looks(self._most(f), f) - goal, 1.0)
            strength = self._most(share)
        result = self.db + share * self.bent + strength * self.noise
        power = [10 ** (a.reshape(-1, BLOCK**2) / 10) for a in (self.source, result)]
        ratios = np.log(power[0].mean(1) / power[1].mean(1))
        return strength, share, 10 / math.log(10) * float(ratios.mean())

    def lacking(self, strength: float, share: float) -> float:
        """Correlation of power at lag 1 that the source has more, mean of both axes; 0 without blocks."""
        if not self.blocks:
            return 0.0
        textured = self.db + share * self.bent + strength * self.noise
        valid = np.ones(textured.shape, np.bool_)
        lags = [autocorrelation(a, valid, self.blocks, lags=1)[:, 1] for a in (self.source, textured)]
        return float(np.nan_to_num((lags[0] - lags[1]).mean()))

    def _looks(self, image: Doubles) -> float:
        return enl(image, np.ones(image.shape, np.bool_), self.blocks)

    def _textured_looks(self, strength: float, share: float) -> float:
        return self._looks(self.db + share * self.bent + strength * self.noise)

    def _most(self, share: float) -> float:
        """Strength at which noise costs `LOSS_DB`: root of a quadratic equation."""
        error, bent, noise = self.losses
        moved = error + share * bent
        a, b = float(np.square(noise).mean()), float((moved * noise).mean())
        c = float(np.square(moved).mean()) - 10 ** (LOSS_DB / 10) * float(np.square(error).mean())
        return (-b + math.sqrt(max(b * b - a * c, 0.0))) / a if a > 0 else 0.0

    @staticmethod
    def _solved(rising: Callable[[float], float], most: float) -> float:
        """Where a rising function is 0 within 0 .. most; the nearer end where it is not."""
        if not rising(most) > 0:
            return most
        low, high = 0.0, most
        for _ in range(STEPS):
            middle = (low + high) / 2
            low, high = (low, middle) if rising(middle) > 0 else (middle, high)
        return low


def blocks_of(source: Floats, valid: Mask) -> list[Window]:
    """Homogeneous blocks; where there are next to none, the calmest of those that are all valid."""
    found = homogeneous_blocks(np.where(valid, source, 0), valid, side=BLOCK, most=MOST)
    if len(found) >= FEWEST:
        return found
    corners = [
        (row, col)
        for row in range(0, valid.shape[0] - BLOCK + 1, BLOCK)
        for col in range(0, valid.shape[1] - BLOCK + 1, BLOCK)
        if valid[row : row + BLOCK, col : col + BLOCK].all()
    ]
    # What differs between the quarters of a block's sides is ground; its speckle has no say in the choice.
    calm = sorted(corners, key=lambda at: _coarse(source[at[0] : at[0] + BLOCK, at[1] : at[1] + BLOCK]))
    chosen = calm[: max(FEWEST, len(corners) // CALM)][:MOST]
    return [Window(col, row, BLOCK, BLOCK) for row, col in chosen]


def _coarse(block: Floats) -> float:
    """Variance of the means of the 16 parts of a block."""
    return float(block.reshape(4, BLOCK // 4, 4, BLOCK // 4).mean((1, 3), dtype=np.float64).var())
