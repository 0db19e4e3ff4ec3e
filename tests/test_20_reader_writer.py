"""Whole files: exhaustive damage, random access, threads, and the worked example of docs/FORMAT.md."""

from __future__ import annotations

import io
import re
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sarcodec.bitstream import mask
from sarcodec.bitstream.header import Band, Header, Layer, ModelRef
from sarcodec.bitstream.index import pack_index
from sarcodec.bitstream.layer_body import LayerBody
from sarcodec.bitstream.layout import LayerKind
from sarcodec.bitstream.reader import Reader, read_header
from sarcodec.bitstream.tile import BandRecord, TileRecord
from sarcodec.bitstream.writer import Writer
from sarcodec.cli import info
from sarcodec.errors import (
    ChecksumError,
    FormatError,
    InputError,
    LimitError,
    SarcError,
    UnsupportedError,
    UsageError,
)
from sarcodec.limits import DEFAULT
from sarcodec.types import Quantity, Scale

FORMAT = Path(__file__).parents[1] / "docs" / "FORMAT.md"
LAYERS = (Layer(LayerKind.BASE, 16), Layer(LayerKind.ENHANCEMENT, 48))


def header(width: int = 300, height: int = 260, *, bands: int = 2) -> Header:
    """A header whose second band, if any, carries quality offsets."""
    made = tuple(Band(10.5, 3.0, 500 + k, 1, 9000, (0,), tile_quality=k == 1) for k in range(bands))
    model = ModelRef("toy", bytes(4), b"\xff" * 4)
    return Header(width, height, "uint16", Scale.DN, made, LAYERS, model, tile_side=256)


def records(count: int = 4, bands: int = 2) -> list[TileRecord]:
    """Distinct records with empty and full segments in all places."""
    out = []
    for tile in range(count):
        first = BandRecord(
            b"\x01\x01" if tile == 1 else b"", (bytes([tile]) * 13, b"" if tile % 2 else b"x" * 14)
        )
        second = (
            BandRecord(b"", (b"", b""), 0) if tile == 2 else BandRecord(b"\x02m", (b"", b"enhance-it"), -3)
        )
        out.append(TileRecord((first, second)[:bands]))
    return out


def written(head: Header, tiles: list[TileRecord]) -> bytes:
    """A whole file."""
    file = io.BytesIO()
    writer = Writer(file, head)
    for record in tiles:
        writer.add_tile(record)
    assert writer.finish() == len(file.getvalue())
    return file.getvalue()


def read_all(data: bytes) -> list[TileRecord]:
    """Every tile of a file."""
    reader = Reader(io.BytesIO(data))
    return [reader.tile(row, col) for row in range(reader.grid.rows) for col in range(reader.grid.cols)]


SMALL = written(header(), records())


def test_records_come_back_as_they_were_written() -> None:
    assert read_all(SMALL) == records()


def test_header_alone_is_read_from_a_file() -> None:
    assert read_header(io.BytesIO(SMALL)) == header()


def test_reader_knows_version_and_size() -> None:
    reader = Reader(io.BytesIO(SMALL))
    assert (reader.version, reader.size) == ((1, 1), len(SMALL))


def test_every_cut_is_refused_on_opening() -> None:
    for size in range(len(SMALL)):
        with pytest.raises(FormatError):
            Reader(io.BytesIO(SMALL[:size]))


def test_every_flipped_bit_is_found_when_all_tiles_are_read() -> None:
    for bit in range(8 * len(SMALL)):
        data = bytearray(SMALL)
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises((FormatError, UnsupportedError, LimitError)):
            read_all(bytes(data))


