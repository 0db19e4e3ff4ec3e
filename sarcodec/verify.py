"""Looking for damage without decoding pixels."""

from __future__ import annotations

from collections.abc import Sequence

from sarcodec.damage import DamagedTile, Place
from sarcodec.decoder import Decoder, Tick
from sarcodec.errors import FormatError
from sarcodec.model.runtime import one_thread
from sarcodec.parallel import ordered_map
from sarcodec.types import Window

NAMED = 20
"""Damaged tiles that a message names at most."""

Found = tuple[Place, FormatError]


def inspect(decoder: Decoder, window: Window, bands: Sequence[int], tick: Tick) -> list[DamagedTile]:
    """Damaged tiles among those that decoding bands (from 0) of a window needs."""
    sides = decoder.sides
    wanted = {"gains": sides.unbiased, "targets": sides.raises, "textures": sides.textured}
    found = _inspect(decoder, window, bands, tick, **wanted)
    return [DamagedTile(band + 1, row, col, error.message) for (band, row, col), error in found]


def verify(decoder: Decoder, tick: Tick) -> int:
    """Check every checksum, mask, latent digest, target, gain and texture; returns the tiles checked.

    Raises
    ------
    FormatError, ChecksumError
        Some are damaged; the message names them.
    """
    header = decoder.header
    whole, bands = Window(0, 0, header.width, header.height), range(len(header.bands))
    measured = {
        "gains": decoder.sides.gain_layer is not None,
        "targets": decoder.sides.target_layer is not None,
        "textures": decoder.sides.texture_layer is not None,
    }
    for kind in decoder.reader.parts:
        decoder.reader.part(kind)
    damaged = [error for _, error in _inspect(decoder, whole, bands, tick, **measured)]
    if damaged:
        named = "; ".join(error.message for error in damaged[:NAMED])
        more = f"; and {len(damaged) - NAMED} more" if len(damaged) > NAMED else ""
        raise type(damaged[0])(named + more, hint=damaged[0].hint)
    return header.grid.count * len(bands)


def _inspect(
    decoder: Decoder,
    window: Window,
    bands: Sequence[int],
    tick: Tick,
    *,
    gains: bool,
    targets: bool,
    textures: bool,
) -> list[Found]:
    shown = set(decoder.grid.touching(window))
    places = [(band, *at) for at in decoder.needed(window) for band in bands]

    def work(place: Place) -> FormatError | None:
        try:
            if place[1:] in shown:
                classes = decoder.classes(place)
                if targets:
                    decoder.sides.raised(place, classes)
                if gains:
                    decoder.sides.gains(place, classes)
                if textures:
                    decoder.sides.texture(place, classes)
            decoder.latents(place)
        except FormatError as error:
            return error
        return None

    found = []
    for done, error in enumerate(ordered_map(work, places, decoder.jobs, one_thread)):
        if error is not None:
            found.append((places[done], error))
        tick("test", done + 1, len(places))
    return found
