"""Tile records found without an index, and parts of one file put into another."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sarcodec.bitstream.header import Header
from sarcodec.bitstream.reader import Reader
from sarcodec.bitstream.tile import BandRecord, TileRecord
from sarcodec.errors import ChecksumError, FormatError
from test_20_reader_writer import header, records, written

EMPTY = TileRecord((BandRecord(b"", (b"", b"")),))
FULL = TileRecord((BandRecord(b"\x01\x01", (b"base layer bytes", b"")),))


def spans(data: bytes) -> list[bytes | None]:
    """The records that are found without the index, as they stand in the file."""
    reader = Reader(io.BytesIO(data), salvage=True)
    return [None if span is None else data[span[0] : span[1]] for span in reader._spans]


def starts(head: Header, data: bytes, count: int) -> list[int]:
    """Where each record of a whole file starts, and where the last one ends."""
    reader, at = Reader(io.BytesIO(data)), [len(head.to_bytes())]
    for tile in range(count):
        at.append(at[-1] + reader.tile_size(*divmod(tile, reader.grid.cols)))
    return at


def test_a_whole_file_is_read_by_its_index() -> None:
    data = written(header(), records())
    assert Reader(io.BytesIO(data), salvage=True).lost is None


def test_every_cut_behind_the_header_leaves_the_records_before_it() -> None:
    head, data = header(), written(header(), records())
    at = starts(head, data, 4)
    for size in range(at[0], len(data)):
        reader = Reader(io.BytesIO(data[:size]), salvage=True)
        assert reader.lost is not None
        for tile, record in enumerate(records()):
            if at[tile + 1] <= size:
                assert reader.tile(*divmod(tile, 2)) == record
            else:
                with pytest.raises(FormatError, match=f"tile row {tile // 2}, column {tile % 2}"):
                    reader.tile(*divmod(tile, 2))


def test_every_cut_within_the_header_is_refused() -> None:
    data = written(header(), records())
    for size in range(len(header().to_bytes())):
        with pytest.raises(FormatError):
            Reader(io.BytesIO(data[:size]), salvage=True)


def test_a_damaged_segment_does_not_stop_the_walk_while_another_proves_the_lengths() -> None:
    head, data = header(), bytearray(written(header(), records()))
    at = starts(head, bytes(data), 4)
    data[at[1] - 1] ^= 1
    data[-1] ^= 1
    reader = Reader(io.BytesIO(bytes(data)), salvage=True)
    with pytest.raises(ChecksumError, match="tile row 0, column 0, band 2, layer 1"):
        reader.tile(0, 0)
    assert reader.record(0, 0).layer(0, 0) == records()[0].bands[0].layers[0]
    assert [reader.tile(*divmod(tile, 2)) for tile in (1, 2, 3)] == records()[1:]


def test_an_empty_record_counts_only_if_the_next_one_stands_behind_it() -> None:
    head = header(bands=1)
    data = written(head, [FULL, EMPTY, FULL, EMPTY])
    at = starts(head, data, 4)
    assert spans(data[: at[4]]) == [data[at[0] : at[1]], data[at[1] : at[2]], data[at[2] : at[3]], None]
    assert spans(data[: at[0]] + bytes(400)) == [None] * 4


@given(st.binary(max_size=60), st.integers(0, 3))
def test_what_is_salvaged_before_garbage_is_what_was_written(garbage: bytes, whole: int) -> None:
    data = written(header(), records())
    at = starts(header(), data, 4)[whole]
    reader = Reader(io.BytesIO(data[:at] + garbage), salvage=True)
    for tile in range(4):
        try:
            found = reader.tile(*divmod(tile, 2))
        except FormatError:
            assert tile >= whole
        else:
            assert found == records()[tile]


def test_records_and_index_of_a_file_with_the_same_grid_do_not_pass_for_this_ones() -> None:
    mine, other = header(bands=1), header(bands=2)
    assert mine != other
    tiles = [FULL] * 4
    here = written(mine, tiles)
    changed = replace(mine, bands=(replace(mine.bands[0], offset=11.5),))
    there = written(changed, tiles)
    start = len(mine.to_bytes())
    assert (len(here), here[start:] == there[start:]) == (len(there), False)
    with pytest.raises(ChecksumError, match="index"):
        Reader(io.BytesIO(here[:start] + there[start:]))
    at = starts(mine, here, 4)
    mixed = Reader(io.BytesIO(here[: at[1]] + there[at[1] : at[2]] + here[at[2] :]))
    with pytest.raises(ChecksumError, match="tile row 0, column 1"):
        mixed.tile(0, 1)
    assert mixed.tile(1, 0) == FULL


def test_lengths_that_call_a_full_segment_empty_are_found_out() -> None:
    head = header(bands=2)
    one = TileRecord((BandRecord(b"", (b"abcdefgh", b"")), BandRecord(b"", (b"ijklmnop", b""))))
    data = bytearray(written(head, [one] * 4))
    at = len(head.to_bytes())
    lengths = data[at : at + 7]  # a flag of band 2 takes a byte
    assert list(lengths) == [0, 12, 0, 0, 0, 12, 0]
    data[at : at + 7] = bytes([0, 0, 0, 0, 0, 24, 0])
    reader = Reader(io.BytesIO(bytes(data)))
    with pytest.raises(ChecksumError, match="tile row 0, column 0"):
        reader.record(0, 0).layer(0, 0)
