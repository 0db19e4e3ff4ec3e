"""Streams are CompressAI's: its coder writes the golden files byte for byte, and its decoder reads ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest

import sarcodec
from conftest import GOLDEN, TOY
from golden import make_golden
from sarcodec.model import compressai_coder, rans
from sarcodec.native import kernels
from sarcodec.native.streams import CodingTables, Source
from sarcodec.native.trellis_code import SCALES, onward, points
from testing.needed import needed

needed("coder")

Array = npt.NDArray[Any]
MODELS: dict[Callable[[], make_golden.Case], str] = {
    **dict.fromkeys(make_golden.CASES, TOY),
    **{make: str(GOLDEN / f"{make.__name__}.safetensors") for make in make_golden.FAMILIES},
}
WITHOUT_STREAMS = {"nothing_valid", "one_pixel"}
NAMES = {make.__name__: make for make in MODELS}


def encoded(name: str) -> bytes:
    chosen: Any = {"targets": name in make_golden.WITH_TARGETS, "texture": name in make_golden.TEXTURED}
    make = NAMES[name]
    gain_cell = make_golden.GAIN_SIDES.get(name, False)
    return make_golden.encoded(make(), MODELS[make], gain_cell, **chosen)


class TheirSource(Source):
    """A stream in CompressAI's decoder, behind zeros, since it does not know where a stream ends."""

    def __init__(self, stream: bytes) -> None:
        super().__init__(stream)
        self.decoder = compressai_coder.coder().RansDecoder()
        self.decoder.set_stream(stream + bytes(1 << 12))


def rans_read(source: TheirSource, tables: CodingTables, rows: Array) -> Array:
    """With the tables that occur alone: it copies all that it is given."""
    used, numbers = np.unique(rows, return_inverse=True)
    cdfs = [[*tables.cdf[row, : tables.size[row] - 1].tolist(), 1 << 16] for row in used]
    own = cdfs, tables.size[used].tolist(), tables.offset[used].tolist()
    return np.array(source.decoder.decode_stream(numbers.tolist(), *own), np.int32)


def trellis_read(source: TheirSource, tables: CodingTables, scale: Array, shrink: Array) -> Array:
    """One symbol after the other: a table depends on those before."""
    state, symbols, quantisers = 0, np.zeros(len(scale), np.int32), np.zeros(len(scale), np.int32)
    for at, own in enumerate(scale.tolist()):
        quantisers[at] = state & 1
        row = np.array([own + SCALES * (state & 1)])
        symbols[at] = rans_read(source, tables, row)[0]
        state = onward(state, int(symbols[at]))
    return points(symbols, quantisers, shrink).astype(np.int32)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_its_coder_writes_the_same_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = encoded(name)
    monkeypatch.setenv(compressai_coder.CHOICE, "compressai")
    with mock.patch.object(compressai_coder, "stream_of", wraps=compressai_coder.stream_of) as stream_of:
        assert encoded(name) == ours
    assert stream_of.called or name in WITHOUT_STREAMS


@pytest.mark.parametrize("name", sorted(NAMES))
def test_its_decoder_reads_our_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = MODELS[NAMES[name]], encoded(name)
    pixels = sarcodec.decode_array(data, model=model)
    monkeypatch.setattr(rans, "Source", TheirSource)
    monkeypatch.setattr(kernels, "rans_read", rans_read)
    monkeypatch.setattr(kernels, "trellis_read", trellis_read)
    assert sarcodec.decode_array(data, model=model).tobytes() == pixels.tobytes()
