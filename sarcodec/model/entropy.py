"""Latents of one tile to entropy-coded layers and back; only integers decide at the decoder.

The encoder's and the decoder's walk over the groups is the same method, :meth:`LatentCoder._walk`; they
differ in where the symbols come from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sarcodec.errors import ChecksumError, InputError
from sarcodec.limits import DEFAULT
from sarcodec.model.hyper import CONTEXT_MAX, HYPER_STRIDE
from sarcodec.model.levels import FRACTION, STEPS, integer_row, times_power
from sarcodec.model.modelfile import Model
from sarcodec.model.quantise import choose
from sarcodec.model.rans import StreamDecoder, StreamEncoder
from sarcodec.model.tables import SCALE_STEPS, SCALE_ZERO, SCALES

MEAN_STEPS = 16
"""Decoded latents are integers in sixteenths of a quantiser step."""
DIGEST_BYTES = 4
LARGEST = 2.0**30
"""Quantiser steps of a latent beyond which its symbol might not even fit an integer."""

Observer = Callable[[npt.NDArray[Any], npt.NDArray[Any]], None]


@dataclass(frozen=True)
class Coded:
    """A tile's layers: the bytes of each, its decoded latents, and what an ideal coder would have spent.

    ``y_hat`` is int64, shape (channels, h, w), in sixteenths of a quantiser step.
    """

    layers: tuple[bytes, ...]
    y_hat: npt.NDArray[Any]
    bits: float


def digest(parts: list[npt.NDArray[Any]]) -> bytes:
    """CRC-32C of a layer's decoded integers: hyper-latents as int16, latents as int32, little-endian."""
    crc = google_crc32c.Checksum()
    for part, kind in zip(parts, ["<i2", "<i4"][-len(parts) :], strict=True):
        crc.update(np.ascontiguousarray(part).astype(kind).tobytes())
    return bytes(crc.digest())[::-1]


