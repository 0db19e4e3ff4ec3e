"""The repairer of checksums, without which damage would never get past the first of them."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conftest import GOLDEN, TOY
from sarcodec.bitstream.layout import CRC, FOOTER
from sarcodec.bitstream.reader import Reader
from sarcodec.errors import ChecksumError, SarcError
from testing import repair
from testing.scenes import decode_bytes

if TYPE_CHECKING:
    from sarcodec.model.modelfile import Model

FILES = sorted(GOLDEN.glob("*.sarc"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_all_checksums_and_digests_of_a_file_are_put_right_again(path: Path, toy: Model) -> None:
    whole = path.read_bytes()
    assert repair.repaired(whole, toy) == whole
    spoilt = bytearray(whole)
    spoilt[repair.CRC_AT] ^= 1
    if repair.index_start(whole) != len(whole):  # of more than one tile
        spoilt[-FOOTER.size] ^= 2
    for place in repair.segments(whole):
        spoilt[place.at] ^= 4
        spoilt[place.at + CRC.size] ^= 8 * (0 < place.segment.number <= len(toy.layers))  # a digest
    assert repair.repaired(bytes(spoilt), toy) == whole
    assert repair.sealed(bytes(spoilt[: repair.index_start(whole)]), toy) == whole


def test_every_segment_of_a_file_is_found() -> None:
    whole = (GOLDEN / "two_bands.sarc").read_bytes()
    reader = Reader(io.BytesIO(whole))
    sizes = [segment.size for band in reader.record(0, 0).segments for segment in band if segment.size]
    assert [place.segment.size for place in repair.segments(whole)] == sizes
    assert len(sizes) > 2


def test_an_index_can_say_what_is_not_true() -> None:
    whole = (GOLDEN / "two_tiles.sarc").read_bytes()
    with pytest.raises(SarcError, match="tile records and parts make 200 bytes"):
        Reader(io.BytesIO(repair.with_index(whole, [100, 100])))


def failure(data: bytes) -> SarcError | None:
    """How decoding ends."""
    try:
        decode_bytes(data, TOY)
    except SarcError as error:
        return error
    return None


def test_repaired_damage_gets_past_every_checksum(toy: Model) -> None:
    """Of any damage to a tile's bodies none is found by a checksum or a digest; without repair all is.

    Damaged symbols are mostly more than a stream has bits for, and no checksum can be right for that.
    """
    whole, chance = (GOLDEN / "uint16_border.sarc").read_bytes(), random.Random(0)
    places = list(repair.segments(whole))
    bodies = [at for p in places for at in range(p.at + CRC.size + 4, p.at + p.segment.size)]
    for at in chance.sample(bodies, 24):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << chance.randrange(8)
        assert isinstance(failure(bytes(damaged)), ChecksumError)
        end = failure(repair.repaired(bytes(damaged), toy))
        assert not isinstance(end, ChecksumError) or "ends before" in end.message
    for place in places:
        if place.segment.number and place.segment.size:
            damaged = bytearray(whole)
            damaged[place.at + CRC.size] ^= 1  # of the digest
            assert isinstance(failure(bytes(damaged)), ChecksumError)
            assert failure(repair.repaired(bytes(damaged), toy)) is None


def test_any_bytes_are_taken(toy: Model) -> None:
    whole, chance = (GOLDEN / "two_tiles.sarc").read_bytes(), random.Random(1)
    for cut in range(0, len(whole), 97):
        noise = chance.randbytes(cut)
        for data in (whole[:cut], whole[cut:], noise, whole[:100] + noise):
            assert len(repair.repaired(data, toy)) == len(data)
            repair.sealed(data)
