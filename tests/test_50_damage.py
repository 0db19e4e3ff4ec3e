"""Files that were cut, hit or made to harm: an error of the package or the same pixels, and nothing else."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest

from conftest import TOY
from sarcodec import encode_array
from sarcodec.bitstream.tile import Segment
from sarcodec.cli import main
from sarcodec.errors import FormatError
from sarcodec.model.entropy import LatentCoder
from sarcodec.model.modelfile import load
from sarcodec.model.rans import StreamDecoder, StreamEncoder
from testing.forked import each, ends_well
from testing.scenes import dn, open_bytes
from torture import damage
from torture.damage import HEADER, METADATA_KIND, PAYLOAD, SEVERAL_KIND, Case, numbered, use_all
from torture.shortcuts import shortcuts
from torture.subjects import Subject, golden_subject
from torture.tally import Tally

Array = npt.NDArray[Any]

FILE = "float32_power"
"""A third of a kilobyte, with a mask of several classes."""
OTHERS = ("two_bands", "gcps", "float32_db", "int16", "nothing_valid", "one_pixel")


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with shortcuts():
        yield


@pytest.fixture(scope="module")
def subject() -> Subject:
    return golden_subject(FILE)


def used(cases: list[Case]) -> Tally:
    tally = Tally("test")
    use_all(cases, tally)
    assert tally.failures == []
    assert sum(tally.outcomes.values()) == len(cases)
    return tally


def test_a_file_cut_anywhere_is_a_format_error(subject: Subject) -> None:
    tally = used(damage.cuts(subject))
    assert set(tally.outcomes) == {"FormatError"}
    assert tally.outcomes.total() == len(subject.data)


def test_every_flipped_bit_is_found_and_never_shown(subject: Subject) -> None:
    """In whole and partial decodes; what is undamaged comes back bit for bit from the latter."""
    tally = used(damage.flips(subject))
    assert tally.outcomes.total() == 8 * len(subject.data)
    assert set(tally.outcomes) <= {"FormatError", "ChecksumError", "UnsupportedError", "LimitError"}
    assert tally.outcomes["ChecksumError"] > 0.9 * tally.outcomes.total()


def test_damage_of_many_bytes_is_found_and_never_shown() -> None:
    tally = used(numbered(SEVERAL_KIND, [golden_subject(name) for name in OTHERS], 240))
    assert tally.outcomes["FormatError"] > 50
    assert tally.outcomes["ChecksumError"] > 20


def test_hostile_headers_end_in_an_error_or_in_valid_pixels() -> None:
    tally = used(numbered(HEADER, [golden_subject(name) for name in OTHERS], 240))
    assert tally.outcomes["valid pixels"] > 10  # some get past every check of the header
    assert tally.outcomes["LimitError"] > 3
    assert tally.outcomes["UnsupportedError"] > 10


def test_hostile_tile_records_end_in_an_error_or_in_valid_pixels() -> None:
    tally = used(numbered(PAYLOAD, [golden_subject(name) for name in OTHERS], 240))
    assert tally.outcomes["valid pixels"] > 30  # garbage with right digests is decoded
    assert tally.outcomes["ChecksumError"] > 20


def test_hostile_metadata_end_in_a_geotiff_or_in_an_error_of_two_lines() -> None:
    used(numbered(METADATA_KIND, [golden_subject("gcps"), golden_subject("uint8")], 16))


def without_checksums() -> Any:
    return mock.patch.object(Segment, "body", lambda self, stored, where: stored[4:])


def test_a_decoder_that_checks_nothing_would_be_noticed(subject: Subject) -> None:
    """The judge itself: without checksums and digests, flipped bits are called silent errors."""

    def careless(
        self: LatentCoder, layers: tuple[bytes, ...], size: tuple[int, int], *_: object, **__: object
    ) -> Array:
        seed = sum(map(sum, layers))
        noise: Array = np.random.default_rng(seed).integers(-99, 99, (self.shape.channels, *size))
        return noise

    bits = [8 * at + 1 for at in range(subject.spans[0][0] + 20, subject.spans[0][1], 40)]
    with without_checksums(), mock.patch.object(LatentCoder, "decode", careless):
        outcomes = {damage.Case(damage.BIT, subject, bit).use().partition("\n")[0] for bit in bits}
    assert outcomes == {"silent error"}


def _crash() -> str:
    os.kill(os.getpid(), signal.SIGSEGV)
    return ""


def _sleep() -> str:
    time.sleep(60)
    return ""


def _raise() -> str:
    raise KeyError("not of this package")


def _fill() -> str:
    return "" if np.ones(2**24).all() else "no"


def test_children_that_crash_hang_or_grow_are_told_apart_and_the_rest_goes_on() -> None:
    jobs: list[Callable[[], str]] = [lambda: "one", _crash, _sleep, _raise, _fill, lambda: "two"]
    ended = list(each(jobs, seconds=3))
    assert [one.said for one in ended] == ["one", "", "", "", "", "two"]
    assert [one.fault.split(":")[0] for one in ended] == [
        "",
        "died of SIGSEGV",
        "still running after 3 s",
        "KeyError",
        "",
        "",
    ]
    assert ended[4].memory > 2**26
    outcomes = [damage._outcome(one)[0] for one in ended]
    assert outcomes == ["one", "crash", "hang", "other", "", "two"]


def test_a_child_may_not_take_more_memory_than_it_is_given() -> None:
    (ended,) = each([_fill], seconds=5, address_space=2**26)
    assert "MemoryError" in ended.fault


# --- an encoder whose memory lies


def encoded() -> bytes:
    return encode_array(dn((48, 64), 3), quality=70, model=TOY, jobs=1, device="cpu")


def assert_found(data: bytes, point: int) -> None:
    with open_bytes(data, TOY) as coded, pytest.raises(FormatError):
        coded.verify()
        pytest.fail(f"point {point} was not found")


@pytest.mark.parametrize("first", [0, 25])
def test_a_stream_spoiled_between_coder_and_file_is_found_by_verify(first: int) -> None:
    finish = StreamEncoder.finish
    for point in range(first, first + 25):
        rng = np.random.default_rng(point)

        def spoiled(self: StreamEncoder, tables: Any, rng: np.random.Generator = rng) -> bytes:
            stream = bytearray(finish(self, tables))
            stream[int(rng.integers(len(stream)))] ^= 1 << int(rng.integers(8))
            return bytes(stream)

        with mock.patch.object(StreamEncoder, "finish", spoiled):
            data = encoded()
        assert_found(data, point)


def test_a_symbol_spoiled_on_its_way_to_the_coder_is_found_by_verify() -> None:
    put = StreamEncoder.put
    for point in range(50):
        rng, calls = np.random.default_rng(point), [point % 3]

        def spoiled(
            self: StreamEncoder,
            symbols: Array,
            indexes: Array,
            tables: Any,
            rng: np.random.Generator = rng,
            calls: list[int] = calls,
        ) -> None:
            calls[0] -= 1
            if calls[0] == -1:
                symbols = symbols.copy()
                symbols[int(rng.integers(symbols.size))] += int(rng.choice([-1, 1]))
            put(self, symbols, indexes, tables)

        with mock.patch.object(StreamEncoder, "put", spoiled):
            data = encoded()
        assert calls[0] < 0
        assert_found(data, point)


def test_the_command_test_finds_what_verify_finds(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    whole = tmp_path / "whole.sarc"
    whole.write_bytes(encoded())
    assert main(["test", str(whole), "--model", TOY]) == 0
    put = StreamEncoder.put
    with mock.patch.object(StreamEncoder, "put", lambda self, s, i, t: put(self, -s, i, t)):
        whole.write_bytes(encoded())
    capsys.readouterr()
    assert main(["test", str(whole), "--model", TOY]) in (4, 5)
    assert "tile row 0, column 0" in capsys.readouterr().err


# --- the coder behind its guard


def test_streams_of_endless_escapes_stay_within_the_guard() -> None:
    """An escape reads its own length, four bits at a time: from a long run of ones, a length of millions."""
    tables = load(Path(TOY)).entropy.y_tables
    indexes = np.arange(64).repeat(4)

    def work() -> None:
        for words in (b"\xff\xff\xff\xff", b"\x0f\0\0\0", b"\0\0\xff\xff", b"\xff\xff\xff\x7f"):
            for start in (b"\xff\xff" + bytes(6), bytes(8), b"\xff" * 8, b"\xff\xff\0\0\x01\0\0\0"):
                for count in (1, 17, 1000, 100_000):
                    decoder = StreamDecoder(start + words * count)
                    for _ in range(3):
                        try:
                            decoder.get(indexes, tables)
                        except FormatError:
                            break

    assert ends_well(work, seconds=60) == ""
