"""The way through the groups of latents, the same for encoder and decoder: only integers decide.

Hyper-latents give features; features and the groups before give each group's means and scales; symbols come
from a source, chosen by the encoder or read by the decoder.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sarcodec.bitstream import layer_body
from sarcodec.model.hyper import CONTEXT_MAX
from sarcodec.model.levels import FRACTION, STEPS, integer_row, times_power
from sarcodec.model.modelfile import Model
from sarcodec.model.quantise import Integers, Rule, Scalar
from sarcodec.model.tables import SCALE_STEPS, SCALE_ZERO
from sarcodec.model.trellis import Trellis
from sarcodec.native.trellis_code import SCALES

Source = Callable[[int, slice, Integers, Integers], Integers]
"""Decoded residuals in sixteenths of a step, for a layer, its channels, and means and scales of latents."""


class Walk:
    """Networks, tables and quantiser of a model at one rate level.

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
        self.optional = set(range(1, len(model.layers))) if tables.y_shrink is not None else set()
        """Layers whose latents are 0, and not their means, where they hold no symbol."""
        self.z_tables = model.hyper_tables(anchor)
        self.z_coded = model.hyper_coded(anchor)
        self.steps = model.steps(level)

    @torch.inference_mode()
    def through(
        self,
        z_symbols: npt.NDArray[Any],
        size: tuple[int, ...],
        source: Source,
        absent: set[int],
        layers: int | None = None,
    ) -> npt.NDArray[Any]:
        """Go through the groups of the first `layers` layers, or of all.

        Integer means and table indexes, symbols from `source`, decoded latents; groups of layers that are
        `absent` have latents of 0.
        """
        sizes = self.model.layers[:layers]
        entropy, powers = self.model.entropy, self.model.entropy.powers
        nets = entropy.in_bytes or entropy.networks
        z = times_power(torch.from_numpy(z_symbols)[None], -self.hyper_log2, powers, extra_bits=4)
        features = nets.features(z.clamp(-CONTEXT_MAX, CONTEXT_MAX).float())[:, :, : size[0], : size[1]]
        y_hat = np.zeros((sum(sizes), *size), dtype=np.int64)
        seen = torch.zeros((1, sum(sizes), *size))
        last = max(set(range(len(sizes))) - absent)
        for group, (start, count) in enumerate(zip(self.shape.starts, self.shape.groups, strict=True)):
            part, layer = slice(start, start + count), self.model.layer_of(group)
            if layer > last:
                break
            if layer in absent:
                continue
            codes = nets.codes(group, features, seen[:, self.shape.context(group)])
            mean_code, log_code = (t.long() for t in codes)
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
        return (((log2 * SCALE_STEPS + 16) >> 5) + SCALE_ZERO).clamp(0, SCALES - 1).to(torch.uint8)

    def z_index(self, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        """Table of each hyper-latent that is coded: its channel."""
        channels = np.flatnonzero(self.z_coded)
        return np.broadcast_to(channels[:, None, None], (channels.size, *shape[1:]))

    def layer_digest(self, layer: int, z_symbols: npt.NDArray[Any], y_hat: npt.NDArray[Any]) -> bytes:
        """What the body of a layer stores to be checked by."""
        part = y_hat[self.model.layer_channels(layer)]
        return layer_body.latents_digest(part, z_symbols if layer == 0 else None)


assert FRACTION == 16  # the shifts above rely on it
