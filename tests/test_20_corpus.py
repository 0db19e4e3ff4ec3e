"""Every input of the fuzzing corpus, once more without the fuzzer: a value or a typed error."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable

import pytest

import fuzz
from fuzz import TARGETS, corpus
from sarcodec.errors import SarcError


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_of_the_corpus_fails(target: str) -> None:
    inputs, run = corpus.load(target), fuzz.target(target)
    assert len(inputs) >= 30
    for name, data in inputs.items():
        try:
            run(data)
        except Exception as error:  # noqa: BLE001
            pytest.fail(f"{name}, {len(data)} bytes: {type(error).__name__}: {error}")


def test_every_target_has_a_corpus_of_its_own_and_all_together_are_small() -> None:
    assert {path.stem for path in corpus.FOLDER.iterdir()} == set(TARGETS)
    assert sum(len(corpus.load(target)) for target in TARGETS) >= 300
    assert sum(path.stat().st_size for path in corpus.FOLDER.iterdir()) < 2 * 2**20


def test_inputs_are_named_by_their_content_and_carry_no_date() -> None:
    for target in TARGETS:
        with zipfile.ZipFile(corpus.path(target)) as packed:
            for entry in packed.infolist():
                assert entry.date_time == (1980, 1, 1, 0, 0, 0)
                name = entry.filename.removeprefix(corpus.FOUND)
                assert re.fullmatch(r"[0-9a-f]{16}", name)
                assert corpus.name_of(packed.read(entry)) == name


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_lets_any_other_error_through(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that swallowed everything would find nothing."""
    inside = {
        "header": "parsers.Header.from_bytes",
        "file": "parsers.Reader.__init__",
        "metadata": "parsers.from_chunks",
        "mask": "parsers.mask.unpack",
        "decode": "pixels.SarcDataset.__init__",
    }
    place = f"fuzz.{inside[target]}"
    run, data = fuzz.target(target), next(iter(corpus.load(target).values()))
    monkeypatch.setattr(place, _raising(SarcError("typed")))
    run(data)
    monkeypatch.setattr(place, _raising(IndexError("not typed")))
    with pytest.raises(IndexError):
        run(data)


def _raising(error: Exception) -> Callable[..., object]:
    def work(*_: object, **__: object) -> object:
        raise error

    return work
