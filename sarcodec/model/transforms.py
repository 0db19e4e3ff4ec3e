"""What a transform does: pixels to latents and back, in NumPy arrays. Every family implements it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

STRIDE = 16
"""Pixels between two latents."""
FACTORS = (2, 4, 8, 16)
"""Pixels a side that one pixel of an overview may stand for: divisors of `STRIDE`."""

Pixels = npt.NDArray[np.float32]


class Reduction(Protocol):
    """Makes means over `factor` x `factor` pixels from latents."""

    layers: int
    """Layers that are needed, from the base layer on."""

    def synthesise(self, y_hat: npt.NDArray[Any], level: int) -> npt.NDArray[Any]:
        """Latents of these layers, (c, h, w) -> (16 h / factor, 16 w / factor) float32, network units."""


class Transform(Protocol):
    """g_a and g_s of a model. A family that derives from this class inherits the methods that have a body."""

    reach: int
    """Latents on each side that a pixel depends on; a latent depends on 16 times as many pixels."""
    channels: int
    """Channels of the latents."""

    @abstractmethod
    def analyse(self, x: Pixels) -> npt.NDArray[np.float32]:
        """g_a.

        Parameters
        ----------
        x : float32 array, shape (h, w)
            Network units; h and w are multiples of 16.

        Returns
        -------
        float32 array, shape (channels, h / 16, w / 16)
        """

    @abstractmethod
    def synthesise(self, y_hat: npt.NDArray[Any], level: int) -> Pixels:
        """g_s.

        Parameters
        ----------
        y_hat : int array, shape (channels, h, w)
            Decoded latents in sixteenths of a quantiser step.
        level : int
            Rate level.

        Returns
        -------
        float32 array, shape (16 h, 16 w)
            Network units.
        """

    def analyse_seen(self, x: Pixels, valid: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        """g_a of a raster of which only the valid pixels count.

        A family that can fill invalid pixels with what costs few bits does so here; others leave them alone.

        Parameters
        ----------
        x : float32 array, shape (h, w)
            As :meth:`analyse`, smoothly filled in invalid pixels.
        valid : bool array, shape (h, w)

        Returns
        -------
        float32 array, shape (channels, h / 16, w / 16)
        """
        del valid
        return self.analyse(x)

    def overview(self, factor: int, most: int) -> Reduction:
        """The cheapest way to means over `factor` x `factor` pixels.

        Parameters
        ----------
        factor : int
            One of `FACTORS`.
        most : int
            Layers that may be used.
        """
        return Whole(self, factor, most)


class Whole:
    """Means of a whole decode: right for any transform, no faster than that."""

    def __init__(self, transform: Transform, factor: int, layers: int) -> None:
        self.transform, self.factor, self.layers = transform, factor, layers

    def synthesise(self, y_hat: npt.NDArray[Any], level: int) -> npt.NDArray[Any]:
        """See :class:`Reduction`."""
        missing = self.transform.channels - len(y_hat)
        x = self.transform.synthesise(np.pad(y_hat, ((0, missing), (0, 0), (0, 0))), level)
        rows, cols = (side // self.factor for side in x.shape)
        means: npt.NDArray[Any] = x.reshape(rows, self.factor, cols, self.factor).mean((1, 3))
        return means
