"""Textures: any comes back, damaged bytes are refused, memory is bounded."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from oracle import sarc_decoder as oracle
from sarcodec.bitstream.gaingrid import SIDES, GainGrid
from sarcodec.bitstream.header import Band, Header, Layer, ModelRef
from sarcodec.bitstream.layout import LayerKind
from sarcodec.bitstream.texturegrid import Texture, pack, unpack
from sarcodec.corrections.texture_noise import added
from sarcodec.errors import FormatError
from sarcodec.types import Scale, Window

Array = npt.NDArray[Any]
BYTES = st.integers(-128, 127)


@st.composite
def textures(draw: st.DrawFn) -> tuple[Texture, tuple[int, int]]:
    """A texture, and the shape of the tile it is of."""
    shape, side = draw(st.tuples(st.integers(1, 90), st.integers(1, 90))), draw(st.sampled_from(SIDES))
    cells = (-(-shape[0] // side), -(-shape[1] // side))
    codes = draw(hnp.arrays(np.int16, cells, elements=st.integers(-256, 256)))
    reach = draw(st.integers(0, 3))
    kernel = draw(hnp.arrays(np.int8, (reach + 1, reach + 1)))
    kernel[0, 0] = 127
    numbers = draw(st.tuples(BYTES, BYTES, BYTES, BYTES))
    return Texture(GainGrid(codes, side, 3), draw(st.integers(0, 65535)), *numbers, kernel), shape


@given(textures())
def test_any_texture_comes_back(drawn: tuple[Texture, tuple[int, int]]) -> None:
    texture, shape = drawn
    valid = np.ones(shape, bool)
    back = unpack(pack(texture, valid), valid)
    assert back is not None
    assert np.array_equal(back.kernel, texture.kernel) and back.kernel.dtype == np.int8
    for name in ("unit", "lift", "bend", "slope", "skew"):
        assert getattr(back, name) == getattr(texture, name)
    if texture.levels.codes.any():
        assert np.array_equal(back.levels.codes, texture.levels.codes)
        assert (back.levels.side, back.levels.shift) == (texture.levels.side, 3)
    else:
        assert not back.levels.codes.any()


def test_no_texture_takes_no_byte() -> None:
    assert pack(None, np.ones((9, 9), bool)) == b""
    assert unpack(b"", np.ones((9, 9), bool)) is None


def test_a_small_texture_makes_the_bytes_of_the_specification() -> None:
    kernel = np.array([[127, 16], [32, -16]], np.int8)
    texture = Texture(GainGrid(np.zeros((1, 1), np.int16)), 2048, 64, 0, 51, -25, kernel)
    assert pack(texture, np.ones((4, 4), bool)).hex(" ") == "00 08 40 00 33 e7 01 10 20 f0"


@pytest.mark.parametrize(
    "kernel", [np.ones((1, 1), np.int8), np.full((5, 5), 127, np.int8), np.full((2, 1), 127, np.int8)]
)
def test_a_kernel_that_the_format_lacks_is_not_written(kernel: Array) -> None:
    texture = Texture(GainGrid(np.zeros((1, 1), np.int16)), kernel=kernel)
    with pytest.raises(FormatError, match="no kernel"):
        pack(texture, np.ones((4, 4), bool))


def test_a_number_out_of_range_is_not_written() -> None:
    with pytest.raises(FormatError, match="texture"):
        pack(Texture(GainGrid(np.zeros((1, 1), np.int16)), unit=65536), np.ones((4, 4), bool))


@given(textures(), st.data())
def test_damaged_bytes_are_refused_or_are_another_texture(
    drawn: tuple[Texture, tuple[int, int]], data: st.DataObject
) -> None:
    valid = np.ones(drawn[1], bool)
    body = bytearray(pack(drawn[0], valid))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    del body[data.draw(st.integers(1, len(body))) :]
    assert_read_alike_or_refused(bytes(body), valid)


@given(st.binary(min_size=1, max_size=40), st.tuples(st.integers(1, 80), st.integers(1, 80)))
def test_any_bytes_are_a_texture_or_refused(body: bytes, shape: tuple[int, int]) -> None:
    assert_read_alike_or_refused(body, np.ones(shape, bool))


def assert_read_alike_or_refused(body: bytes, valid: Array) -> None:
    db = np.linspace(-30, 10, valid.size, dtype=np.float32).reshape(valid.shape)
    try:
        texture = unpack(body, valid)
    except FormatError:
        with pytest.raises(oracle.RefusedError):
            oracle.read_texture(body, db, valid, 5, 1, (7, 9))
        return
    assert texture is not None
    ours = added(texture, db, valid, 5, 1, Window(9, 7, valid.shape[1], valid.shape[0]))
    theirs = oracle.read_texture(body, db.astype(np.float64), valid, 5, 1, (7, 9))
    assert np.isfinite(ours).all()
    largest = float(np.abs(theirs).max())
    assert np.abs(ours - theirs).max() <= 1e-4 + 1e-5 * largest


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\1", "fewer than 7"),
        (bytes(6) + b"\4" + bytes(60), "reach of 4"),
        (bytes(6) + b"\2" + bytes(7), "ends within its kernel"),
        (bytes(7) + b"\0" + b"\xff" * 4_000_000, "4000001 bytes cannot be 4 cells"),
    ],
)
def test_bodies_that_mean_nothing_are_refused(body: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        unpack(body, np.ones((128, 128), bool))


def test_the_texture_of_a_file_is_the_first_skippable_one_without_channels() -> None:
    base, texture = Layer(LayerKind.BASE, 16), Layer(LayerKind.TEXTURE, 0, skippable=True)
    newer, gains = Layer(LayerKind.TEXTURE, 3, skippable=True), Layer(LayerKind.GAIN_GRID, 0, skippable=True)

    def found(*layers: Layer) -> int | None:
        band, model = Band(0.0, 1.0, 0, 1, 2), ModelRef("toy", bytes(4), bytes(4))
        header = Header(300, 200, "uint16", Scale.DN, (band,), layers, model)
        return Header.from_bytes(header.to_bytes()).side_layer(LayerKind.TEXTURE)

    assert found(base) is found(base, newer, gains) is None
    assert found(base, newer, gains, texture, texture) == 3
