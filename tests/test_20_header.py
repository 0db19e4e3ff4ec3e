"""The header: bytes written by hand as oracle, every range, version rules."""

from __future__ import annotations

import dataclasses
import pickle
import struct
from dataclasses import replace
from typing import Any

import google_crc32c
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sarcodec.bitstream import layout, mask
from sarcodec.bitstream.header import Band, Header, Layer, ModelRef, header_size
from sarcodec.bitstream.layout import LayerKind, Meaning
from sarcodec.errors import ChecksumError, FormatError, LimitError, SarcError, UnsupportedError
from sarcodec.limits import Limits
from sarcodec.types import Basis, PixelScale, Quantity, Scale, TileGrid

MODEL = ModelRef("s1-v1", bytes(range(4)), bytes(range(4, 8)))
BASE = Layer(LayerKind.BASE, 16)


def simple(**changes: Any) -> Header:
    """A valid header with `changes`."""
    band = Band(offset=17.25, unit=4.0, level=1234, vmin=3, vmax=6000, palette=(0,))
    fields: dict[str, Any] = {
        "width": 512,
        "height": 300,
        "dtype": "uint16",
        "scale": Scale.DN,
        "bands": (band,),
        "layers": (BASE, Layer(LayerKind.ENHANCEMENT, 48)),
        "model": MODEL,
        "quantity": Quantity.DN,
        "tile_side": 512,
    }
    return Header(**{**fields, **changes})


def sealed(body: bytes, *, major: int = 1, minor: int = 1) -> bytes:
    """Prologue with a right checksum in front of any header `body`."""
    start = bytes.fromhex("89534152430d0a1a") + struct.pack("<BBI", major, minor, len(body))
    return start + struct.pack("<I", google_crc32c.value(start + body)) + body


IMAG = bytes.fromhex("80 04  ac 02  01  02 00 01 00  02  00  01 01  02  44 01 30")
BAND = struct.pack("<fHB", 17.25, 1234, 2) + struct.pack("<HH", 3, 6000) + b"\x01\0\0"
MODL = b"\x05s1-v1" + bytes(range(8))


def chunk(kind: int, data: bytes) -> bytes:
    """A chunk shorter than 128 bytes."""
    return bytes([kind, len(data)]) + data


REST = chunk(2, BAND) + chunk(3, MODL)
PLAIN = chunk(1, IMAG) + REST


def test_header_is_written_as_the_bytes_of_the_specification() -> None:
    assert simple().to_bytes() == sealed(PLAIN)


def test_header_is_read_from_the_bytes_of_the_specification() -> None:
    assert Header.from_bytes(sealed(PLAIN)) == simple()


def test_a_float_header_with_a_model_and_geo_stays_near_100_bytes() -> None:
    band = Band(-12.3, 5.1, 777, float(np.float32(1e-5)), 312.5, (0,))
    model = replace(MODEL, id="s1grd-v1")
    header = simple(dtype="float32", height=512, scale=Scale.POWER, bands=(band,), geo=bytes(22), model=model)
    assert len(header.to_bytes()) <= 106


def test_the_grid_of_a_header_is_made_once_and_is_no_part_of_its_value() -> None:
    header, fresh = simple(), simple()
    grid = header.grid
    assert header.grid is grid == TileGrid(512, 300, 512)
    assert header == fresh and hash(header) == hash(fresh) and repr(header) == repr(fresh)
    assert dataclasses.asdict(header) == dataclasses.asdict(fresh)
    assert replace(header, width=1500).grid.cols == 3
    back = pickle.loads(pickle.dumps(header))
    assert back == fresh and back.grid == grid


def test_offset_and_unit_are_those_that_the_file_keeps() -> None:
    band = Band(offset=0.1, unit=1 / 3, level=0, vmin=0, vmax=0)
    assert (band.offset, band.unit) == (float(np.float32(0.1)), float(np.float32(1 / 3)))


