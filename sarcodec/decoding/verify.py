"""Looking for damage without decoding pixels."""

from __future__ import annotations

from sarcodec.bitstream.record import Record
from sarcodec.corrections import layers as corrections
from sarcodec.decoding.decoder import Decoder
from sarcodec.errors import FormatError
from sarcodec.model.runtime import one_thread
from sarcodec.parallel import Task, ordered_map
from sarcodec.progress import Steps, Tick
from sarcodec.types import Place

NAMED = 20
"""Damaged tiles that a message names at most."""


def verify(decoder: Decoder, tick: Tick) -> int:
    """Check every checksum, mask, latent digest and correction; returns the tiles checked.

    Raises
    ------
    FormatError, ChecksumError
        Some are damaged; the message names them.
    """
    for kind in decoder.reader.parts:
        decoder.reader.part(kind)
    bands = range(len(decoder.header.bands))
    tasks = ((at, Task(decoder.record, *at)) for at in decoder.full.tiles)
    places = ((Place(band, *at), task) for at, task in tasks for band in bands)
    kinds = corrections.present(decoder.header)

    def work(item: tuple[Place, Task[Record | FormatError]]) -> FormatError | None:
        place, record = item[0], item[1].result()
        try:
            classes = decoder.classes(place, record)
            if not isinstance(record, FormatError):
                corrections.unpacked(kinds, decoder.header, record, place, classes == 0)
            decoder.latents(place, record)
        except FormatError as error:
            return error
        return None

    damaged, step = [], Steps(tick, "test", decoder.full.count * len(bands))
    for error in ordered_map(work, places, decoder.coded.jobs, one_thread):
        damaged += [error] if error is not None else []
        step()
    if damaged:
        told = "; ".join(error.message for error in damaged[:NAMED])
        more = f"; and {len(damaged) - NAMED} more" if len(damaged) > NAMED else ""
        raise type(damaged[0])(told + more, hint=damaged[0].hint)
    return decoder.full.count * len(bands)
