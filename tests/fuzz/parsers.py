"""What is fuzzed without a model. A target takes any bytes; an error that is no `SarcError` is a bug.

The first bytes of an input choose options; checksums are put right, so that damage gets past them. Besides
not failing, what is read has to come back the same when it is written again.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable

import numpy as np

from sarcodec.bitstream import mask
from sarcodec.bitstream.header import Header
from sarcodec.bitstream.layout import DTYPES
from sarcodec.bitstream.reader import Reader
from sarcodec.errors import FormatError, SarcError
from sarcodec.metadata import from_chunks, pack_geo, pack_text
from sarcodec.types import Window
from testing.repair import repaired, sealed, sealed_header

MOST_TILES = 16


def header(data: bytes) -> None:
    """Chunks behind a right prologue; byte 0 is the minor version."""
    if not data:
        return
    try:
        found = Header.from_bytes(sealed_header(data[1:], minor=data[0]))
    except SarcError:
        return
    assert Header.from_bytes(found.to_bytes()) == found
    assert found.grid.count >= 1


def file(data: bytes) -> None:
    """A whole file: index and every record; byte 0: 1 it has no index yet, 2 salvage, 4 wrong checksums."""
    if not data:
        return
    flags, data = data[0], data[1:]
    if not flags & 4:
        data = sealed(data) if flags & 1 else repaired(data)
    try:
        reader = Reader(io.BytesIO(data), salvage=bool(flags & 2))
    except SarcError:
        return
    layers = [reader.header.layers] * len(reader.header.bands)
    for tile in range(min(MOST_TILES, reader.grid.count)):
        row, col = divmod(tile, reader.grid.cols)
        try:
            whole, record = reader.tile(row, col), reader.record(row, col)
            bodies = [
                [record.layer(band, layer) for layer in range(len(here))] for band, here in enumerate(layers)
            ]
            masks = [record.mask(band) for band in range(len(layers))]
        except FormatError:
            continue
        assert [list(band.layers) for band in whole.bands] == bodies
        assert [band.mask for band in whole.bands] == masks


def metadata(data: bytes) -> None:
    """GEO and TEXT; bytes 0..3: 1 deflate the text, number of bands, dtype, bytes of GEO."""
    if len(data) < 4:
        return
    flags, count, kind, split = data[:4]
    geo, text = data[4 : 4 + split], data[4 + split :]
    if flags & 1 and text:
        packer = zlib.compressobj(1, zlib.DEFLATED, -15)
        text = packer.compress(text) + packer.flush()
    count, dtype = 1 + count % 3, DTYPES[kind % len(DTYPES)]
    try:
        meta = from_chunks(100, 80, count, dtype, geo, text)
        again = from_chunks(100, 80, count, dtype, pack_geo(meta), pack_text(meta))
        assert again == meta
        meta.cropped(Window(10, 20, 30, 40))
    except SarcError:
        return


def masks(data: bytes) -> None:
    """A packed mask; bytes 0..3: rows, columns, classes of the palette, 1 deflate what is behind the head."""
    if len(data) < 4:
        return
    rows, cols, classes, flags = data[:4]
    shape, packed = (1 + rows, 1 + cols), data[4:]
    if flags & 1 and len(packed) > 2:
        packed = _deflated(packed)
    try:
        found = mask.unpack(packed, shape, classes % 17)
    except SarcError:
        return
    assert found.shape == shape and found.dtype == np.uint8 and found.max() <= classes % 17
    assert np.array_equal(mask.unpack(mask.pack(found), shape, 255), found)


def _deflated(packed: bytes) -> bytes:
    """A mask with its last field deflated: behind the classes, and in mode 2 the number of changes."""
    at = 2 + packed[1]
    if packed[0] == mask.RUNS:
        while at < len(packed) and packed[at] > 0x7F:
            at += 1
        at += 1
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    return packed[:at] + packer.compress(packed[at:]) + packer.flush()


ALL: dict[str, Callable[[bytes], None]] = {
    "header": header,
    "file": file,
    "metadata": metadata,
    "mask": masks,
}