class LatentCoder:
    """Codes tiles of latents at one rate level.

    Parameters
    ----------
    model : Model
        Networks and tables.
    level : int
        Rate level, 0 .. 256 * (anchors - 1).
    """

    def __init__(self, model: Model, level: int) -> None:
        tables = model.entropy
        self.model, self.level = model, level
        self.shape = model.shape
        self.mean_log2 = integer_row(tables.mean_log2, level)
        self.scale_offset = integer_row(tables.scale_offset, level)
        self.hyper_log2 = integer_row(tables.hyper_log2, level)
        anchor = (level + STEPS // 2) // STEPS
        self.y_tables = tables.y_tables
        self.z_tables = model.hyper_tables(anchor)
        self.z_coded = model.hyper_coded(anchor)
        self.steps = 2.0 ** (integer_row(model.gain_log2, level) / STEPS)
        """Quantiser steps in a unit of each latent channel, float64, encoder only."""

    def encode(self, y: npt.NDArray[Any], *, dry: bool = False, observe: Observer | None = None) -> Coded:
        """Quantise and code latents.

        Parameters
        ----------
        y : float32 array, shape (channels, h, w)
            Output of g_a for one tile.
        dry : bool
            Leave out the coding: layers are empty, bits are what they would cost.
        observe : callable, optional
            Is given table indexes and symbols as they are chosen.

        Raises
        ------
        InputError
            A latent is not finite or is absurdly large.
        """
        if not np.isfinite(y).all():
            raise InputError("the analysis transform gave latents that are not finite")
        scaled = y * self.steps[:, None, None]
        if scaled.size and float(np.abs(scaled).max()) > LARGEST:
            raise InputError(
                f"a latent of {float(np.abs(scaled).max()):.3g} quantiser steps cannot be coded",
                hint="Use a lower quality, or check the scene for absurd values.",
            )
        scaled = scaled.astype(np.float32)
        z_symbols = self.hyper_symbols(y)
        streams = [StreamEncoder() for _ in self.model.layers]
        bits = float(self.z_tables.cost(z_symbols[self.z_coded], self._z_index(z_symbols.shape)).sum())
        if not dry:
            streams[0].put(
                z_symbols[self.z_coded].ravel(), self._z_index(z_symbols.shape).ravel(), self.z_tables
            )
        nonzero = [bool(z_symbols.any())] + [False] * (len(streams) - 1)

        def source(
            layer: int, channels: slice, mean: npt.NDArray[Any], index: npt.NDArray[Any]
        ) -> npt.NDArray[Any]:
            nonlocal bits
            coded = index >= self.model.first_coded
            chosen = index[coded]
            residual = scaled[channels][coded] - (mean[coded] / MEAN_STEPS).astype(np.float32)
            symbols = choose(residual, chosen, self.y_tables)
            if observe is not None:
                observe(chosen, symbols)
            bits += float(self.y_tables.cost(symbols, chosen).sum())
            nonzero[layer] |= bool(symbols.any())
            if not dry:
                streams[layer].put(symbols, chosen, self.y_tables)
            q = np.zeros(index.shape, dtype=np.int64)
            q[coded] = symbols
            return q

        y_hat = self._walk(z_symbols, (y.shape[1], y.shape[2]), source)
        layers = tuple(
            self._digest(layer, z_symbols, y_hat) + stream.finish(self.y_tables) if used and not dry else b""
            for layer, (stream, used) in enumerate(zip(streams, nonzero, strict=True))
        )
        return Coded(layers, y_hat, bits)

    def decode(self, layers: tuple[bytes, ...], size: tuple[int, int]) -> npt.NDArray[Any]:
        """Decoded latents, int64, shape (channels, h, w), in sixteenths of a quantiser step.

        A layer given as ``b""`` has all symbols zero: its latents are their predicted means. Of fewer layers
        than the model has, only the latents of those are decoded: none depends on later ones.

        Raises
        ------
        FormatError
            A stream is not whole.
        ChecksumError
            The decoded integers are not those the encoder had.
        """
        h, w = size
        z_shape = (self.shape.hyper, -(-h // HYPER_STRIDE), -(-w // HYPER_STRIDE))
        count = self.shape.channels * h * w + z_shape[0] * z_shape[1] * z_shape[2]
        streams = [StreamDecoder(layer[DIGEST_BYTES:], count) if layer else None for layer in layers]
        z_symbols = np.zeros(z_shape, dtype=np.int64)
        if streams[0] is not None:
            index = self._z_index(z_shape)
            z_symbols[self.z_coded] = streams[0].get(index.ravel(), self.z_tables).reshape(index.shape)

        def source(
            layer: int, _channels: slice, _mean: npt.NDArray[Any], index: npt.NDArray[Any]
        ) -> npt.NDArray[Any]:
            q = np.zeros(index.shape, dtype=np.int64)
            stream = streams[layer]
            if stream is not None:
                coded = index >= self.model.first_coded
                q[coded] = stream.get(index[coded], self.y_tables)
            return q

        y_hat = self._walk(z_symbols, size, source, len(layers))
        for layer, stored in enumerate(layers):
            if stored and stored[:DIGEST_BYTES] != self._digest(layer, z_symbols, y_hat):
                raise ChecksumError(f"the latents of layer {layer} are not those the encoder had")
        return y_hat

    @torch.inference_mode()
    def _walk(
        self,
        z_symbols: npt.NDArray[Any],
        size: tuple[int, int],
        source: Callable[[int, slice, npt.NDArray[Any], npt.NDArray[Any]], npt.NDArray[Any]],
        layers: int | None = None,
    ) -> npt.NDArray[Any]:
        """Go through the groups of the first `layers` layers, or of all.

        Integer means and table indexes, symbols from `source`, decoded latents.
        """
        nets, powers = self.model.entropy.networks, self.model.entropy.powers
        z = times_power(torch.from_numpy(z_symbols)[None], -self.hyper_log2, powers, extra_bits=4)
        features = nets.h_s(z.clamp(-CONTEXT_MAX, CONTEXT_MAX).double())[:, :, : size[0], : size[1]]
        context, decoded = features, []
        for group, (head, start, count) in enumerate(
            zip(nets.heads, self.shape.starts, self.shape.groups, strict=True)
        ):
            if layers is not None and self.model.layer_of(group) >= layers:
                break
            part = slice(start, start + count)
            mean_code, log_code = (t.long() for t in head(context))
            mean = times_power(mean_code, self.mean_log2[part], powers, extra_bits=-1)
            index = self._scale_index(log_code, part)
            symbols = source(self.model.layer_of(group), part, mean[0].numpy(), index[0].numpy())
            y_hat = torch.from_numpy(symbols)[None] * MEAN_STEPS + mean
            decoded.append(y_hat[0].numpy())
            seen = times_power(y_hat, -self.mean_log2[part], powers).clamp(-CONTEXT_MAX, CONTEXT_MAX)
            context = torch.cat((context, seen.double()), dim=1)
        return np.concatenate(decoded)

    def _scale_index(self, log_code: Tensor, part: slice) -> Tensor:
        """Table index: round(5/32 * (log_code + offset)) + 16, within 0..63."""
        log2 = log_code + torch.from_numpy(self.scale_offset[part])[:, None, None]
        return (((log2 * SCALE_STEPS + 16) >> 5) + SCALE_ZERO).clamp(0, SCALES - 1)

    def hyper_symbols(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Quantised hyper-latents of a tile, int64, shape (hyper, h/4, w/4), rounded up; encoder only."""
        z = self.model.hyper_analysis(y)
        gain = 2.0 ** (self.hyper_log2 / STEPS)
        wide = np.clip(np.rint(z * gain[:, None, None]), -DEFAULT.symbol, DEFAULT.symbol)
        symbols: npt.NDArray[Any] = wide.astype(np.int64)
        symbols[~self.z_coded] = 0
        return symbols

    def _z_index(self, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        """Table of each hyper-latent that is coded: its channel."""
        channels = np.flatnonzero(self.z_coded)
        return np.broadcast_to(channels[:, None, None], (channels.size, *shape[1:]))

    def _digest(self, layer: int, z_symbols: npt.NDArray[Any], y_hat: npt.NDArray[Any]) -> bytes:
        part = y_hat[self.model.layer_channels(layer)]
        return digest([z_symbols, part] if layer == 0 else [part])


assert FRACTION == 16  # the shifts above rely on it
