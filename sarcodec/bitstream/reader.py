"""Reading a `.sarc` file: the header, then the index, then verified tiles in any order."""

from __future__ import annotations

import os
import threading
from typing import BinaryIO

from sarcodec import limits as lim
from sarcodec.bitstream import layout
from sarcodec.bitstream.header import Header, header_size
from sarcodec.bitstream.index import index_size, unpack_index
from sarcodec.bitstream.tile import Segment, TileRecord, head_limit, tile_floor, unpack_head, unpack_tile
from sarcodec.errors import FormatError, InputError, UsageError
from sarcodec.types import TileGrid


class Reader:
    """Random access to the tiles of a seekable binary file; safe to use from several threads.

    Opening reads the header, the footer and the index, and refuses a file that is cut or has bytes left over.

    Parameters
    ----------
    file : BinaryIO
        Read from its first byte; stays the caller's to close. Nobody else may seek in it meanwhile.
    limits : Limits
        Largest sizes to accept.

    Raises
    ------
    FormatError
        Not a `.sarc` file, truncated or inconsistent; `ChecksumError` where a CRC differs.
    UnsupportedError, LimitError
        As `Header.from_bytes`.
    InputError
        The file cannot be read.
    """

    header: Header
    version: tuple[int, int]
    """Major and minor version of the format that the file was written in."""
    size: int
    """Bytes of the file."""

    def __init__(self, file: BinaryIO, *, limits: lim.Limits = lim.DEFAULT) -> None:
        self._file = file
        self._lock = threading.Lock()
        self.header, self.version, start, self.size = _read_header(file, limits)
        tiles = self.grid.count
        footer_at = self.size - layout.FOOTER.size
        if footer_at < start:
            raise FormatError(
                f"truncated: {self.size} bytes are too few for a footer after {start} bytes of header"
            )
        size = index_size(self._read(footer_at, layout.FOOTER.size), tiles)
        if footer_at - size < start:
            raise FormatError(
                f"truncated: an index of {size} bytes does not fit between byte {start} and {footer_at}"
            )
        index = self._read(footer_at - size, size + layout.FOOTER.size)
        self._starts = unpack_index(
            index, tiles, start=start, end=footer_at - size, floor=tile_floor(self.header)
        )

    @property
    def grid(self) -> TileGrid:
        """The tiles of each band."""
        return self.header.grid

    def tile_size(self, row: int, col: int) -> int:
        """Bytes of the tile's record."""
        tile = self._number(row, col)
        return self._starts[tile + 1] - self._starts[tile]

    def tile(self, row: int, col: int) -> TileRecord:
        """The verified record of the tile in this row and column.

        Raises
        ------
        FormatError
            The record is damaged; the message names the tile. `ChecksumError` where a CRC differs.
        """
        tile = self._number(row, col)
        data = self._read(self._starts[tile], self.tile_size(row, col))
        return unpack_tile(data, self.header, tile, _where(row, col))

    def segments(self, row: int, col: int) -> list[list[Segment]]:
        """The tile's segments, [band][0 mask, 1.. layers], read from the start of its record alone."""
        tile, size = self._number(row, col), self.tile_size(row, col)
        start = self._read(self._starts[tile], min(size, head_limit(self.header)))
        return unpack_head(start, self.header, tile, size, _where(row, col))

    def layer_bytes(self, row: int, col: int, band: int, layer: int) -> bytes:
        """Verified body of one layer (both counted from 0) without reading the others; b"" where empty."""
        if not 0 <= layer < len(self.header.layers):
            raise UsageError(f"layer {layer} is not one of 0..{len(self.header.layers) - 1}")
        return self._segment(row, col, band, 1 + layer)

    def mask_bytes(self, row: int, col: int, band: int) -> bytes:
        """Verified body of the mask of one band (counted from 0); b"" where every pixel is valid."""
        return self._segment(row, col, band, 0)

    def _segment(self, row: int, col: int, band: int, number: int) -> bytes:
        if not 0 <= band < len(self.header.bands):
            raise UsageError(f"band {band} is not one of 0..{len(self.header.bands) - 1}")
        segment = self.segments(row, col)[band][number]
        stored = self._read(self._starts[segment.tile] + segment.start, segment.size)
        return segment.body(stored, _where(row, col))

    def _number(self, row: int, col: int) -> int:
        if not (0 <= row < self.grid.rows and 0 <= col < self.grid.cols):
            raise UsageError(
                f"tile row {row}, column {col} is outside a grid of {self.grid.rows} x {self.grid.cols}"
            )
        return row * self.grid.cols + col

    def _read(self, at: int, count: int) -> bytes:
        with self._lock:
            return _read_exactly(self._file, at, count)


def read_header(file: BinaryIO, *, limits: lim.Limits = lim.DEFAULT) -> Header:
    """The header of a seekable file, without looking at index or tiles; raises as `Reader`."""
    return _read_header(file, limits)[0]


def _read_header(file: BinaryIO, limits: lim.Limits) -> tuple[Header, tuple[int, int], int, int]:
    """Header, version, first byte behind the header, size of the file."""
    try:
        total = file.seek(0, os.SEEK_END)
    except OSError as error:
        raise InputError(f"the file cannot be read: {error}") from error
    prologue = _read_exactly(file, 0, min(total, layout.PROLOGUE_BYTES))
    size = header_size(prologue, limits=limits)
    if size > total:
        raise FormatError(f"truncated: the header ends at byte {size}, the file has {total} bytes")
    data = prologue + _read_exactly(file, len(prologue), size - len(prologue))
    header = Header.from_bytes(data, limits=limits)
    _, major, minor, _ = layout.PROLOGUE.unpack(data[: layout.PROLOGUE.size])
    return header, (int(major), int(minor)), size, total


def _read_exactly(file: BinaryIO, at: int, count: int) -> bytes:
    """`count` bytes from byte `at`, whatever the size of single reads."""
    parts: list[bytes] = []
    left = count
    try:
        file.seek(at)
        while left:
            part = file.read(left)
            if not part:
                raise FormatError(f"truncated: {left} of {count} bytes from byte {at} are missing")
            parts.append(part)
            left -= len(part)
    except OSError as error:
        raise InputError(f"the file cannot be read at byte {at}: {error}") from error
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _where(row: int, col: int) -> str:
    return f"tile row {row}, column {col}"
