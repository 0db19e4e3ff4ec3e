"""Metadata come back from their chunks as they went in, in few bytes."""

from __future__ import annotations

import json
import math
import pprint
import struct
import zlib
from dataclasses import asdict, replace
from pathlib import Path

import google_crc32c
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sarcodec import georef
from sarcodec.errors import FormatError, LimitError
from sarcodec.limits import Limits
from sarcodec.metadata import BandMeta, Gcp, RasterMeta, from_chunks, pack_geo, pack_text, unpack_text
from sarcodec.vocabulary import VOCABULARY
from testing.strategies import raster_metas

UTM = (10.0, 0.0, 399960.0, 0.0, -10.0, 5000040.0)
AREA = {"": {"AREA_OR_POINT": "Area"}}


def through_chunks(meta: RasterMeta) -> RasterMeta:
    return from_chunks(meta.width, meta.height, meta.count, meta.dtype, pack_geo(meta), pack_text(meta))


def exact(meta: RasterMeta) -> str:
    """Every value as text: tells -0.0 from 0.0, finds NaN equal to itself, and sorts the dicts."""
    return pprint.pformat(asdict(meta))


def deflated(text: str) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(text.encode()) + packer.flush()


@settings(max_examples=60, deadline=None)
@given(raster_metas())
def test_every_field_comes_back(meta: RasterMeta) -> None:
    assert exact(through_chunks(meta)) == exact(meta)


def test_utm_geotiff_takes_few_bytes() -> None:
    meta = RasterMeta(512, 512, 1, "uint16", crs="EPSG:32633", transform=UTM, tags=AREA)
    assert len(pack_geo(meta)) <= 20
    assert pack_text(meta) == b""


def test_band_description_takes_few_bytes() -> None:
    bands = (BandMeta("VV", colorinterp="gray"),)
    meta = RasterMeta(512, 512, 1, "uint16", crs="EPSG:32633", transform=UTM, tags=AREA, bands=bands)
    assert 0 < len(pack_text(meta)) <= 20


def test_raster_without_metadata_takes_no_bytes() -> None:
    meta = RasterMeta(5, 4, 2, "float32")
    assert (pack_geo(meta), pack_text(meta)) == (b"", b"")
    assert through_chunks(meta) == meta


def test_text_is_independent_of_the_order_of_tags() -> None:
    one = RasterMeta(1, 1, 1, "uint8", tags={"A": {"x": "1", "y": "2"}, "B": {"z": "3"}})
    two = RasterMeta(1, 1, 1, "uint8", tags={"B": {"z": "3"}, "A": {"y": "2", "x": "1"}})
    assert pack_text(one) == pack_text(two)


def test_geo_bytes_are_as_documented() -> None:
    expected = bytes([1 | 2 | 8 | 16]) + struct.pack("<H", 32633)
    for value in (10.0, 399960.0, 5000040.0):
        body = struct.pack(">d", value).rstrip(b"\0")
        expected += bytes([len(body)]) + body
    assert georef.pack("EPSG:32633", UTM, "Area") == expected


def test_the_vocabulary_is_the_one_of_the_specification() -> None:
    text = (Path(__file__).parents[1] / "docs" / "FORMAT.md").read_text(encoding="utf-8")
    lines = text.split("```vocabulary\n")[1].split("\n```")[0].split("\n")
    assert "".join(lines).encode() == VOCABULARY
    stated = f"{len(VOCABULARY)} bytes whose CRC-32C is 0x{google_crc32c.value(VOCABULARY):08X}"
    assert stated in " ".join(text.split())


def test_text_is_raw_deflated_json() -> None:
    meta = RasterMeta(
        3, 3, 1, "float32", nodata=math.nan, gcps=(Gcp(0, 1.5, 2, 3, 4, "1"),), gcp_crs="EPSG:4326"
    )
    inflater = zlib.decompressobj(-15, zdict=VOCABULARY)
    assert json.loads(inflater.decompress(pack_text(meta))) == {
        "g": [[0], [1.5], [2], [3], [4], None, None],
        "n": "nan",
        "q": "EPSG:4326",
    }


@pytest.mark.parametrize(
    ("dtype", "nodata", "kind"), [("uint16", 0.0, int), ("float32", 0, float), ("int16", 0.5, float)]
)
def test_nodata_has_the_type_of_the_pixels(dtype: str, nodata: float, kind: type) -> None:
    assert type(RasterMeta(1, 1, 1, dtype, nodata=nodata).nodata) is kind


def test_nan_nodata_compares_equal() -> None:
    assert RasterMeta(1, 1, 1, "float32", nodata=float("nan")) == RasterMeta(
        1, 1, 1, "float32", nodata=-float("nan")
    )


@pytest.mark.parametrize("length", range(1, 17))
def test_cut_geo_is_a_format_error(length: int) -> None:
    whole = georef.pack("EPSG:32633", UTM, "Area")
    with pytest.raises(FormatError, match="GEO"):
        georef.unpack(whole[: min(length, len(whole) - 1)])


