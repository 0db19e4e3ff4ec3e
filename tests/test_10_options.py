"""Options: checked once, frozen, the same through JSON, and light."""

from __future__ import annotations

import inspect
import json
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sarcodec
from sarcodec.corrections.registry import CORRECTIONS, UseFields, Uses, Wishes, WishFields
from sarcodec.errors import UsageError
from sarcodec.keywords import DecodeKeywords, EncodeKeywords, FileKeywords
from sarcodec.limits import Limits
from sarcodec.options import DecodeOptions, EncodeOptions
from sarcodec.types import Quantity, Scale

RATES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({"quality": st.floats(1, 100)}),
    st.fixed_dictionaries({"bpp": st.floats(0.001, 32)}),
    st.fixed_dictionaries({"rmse_db": st.floats(0.01, 30)}),
    st.just({}),
)
SCALES = st.sampled_from([None, "auto", "dB", Scale.POWER, "db,power", ["dn", None], (Scale.DB, "linear")])
COMMON: dict[str, Any] = {
    "model": st.sampled_from([None, "lapped16", Path("m.safetensors")]),
    "device": st.sampled_from(["auto", "cpu", "cuda"]),
    "jobs": st.none() | st.integers(1, 64),
    "limits": st.sampled_from([Limits(), Limits(bands=100), {"pixels": 10**10, "memory": 2**33}]),
}
ENCODES = st.builds(
    lambda rate, rest: EncodeOptions(**rate, **rest),
    RATES,
    st.fixed_dictionaries(
        {},
        optional={
            "scale": SCALES,
            "quantity": st.sampled_from(["sigma0", Quantity.DN, "GAMMA0"]),
            "bands": st.sampled_from([None, [2, 1], (1,)]),
            "radiometry": st.sampled_from([True, False, 16, 32, 64]),
            "targets": st.booleans(),
            "texture": st.booleans(),
            **COMMON,
        },
    ),
)
DECODES = st.builds(
    lambda rest: DecodeOptions(**rest),
    st.fixed_dictionaries(
        {},
        optional={
            "base_only": st.booleans(),
            "allow_partial": st.booleans(),
            "unbiased": st.booleans(),
            "targets": st.booleans(),
            "texture": st.sampled_from([None, "speckle"]),
            **COMMON,
        },
    ),
)


@given(st.one_of(ENCODES, DECODES))
def test_options_are_the_same_after_json_and_pickle(options: EncodeOptions | DecodeOptions) -> None:
    text = options.to_json()
    assert type(options).from_json(text) == options
    assert type(options).from_json(text).to_json() == text
    assert pickle.loads(pickle.dumps(options)) == options
    assert hash(type(options).from_json(text)) == hash(options)
    assert replace(options) == options
    assert type(options).from_dict(asdict(options)) == options


def test_json_names_only_what_is_not_usual() -> None:
    assert json.loads(EncodeOptions().to_json()) == {}
    options = EncodeOptions(bpp=0.2, scale="db,power", targets=True, radiometry=32, limits={"bands": 9})
    assert json.loads(options.to_json()) == {
        "bpp": 0.2,
        "scale": ["db", "power"],
        "targets": True,
        "radiometry": 32,
        "limits": {"bands": 9},
    }
    assert json.loads(DecodeOptions(targets=False, texture="speckle").to_json()) == {
        "targets": False,
        "texture": "speckle",
    }


def test_options_cannot_be_changed() -> None:
    options: Any = EncodeOptions(bpp=0.2)
    with pytest.raises(FrozenInstanceError):
        options.bpp = 0.4


def test_what_is_spelled_otherwise_is_equal() -> None:
    assert EncodeOptions(scale="dB", quantity="SIGMA0") == EncodeOptions(
        scale=Scale.DB, quantity=Quantity.SIGMA0
    )
    assert EncodeOptions(bands=[1, 2.0], jobs=2.0) == EncodeOptions(bands=(1, 2), jobs=2)  # type: ignore[list-item,arg-type]
    assert EncodeOptions(limits={"bands": 9}) == EncodeOptions(limits=Limits(bands=9))


