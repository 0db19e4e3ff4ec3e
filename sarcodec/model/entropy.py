"""Latents of one tile to entropy-coded layers and back; only integers decide at the decoder.

Encoder and decoder go through the groups by the same method, :meth:`Walk.through`; they differ in where the
symbols come from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.bitstream.layer_body import LayerBody, pack_weights
from sarcodec.errors import ChecksumError, InputError
from sarcodec.limits import DEFAULT
from sarcodec.model import between
from sarcodec.model.hyper import HYPER_STRIDE
from sarcodec.model.levels import STEPS
from sarcodec.model.modelfile import Model
from sarcodec.model.quantise import Integers
from sarcodec.model.rans import StreamDecoder, StreamEncoder
from sarcodec.model.trellis import RATE_WEIGHT
from sarcodec.model.walk import Source, Walk
from sarcodec.native.trellis_code import MEAN_STEPS

LARGEST = 2.0**30
"""Quantiser steps of a latent beyond which its symbol might not even fit an integer."""
NEGLIGIBLE = 0.5
"""Quantiser steps that no latent reaches in a layer that is left out unseen."""
SEGMENT_BYTES = 16
"""A layer's checksum, digest and coder state, over its ideal code length."""

Observer = Callable[[Integers, Integers, npt.NDArray[np.float32]], None]


@dataclass(frozen=True)
class Coded:
    """A tile's layers: the bytes of each, its decoded latents, and what an ideal coder would have spent.

    ``y_hat`` is int64, shape (channels, h, w), in sixteenths of a quantiser step.
    """

    layers: tuple[bytes, ...]
    y_hat: npt.NDArray[Any]
    bits: float
    used: int
    """Layers that hold symbols, in a dry run too."""


@dataclass(frozen=True)
class _Group:
    """Coded symbols of a group of channels, the table of each and what it stands for, shape (n,)."""

    layer: int
    symbols: Integers
    rows: Integers
    residual: Callable[[], npt.NDArray[np.float32]]