def test_every_flipped_bit_of_a_record_harms_that_tile_alone_and_is_blamed_on_it() -> None:
    reader = Reader(io.BytesIO(SMALL))
    at = len(header().to_bytes())
    for tile, record in enumerate(records()):
        row, col = divmod(tile, 2)
        for bit in range(8 * at, 8 * (at + reader.tile_size(row, col))):
            data = bytearray(SMALL)
            data[bit // 8] ^= 1 << bit % 8
            damaged = Reader(io.BytesIO(bytes(data)))
            with pytest.raises(FormatError, match=f"tile row {row}, column {col}"):
                damaged.tile(row, col)
            other = (tile + 1) % 4
            assert damaged.tile(*divmod(other, 2)) == records()[other]
        at += reader.tile_size(row, col)
        assert reader.tile(row, col) == record


def test_a_removed_or_inserted_byte_is_refused_on_opening() -> None:
    for at in range(len(SMALL)):
        for data in (SMALL[:at] + SMALL[at + 1 :], SMALL[:at] + b"\x5a" + SMALL[at:]):
            with pytest.raises(SarcError):
                Reader(io.BytesIO(data))


@pytest.mark.parametrize(
    "garbage", [b"\0", b"SARC", b"\n" * 12, SMALL], ids=["zero", "magic", "lines", "file"]
)
def test_bytes_behind_the_file_are_refused(garbage: bytes) -> None:
    with pytest.raises(FormatError):
        Reader(io.BytesIO(SMALL + garbage))


def test_bytes_in_front_of_the_file_are_refused() -> None:
    with pytest.raises(FormatError, match="it starts with 00 89"):
        Reader(io.BytesIO(b"\0" + SMALL))


def test_two_records_of_equal_size_cannot_change_places() -> None:
    same = [TileRecord((BandRecord(b"", (bytes([k]) * 12, b"")),)) for k in range(4)]
    data = written(header(bands=1), same)
    start = len(header(bands=1).to_bytes())
    size = Reader(io.BytesIO(data)).tile_size(0, 0)
    one, two = data[start : start + size], data[start + size : start + 2 * size]
    swapped = Reader(io.BytesIO(data[:start] + two + one + data[start + 2 * size :]))
    for col in (0, 1):
        with pytest.raises(ChecksumError, match=f"tile row 0, column {col}, band 1, layer 0"):
            swapped.tile(0, col)


def resealed(lengths: bytes, body: bytes) -> bytes:
    """A file whose index bytes are `lengths`, with a right checksum."""
    start = header().to_bytes()
    footer = struct.pack("<II4s", google_crc32c.value(start[14:18] + lengths), len(lengths), b"SARC")
    return start + body + lengths + footer


@pytest.mark.parametrize(
    ("lengths", "body", "message"),
    [
        (b"\x07\x07\x07", bytes(21), "cannot be that of 4 tiles"),
        (b"\x07\x07\x07\x07\x07", bytes(35), "length of a part"),
        (b"\x07\x07\x07\x07", bytes(29), "make 28 bytes, the file has 29"),
        (b"\x07\x07\x07\x07", bytes(27), "make 28 bytes, the file has 27"),
        (b"\x06\x08\x07\x07", bytes(28), "fewer than 7"),
        (b"\x87\x00\x07\x07\x07", bytes(28), "shortest form"),
        (b"\x07\x07\x07" + b"\xff" * 9 + b"\x01", bytes(28), "make 18446744073709551636 bytes"),
        (b"\x07\x07\x07" + b"\xff" * 9 + b"\x02", bytes(28), "above 64 bits"),
    ],
)
def test_a_resealed_index_that_does_not_fit_is_refused(lengths: bytes, body: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        Reader(io.BytesIO(resealed(lengths, body)))


HEADS = {
    "segment without body": bytes([4, 0, 0, 0, 0, 0, 0]) + bytes(4),
    "segment shorter than its checksum": bytes([3, 0, 0, 0, 0, 0, 0]) + bytes(3),
    "segments shorter than the record": bytes([5, 0, 0, 0, 0, 0, 0]) + bytes(6),
    "segments longer than the record": bytes([5, 0, 0, 0, 0, 0, 0]) + bytes(4),
    "segments far longer than the file": bytes([0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0, 0, 0, 0, 0, 0]),
    "length cut": bytes([0, 0, 0, 0, 0, 0, 0x80]),
    "quality offset without a segment": bytes([0, 0, 0, 1, 0, 0, 0]),
}


HEADS |= {
    "mask of the band before the first": bytes([1, 0, 0, 0, 0, 0, 0]),
    "mask of a band that has none": bytes([0, 0, 0, 0, 1, 0, 0]),
    "layer of the band before": bytes([5, 1, 0, 0, 0, 0, 0]) + bytes(5),
}


@pytest.mark.parametrize("record", HEADS.values(), ids=HEADS)
def test_a_resealed_record_with_a_wrong_head_is_refused(record: bytes) -> None:
    file = resealed(bytes([len(record), 7, 7, 7]), record + bytes(21))
    reader = Reader(io.BytesIO(file))
    with pytest.raises(FormatError, match="tile row 0, column 0"):
        reader.tile(0, 0)
    with pytest.raises(FormatError, match="tile row 0, column 0"):
        reader.record(0, 0).layer(0, 0)
    assert reader.tile(0, 1) == TileRecord((BandRecord(b"", (b"", b"")),) * 2)


@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_any_overwritten_bytes_give_the_same_records_or_a_typed_error(changes: list[tuple[int, int]]) -> None:
    data = bytearray(SMALL)
    for at, value in changes:
        data[at] = value
    try:
        found = read_all(bytes(data))
    except SarcError:
        return
    assert found == records()


class Watched(io.BytesIO):
    """Notes which bytes are read, and whether two threads are ever between seek and read."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.spans: list[tuple[int, int]] = []
        self.holder: int | None = None
        self.mixed = False

    def seek(self, *args: Any) -> int:
        self.mixed |= self.holder is not None
        self.holder = threading.get_ident()
        at = super().seek(*args)
        threading.Event().wait(0.0002)  # lets another thread in, if anything does
        return at

    def read(self, size: int | None = -1, /) -> bytes:
        at = self.tell()
        out = super().read(size)
        self.spans.append((at, len(out)))
        self.mixed |= self.holder != threading.get_ident()
        self.holder = None
        return out


def test_one_layer_is_read_without_the_others() -> None:
    base, detail = b"b" * 400, b"d" * 4000
    data = written(header(256, 256, bands=1), [TileRecord((BandRecord(b"", (base, detail)),))])
    file = Watched(data)
    reader = Reader(file)
    file.spans.clear()
    assert reader.record(0, 0).layer(0, 0) == base
    assert sum(size for _, size in file.spans) < 450
    assert reader.record(0, 0).layer(0, 1) == detail
    assert reader.record(0, 0).mask(0) == b""


def test_layers_and_masks_read_singly_equal_those_of_the_record() -> None:
    reader = Reader(io.BytesIO(SMALL))
    for tile, whole in enumerate(records()):
        record = reader.record(*divmod(tile, 2))
        assert record.size == reader.tile_size(*divmod(tile, 2))
        for number, band in enumerate(whole.bands):
            assert record.mask(number) == band.mask
            assert [record.layer(number, layer) for layer in range(len(band.layers))] == list(band.layers)


def test_a_record_reads_its_head_once_and_proves_once_that_segments_are_empty() -> None:
    empty = BandRecord(b"", (b"b" * 40, b""))
    file = Watched(written(header(256, 256), [TileRecord((empty, empty))]))
    record = Reader(file).record(0, 0)
    file.spans.clear()
    assert (record.mask(0), record.mask(1), record.layer(0, 1), record.layer(1, 1)) == (b"",) * 4
    assert len(file.spans) == 1
    assert record.layer(0, 0) == record.layer(1, 0) == b"b" * 40
    assert len(file.spans) == 3


def test_a_verified_segment_proves_that_others_are_empty() -> None:
    file = Watched(written(header(256, 256, bands=1), [TileRecord((BandRecord(b"", (b"b" * 40, b"")),))]))
    record = Reader(file).record(0, 0)
    assert record.layer(0, 0) == b"b" * 40
    file.spans.clear()
    assert record.mask(0) == b""
    assert not file.spans


def test_an_empty_segment_beside_damage_alone_is_damaged_each_time_it_is_read() -> None:
    data = bytearray(written(header(256, 256, bands=1), [TileRecord((BandRecord(b"", (b"b" * 40, b"")),))]))
    data[-1] ^= 1
    record = Reader(io.BytesIO(bytes(data))).record(0, 0)
    for _ in range(2):
        with pytest.raises(ChecksumError, match="tile row 0, column 0, band 1, layer 0"):
            record.mask(0)


def test_threads_share_a_record() -> None:
    file = Watched(SMALL)
    record = Reader(file).record(0, 0)
    bands, (file.holder, file.mixed) = records()[0].bands, (None, False)
    wanted = [(band.mask, *band.layers) for band in bands] * 50

    def body(number: int) -> tuple[bytes, ...]:
        band = number % len(bands)
        return record.mask(band), *(record.layer(band, layer) for layer in range(2))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(body, range(len(wanted)))) == wanted
    assert not file.mixed


def test_threads_share_a_reader() -> None:
    file = Watched(SMALL)
    reader = Reader(file)
    file.holder, file.mixed = None, False
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda tile: reader.tile(*divmod(tile % 4, 2)), range(200)))
    assert found == records() * 50
    assert not file.mixed


class Dribble(io.BytesIO):
    """Returns at most three bytes a read, as a socket may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(3, size or 0))


def test_short_reads_are_put_together() -> None:
    reader = Reader(Dribble(SMALL))
    assert reader.tile(1, 1) == records()[3]


class Broken(io.BytesIO):
    """Fails as a disk does."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(5, "Input/output error")


def test_a_failing_disk_is_an_input_error() -> None:
    with pytest.raises(InputError, match="cannot be read at byte 0"):
        Reader(Broken(SMALL))


class Streamed(io.RawIOBase):
    """Can be written and nothing else."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: Any) -> int:
        self.data += data
        return len(data)

    def writable(self) -> bool:
        return True


def test_writer_never_seeks() -> None:
    stream = Streamed()
    writer = Writer(stream, header())  # type: ignore[arg-type]
    sizes = [writer.add_tile(record) for record in records()]
    assert writer.finish() == len(stream.data) == len(SMALL)
    assert bytes(stream.data) == SMALL
    assert sizes == [Reader(io.BytesIO(SMALL)).tile_size(*divmod(tile, 2)) for tile in range(4)]


def test_writer_knows_the_sizes_of_layers_that_a_reader_finds() -> None:
    out = io.BytesIO()
    writer = Writer(out, header())
    assert writer.layer_sizes == [0, 0]
    for record in records():
        writer.add_tile(record)
    writer.finish()
    reader = Reader(out)
    assert writer.layer_sizes == [reader.layer_size(layer) for layer in (0, 1)]
    assert min(writer.layer_sizes) > 0


def test_writer_wants_as_many_tiles_as_the_grid_has() -> None:
    writer = Writer(io.BytesIO(), header())
    for record in records()[:3]:
        writer.add_tile(record)
    with pytest.raises(UsageError, match="3 of 4"):
        writer.finish()
    writer.add_tile(records()[3])
    with pytest.raises(UsageError, match="one too many"):
        writer.add_tile(records()[3])


def test_a_mask_that_bands_share_is_stored_once() -> None:
    head = header(200, 200, bands=3)
    layers = (b"base-layer-of-it", b"")
    shared, own, none = (BandRecord(mask, layers) for mask in (b"\x01\x01", b"\x01\x02", b""))
    sizes = {}
    for name, bands in {
        "one for all": (shared, shared, shared),
        "one for two": (shared, shared, own),
        "one each": (shared, own, shared),
        "none between": (shared, none, shared),
        "none": (none, none, none),
    }.items():
        data = written(head, [TileRecord(bands)])
        sizes[name] = len(data)
        reader = Reader(io.BytesIO(data))
        assert reader.tile(0, 0) == TileRecord(bands)
        assert [reader.record(0, 0).mask(band) for band in range(3)] == [band.mask for band in bands]
        for at in range(len(data)):
            harmed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            with pytest.raises(SarcError):
                Reader(io.BytesIO(harmed)).tile(0, 0)
    stored = {"one for all": 1, "one for two": 2, "one each": 3, "none between": 2, "none": 0}
    assert sizes == {name: sizes["none"] + 6 * masks for name, masks in stored.items()}


@pytest.mark.parametrize(
    "record",
    [
        TileRecord((BandRecord(b"", (b"", b"")),)),
        TileRecord((BandRecord(b"", (b"",)),) * 2),
        TileRecord((BandRecord(b"m", (b"", b""), 1),) * 2),
        TileRecord((BandRecord(b"", (b"", b"")), BandRecord(b"m", (b"", b""), 128))),
    ],
    ids=["bands", "layers", "offset of a band without", "offset beyond a byte"],
)
def test_writer_refuses_a_record_that_does_not_fit_the_header(record: TileRecord) -> None:
    with pytest.raises(FormatError):
        Writer(io.BytesIO(), header()).add_tile(record)


@pytest.mark.parametrize(("row", "col"), [(-1, 0), (0, -1), (2, 0), (0, 2)])
def test_a_tile_outside_the_grid_is_a_usage_error(row: int, col: int) -> None:
    with pytest.raises(UsageError, match="outside a grid of 2 x 2"):
        Reader(io.BytesIO(SMALL)).tile(row, col)


def test_a_layer_or_band_that_is_not_there_is_a_usage_error() -> None:
    reader = Reader(io.BytesIO(SMALL))
    with pytest.raises(UsageError, match="layer 2"):
        reader.record(0, 0).layer(0, 2)
    with pytest.raises(UsageError, match="layer -1"):
        reader.record(0, 0).layer(0, -1)
    with pytest.raises(UsageError, match="band 2"):
        reader.record(0, 0).mask(2)


def test_a_huge_claimed_raster_takes_no_memory_before_it_is_refused() -> None:
    huge = Header(2**20, 2**11, "uint16", Scale.DN, header().bands, LAYERS, header().model, tile_side=256)
    with pytest.raises(FormatError, match="32768 tiles"):
        Reader(io.BytesIO(huge.to_bytes() + struct.pack("<II4s", 0, 0, b"SARC")))


# Rows of 256 whose first 2, 3 and 3 pixels are invalid: changes at 2 256 259 512 515.
# The deflated bytes are one stored block, which no version of zlib can change.
BORDER = bytes.fromhex("02 02 01 00 05 01 06 00 f9 ff 04 02 00 80 04 00")


def example() -> bytes:
    """The file of the worked example."""
    band = Band(offset=17.25, unit=4.0, level=1234, vmin=3, vmax=6000, palette=(0,))
    model = ModelRef("toy", bytes.fromhex("a0a1a2a3"), bytes.fromhex("b0b1b2b3"))
    head = Header(300, 3, "uint16", Scale.DN, (band,), LAYERS, model, Quantity.DN, tile_side=256)
    base = LayerBody(bytes.fromhex("11223344"), bytes(range(0x10, 0x18))).to_bytes()
    full, empty = BandRecord(BORDER, (base, b"")), BandRecord(b"\x01\x01", (b"", b""))
    return written(head, [TileRecord((full,)), TileRecord((empty,))])


def documented() -> bytes:
    """The bytes of the dump in docs/FORMAT.md, whose offsets have to be right."""
    data = b""
    for line in FORMAT.read_text().splitlines():
        found = re.fullmatch(r"([0-9a-f]{4})  ((?:[0-9a-f]{2} )*[0-9a-f]{2})(  .*)?", line)
        if found:
            assert int(found[1], 16) == len(data), line
            data += bytes.fromhex(found[2])
    return data


def test_the_worked_example_is_the_file_that_the_writer_makes() -> None:
    assert documented() == example()


def test_the_worked_example_reads_as_its_text_says() -> None:
    reader = Reader(io.BytesIO(documented()))
    assert (reader.header.width, reader.header.height, reader.grid.count) == (300, 3, 2)
    left, right = reader.tile(0, 0).bands[0], reader.tile(0, 1).bands[0]
    border = mask.unpack(left.mask, (3, 256), 1)
    assert [row.nonzero()[0].tolist() for row in border] == [[0, 1], [0, 1, 2], [0, 1, 2]]
    assert mask.unpack(right.mask, (3, 44), 1).all()
    assert LayerBody.from_bytes(left.layers[0]) == LayerBody(
        bytes.fromhex("11223344"), bytes(range(0x10, 0x18))
    )
    assert (left.layers[1], *right.layers) == (b"", b"", b"")


def test_info_counts_each_mask_once_and_none_for_another() -> None:
    layers, none = (b"base-layer-of-it", b""), (b"", b"")
    head = header(200, 200, bands=3)
    for bands, masks in (
        ((BandRecord(b"", none), BandRecord(b"\x01\x01", layers), BandRecord(b"\x01\x01", layers)), 2),
        ((BandRecord(b"\x01\x01", none), BandRecord(b"\x01\x02", none), BandRecord(b"", layers)), 4),
    ):
        reader = Reader(io.BytesIO(written(head, [TileRecord(bands)])))
        assert info._sizes(reader, DEFAULT)["masks"] == masks


# --- parts behind the tiles

PARTS = {1: b"files of a product", 2: b"{}", 200: bytes(300)}
"""Two kinds that this version names, and one that it does not."""


def with_parts(head: Header, tiles: int) -> bytes:
    out = io.BytesIO()
    writer = Writer(out, head)
    for record in records()[:tiles]:
        writer.add_tile(record)
    for kind, body in PARTS.items():
        writer.add_part(kind, body)
    assert writer.finish() == len(out.getvalue())
    return out.getvalue()


@pytest.mark.parametrize(("size", "tiles"), [((200, 200), 1), ((512, 512), 4)])
def test_parts_come_back_and_change_no_tile(size: tuple[int, int], tiles: int) -> None:
    head = header(*size)
    reader = Reader(io.BytesIO(with_parts(head, tiles)))
    assert {kind: reader.part(kind) for kind in reader.parts} == PARTS
    assert reader.part(7) is None
    bare = Reader(io.BytesIO(written(head, records()[:tiles])))
    assert bare.parts == {}
    for number in range(tiles):
        at = divmod(number, reader.grid.cols)
        assert reader.tile(*at) == bare.tile(*at) == records()[number]


@pytest.mark.parametrize(("size", "tiles"), [((200, 200), 1), ((512, 512), 4)])
def test_every_bit_of_parts_and_index_is_protected(size: tuple[int, int], tiles: int) -> None:
    head = header(*size)
    data, bare = with_parts(head, tiles), written(head, records()[:tiles])
    behind = Reader(io.BytesIO(data)).parts[1][0]
    assert data[:behind] == bare[:behind]
    for place in range(behind, len(data)):
        hurt = bytearray(data)
        hurt[place] ^= 1 << place % 8
        with pytest.raises(FormatError):
            reader = Reader(io.BytesIO(bytes(hurt)))
            for kind in reader.parts:
                reader.part(kind)


def test_a_file_of_one_tile_has_an_index_with_parts_only() -> None:
    head = header(200, 200)
    data = written(head, records()[:1])
    crc = struct.unpack("<I", data[14:18])[0]
    start = Reader(io.BytesIO(data)).tile_size(0, 0)
    with pytest.raises(FormatError, match="one tile and no parts"):
        Reader(io.BytesIO(data + pack_index([start], crc)))
    with pytest.raises(FormatError, match="bytes left over"):
        Reader(io.BytesIO(data + b"more"))


def test_parts_that_cannot_be_are_refused() -> None:
    head = header(200, 200)
    writer = Writer(io.BytesIO(), head)
    with pytest.raises(UsageError):
        writer.add_part(1, b"before the tiles")
    writer.add_tile(records()[0])
    writer.add_part(1, b"once")
    for kind, body in ((1, b"twice"), (2, b""), (256, b"x"), (-1, b"x")):
        with pytest.raises(UsageError):
            writer.add_part(kind, body)
    with pytest.raises(UsageError):
        writer.add_tile(records()[0])