def test_palette_keeps_nan_payloads_bit_for_bit() -> None:
    odd = (0x7FC00001, 0xFFC00000, 0x80000000)
    header = simple(dtype="float32", bands=(Band(0, 1, 0, 0.5, 2.5, odd),))
    data = header.to_bytes()
    assert bytes.fromhex("03 0100c07f 0000c0ff 00000080") in data
    assert Header.from_bytes(data).bands[0].palette == odd


RANGES = {
    "uint8": st.integers(0, 255),
    "int16": st.integers(-(2**15), 2**15 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "float32": st.floats(allow_nan=False, allow_infinity=False, width=32),
    "float64": st.floats(allow_nan=False, allow_infinity=False),
}


@st.composite
def headers(draw: st.DrawFn) -> Header:
    """Any header that is in range."""
    dtype = draw(st.sampled_from(sorted(RANGES)))
    size = np.dtype(dtype).itemsize
    bands = []
    for _ in range(draw(st.integers(1, 4))):
        low, high = sorted((draw(RANGES[dtype]), draw(RANGES[dtype])))
        invalid = draw(st.lists(st.integers(0, 256**size - 1), max_size=16, unique=True))
        real = st.floats(-1e6, 1e6)
        unit = st.floats(1e-6, 1e6)
        level = st.integers(0, 65535)
        bands.append(
            Band(draw(real), draw(unit), draw(level), low, high, tuple(invalid), draw(st.booleans()))
        )
    more = st.builds(Layer, st.integers(0, 6), st.integers(0, 1024), st.booleans())
    unknown = st.builds(Layer, st.integers(7, 127), st.integers(0, 1024), st.just(value=True))
    width = draw(st.integers(1, 2**20))
    return Header(
        width=width,
        height=draw(st.integers(1, min(2**20, 2**31 // width))),
        dtype=dtype,
        scale=draw(st.sampled_from(Scale)),
        bands=tuple(bands),
        layers=(Layer(0, draw(st.integers(1, 1024))), *draw(st.lists(more | unknown, max_size=5))),
        model=ModelRef(draw(st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)), bytes(4), b"synt"),
        quantity=draw(st.sampled_from(Quantity)),
        meaning=draw(st.sampled_from(Meaning)),
        tile_side=256 * draw(st.integers(1, 8)),
        geo=draw(st.binary(max_size=200)),
        text=draw(st.binary(max_size=200)),
    )


@given(headers())
def test_every_header_comes_back_equal(header: Header) -> None:
    assert Header.from_bytes(header.to_bytes()) == header


@given(st.binary(max_size=120))
def test_any_sealed_bytes_give_a_header_or_a_typed_error(body: bytes) -> None:
    with pytest.raises(SarcError):
        Header.from_bytes(sealed(body))  # shorter than any header, so never one


@given(st.integers(0, len(PLAIN) - 1), st.integers(0, 255), st.integers(0, 3))
def test_a_changed_and_resealed_header_gives_a_header_or_a_typed_error(
    at: int, value: int, drop: int
) -> None:
    body = PLAIN[:at] + bytes([value]) + PLAIN[at + 1 + drop :]
    try:
        header = Header.from_bytes(sealed(body))
    except SarcError:
        return
    assert header.to_bytes() == sealed(body)  # one header, one form


BAD = {
    "zero width": (sealed(chunk(1, b"\0" + IMAG[2:]) + REST), FormatError),
    "no chunks": (sealed(b""), FormatError),
    "band chunk first": (sealed(chunk(2, BAND) + PLAIN), FormatError),
    "band missing": (sealed(chunk(1, IMAG) + chunk(3, MODL)), FormatError),
    "band twice": (sealed(chunk(1, IMAG) + chunk(2, BAND) * 2 + chunk(3, MODL)), FormatError),
    "image twice": (sealed(chunk(1, IMAG) + PLAIN), FormatError),
    "model twice": (sealed(PLAIN + chunk(3, MODL)), FormatError),
    "model missing": (sealed(chunk(1, IMAG) + chunk(2, BAND)), FormatError),
    "geo twice": (sealed(PLAIN + chunk(128, b"x") * 2), FormatError),
    "text before geo": (sealed(PLAIN + chunk(129, b"x") + chunk(128, b"x")), FormatError),
    "geo before model": (
        sealed(chunk(1, IMAG) + chunk(2, BAND) + chunk(128, b"x") + chunk(3, MODL)),
        FormatError,
    ),
    "empty geo": (sealed(PLAIN + chunk(128, b"")), FormatError),
    "unknown critical chunk": (sealed(PLAIN + chunk(4, b"x")), UnsupportedError),
    "chunk longer than the header": (sealed(PLAIN + b"\x82\x40"), FormatError),
    "length not in shortest form": (sealed(PLAIN + b"\x82\x81\x00x"), FormatError),
    "length above 32 bits": (sealed(PLAIN + b"\x82\xff\xff\xff\xff\x1f"), FormatError),
    "more chunks than allowed": (sealed(PLAIN + chunk(200, b"") * 1030), LimitError),
    "bytes after the image fields": (sealed(chunk(1, IMAG + b"\0") + REST), FormatError),
    "newer major": (sealed(PLAIN, major=2), UnsupportedError),
    "major zero": (sealed(PLAIN, major=0), FormatError),
    "header above its limit": (sealed(PLAIN)[:10] + struct.pack("<II", 2**24 + 1, 0), LimitError),
    "reserved band flag": (
        sealed(PLAIN.replace(struct.pack("<HB", 1234, 2), struct.pack("<HB", 1234, 0x42))),
        UnsupportedError,
    ),
    "usual unit stored": (
        sealed(chunk(1, IMAG) + chunk(2, BAND[:6] + struct.pack("<Bf", 0, 4.0) + BAND[7:]) + chunk(3, MODL)),
        FormatError,
    ),
    "layer not in its short form": (sealed(chunk(1, IMAG[:14] + b"\0\x10" + IMAG[15:]) + REST), FormatError),
    "first layer without channels": (sealed(chunk(1, IMAG[:14] + b"\0\0" + IMAG[15:]) + REST), FormatError),
    "first layer skippable": (sealed(chunk(1, IMAG[:14] + b"\x80\x10" + IMAG[15:]) + REST), FormatError),
    "a folder in the model id": (sealed(PLAIN.replace(b"s1-v1", b"../v1")), FormatError),
    "text in front": (b"Hello, this is no such file", FormatError),
    "trailing byte": (sealed(PLAIN) + b"\0", FormatError),
    "wrong checksum": (sealed(PLAIN)[:-1] + b"\0", ChecksumError),
}
for place, value, kind in [
    (5, 8, UnsupportedError),
    (6, 4, UnsupportedError),
    (7, 5, UnsupportedError),
    (8, 3, UnsupportedError),
    (9, 0, FormatError),
    (9, 17, LimitError),
    (10, 2, UnsupportedError),
    (11, 2, FormatError),
    (12, 2, FormatError),
    (14, 0x54, FormatError),
    (14, 0x4F, FormatError),
    (15, 9, UnsupportedError),
    (15, 0x61, UnsupportedError),
]:
    changed = IMAG[:place] + bytes([value]) + IMAG[place + 1 :]
    BAD[f"IMAG byte {place} = {value}"] = (sealed(chunk(1, changed) + REST), kind)


@pytest.mark.parametrize(("data", "error"), BAD.values(), ids=BAD)
def test_a_header_with_one_fault_is_refused(data: bytes, error: type[SarcError]) -> None:
    with pytest.raises(SarcError) as caught:
        Header.from_bytes(data)
    assert type(caught.value) is error


def test_bands_of_a_group_have_one_level() -> None:
    image = IMAG[:4] + b"\x03" + IMAG[5:11] + b"\x02\x01\x02" + IMAG[13:]
    bands = [BAND, BAND, BAND]
    body = chunk(1, image) + b"".join(chunk(2, band) for band in bands) + chunk(3, MODL)
    header = Header.from_bytes(sealed(body))
    assert header.groups == (1, 2)
    assert [header.first_of(band) for band in range(3)] == [0, 1, 1]
    assert header.to_bytes() == sealed(body)
    other = BAND[:4] + struct.pack("<H", 1235) + BAND[6:]
    for place, right in ((0, True), (1, False), (2, False)):
        bands = [other if place == band else BAND for band in range(3)]
        body = chunk(1, image) + b"".join(chunk(2, band) for band in bands) + chunk(3, MODL)
        if right:
            assert Header.from_bytes(sealed(body)).groups == (1, 2)
        else:
            with pytest.raises(FormatError, match="another rate level"):
                Header.from_bytes(sealed(body))


@pytest.mark.parametrize("groups", [(2,), (1, 1, 1), (3, 1), (0, 3)])
def test_groups_that_are_not_those_of_the_bands_are_not_written(groups: tuple[int, ...]) -> None:
    with pytest.raises(FormatError, match="groups of"):
        simple(bands=simple().bands * 3, groups=groups).to_bytes()


def test_unknown_skippable_chunks_are_left_out_wherever_they_stand() -> None:
    extra = chunk(200, b"from the future")
    body = chunk(1, IMAG) + extra + chunk(2, BAND) + chunk(3, MODL) + extra + chunk(128, b"g") + extra
    assert Header.from_bytes(sealed(body)) == simple(geo=b"g")


def test_a_newer_minor_version_is_read() -> None:
    assert Header.from_bytes(sealed(PLAIN, minor=9)) == simple()


BAD_FIELDS: dict[str, tuple[dict[str, Any], type[SarcError]]] = {
    "nan offset": ({"offset": float("nan")}, FormatError),
    "unit zero": ({"unit": 0.0}, FormatError),
    "unit beyond float32": ({"unit": 1e39}, FormatError),
    "level beyond 16 bits": ({"level": 65536}, FormatError),
    "vmin above vmax": ({"vmin": 7000}, FormatError),
    "vmax beyond the dtype": ({"vmax": 65536}, FormatError),
    "a palette value beyond the dtype": ({"palette": (65536,)}, FormatError),
    "a palette value twice": ({"palette": (1, 1)}, FormatError),
    "too many palette values": ({"palette": tuple(range(17))}, LimitError),
}


@pytest.mark.parametrize(("changes", "error"), BAD_FIELDS.values(), ids=BAD_FIELDS)
def test_a_band_out_of_range_is_not_written(changes: dict[str, Any], error: type[SarcError]) -> None:
    header = simple()
    with pytest.raises(SarcError) as caught:
        replace(header, bands=(replace(header.bands[0], **changes),)).to_bytes()
    assert type(caught.value) is error


def test_a_range_that_is_not_in_the_dtype_is_not_written() -> None:
    with pytest.raises(FormatError, match="not values of float32"):
        simple(dtype="float32", bands=(Band(0, 1, 0, 0.1, 2.5),)).to_bytes()


@pytest.mark.parametrize(
    "changes", [{"width": 2**20 + 1}, {"width": 2**16, "height": 2**16}, {"tile_side": 2304}]
)
def test_a_size_above_a_limit_is_a_limit_error(changes: dict[str, int]) -> None:
    with pytest.raises(LimitError):
        simple(**changes).to_bytes()


def test_limits_can_be_raised_by_the_caller() -> None:
    wide = Limits(side=2**21)
    header = simple(width=2**20 + 1)
    assert Header.from_bytes(header.to_bytes(limits=wide), limits=wide) == header


def test_bands_above_the_limit_are_refused_before_their_chunks_are_read() -> None:
    image = IMAG[:4] + b"\xff\xff\xff\xff\x0f" + IMAG[5:]
    with pytest.raises(LimitError, match="4294967295"):
        Header.from_bytes(sealed(chunk(1, image)))


def test_header_size_needs_only_the_first_18_bytes() -> None:
    data = simple().to_bytes()
    assert header_size(data[:18]) == len(data)


def test_header_is_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        simple().width = 3  # type: ignore[misc]


@given(st.lists(st.integers(0, 2**32 - 1), max_size=50))
def test_vectorised_leb128_equals_the_scalar_form_and_inverts(values: list[int]) -> None:
    data = mask.pack_uvs(np.array(values, np.uint32))
    assert data == b"".join(layout.pack_uv(value) for value in values)
    assert mask.unpack_uvs(data, len(values)).tolist() == values


@pytest.mark.parametrize(
    "data", [b"\x80\x00", b"\x80", b"\xff\xff\xff\xff\x1f", b"\xff\xff\xff\xff\xff\x01", b"\x01\x01", b""]
)
def test_vectorised_leb128_refuses_what_is_not_one_shortest_integer(data: bytes) -> None:
    with pytest.raises(FormatError):
        mask.unpack_uvs(data, 1)


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"II*\0", "it is a TIFF.*sarcodec encode"),
        (b"PK\3\4", "it is a zip archive.*Unpack"),
        (b"\x89SARC\n\x1a", "starts with 89 53.*line ends"),
    ],
)
def test_what_begins_as_another_file_is_called_by_its_name(start: bytes, said: str) -> None:
    for length in (30, 12):
        with pytest.raises(FormatError, match=f"(?s)not a .sarc file: .*{said}"):
            header_size(start.ljust(length, b"\0"))


