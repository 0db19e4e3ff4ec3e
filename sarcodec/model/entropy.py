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
from sarcodec.model.quantise import MEAN_STEPS, Rule, Scalar
from sarcodec.model.rans import StreamDecoder, StreamEncoder
from sarcodec.model.tables import SCALE_STEPS, SCALE_ZERO, SCALES
from sarcodec.model.trellis import Trellis

DIGEST_BYTES = 4
LARGEST = 2.0**30
"""Quantiser steps of a latent beyond which its symbol might not even fit an integer."""

NEGLIGIBLE = 0.5
"""Quantiser steps that no latent of a layer reaches that is left out unseen."""

Integers = npt.NDArray[np.int64]
Source = Callable[[int, slice, Integers, Integers], Integers]
"""Decoded residuals in sixteenths of a step, for a layer, its channels, and means and scales of latents."""
Observer = Callable[[Integers, Integers, npt.NDArray[np.float32]], None]


@dataclass(frozen=True)
class Coded:
    """A tile's layers: the bytes of each, its decoded latents, and what an ideal coder would have spent.

    ``y_hat`` is int64, shape (channels, h, w), in sixteenths of a quantiser step.
    """

    layers: tuple[bytes, ...]
    y_hat: npt.NDArray[Any]
    bits: float


@dataclass(frozen=True)
class _Group:
    """Coded symbols of a group of channels, the table of each and what it stands for, shape (n,)."""

    layer: int
    symbols: Integers
    rows: Integers
    residual: npt.NDArray[np.float32]


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
        self.rule: Rule = Scalar(tables.y_tables)
        if tables.y_shrink is not None:
            self.rule = Trellis(tables.y_tables, tables.y_shrink)
        self._optional = set(range(1, len(model.layers))) if tables.y_shrink is not None else set()
        """Layers whose latents are 0, and not their means, where they hold no symbol."""
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
        scaled, z_symbols = scaled.astype(np.float32), self.hyper_symbols(y)
        groups, y_hat = self._chosen(scaled, z_symbols)
        if observe is not None:
            for group in groups:
                observe(group.rows, group.symbols, group.residual)
        bits = float(self.z_tables.cost(z_symbols[self.z_coded], self._z_index(z_symbols.shape)).sum())
        bits += sum(float(self.rule.tables.cost(group.symbols, group.rows).sum()) for group in groups)
        layers = [b""] * len(self.model.layers)
        used = {group.layer for group in groups if group.symbols.any()} | ({0} if z_symbols.any() else set())
        for layer in used if not dry else ():
            own = [group for group in groups if group.layer == layer]
            layers[layer] = self._digest(layer, z_symbols, y_hat) + self._stream(layer, own, z_symbols)
        return Coded(tuple(layers), y_hat, bits)

    def _chosen(
        self, scaled: npt.NDArray[np.float32], z_symbols: npt.NDArray[Any]
    ) -> tuple[list[_Group], npt.NDArray[Any]]:
        """Symbols of the groups of layers that have any, and decoded latents; `scaled` is in steps."""
        largest = {n: np.abs(scaled[self.model.layer_channels(n)]).max(initial=0) for n in self._optional}
        absent = {n for n, size in largest.items() if size < NEGLIGIBLE}
        while True:
            groups: list[_Group] = []
            y_hat = self._walk(z_symbols, scaled.shape[1:], self._chooser(scaled, groups), absent)
            used = {group.layer for group in groups if group.symbols.any()}
            idle = self._optional - used - absent
            absent |= idle
            if not idle or min(idle) > max(used, default=0):  # else later groups have seen their means
                break
        for layer in idle:
            y_hat[self.model.layer_channels(layer)] = 0
        return [group for group in groups if group.layer not in absent], y_hat

    def _stream(self, layer: int, groups: list[_Group], z_symbols: npt.NDArray[Any]) -> bytes:
        stream = StreamEncoder()
        if layer == 0:
            index = self._z_index(z_symbols.shape)
            stream.put(z_symbols[self.z_coded].ravel(), index.ravel(), self.z_tables)
        for group in groups:
            stream.put(group.symbols, group.rows, self.rule.tables)
        return stream.finish(self.rule.tables)

    def _chooser(self, scaled: npt.NDArray[np.float32], groups: list[_Group]) -> Source:
        """A source of symbols that are chosen for latents in quantiser steps, and noted in `groups`."""

        def source(layer: int, channels: slice, mean: Integers, index: Integers) -> Integers:
            coded = index >= self.model.first_coded
            residual = scaled[channels].reshape(index.shape) - (mean / MEAN_STEPS).astype(np.float32)
            symbols = self.rule.choose(residual, index, coded)
            rows = self.rule.rows(symbols, index, coded)
            groups.append(_Group(layer, symbols[coded], rows, residual[coded]))
            return self.rule.values(symbols, coded)

        return source

    def decode(self, layers: tuple[bytes, ...], size: tuple[int, int]) -> npt.NDArray[Any]:
        """Decoded latents, int64, shape (channels, h, w), in sixteenths of a quantiser step.

        A layer given as ``b""`` has all symbols zero: its latents are their predicted means, with a trellis
        0 in any layer but the base.

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

        def source(layer: int, _channels: slice, _mean: Integers, index: Integers) -> Integers:
            coded, stream = index >= self.model.first_coded, streams[layer]
            symbols = np.zeros_like(index) if stream is None else self.rule.read(stream, index, coded)
            return self.rule.values(symbols, coded)

        absent = {n for n in self._optional if not layers[n]}
        y_hat = self._walk(z_symbols, size, source, absent)
        for layer, stored in enumerate(layers):
            if stored and stored[:DIGEST_BYTES] != self._digest(layer, z_symbols, y_hat):
                raise ChecksumError(f"the latents of layer {layer} are not those the encoder had")
        return y_hat

    @torch.inference_mode()
    def _walk(
        self, z_symbols: npt.NDArray[Any], size: tuple[int, ...], source: Source, absent: set[int]
    ) -> npt.NDArray[Any]:
        """Go through the groups: integer means and table indexes, symbols from `source`, decoded latents.

        Groups of layers that are `absent` have latents of 0.
        """
        nets, powers = self.model.entropy.networks, self.model.entropy.powers
        z = times_power(torch.from_numpy(z_symbols)[None], -self.hyper_log2, powers, extra_bits=4)
        features = nets.h_s(z.clamp(-CONTEXT_MAX, CONTEXT_MAX).float())[:, :, : size[0], : size[1]]
        y_hat = np.zeros((self.shape.channels, *size), dtype=np.int64)
        seen = features.new_zeros((1, self.shape.channels, *size))
        last = max(set(range(len(self.model.layers))) - absent)
        for group, (head, start, count) in enumerate(
            zip(nets.heads, self.shape.starts, self.shape.groups, strict=True)
        ):
            part, layer = slice(start, start + count), self.model.layer_of(group)
            if layer > last:
                break
            if layer in absent:
                continue
            context = torch.cat((features, seen[:, self.shape.context(group)]), dim=1)
            mean_code, log_code = (t.long() for t in head(context))
            mean = times_power(mean_code, self.mean_log2[part], powers, extra_bits=-1)
            index = self._scale_index(log_code, part)
            flat = (count, size[0] * size[1])
            values = source(layer, part, mean[0].numpy().reshape(flat), index[0].numpy().reshape(flat))
            y_hat[part] = values.reshape(count, *size) + mean[0].numpy()
            decoded = torch.from_numpy(y_hat[part])[None]
            seen[:, part] = times_power(decoded, -self.mean_log2[part], powers).clamp(
                -CONTEXT_MAX, CONTEXT_MAX
            )
        return y_hat

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
