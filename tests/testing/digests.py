"""Right latent digests for damaged files: the last check between damage and pixels."""

from __future__ import annotations

from typing import Any

import numpy as np

from sarcodec.bitstream import layout
from sarcodec.errors import SarcError
from sarcodec.latent_grid import latent_window
from sarcodec.model.entropy import LatentCoder
from sarcodec.model.modelfile import Model
from testing.repair import Place, header_of, segments

LARGEST = 256**2
"""Latents of a tile, above which it is left as it is."""


class _Any(bytes):
    """Bytes that equal any other."""

    __hash__ = bytes.__hash__

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False


class _Witness(LatentCoder):
    """A coder that takes any digest for right and notes what it is."""

    def layer_digest(self, layer: int, z_symbols: Any, y_hat: Any) -> bytes:
        self.seen[layer] = super().layer_digest(layer, z_symbols, y_hat)
        return _Any()

    def digests(
        self, layers: tuple[bytes, ...], size: tuple[int, int], beside: Any, *, predicted: bool
    ) -> tuple[dict[int, bytes], Any]:
        """Digests of what the layers decode to, and that."""
        self.seen: dict[int, bytes] = {}
        y_hat = self.decode(layers, size, beside, predicted=predicted)
        return self.seen, y_hat


def with_digests(data: bytes, model: Model) -> bytes:
    """The file with right latent digests of all layers that decode; checksums are left to others."""
    found = header_of(data)
    if found is None:
        return data
    header, out = found[0], bytearray(data)
    coders: dict[int, _Witness] = {}
    decoded: dict[tuple[int, int], Any] = {}
    by_tile: dict[tuple[int, int], list[Place]] = {}
    for place in segments(data):
        if 0 < place.segment.number <= len(model.layers):
            by_tile.setdefault((place.tile, place.segment.band), []).append(place)
    for (tile, band), places in by_tile.items():
        window = latent_window(header.grid, *divmod(tile, header.grid.cols))
        if header.bands[band].level > model.top_level or window.pixels > LARGEST:
            continue
        layers = [b""] * len(model.layers)
        for place in places:
            layers[place.segment.number - 1] = data[
                place.at + layout.CRC.size : place.at + place.segment.size
            ]
        coder = coders.setdefault(band, _Witness(model, header.bands[band].level))
        try:
            size = (window.height, window.width)
            nothing = np.zeros((sum(model.layers), *size), np.int64)
            beside = decoded.get((tile, header.first_of(band)), nothing)
            predicted = header.first_of(band) != band
            digests, y_hat = coder.digests(tuple(layers), size, beside, predicted=predicted)
            decoded[tile, band] = y_hat
        except SarcError:
            continue
        for place in places:
            at, digest = place.at + layout.CRC.size, digests[place.segment.number - 1]
            if place.segment.size >= layout.CRC.size + layout.LAYER_HEAD.size:
                out[at : at + layout.LAYER_HEAD.size] = digest
    return bytes(out)
