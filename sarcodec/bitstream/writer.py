"""Writing a `.sarc` stream: header, tile records in order, parts, the index if it is needed. Never seeks."""

from __future__ import annotations

from typing import BinaryIO

import google_crc32c

from sarcodec import limits as lim
from sarcodec.bitstream import layout
from sarcodec.bitstream.header import Header, crc_in
from sarcodec.bitstream.index import pack_index
from sarcodec.bitstream.tile import TileRecord, pack_tile, stored_size
from sarcodec.errors import UsageError


class Writer:
    """Writes one file, front to back.

    Parameters
    ----------
    file : BinaryIO
        Where to write; the header goes out at once.
    header : Header
        Checked before anything is written.
    """

    layer_sizes: list[int]
    """Bytes of each layer in all tiles and bands so far, checksums included; as :meth:`Reader.layer_size`."""

    def __init__(self, file: BinaryIO, header: Header, *, limits: lim.Limits = lim.DEFAULT) -> None:
        data = header.to_bytes(limits=limits)
        self._header_crc = crc_in(data)
        self.header = header
        self._file = file
        self.layer_sizes = [0] * len(header.layers)
        self._lengths: list[int] = []
        self._parts: list[tuple[int, int]] = []
        self._finished = False
        self._size = 0
        self._write(data)

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._size += len(data)

    def add_tile(self, record: TileRecord) -> int:
        """Write the next tile, row-major, and return the bytes it took.

        Raises
        ------
        FormatError
            The record has other bands or layers than the header.
        UsageError
            All tiles are written already.
        """
        tile, count = len(self._lengths), self.header.grid.count
        if tile >= count or self._finished or self._parts:
            raise UsageError(f"tile {tile} is one too many for a grid of {count}")
        data = pack_tile(record, self.header, self._header_crc, tile)
        self._write(data)
        self._lengths.append(len(data))
        for band in record.bands:
            for number, body in enumerate(band.layers):
                self.layer_sizes[number] += stored_size(body)
        return len(data)

    def add_part(self, kind: int, body: bytes) -> None:
        """Write a part behind the tiles, see :class:`layout.PartKind`.

        Raises
        ------
        UsageError
            Tiles are missing, the part is empty, or there is one of this kind already.
        """
        kinds = [known for known, _ in self._parts]
        tiles = len(self._lengths) == self.header.grid.count and not self._finished
        if not tiles or not body or not 0 <= kind < 256 or kind in kinds or len(kinds) == layout.MAX_PARTS:
            raise UsageError(f"a part of kind {kind} and {len(body)} bytes cannot be written here")
        crc = google_crc32c.value(layout.PART_KEY.pack(self._header_crc, kind) + body)
        self._write(layout.CRC.pack(crc) + body)
        self._parts.append((kind, layout.CRC.size + len(body)))

    def finish(self) -> int:
        """Write the index if there is one, return the file's size; `UsageError` where tiles are missing."""
        count = self.header.grid.count
        if len(self._lengths) != count or self._finished:
            raise UsageError(f"finish after {len(self._lengths)} of {count} tiles, or twice")
        self._finished = True
        if count > 1 or self._parts:
            self._write(pack_index(self._lengths, self._header_crc, self._parts))
        return self._size