@pytest.mark.parametrize(
    "wrong",
    [
        {"quality": 50, "bpp": 0.2},
        {"bpp": 0},
        {"quality": 101},
        {"rmse_db": "much"},
        {"scale": "decibles"},
        {"radiometry": 48},
        {"targets": "yes"},
        {"texture": 1.5},
        {"bands": 1},
        {"device": "tpu"},
        {"jobs": 0},
        {"limits": {"bandz": 3}},
        {"quantity": "sigma1"},
        {"model": ""},
    ],
    ids=str,
)
def test_wrong_options_of_an_encode_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        EncodeOptions(**wrong)
    with pytest.raises(UsageError):
        EncodeOptions.from_json(json.dumps(wrong))


@pytest.mark.parametrize(
    "wrong", [{"texture": "grain"}, {"targets": None}, {"base_only": 1}, {"unbiased": "no"}], ids=str
)
def test_wrong_options_of_a_decode_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        DecodeOptions(**wrong)


@pytest.mark.parametrize("text", ["", "[]", "3", '"bpp"', "{", '{"bpp": 0.2, "speed": 3}', '{"bpp": NaN}'])
def test_what_is_no_json_of_options_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        EncodeOptions.from_json(text)


def test_a_name_that_is_no_option_is_named_and_the_others_listed() -> None:
    with pytest.raises(UsageError, match="speed is not an option") as caught:
        EncodeOptions.from_json('{"speed": 3}')
    assert "rmse_db" in caught.value.hint


def test_options_import_nothing_heavy() -> None:
    code = "import sys, sarcodec.options; print(*{'numpy', 'torch', 'rasterio'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_keywords_are_the_fields_of_the_options_and_corrections_stand_in_their_registry() -> None:
    assert EncodeKeywords.__annotations__.keys() | {"bands"} == {f.name for f in fields(EncodeOptions)}
    assert FileKeywords.__annotations__.keys() == {f.name for f in fields(EncodeOptions)}
    assert DecodeKeywords.__annotations__.keys() == {f.name for f in fields(DecodeOptions)}
    wishes, uses = {c.wish for c in CORRECTIONS}, {c.use for c in CORRECTIONS}
    assert {f.name for f in fields(WishFields)} == wishes == Wishes.__annotations__.keys()
    assert {f.name for f in fields(UseFields)} == uses == Uses.__annotations__.keys()


def test_signatures_show_the_options() -> None:
    encode, opened = (inspect.signature(f).parameters for f in (sarcodec.encode, sarcodec.open))
    assert {"src", "out", "overwrite", "progress", "bpp", "scale", "targets", "bands"} <= encode.keys()
    assert {"path", "unbiased", "texture", "allow_partial", "jobs"} <= opened.keys()
    assert "bands" not in inspect.signature(sarcodec.encode_array).parameters
    assert all(p.kind is not p.VAR_KEYWORD for p in (*encode.values(), *opened.values()))
    assert opened["targets"].default is True


def test_keywords_count_beside_options_and_a_rate_takes_the_place_of_another() -> None:
    kept = EncodeOptions(quality=70, targets=True)
    assert EncodeOptions.of(kept, {"jobs": 2}) == EncodeOptions(quality=70, targets=True, jobs=2)
    assert EncodeOptions.of(kept, {"bpp": 0.2}) == EncodeOptions(bpp=0.2, targets=True)
    assert DecodeOptions.of(DecodeOptions(jobs=2), {"targets": False}) == DecodeOptions(jobs=2, targets=False)
    with pytest.raises(UsageError, match="choose one"):
        EncodeOptions.of(kept, {"bpp": 0.2, "quality": 5})
    with pytest.raises(UsageError, match="no EncodeOptions"):
        EncodeOptions.of(DecodeOptions(), {})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="unexpected keyword argument 'speed'"):
        sarcodec.encode("a.tif", "b.sarc", speed=3)  # type: ignore[call-arg]


def test_arrays_refuse_options_that_say_nothing_of_them() -> None:
    with pytest.raises(UsageError, match="bands"):
        sarcodec.encode_array([[1, 2]], options=EncodeOptions(bands=[1]))
    with pytest.raises(UsageError, match="lost"):
        sarcodec.decode_array(b"", allow_partial=True)
