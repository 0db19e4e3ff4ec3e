"""docs/FORMAT.md suffices: a decoder written from it alone reads what the package writes."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import re
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from conftest import GOLDEN, TOY
from golden import make_golden
from oracle import sarc_decoder as oracle
from sarcodec import zoo
from sarcodec.api import encode_array
from sarcodec.bitstream.reader import Reader
from sarcodec.dataset import SarcDataset
from sarcodec.model.rans import StreamEncoder
from sarcodec.model.tables import Tables
from sarcodec.types import Place

FORMAT = Path(__file__).parents[1] / "docs" / "FORMAT.md"
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Both:
    """A model for the package and for the oracle."""

    path: str
    oracle: oracle.Model


def write_linear(path: Path) -> None:
    """The toy model made linear, with both groups in one layer and half of the hyper-latents not coded."""
    with safe_open(TOY, "np") as file:
        metadata = file.metadata()
    tensors = load_file(TOY)
    config = json.loads(metadata["config"])
    config |= {"wide": 0, "deep": 0, "wide_blocks": 0, "deep_blocks": 0}
    config["layers"] = [sum(config["layers"])]
    linear = ("synthesis/g_s.lapped", "analysis/g_a.lapped")
    kept = {k: v for k, v in tensors.items() if "/g_" not in k or k.startswith(linear)}
    kept["entropy/z_coded"] = kept["entropy/z_coded"].copy()
    kept["entropy/z_coded"][:, ::2] = 0
    save_file(kept, path, metadata | {"config": json.dumps(config)})


FAMILIES = ("toy_plain", "toy_residual")
SHA256 = {
    "toy_plain": "9a06074026f44c0d20605abd679e6f33efc3fa00ff6dc9888bffecda9adbd11e",
    "toy_residual": "fd5697784f42d1f886c89215b00ec80d4991dfb02fdf1e3c5963930692b499e7",
    "toy_trellis": "a638b4a2a493ffc704b967b72115c1f400b6fed1f5703180f15c11700daee244",
}


@pytest.fixture(scope="module", params=["toy1", "linear", *FAMILIES, "default"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    path = zoo.find() if request.param == "default" else GOLDEN / f"{request.param}.safetensors"
    if request.param == "linear":
        path = tmp_path_factory.mktemp("model") / "linear.safetensors"
        write_linear(path)
    if not path.is_file():
        pytest.skip(f"the model file {path} is not here")
    return Both(str(path), oracle.read_model(path))


def amplitudes(height: int, width: int) -> Array:
    """Speckled amplitudes about 60 with a bright target."""
    rng = np.random.default_rng(height * width)
    y, x = np.mgrid[:height, :width]
    smooth = 60 + 40 * np.sin(x / 37) * np.cos(y / 23)
    out: Array = smooth * np.sqrt(rng.gamma(4, 0.25, (height, width)))
    out[height // 2, width // 2] = 5000
    return out.clip(1, None)


def digital_numbers_with_a_hole() -> tuple[Array, dict[str, Any]]:
    dn = amplitudes(70, 100).round().astype(np.uint16)
    dn[20:40, 30:60] = 0
    dn[0] = 0
    return dn, {"nodata": 0, "quality": 50}


def nodata_amid_the_valid_values() -> tuple[Array, dict[str, Any]]:
    dn = amplitudes(48, 33).round().astype(np.int16)
    dn[dn == 61] = 62
    dn[3, ::7] = -4
    return dn, {"nodata": 61, "quality": 90}


def two_bands_of_power_in_two_tiles() -> tuple[Array, dict[str, Any]]:
    power = (amplitudes(48, 1056) ** 2 * 1e-3).astype(np.float32)
    power[:10, 1000:1040] = np.nan
    power[30, :5] = -1
    second = power[::-1].copy()
    second[:, 1024:] = np.inf
    return np.stack([power, second]), {"scale": "power", "quality": 60}


def decibels_at_the_lowest_rate() -> tuple[Array, dict[str, Any]]:
    db = 20 * np.log10(amplitudes(17, 20)) - 40
    db[4:9, 7] = -9999
    return db, {"scale": "db", "nodata": -9999, "quality": 1}


def a_band_without_data() -> tuple[Array, dict[str, Any]]:
    dn = amplitudes(20, 20).round().astype(np.uint16)
    return np.stack([dn, np.zeros_like(dn)]), {"scale": "dn", "nodata": 0, "quality": 30}


def three_bands_under_one_mask() -> tuple[Array, dict[str, Any]]:
    power = amplitudes(40, 30).astype(np.float32)
    power[5:20, 8:] = np.nan
    other = power[::-1, ::-1].copy()
    other[np.isnan(other)] = 30
    other[5:20, 8:] = np.inf
    return np.stack([power, other, power]), {"scale": "power", "quality": 40}


SCENES = (
    digital_numbers_with_a_hole,
    nodata_amid_the_valid_values,
    two_bands_of_power_in_two_tiles,
    decibels_at_the_lowest_rate,
    a_band_without_data,
    three_bands_under_one_mask,
)


@cache
def encoded(
    scene: Callable[[], tuple[Array, dict[str, Any]]],
    path: str,
    radiometry: int | bool = False,
    targets: bool = False,
    texture: bool = False,
) -> bytes:
    """The `.sarc` file of a scene."""
    source, options = scene()
    chosen: dict[str, Any] = {"radiometry": radiometry, "targets": targets, "texture": texture}
    return encode_array(source, jobs=1, model=path, **chosen, **options)


WAYS: dict[str, tuple[dict[str, Any], int | bool, bool]] = {
    "all layers": ({}, False, False),
    "base layer": ({"base_only": True}, False, True),
    "gains": ({"unbiased": True}, 16, False),
    "targets": ({}, False, True),
    "targets and gains": ({"unbiased": True}, 16, True),
    "targets left out": ({"targets": False}, False, True),
    "texture": ({"texture": "speckle"}, False, False),
    "texture beside targets and gains": ({"texture": "speckle"}, 16, True),
}
"""How to decode, the side of the cells of gains, and whether there are bright targets."""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_a_decoder_written_from_the_specification_agrees(
    model: Both, scene: Callable[[], tuple[Array, dict[str, Any]]], way: str
) -> None:
    source, options = scene()
    chosen, radiometry, targets = WAYS[way]
    data = encoded(scene, model.path, radiometry, targets, "texture" in chosen)
    wanted = {("textured" if key == "texture" else key): bool(value) for key, value in chosen.items()}
    theirs = oracle.decode(data, model.oracle, **wanted)
    with SarcDataset(io.BytesIO(data), "scene", jobs=1, model=model.path, **chosen) as coded:
        ours, header = coded.read(), coded.decoder.header
        for place, latents in theirs.latents.items():
            np.testing.assert_array_equal(coded.decoder.latents(Place(*place)), latents)

    cube = source.reshape(theirs.pixels.shape)
    unsigned = f"u{cube.dtype.itemsize}"
    for number, band in enumerate(header.bands):
        classes = theirs.classes[number]
        for k, bits in enumerate(band.palette, start=1):
            np.testing.assert_array_equal(classes == k, cube[number].view(unsigned) == bits)
        # Class 0 is what is left: its pixels are valid in the source.
        valid = classes == 0
        decoded, expected = ours[number], theirs.pixels[number]
        np.testing.assert_array_equal(decoded[~valid].view(unsigned), cube[number][~valid].view(unsigned))
        np.testing.assert_array_equal(expected[~valid].view(unsigned), cube[number][~valid].view(unsigned))
        assert not (expected[valid] == options.get("nodata")).any()
        if cube.dtype.kind in "iu":
            difference = decoded[valid].astype(np.int64) - expected[valid].astype(np.int64)
            assert np.abs(difference).max(initial=0) <= 1
        else:
            db = [v[valid].astype(np.float64) for v in (decoded, expected)]
            if options["scale"] == "power":
                db = [10 * np.log10(v) for v in db]
            assert np.abs(db[0] - db[1]).max(initial=0) < 0.001


def test_the_example_gains_of_the_specification_are_what_its_bytes_say() -> None:
    text = " ".join(FORMAT.read_text(encoding="utf-8").split())
    pattern = r"S = (\d+), t = (\d), n of the cells `([^`]+)` above `([^`]+)`.+? the body is `([^`]+)`"
    found = re.search(pattern, text)
    assert found is not None
    side, cells = int(found[1]), np.array([found[3].split(), found[4].split()])
    valid = (cells != ".").repeat(side, 0).repeat(side, 1)
    expected = np.where(cells == ".", "0", cells).astype(float) * 2 ** int(found[2]) / 16
    gains = oracle.read_gains(bytes.fromhex(found[5]), valid)
    assert np.array_equal(gains[::side, ::side], expected)


def test_the_example_targets_of_the_specification_are_what_its_bytes_say() -> None:
    text = " ".join(FORMAT.read_text(encoding="utf-8").split())
    found = re.search(
        r"a tile of (\d+) rows of (\d+) pixels, the first (\d+) of which.+? in row (\d+), column (\d+), "
        r".+? and in row (\d+), column (\d+), .+? the body is `([^`]+)`.+? adds (\S+) dB to its pixel",
        text,
    )
    assert found is not None
    height, width, invalid, *places = (int(number) for number in found.groups()[:7])
    valid = np.ones((height, width), bool)
    valid[0, :invalid] = False
    raised = oracle.read_targets(bytes.fromhex(found[8]), valid)
    assert raised[places[0], places[1]] == float(found[9]) == 2 * raised[places[2], places[3]]
    assert np.count_nonzero(raised) == 9 + 6


def test_the_specified_decoder_raises_the_targets_of_old() -> None:
    model, data = oracle.read_model(Path(TOY)), (GOLDEN / "bright_targets.sarc").read_bytes()
    with np.load(GOLDEN / "bright_targets.npz") as stored:
        for on, name in ((True, "pixels"), (False, "without_targets")):
            theirs = oracle.decode(data, model, targets=on).pixels.astype(int)
            assert np.abs(theirs - stored[name]).max() <= 1


def test_the_specified_decoder_gives_the_unbiased_pixels_of_old() -> None:
    model = oracle.read_model(Path(TOY))
    theirs = oracle.decode((GOLDEN / "gain_grid.sarc").read_bytes(), model, unbiased=True).pixels
    with np.load(GOLDEN / "gain_grid.npz") as stored:
        assert np.abs(theirs.astype(int) - stored["unbiased"]).max() <= 1
    with pytest.raises(oracle.RefusedError, match="no gain grid"):
        oracle.decode((GOLDEN / "uint8.sarc").read_bytes(), model, unbiased=True)


def test_the_example_texture_of_the_specification_gives_its_numbers() -> None:
    text = " ".join(FORMAT.read_text(encoding="utf-8").split())
    found = re.search(r"the body `([^`]+)` means.+?m\(0, 0\) is (\S+), z is (\S+) and q is (\S+)\.", text)
    assert found is not None
    body, nothing = bytes.fromhex(found[1]), np.zeros((4, 4))
    z = oracle.normal_noise(np.array([[127, 16], [32, -16]]), 1, 0, (0, 0), (4, 4))
    assert z[0, 0] * np.sqrt(21845 * 19713) == pytest.approx(int(found[2]))
    assert z[0, 0] == pytest.approx(float(found[3]), abs=1e-5)
    added = oracle.read_texture(body, nothing, nothing == 0, 1, 0, (0, 0))
    assert added[0, 0] == pytest.approx(1 + float(found[4]), abs=1e-5)
    hashes = re.search(r"The hash of 1, 2, 3, 4 is (\w+), that of 0, 0, -1, 7 is (\w+)\.", text)
    assert hashes is not None
    assert [int(oracle.hash_of(*words)) for words in ((1, 2, 3, 4), (0, 0, -1, 7))] == [
        int(number, 16) for number in hashes.groups()
    ]


def test_the_specified_decoder_gives_the_textured_pixels_of_old() -> None:
    model = oracle.read_model(Path(TOY))
    theirs = oracle.decode((GOLDEN / "texture.sarc").read_bytes(), model, textured=True).pixels
    with np.load(GOLDEN / "texture.npz") as stored:
        assert np.abs(theirs.astype(int) - stored["textured"]).max() <= 1
    with pytest.raises(oracle.RefusedError, match="no texture"):
        oracle.decode((GOLDEN / "uint8.sarc").read_bytes(), model, textured=True)


@pytest.mark.parametrize("name", SHA256)
def test_golden_files_of_other_models_decode_to_the_pixels_of_old(name: str) -> None:
    path, folder = GOLDEN / f"{name}.safetensors", GOLDEN / "families"
    data, known = (folder / f"{name}.sarc").read_bytes(), json.loads((folder / "expected.json").read_text())
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SHA256[name]
    theirs = oracle.decode(data, oracle.read_model(path))
    with SarcDataset(io.BytesIO(data), name, jobs=1, model=str(path)) as coded:
        ours = coded.read()
        assert make_golden.latent_digests(coded) == known[name]["latents"]
        assert make_golden.header_fields(coded) == known[name]["header"]
    latents = np.ascontiguousarray(theirs.latents[0, 0, 0], "<i4")
    assert [hashlib.sha256(latents.tobytes()).hexdigest()] == known[name]["latents"]
    with np.load(folder / f"{name}.npz") as stored:
        pixels = stored["pixels"].astype(np.float64)
    step = 1 if ours.dtype == np.uint16 else 0.001  # DN or dB
    for decoded in (ours, theirs.pixels):
        assert np.abs(decoded.astype(np.float64) - pixels).max() <= step


def test_a_model_of_an_unknown_family_is_refused(tmp_path: Path) -> None:
    with safe_open(TOY, "np") as file:
        metadata = file.metadata()
    config = json.loads(metadata["config"]) | {"family": "folded"}
    save_file(load_file(TOY), tmp_path / "other.safetensors", metadata | {"config": json.dumps(config)})
    with pytest.raises(oracle.RefusedError, match="family"):
        oracle.read_model(tmp_path / "other.safetensors")


def test_every_layer_of_the_two_tile_scene_carries_symbols(model: Both) -> None:
    reader = Reader(io.BytesIO(encoded(two_bands_of_power_in_two_tiles, model.path)))
    assert (reader.grid.rows, reader.grid.cols) == (1, 2)
    for layer in range(len(model.oracle.layers)):  # a narrow tile may do without the last ones
        assert any(reader.record(0, col).layer(0, layer) for col in (0, 1)), layer


@pytest.mark.parametrize("part", ["header", "mask", "digest", "stream", "index"])
def test_a_flipped_bit_is_refused_by_the_specified_decoder(model: Both, part: str) -> None:
    data = bytearray(encoded(digital_numbers_with_a_hole, model.path))
    reader = Reader(io.BytesIO(bytes(data)))
    start = 18 + struct.unpack_from("<I", data, 10)[0]
    mask, base = reader.record(0, 0).segments[0][:2]
    places = {
        "header": 25,
        "mask": start + mask.start + 5,
        "digest": start + base.start + 5,
        "stream": start + base.start + 12,
        "index": len(data) - 13,
    }
    data[places[part]] ^= 4
    with pytest.raises(oracle.RefusedError):
        oracle.decode(bytes(data), model.oracle)


def test_the_example_stream_of_the_specification_decodes_to_its_symbols() -> None:
    text = " ".join(FORMAT.read_text(encoding="utf-8").split())
    found = re.search(
        r"one table c = ([\d, ]+) with offset (\S+) and the symbols ([-\d, ]+) make the stream `([^`]+)`",
        text,
    )
    assert found is not None
    cdf, symbols = ([int(n) for n in found[group].split(",")] for group in (1, 3))
    decoder = oracle.RansDecoder(bytes.fromhex(found[4]))
    assert [decoder.symbol(cdf, int(found[2])) for _ in symbols] == symbols
    decoder.end()


@settings(max_examples=30, deadline=None)
@given(
    counts=st.lists(st.integers(1, 9000), min_size=2, max_size=7),
    offset=st.integers(-20, 20),
    symbols=st.lists(st.integers(-30, 30) | st.integers(-32767, 32767), min_size=4, max_size=60),
)
def test_the_specified_coder_reads_what_the_compiled_one_writes(
    counts: list[int], offset: int, symbols: list[int]
) -> None:
    cdf = np.cumsum([0, *counts, 65536 - sum(counts)], dtype=np.int32)
    tables = Tables(cdf[None], np.array([cdf.size], np.int32), np.array([offset], np.int32))
    encoder = StreamEncoder()
    encoder.put(np.array(symbols), np.zeros(len(symbols), np.int64), tables)
    decoder = oracle.RansDecoder(encoder.finish(tables))
    assert [decoder.symbol(cdf.tolist(), offset) for _ in symbols] == symbols
    decoder.end()


def test_the_specified_decoder_shares_no_code_with_the_package() -> None:
    tree = ast.parse(Path(oracle.__file__).read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    outside = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names)
    assert outside == {"numpy", "safetensors"}
