"""Reading a `.sarc` file: the header, then the index, then verified tiles in any order."""

from __future__ import annotations

from itertools import pairwise
from typing import BinaryIO

import google_crc32c

from sarcodec import limits as lim
from sarcodec.bitstream import layout
from sarcodec.bitstream.header import Header, crc_in, header_size
from sarcodec.bitstream.index import CUT, index_size, unpack_index
from sarcodec.bitstream.positioned import PositionedFile
from sarcodec.bitstream.record import Record, stored
from sarcodec.bitstream.salvage import Span, walk
from sarcodec.bitstream.tile import TileRecord, head_limit, tile_floor, unpack_head, unpack_tile
from sarcodec.errors import ChecksumError, FormatError, UsageError
from sarcodec.types import TileGrid


class Reader:
    """Random access to the tiles of a seekable binary file, for several threads and forked processes at once.

    Opening reads the header and the index, or in a file of one tile the lengths in its record, and refuses a
    file that is cut or has bytes left over.

    Parameters
    ----------
    file : BinaryIO
        Read from its first byte; stays the caller's to close. :class:`PositionedFile` says who may share it.
    limits : Limits
        Largest sizes to accept.
    salvage : bool
        Where the index is lost, find the tile records by walking from the header to the first one that cannot
        be verified; the rest count as lost.

    Raises
    ------
    FormatError
        Not a `.sarc` file, truncated or inconsistent; `ChecksumError` where a CRC differs.
    UnsupportedError, LimitError
        As `Header.from_bytes`.
    InputError
        The file cannot be read, or was written to while it was open.
    """

    file: PositionedFile
    header: Header
    version: tuple[int, int]
    """Major and minor version of the format that the file was written in."""
    size: int
    """Bytes of the file."""
    parts: dict[int, Span]
    """Where the parts behind the tiles lie, by kind; none if the index is lost."""
    lost: FormatError | None
    """What is wrong with the index, where records had to be salvaged."""

    def __init__(self, file: BinaryIO, *, limits: lim.Limits = lim.DEFAULT, salvage: bool = False) -> None:
        self.file = PositionedFile(file)
        self.size = self.file.size
        self.lost = None
        data, self.header = _read_header(self.file, limits)
        self.version = (data[8], data[9])
        self._header_crc = crc_in(data)
        self.parts: dict[int, Span] = {}
        self._spans: list[Span | None]
        try:
            self._spans = list(pairwise(self._index(len(data))))
        except FormatError as error:
            if not salvage:
                raise
            self.lost = error
            self._spans = walk(self.file.read, self.header, self._header_crc, len(data), self.size)

    @property
    def header_crc(self) -> int:
        """The header's checksum."""
        return self._header_crc

    def _index(self, start: int) -> list[int]:
        """Where each record starts, and where the last one ends, as the index says."""
        if self.grid.count == 1:
            end = self._only_record(start)
            if end == self.size:
                return [start, end]
        tiles, footer_at = self.grid.count, self.size - layout.FOOTER.size
        if footer_at < start:
            raise FormatError(
                f"truncated: {self.size} bytes are too few for a footer after {start} bytes of header"
            )
        size = index_size(self.file.read(footer_at, layout.FOOTER.size), tiles)
        if footer_at - size < start:
            raise FormatError(
                f"truncated: an index of {size} bytes does not fit between byte {start} and {footer_at}"
            )
        index = self.file.read(footer_at - size, size + layout.FOOTER.size)
        floor = tile_floor(self.header)
        bounds, parts = unpack_index(
            index, tiles, self._header_crc, start=start, end=footer_at - size, floor=floor
        )
        at = bounds[-1]
        for kind, length in parts:
            self.parts[kind] = (at, at + length)
            at += length
        return bounds

    def _only_record(self, start: int) -> int:
        """End of the record of a file of one tile: the file's, unless parts follow and an index."""
        if start == self.size:
            raise FormatError(f"truncated: nothing follows the {start} bytes of the header", hint=CUT)
        head = self.file.read(start, min(head_limit(self.header), self.size - start))
        _, size = unpack_head(head, self.header, self._header_crc, 0, where(0, 0))
        end, footer_at = start + size, self.size - layout.FOOTER.size
        if end == self.size or (
            end < footer_at and self.file.read(footer_at, layout.FOOTER.size).endswith(layout.END_MAGIC)
        ):
            return end
        raise FormatError(
            f"{'truncated' if end > self.size else 'bytes left over'}: "
            f"the tile record ends at byte {end}, the file has {self.size} bytes",
            hint=CUT,
        )

    @property
    def grid(self) -> TileGrid:
        """The tiles of each band."""
        return self.header.grid

    def part(self, kind: int) -> bytes | None:
        """Verified body of a part behind the tiles, None if there is none of this kind.

        Raises
        ------
        ChecksumError
            It is damaged.
        """
        if kind not in self.parts:
            return None
        start, end = self.parts[kind]
        data = self.file.read(start, end - start)
        (expected,), body = layout.CRC.unpack(data[: layout.CRC.size]), data[layout.CRC.size :]
        computed = google_crc32c.value(layout.PART_KEY.pack(self._header_crc, kind) + body)
        if expected != computed:
            raise ChecksumError(
                f"part {kind}: stored CRC {expected:08x}, computed {computed:08x}",
                hint="The part is damaged; the pixels do not depend on it.",
            )
        return body

    def tile_size(self, row: int, col: int) -> int:
        """Bytes of the tile's record."""
        start, end = self._span(row, col)
        return end - start

    def tile(self, row: int, col: int) -> TileRecord:
        """The verified record of the tile in this row and column.

        Raises
        ------
        FormatError
            The record is damaged; the message names the tile. `ChecksumError` where a CRC differs.
        """
        start, end = self._span(row, col)
        name = where(row, col)
        with self.file.blaming():
            data = stored(self.file, start, end, name)
            return unpack_tile(data, self.header, self._header_crc, self._number(row, col), name)

    def record(self, row: int, col: int) -> Record:
        """The record of a tile, of which only the start is read; its segments are read one by one.

        Raises
        ------
        FormatError
            The start is damaged; the message names the tile.
        """
        start, end = self._span(row, col)
        name = where(row, col)
        head = stored(self.file, start, min(end, start + head_limit(self.header)), name)
        with self.file.blaming():
            found, size = unpack_head(head, self.header, self._header_crc, self._number(row, col), name)
            if size != end - start:
                raise FormatError(f"{name}: segments make {size} bytes, the index says {end - start}")
        return Record(self.file, start, size, found, name)

    def layer_size(self, layer: int) -> int:
        """Bytes of one layer (counted from 0) in all tiles and bands, checksums included."""
        places = ((row, col) for row in range(self.grid.rows) for col in range(self.grid.cols))
        return sum(band[1 + layer].size for at in places for band in self.record(*at).segments)

    def _span(self, row: int, col: int) -> Span:
        span = self._spans[self._number(row, col)]
        if span is None:
            assert self.lost is not None
            raise FormatError(f"{where(row, col)} cannot be found: {self.lost.message}", hint=self.lost.hint)
        return span

    def _number(self, row: int, col: int) -> int:
        if not (0 <= row < self.grid.rows and 0 <= col < self.grid.cols):
            raise UsageError(
                f"tile row {row}, column {col} is outside a grid of {self.grid.rows} x {self.grid.cols}"
            )
        return row * self.grid.cols + col


def where(row: int, col: int) -> str:
    """How messages name a tile."""
    return f"tile row {row}, column {col}"


def read_header(file: BinaryIO, *, limits: lim.Limits = lim.DEFAULT) -> Header:
    """The header of a seekable file, without looking at index or tiles; raises as `Reader`."""
    return _read_header(PositionedFile(file), limits)[1]


def _read_header(file: PositionedFile, limits: lim.Limits) -> tuple[bytes, Header]:
    """Prologue and header as they stand, and the header."""
    total = file.size
    prologue = file.read(0, min(total, layout.PROLOGUE_BYTES))
    size = header_size(prologue, limits=limits)
    if size > total:
        raise FormatError(f"truncated: the header ends at byte {size}, the file has {total} bytes")
    data = prologue + file.read(len(prologue), size - len(prologue))
    return data, Header.from_bytes(data, limits=limits)
