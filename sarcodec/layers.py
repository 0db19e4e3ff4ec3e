"""Fewer layers of a `.sarc` file, without decoding anything: each layer refines those before it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import BinaryIO

from sarcodec.bitstream.header import Header
from sarcodec.bitstream.layout import PartKind
from sarcodec.bitstream.reader import Reader
from sarcodec.bitstream.tile import BandRecord, TileRecord
from sarcodec.bitstream.writer import Writer
from sarcodec.errors import UsageError
from sarcodec.limits import DEFAULT, Limits
from sarcodec.progress import Steps, Tick


@dataclass(frozen=True)
class Extracted:
    """What was cut."""

    layers: int
    """Layers kept, the base layer among them."""
    of: int
    """Layers that the source has."""
    bytes: int
    """Size of the new file."""


def keep_layers(
    source: BinaryIO, out: BinaryIO, layers: int, tick: Tick, limits: Limits = DEFAULT
) -> Extracted:
    """Copy a file with its first `layers` layers alone.

    Skippable layers, such as bright targets, a gain grid or a texture, stay only where all others do: what
    they say is of the whole decode. Every checksum on the way is checked.

    Parameters
    ----------
    source : BinaryIO
        Seekable.
    out : BinaryIO
        Written front to back.
    layers : int
        1 keeps the base layer.
    tick : callable
        Called with a stage, tiles done and tiles in all.
    limits : Limits
        Largest sizes to accept.

    Raises
    ------
    UsageError
        The file has fewer layers.
    FormatError
        It is damaged; `ChecksumError` where a CRC differs.
    """
    reader = Reader(source, limits=limits)
    header, grid = reader.header, reader.grid
    critical = [number for number, layer in enumerate(header.layers) if not layer.skippable]
    if not 1 <= layers <= len(critical):
        raise UsageError(
            f"there are no {layers} layers to keep of {len(critical)}",
            hint=f"Give 1 for the base layer, up to {len(critical)}.",
        )
    whole = layers == len(critical)
    kept = list(range(len(header.layers))) if whole else critical[:layers]
    writer = Writer(out, _cut(header, kept), limits=limits)
    step = Steps(tick, "extract", grid.count)
    for row in range(grid.rows):
        for col in range(grid.cols):
            bands = (
                BandRecord(band.mask, tuple(band.layers[number] for number in kept), band.quality_offset)
                for band in reader.tile(row, col).bands
            )
            writer.add_tile(TileRecord(tuple(bands)))
            step()
    for kind in reader.parts:
        body = reader.part(kind)
        if body is not None and (whole or kind != PartKind.CERTIFICATE):
            writer.add_part(kind, body)
    return Extracted(layers, len(critical), writer.finish())


def _cut(header: Header, kept: list[int]) -> Header:
    return replace(header, layers=tuple(header.layers[number] for number in kept))