# --- scales, gains and masks of bands


OWN = struct.pack("<fHB", 17.25, 1234, 2 | 4 | 8 | 16) + bytes([0x43]) + struct.pack("<dd", 0.01, -50.0)
OWN += struct.pack("<HH", 3, 6000) + b"\x02\0\0\x07\0" + b"\x01"


def test_a_band_with_scale_gain_and_mask_is_read_as_its_bytes_say() -> None:
    data = sealed(chunk(1, IMAG) + chunk(2, OWN) + chunk(3, MODL))
    header = Header.from_bytes(data)
    (band,) = header.bands
    assert band.scale == (Scale.DB, Basis.NAME)
    assert (band.gain, band.addend, band.masked, band.unmasked, band.palette) == (0.01, -50.0, 1, 1, (0, 7))
    assert header.pixel_scale(0) == PixelScale(Scale.DB, 0.01, -50.0)
    assert (header.scale, header.scale_basis(0), header.has_mask) == (Scale.DN, Basis.NAME, True)
    assert header.to_bytes() == data


def test_the_evidence_of_a_raster_stands_beside_its_scale() -> None:
    header = simple(basis=Basis.STATISTICS)
    data = header.to_bytes()
    assert data == sealed(chunk(1, IMAG[:6] + bytes([0x50 | IMAG[6]]) + IMAG[7:]) + REST)
    assert Header.from_bytes(data).basis is Basis.STATISTICS