class LatentCoder(Walk):
    """Codes tiles of latents at one rate level, see :class:`sarcodec.model.walk.Walk`.

    Parameters
    ----------
    keep : bool
        Keep layers that hold any symbol, whether or not these are worth their bits; encoder only. Near the
        level from which on they are, this is as good, and gives the sizes that the choice leaps over.
    """

    def __init__(self, model: Model, level: int, *, keep: bool = False) -> None:
        super().__init__(model, level)
        self.keep = keep

    def encode(
        self,
        y: npt.NDArray[Any],
        *,
        beside: npt.NDArray[np.int64] | None = None,
        dry: bool = False,
        observe: Observer | None = None,
    ) -> Coded:
        """Quantise and code latents.

        Parameters
        ----------
        y : float32 array, shape (channels, h, w)
            Output of g_a for one tile.
        beside : int64 array, same shape
            Decoded latents of the band that this one is predicted from, if it is.
        dry : bool
            Leave out the coding: layers are empty, bits are what they would cost.
        observe : callable, optional
            Is given tables, symbols and what these stand for, in steps, of each group.

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
        scaled, head_bytes = scaled.astype(np.float32), 0
        weights, predicted = np.empty(0, np.int64), np.empty((0, *y.shape[1:]), np.int64)
        if beside is not None:
            weights = between.choose(scaled, beside)
            predicted, head_bytes = between.predicted(weights, beside), len(pack_weights(weights))
            scaled[: len(weights)] -= (predicted / MEAN_STEPS).astype(np.float32)
            y = (scaled / self.steps[:, None, None]).astype(np.float32)
        z_symbols = self.hyper_symbols(y)
        groups, y_hat = self._chosen(scaled, z_symbols)
        if observe is not None:
            for group in groups:
                observe(group.rows, group.symbols, group.residual())
        bits = 8 * head_bytes + float(
            self.z_tables.cost(z_symbols[self.z_coded], self.z_index(z_symbols.shape)).sum()
        )
        bits += sum(float(self.rule.tables.cost(group.symbols, group.rows).sum()) for group in groups)
        y_hat[: len(weights)] += predicted
        layers = [b""] * len(self.model.layers)
        used = {group.layer for group in groups if group.symbols.any()}
        used |= {0} if z_symbols.any() or weights.size else set()
        for layer in used if not dry else ():
            own = [group for group in groups if group.layer == layer]
            digest, stream = self.layer_digest(layer, z_symbols, y_hat), self._stream(layer, own, z_symbols)
            stored = None if layer or beside is None else weights
            layers[layer] = LayerBody(digest, stream, stored).to_bytes()
        return Coded(tuple(layers), y_hat, bits, len(used))

    def _chosen(
        self, scaled: npt.NDArray[np.float32], z_symbols: npt.NDArray[Any]
    ) -> tuple[list[_Group], npt.NDArray[Any]]:
        """Symbols of the groups of layers that have any, and decoded latents; `scaled` is in steps."""
        largest = {n: np.abs(scaled[self.model.layer_channels(n)]).max(initial=0) for n in self.optional}
        absent = {n for n, size in largest.items() if size < NEGLIGIBLE}
        while True:
            groups: list[_Group] = []
            y_hat = self.through(z_symbols, scaled.shape[1:], self._chooser(scaled, groups), absent)
            idle = {n for n in self.optional - absent if not self._used(groups, n)}
            for layer in sorted(self.optional - absent - idle, reverse=True):
                if self.keep or self._pays(scaled, y_hat, groups, layer):
                    break
                idle.add(layer)
            absent |= idle
            last = max((n for n in self.optional - absent), default=0)
            if not idle or min(idle) > last:  # else later groups have seen what is left out now
                break
        for layer in idle:
            y_hat[self.model.layer_channels(layer)] = 0
        return [group for group in groups if group.layer not in absent], y_hat

    def _used(self, groups: list[_Group], layer: int) -> bool:
        return any(bool(group.symbols.any()) for group in groups if group.layer == layer)

    def _pays(
        self,
        scaled: npt.NDArray[np.float32],
        y_hat: npt.NDArray[Any],
        groups: list[_Group],
        layer: int,
    ) -> bool:
        """Whether a layer takes away more error than its bits are worth, its checksum included."""
        part = self.model.layer_channels(layer)
        wanted = scaled[part].astype(np.float64)
        less = float((wanted**2).sum() - ((wanted - y_hat[part] / MEAN_STEPS) ** 2).sum())
        own = [group for group in groups if group.layer == layer]
        bits = sum(float(self.rule.tables.cost(group.symbols, group.rows).sum()) for group in own)
        return less > RATE_WEIGHT * (bits + 8 * SEGMENT_BYTES)

    def _stream(self, layer: int, groups: list[_Group], z_symbols: npt.NDArray[Any]) -> bytes:
        stream = StreamEncoder()
        if layer == 0:
            index = self.z_index(z_symbols.shape)
            stream.put(z_symbols[self.z_coded].ravel(), index.ravel(), self.z_tables)
        for group in groups:
            stream.put(group.symbols, group.rows, self.rule.tables)
        return stream.finish(self.rule.tables)

    def _chooser(self, scaled: npt.NDArray[np.float32], groups: list[_Group]) -> Source:
        """A source of symbols that are chosen for latents in quantiser steps, and noted in `groups`."""

        def source(layer: int, channels: slice, mean: Integers, index: Integers) -> Integers:
            coded = index >= self.model.first_coded
            residual = scaled[channels].reshape(index.shape) - (mean / MEAN_STEPS).astype(np.float32)
            symbols, rows, values = self.rule.choose(residual, index, coded)
            groups.append(_Group(layer, symbols, rows, partial(self.rule.in_order, residual, coded)))
            return values

        return source

    def decode(
        self,
        layers: tuple[bytes, ...],
        size: tuple[int, int],
        beside: npt.NDArray[Any] | None = None,
        *,
        predicted: bool = False,
    ) -> npt.NDArray[Any]:
        """Decoded latents, int64, shape (channels, h, w), in sixteenths of a quantiser step.

        A layer given as ``b""`` has all symbols zero: its latents are their predicted means, with a trellis
        0 in any layer but the base.
        Of fewer layers than the model has, only the latents of those are decoded: none depends on later ones.
        `predicted` says that the band is one that another predicts; `beside` are the decoded latents of that
        one, which matter only if :meth:`is_predicted` says so.

        Raises
        ------
        FormatError
            A stream is not whole.
        ChecksumError
            The decoded integers are not those the encoder had.
        """
        h, w = size
        z_shape = (self.shape.hyper, -(-h // HYPER_STRIDE), -(-w // HYPER_STRIDE))
        channels = sum(self.model.layers) if predicted else None
        bodies = [
            LayerBody.from_bytes(stored, None if layer else channels) if stored else None
            for layer, stored in enumerate(layers)
        ]
        streams = [None if body is None else StreamDecoder(body.stream) for body in bodies]
        z_symbols = np.zeros(z_shape, dtype=np.int64)
        if streams[0] is not None:
            index = self.z_index(z_shape)
            z_symbols[self.z_coded] = streams[0].get(index.ravel(), self.z_tables).reshape(index.shape)

        def source(layer: int, _channels: slice, _mean: Integers, index: Integers) -> Integers:
            stream = streams[layer]
            if stream is None:
                return np.zeros_like(index)
            return self.rule.read(stream, index, index >= self.model.first_coded)

        absent = {n for n in self.optional if n >= len(layers) or not layers[n]}
        y_hat = self.through(z_symbols, size, source, absent, len(layers))
        weights = None if bodies[0] is None else bodies[0].weights
        if weights is not None and weights.size:
            assert beside is not None
            start = between.predicted(weights[: len(y_hat)], beside)
            y_hat[: len(start)] += start
        for layer, body in enumerate(bodies):
            if body is not None and body.digest != self.layer_digest(layer, z_symbols, y_hat):
                raise ChecksumError(f"the latents of layer {layer} are not those the encoder had")
        return y_hat

    def is_predicted(self, layers: tuple[bytes, ...]) -> bool:
        """Whether the layers of a band that another predicts do need the latents of that one.

        Raises
        ------
        FormatError
            They are damaged.
        """
        body = LayerBody.from_bytes(layers[0], sum(self.model.layers)) if layers[0] else None
        return body is not None and body.weights is not None and bool(body.weights.size)

    def hyper_symbols(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Quantised hyper-latents of a tile, int64, shape (hyper, h/4, w/4), rounded up; encoder only."""
        z = self.model.hyper_analysis(y)
        gain = 2.0 ** (self.hyper_log2 / STEPS)
        wide = np.clip(np.rint(z * gain[:, None, None]), -DEFAULT.symbol, DEFAULT.symbol)
        symbols: npt.NDArray[Any] = wide.astype(np.int64)
        symbols[~self.z_coded] = 0
        return symbols
