"""Arguments of any kind: made plain, or refused by name."""

from __future__ import annotations

import io
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sarcodec import arguments
from sarcodec.errors import UsageError
from sarcodec.limits import DEFAULT, Limits, limits_of
from sarcodec.types import Quantity, Scale, Window

MASKED: Any = np.ma.masked


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (2, 2.0),
        (0.5, 0.5),
        (np.float32(0.5), 0.5),
        (np.int16(-3), -3.0),
        (np.array(7), 7.0),
        (Fraction(1, 4), 0.25),
        (float("inf"), float("inf")),
    ],
)
def test_any_real_number_is_a_number(value: object, plain: float) -> None:
    found = arguments.number("bpp", value)
    assert (type(found), found) == (float, plain)


@pytest.mark.parametrize(
    "value",
    [
        "1",
        b"1",
        None,
        True,
        np.True_,
        1j,
        np.complex64(1),
        [1],
        np.array([1]),
        {},
        Decimal(1),
        10**400,
        MASKED,
    ],
    ids=repr,
)
def test_what_is_no_number_is_refused_by_name(value: object) -> None:
    with pytest.raises(UsageError, match=r"^bpp=") as caught:
        arguments.number("bpp", value)
    assert caught.value.hint


def test_whole_numbers_may_be_written_as_floats() -> None:
    for value in (2, 2.0, np.float64(2), np.uint8(2), np.array(2)):
        found = arguments.whole("jobs", value)
        assert (type(found), found) == (int, 2)


@pytest.mark.parametrize(
    "value",
    [1.5, float("nan"), float("inf"), "2", True, None, 2**53 + 1, -(2**60), 10**5000, 0],
    ids=lambda value: type(value).__name__,
)
def test_other_numbers_are_not_whole_or_out_of_range(value: object) -> None:
    with pytest.raises(UsageError, match=r"^jobs="):
        arguments.whole("jobs", value, least=1)


def test_only_true_and_false_are_flags() -> None:
    assert arguments.flag("targets", np.True_) is True
    assert arguments.flag("targets", False) is False
    wrong: list[object] = ["no", 0, 1, None, []]
    for value in wrong:
        with pytest.raises(UsageError, match="True or False"):
            arguments.flag("targets", value)


def test_names_of_files_are_texts_or_paths() -> None:
    assert arguments.path("src", Path("a") / "b") == "a/b"
    for value in ("", "a\0b", "\ud800", b"a.tif", 5, None, io.BytesIO(), np.zeros(3)):
        with pytest.raises(UsageError, match=r"^src"):
            arguments.path("src", value)


def test_an_open_file_is_told_its_name(tmp_path: Path) -> None:
    with (
        (tmp_path / "a.sarc").open("wb") as file,
        pytest.raises(UsageError, match=r"Give its name, .*a\.sarc"),
    ):
        arguments.path("src", file)


def test_progress_is_a_function_of_three() -> None:
    assert arguments.callback("progress", print) is print
    for value in (5, None, int, lambda: None, lambda stage, done: None, len, max, "x"):
        with pytest.raises(UsageError, match="stage, done, total"):
            arguments.callback("progress", value)


def test_a_message_stays_short_whatever_the_value() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError

    assert arguments.shown(np.float32(1.5)) == "1.5"
    for value in (
        "x" * 10**6,
        list(range(10**5)),
        10**5000,
        Odd(),
        [Odd()],
        np.zeros((500, 500)),
        {1: Odd()},
    ):
        assert len(arguments.shown(value)) < 120
        assert "\n" not in arguments.shown(value)


@pytest.mark.parametrize(
    ("texts", "scale"),
    [
        ("dB DB db Db decibel Decibels", Scale.DB),
        ("power Power LINEAR linear intensity Intensity", Scale.POWER),
        ("amplitude AMPLITUDE Magnitude", Scale.AMPLITUDE),
        ("dn DN Dn", Scale.DN),
    ],
)
def test_scales_are_known_by_the_names_that_people_use(texts: str, scale: Scale) -> None:
    assert {Scale.named(text) for text in texts.split()} == {scale}
    assert {Scale.named(f"  {text} ") for text in texts.split()} == {scale}
    assert Scale.named(scale) is scale


def test_names_of_two_words_are_known_too() -> None:
    assert [Scale.named(text) for text in ("Digital Numbers", "linear  power")] == [Scale.DN, Scale.POWER]


@pytest.mark.parametrize("text", ["", "loud", "auto", 5, None, True, ["db"], b"db"])
def test_other_names_of_scales_are_refused_with_those_there_are(text: object) -> None:
    with pytest.raises(UsageError, match="dn, amplitude, power, db"):
        Scale.named(text)


def test_quantities_are_known_in_any_case() -> None:
    assert [Quantity.named(text) for text in ("Sigma0", "GAMMA0", "dn")] == ["sigma0", "gamma0", "dn"]
    for text in ("sigma1", "", 5, None):
        with pytest.raises(UsageError, match="sigma0, gamma0, beta0"):
            Quantity.named(text)


def test_windows_take_whole_numbers_of_any_type() -> None:
    made = Window(np.int64(1), 2.0, np.uint8(3), np.float32(4))  # type: ignore[arg-type]
    assert made == Window(1, 2, 3, 4)
    assert {type(number) for number in (made.col, made.row, made.width, made.height)} == {int}
    for bad in ("1", 0.5, float("nan"), None, True, [1]):
        with pytest.raises(UsageError, match="col="):
            Window(bad, 0, 1, 1)  # type: ignore[arg-type]


def test_limits_are_whole_and_positive() -> None:
    assert Limits(pixels=4e9).pixels == 4_000_000_000  # type: ignore[arg-type]
    for bad in (0, -1, "9", None, True, 2.5, float("inf"), 1e300):
        with pytest.raises(UsageError, match="bands="):
            Limits(bands=bad)  # type: ignore[arg-type]


def test_limits_may_be_given_as_a_mapping() -> None:
    assert limits_of({"bands": 100, "gcps": 5.0}) == Limits(bands=100, gcps=5)
    assert limits_of({}) == DEFAULT
    for bad in (5, None, "bands=100", ["bands"], {"band": 1}, {1: 1}, {"symbol": 9}, {"bands": "x"}):
        with pytest.raises(UsageError):
            limits_of(bad)
