"""One tile's record in an open file: its head is parsed, its segments are read when they are asked for."""

from __future__ import annotations

from itertools import chain

from sarcodec.bitstream.positioned import PositionedFile
from sarcodec.bitstream.tile import Segment
from sarcodec.errors import FormatError, UsageError


class Record:
    """Mask and layers of each band of a tile, each of them verified; :meth:`Reader.record` makes it.

    Threads may share a record.

    Parameters
    ----------
    file : PositionedFile
        Where the record is.
    start : int
        Its first byte in the file.
    size : int
        Its bytes.
    segments : list of list of Segment
        From the record's head.
    name : str
        How messages name the tile.
    """

    segments: list[list[Segment]]
    """Where each segment stands, [band][0 the mask, 1.. layers]."""
    size: int
    """Bytes of the record."""

    def __init__(
        self, file: PositionedFile, start: int, size: int, segments: list[list[Segment]], name: str
    ) -> None:
        self.segments, self.size = segments, size
        self._file, self._start, self._name = file, start, name
        self._proved = False

    def mask(self, band: int) -> bytes:
        """Verified body of the mask of a band (counted from 0); b"" if every pixel is valid.

        Raises
        ------
        ChecksumError
            It is damaged; the message names tile, band and segment.
        FormatError
            The file ends before.
        UsageError
            There is no such band.
        """
        return self._body(band, 0)

    def layer(self, band: int, number: int) -> bytes:
        """Verified body of a layer (both counted from 0); b"" if it is empty. Raises as :meth:`mask`."""
        layers = len(self.segments[0]) - 1
        if not 0 <= number < layers:
            raise UsageError(f"layer {number} is not one of 0..{layers - 1}")
        return self._body(band, 1 + number)

    def _body(self, band: int, number: int) -> bytes:
        if not 0 <= band < len(self.segments):
            raise UsageError(f"band {band} is not one of 0..{len(self.segments) - 1}")
        wanted = self.segments[band][number]
        if wanted.size:
            return self._verified(wanted)
        if not self._proved:
            self._prove(band)
        return b""

    def _prove(self, band: int) -> None:
        """Verify the record's head, and so that its empty segments are empty.

        An empty segment has no checksum, but the checksum of any other one covers the head.
        """
        failed = []
        for proof in chain(self.segments[band], *self.segments):
            if proof.size:
                try:
                    self._verified(proof)
                except FormatError as error:
                    failed.append(error)
                else:
                    return
        if failed:
            raise failed[0]

    def _verified(self, segment: Segment) -> bytes:
        at = self._start + segment.start
        with self._file.blaming():
            body = segment.body(stored(self._file, at, at + segment.size, self._name), self._name)
        self._proved = True
        return body


def stored(file: PositionedFile, start: int, end: int, name: str) -> bytes:
    """The bytes from `start` to `end` of a tile's record; `FormatError` if the file ends before."""
    if end > file.size:
        raise FormatError(f"{name}: {end - file.size} bytes are missing at the end of the file")
    return file.read(start, end - start)