@pytest.mark.parametrize(
    ("place", "new", "error"),
    [
        (7, b"\x73", UnsupportedError),  # evidence of a newer encoder
        (7, b"\x44", UnsupportedError),  # a scale of a newer encoder
        (7, b"\x00", FormatError),  # that of the raster
        (8, struct.pack("<d", 0.0), FormatError),
        (8, struct.pack("<d", float("nan")), FormatError),
        (16, struct.pack("<d", float("inf")), FormatError),
        (8, struct.pack("<dd", 1.0, 0.0), FormatError),
        (33, b"\x03", FormatError),  # more masked values than there are
        (6, b"\xff", UnsupportedError),
    ],
)
def test_a_band_whose_scale_gain_or_mask_cannot_be_is_refused(
    place: int, new: bytes, error: type[SarcError]
) -> None:
    changed = OWN[:place] + new + OWN[place + len(new) :]
    with pytest.raises(error):
        Header.from_bytes(sealed(chunk(1, IMAG) + chunk(2, changed) + chunk(3, MODL)))


def test_a_value_may_stand_among_invalid_and_among_masked_values() -> None:
    band = replace(simple().bands[0], palette=(0, 0), masked=1)
    assert Header.from_bytes(simple(bands=(band,)).to_bytes()).bands == (band,)
    with pytest.raises(FormatError):
        simple(bands=(replace(band, masked=None),)).to_bytes()


def test_a_key_is_carried_and_does_not_change_the_rest() -> None:
    header = simple(key=b"row 17", text=b"")
    assert Header.from_bytes(header.to_bytes()) == header
