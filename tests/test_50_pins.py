"""Encoded bytes and decoded pixels of many cases, to the bit: what a change of the code must keep."""

from __future__ import annotations

import json
from typing import Any

import pytest

from testing import pinned

PINS: dict[str, Any] = json.loads(pinned.PINS.read_text())
NAMES = [*pinned.CASES, "files"]


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return pinned.child()


def test_every_case_is_pinned_and_there_are_enough() -> None:
    assert sorted(PINS["cases"]) == sorted(NAMES)
    assert len(NAMES) >= 16


@pytest.mark.parametrize("name", NAMES)
def test_bytes_and_pixels_are_those_that_are_pinned(found: dict[str, Any], name: str) -> None:
    if found["arithmetic"] != pinned.ARITHMETIC:
        pytest.skip("floats round otherwise on this processor; the next test compares what may not move")
    assert found["cases"][name] == PINS["cases"][name]


@pytest.mark.parametrize("name", NAMES)
def test_sizes_and_means_hardly_move_on_any_processor(found: dict[str, Any], name: str) -> None:
    now, then = found["cases"][name], PINS["cases"][name]
    assert now["bytes"] == pytest.approx(then["bytes"], rel=0.01, abs=8)
    assert now["decodes"].keys() == then["decodes"].keys()
    for way, pixels in then["decodes"].items():
        assert now["decodes"][way].get("error") == pixels.get("error"), way
        assert now["decodes"][way].get("valid") == pixels.get("valid"), way
        assert now["decodes"][way].get("mean", 0) == pytest.approx(pixels.get("mean", 0), rel=0.01), way