@pytest.mark.parametrize("data", [b"\x40", b"\x30", b"\x04", b"\x10\x00", b"\x02\x09" + bytes(40)])
def test_geo_that_says_nonsense_is_a_format_error(data: bytes) -> None:
    with pytest.raises(FormatError, match="GEO"):
        georef.unpack(data)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        "[" * 100000,
        '{"n":"big"}',
        '{"n":true}',
        '{"g":[[1]]}',
        '{"g":[1,2,3,4,5,6,7]}',
        '{"a":[1,2,3]}',
        '{"t":[]}',
        '{"t":{"A":{"b":1}}}',
        '{"t":5}',
        '{"r":"x"}',
        '{"d":["a","b"]}',
        '{"d":[1]}',
        '{"c":[null]}',
        '{"p":1}',
        '{"n":1' + "0" * 5000 + "}",
        '{"n":1' + "0" * 400 + "}",
    ],
)
def test_text_that_says_nonsense_is_a_format_error(text: str) -> None:
    with pytest.raises(FormatError):
        from_chunks(1, 1, 1, "uint8", b"", deflated(text))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_bytes_give_metadata_or_a_format_error(geo: bytes, text: bytes) -> None:
    try:
        meta = from_chunks(1, 1, 1, "uint8", geo, text)
    except FormatError:
        return
    assert exact(through_chunks(meta)) == exact(meta)


def test_cut_or_prolonged_text_is_a_format_error() -> None:
    whole = pack_text(RasterMeta(1, 1, 1, "uint8", tags={"A": {"x": "1" * 50}}))
    for damaged in (whole[:-1], whole + b"\0"):
        with pytest.raises(FormatError, match="TEXT"):
            unpack_text(damaged)


def test_text_that_inflates_too_far_is_refused() -> None:
    text = deflated('{"x":"' + "0" * 1000 + '"}')
    with pytest.raises(LimitError):
        unpack_text(text, Limits(text_bytes=1000))
    assert unpack_text(text, Limits(text_bytes=1008)) == {"x": "0" * 1000}


def test_text_too_large_to_be_read_is_not_written() -> None:
    meta = RasterMeta(1, 1, 1, "uint8", tags={"": {"x": "0" * 1000}})
    with pytest.raises(LimitError, match="text_bytes"):
        pack_text(meta, Limits(text_bytes=1000))
    assert unpack_text(pack_text(meta))["t"] == meta.tags


def test_too_many_control_points_are_neither_written_nor_read() -> None:
    point = Gcp(0.0, 0.0, 0.0, 0.0, 0.0, "1", "")
    meta = RasterMeta(1, 1, 1, "uint8", gcps=(point, replace(point, id="2")))
    with pytest.raises(LimitError, match="gcps=2"):
        pack_text(meta, Limits(gcps=1))
    with pytest.raises(LimitError, match="gcps=2"):
        unpack_text(pack_text(meta), Limits(gcps=1))


def test_unknown_fields_are_ignored() -> None:
    assert from_chunks(1, 1, 1, "uint8", b"", deflated('{"later":1}')) == RasterMeta(1, 1, 1, "uint8")


@pytest.mark.parametrize(
    "text",
    [
        b'{"n":NaN}',
        b'{"n":1e999}',
        b'{"n":-Infinity}',
        '{"t":{"":{"a":"b"}}}'.encode("utf-16"),
        b'\xef\xbb\xbf{"n":1}',
        '{"d":["ä"]}'.encode(),
        b'{"d":["\\ud800"]}',
        b'{"n":1,"n":2}',
        b"[1]",
        b"{",
    ],
    ids=str,
)
def test_text_that_is_not_plain_ascii_json_is_refused(text: bytes) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(text) + packer.flush()
    with pytest.raises(FormatError, match="TEXT chunk"):
        unpack_text(packed)


@given(raster_metas(), st.sampled_from([2, 4, 8, 16]))
def test_a_reduced_raster_lies_where_the_whole_one_does(meta: RasterMeta, factor: int) -> None:
    small = meta.reduced(factor)
    assert small.width == math.ceil(meta.width / factor) and small.height == math.ceil(meta.height / factor)
    if meta.transform is not None and all(map(math.isfinite, meta.transform)):
        assert small.transform is not None
        # Reduced pixel (col 3, row 2) begins where pixel (3 factor, 2 factor) does.
        a, b, c, d, e, f = meta.transform
        assert small.transform == (a * factor, b * factor, c, d * factor, e * factor, f)
    for whole, reduced in zip(meta.gcps, small.gcps, strict=True):
        assert reduced == replace(whole, row=whole.row / factor, col=whole.col / factor)
    assert (small.crs, small.nodata, small.bands) == (meta.crs, meta.nodata, meta.bands)


def test_rpcs_of_a_reduced_raster_give_the_middle_of_each_block() -> None:
    rpcs = {"LINE_OFF": "1500 pixels", "SAMP_OFF": "800", "LINE_SCALE": "1501", "SAMP_SCALE": "801 pixels"}
    meta = RasterMeta(1600, 3000, 1, "uint16", rpcs=rpcs | {"LAT_OFF": "47.5"})
    small = meta.reduced(4).rpcs
    assert small is not None and small["LAT_OFF"] == "47.5"
    for name in ("LINE", "SAMP"):
        before, after = (
            [float(r[f"{name}_{k}"].split()[0]) for k in ("OFF", "SCALE")] for r in (rpcs, small)
        )
        for where in (-0.7, 0.0, 0.3):  # what the rational functions give
            source, reduced = (off + scale * where for off, scale in (before, after))
            # RPCs count from the middle of the first pixel: corners of both rasters lie 0.5 before it.
            assert (reduced + 0.5) * 4 == pytest.approx(source + 0.5)
    assert small["LINE_OFF"].endswith(" pixels")
    assert replace(meta, rpcs=rpcs | {"LINE_OFF": "about 3"}).reduced(2).rpcs is None
    assert RasterMeta(9, 9, 1, "uint8").reduced(2).rpcs is None
