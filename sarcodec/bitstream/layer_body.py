"""The body of a layer of latents: digest, weights of the predicting band, stream. Values <-> bytes.

The base layer of a predicted band has weights, and no other layer has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt

from sarcodec.bitstream import layout
from sarcodec.errors import FormatError

MOST_WEIGHTS = 128
"""Channels that have a weight at most."""

Weights = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LayerBody:
    """Body of a layer that is not empty."""

    digest: bytes
    """:func:`latents_digest` of what the layer decodes to; fewer than 4 bytes in a body that was cut."""
    stream: bytes
    """Entropy-coded symbols; they are not looked at here."""
    weights: Weights | None = None
    """Weights of the first channels, 0 to 15, the last not 0, shape (n,); None in a layer without weights."""

    def to_bytes(self) -> bytes:
        """The body as the file has it."""
        return self.digest + (b"" if self.weights is None else pack_weights(self.weights)) + self.stream

    @staticmethod
    def from_bytes(data: bytes, channels: int | None = None) -> LayerBody:
        """The parts of a body.

        Parameters
        ----------
        channels : int, optional
            Channels that can have a weight; None for a layer without weights.

        Raises
        ------
        FormatError
            The weights are cut, too many, or end with a 0.
        """
        digest, rest = data[: layout.LAYER_HEAD.size], data[layout.LAYER_HEAD.size :]
        if channels is None:
            return LayerBody(digest, rest)
        weights, stream = unpack_weights(rest, channels)
        return LayerBody(digest, stream, weights)


def latents_digest(latents: npt.NDArray[Any], hyper: npt.NDArray[Any] | None = None) -> bytes:
    """CRC-32C of the integers that a layer decodes to, as its body stores it.

    Parameters
    ----------
    latents : int array, shape (channels, h, w)
        Digested as int32, little-endian and in C order.
    hyper : int array, shape (hyper channels, h, w), optional
        Hyper-latents, digested first, as int16; those of the base layer.
    """
    parts = [(latents, "<i4")] if hyper is None else [(hyper, "<i2"), (latents, "<i4")]
    crc = 0
    for part, kind in parts:
        crc = google_crc32c.extend(crc, np.ascontiguousarray(part).astype(kind).tobytes())
    return layout.LAYER_HEAD.pack(crc)


def pack_weights(weights: Weights) -> bytes:
    """Number of weights, then two of them in each byte, the first in the low half."""
    pairs: Iterable[Sequence[int]] = np.pad(weights, (0, len(weights) % 2)).reshape(-1, 2).tolist()
    return bytes([len(weights), *(low | high << 4 for low, high in pairs)])


def unpack_weights(data: bytes, channels: int) -> tuple[Weights, bytes]:
    """Weights, and the bytes behind them; raises as :meth:`LayerBody.from_bytes`."""
    count = data[0] if data else 0
    end = 1 + (count + 1) // 2
    if len(data) < end or count > min(MOST_WEIGHTS, channels):
        raise FormatError(f"{count} weights of another band's latents, in {len(data)} bytes")
    packed = np.frombuffer(data[1:end], np.uint8).astype(np.int64)
    weights = np.stack((packed & 15, packed >> 4), axis=1).ravel()
    if (count and not weights[count - 1]) or weights[count:].any():
        raise FormatError("weights of another band's latents are not in their shortest form")
    return weights[:count], data[end:]
