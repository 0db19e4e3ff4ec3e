"""Files written once by the toy model decode to the same for ever."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sarcodec
from conftest import GOLDEN, TOY
from golden import make_golden
from sarcodec.decoding import mask_band
from sarcodec.metadata import to_fields
from sarcodec.types import Scale, Window

EXPECTED: dict[str, Any] = json.loads((GOLDEN / "expected.json").read_text())
NAMES = sorted(EXPECTED)
DN_STEP = 1
DB_STEP = 0.001
TOY_SHA256 = "6d3acffca6b4ea599748dfdf2ce03508b0ba288e711f87a3ebb379590f1d4793"


def test_the_toy_model_is_the_one_of_old() -> None:
    assert hashlib.sha256(Path(TOY).read_bytes()).hexdigest() == TOY_SHA256


def test_every_golden_file_is_expected_and_small() -> None:
    files = sorted(GOLDEN.glob("*.sarc"))
    assert [f.stem for f in files] == NAMES == sorted(make.__name__ for make in make_golden.CASES)
    assert all(f.stat().st_size < 20_000 for f in files)


@pytest.mark.parametrize("name", NAMES)
def test_header_and_metadata_read_as_ever(name: str) -> None:
    with sarcodec.open(GOLDEN / f"{name}.sarc", model=TOY, jobs=1) as coded:
        assert make_golden.header_fields(coded) == EXPECTED[name]["header"]
        assert json.loads(json.dumps(to_fields(coded.meta))) == EXPECTED[name]["meta"]


@pytest.mark.parametrize("name", NAMES)
def test_latents_are_exactly_those_of_old(name: str) -> None:
    with sarcodec.open(GOLDEN / f"{name}.sarc", model=TOY, jobs=1) as coded:
        assert make_golden.latent_digests(coded) == EXPECTED[name]["latents"]


@pytest.mark.parametrize("name", NAMES)
def test_pixels_are_those_of_old_within_a_step_and_invalid_ones_to_the_bit(name: str) -> None:
    with sarcodec.open(GOLDEN / f"{name}.sarc", model=TOY, jobs=1) as coded:
        got, scales = coded.read(), make_golden.scales_of(coded)
    with np.load(GOLDEN / f"{name}.npz") as stored:
        pixels, bits = stored["pixels"], stored["invalid_bits"]
        invalid = np.unpackbits(stored["invalid"], count=pixels.size).astype(bool).reshape(pixels.shape)
    assert got.dtype == pixels.dtype and got.shape == pixels.shape
    assert np.array_equal(got.view(f"u{got.dtype.itemsize}")[invalid], bits)
    for number, scale in enumerate(scales):
        seen = ~invalid[number]
        now, then = (part[number][seen].astype(np.float64) for part in (got, pixels))
        if got.dtype.kind in "iu":
            assert np.abs(now - then).max(initial=0) <= DN_STEP
        elif scale.scale is Scale.DB:
            assert np.abs(now - then).max(initial=0) <= DB_STEP
        else:
            factor = 10 if scale.scale is Scale.POWER else 20
            assert np.abs(factor * np.log10(now / then)).max(initial=0) <= DB_STEP


@pytest.mark.parametrize("name", NAMES)
def test_golden_files_came_from_the_scenes_beside_them(name: str) -> None:
    """Nothing lossy where the pixel is not data, nothing absurd where it is."""
    make = next(m for m in make_golden.CASES if m.__name__ == name)
    cube, meta, *_ = make()
    with sarcodec.open(GOLDEN / f"{name}.sarc", model=TOY, jobs=1) as coded:
        got, scales = coded.read(), make_golden.scales_of(coded)
        shown = mask_band.shown(coded.decoder, Window(0, 0, coded.meta.width, coded.meta.height))
    assert np.array_equal(shown, make_golden.MASK) if name == "mask_band" else shown.all()
    invalid = make_golden.invalid_of(cube, meta, scales)
    view = f"u{cube.dtype.itemsize}"
    assert np.array_equal(got.view(view)[invalid], cube.view(view)[invalid])
    assert not make_golden.invalid_of(got, meta, scales)[~invalid & shown].any()
