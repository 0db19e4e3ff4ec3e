"""Model files: two digests, and no way in for what is damaged, foreign or executable."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from conftest import TOY
from sarcodec import zoo
from sarcodec.api import encode_array
from sarcodec.errors import LimitError, UnsupportedError
from sarcodec.model import contents, modelfile
from sarcodec.model.modelfile import Model
from testing.scenes import decode_bytes, dn, open_bytes, power


def parts() -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(TOY, "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118


def saved(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> str:
    save_file(tensors, path, metadata)
    return str(path)


def with_change(path: Path, name: str) -> Model:
    """The toy model with one number of one tensor changed a little."""
    tensors, metadata = parts()
    flat = tensors[name].view(-1)
    flat[0] = flat[0] + (1 if not flat.is_floating_point() else 0.01)
    return modelfile.load(Path(saved(path, tensors, metadata)))


@pytest.mark.parametrize(
    ("name", "entropy", "synthesis"),
    [
        ("entropy/nets.h_s.first.weight", True, False),
        ("entropy/nets.heads.1.out.bias", True, False),
        ("entropy/mean_log2", True, False),
        ("entropy/scale_offset", True, False),
        ("entropy/y_offset", True, False),
        ("synthesis/g_s.lapped.weight", False, True),
        ("synthesis/g_s.modulate", False, True),
        ("synthesis/inverse_log2", False, True),
        ("analysis/g_a.lapped.weight", False, False),
        ("analysis/deviation_log2", False, False),
    ],
)
def test_a_digest_changes_with_its_own_part_alone(
    tmp_path: Path, toy: Model, name: str, entropy: bool, synthesis: bool
) -> None:
    changed = with_change(tmp_path / "m.safetensors", name)
    assert (changed.entropy_digest != toy.entropy_digest) is entropy
    assert (changed.synthesis_digest != toy.synthesis_digest) is synthesis


def test_digests_go_by_content_not_by_id_or_order(tmp_path: Path, toy: Model) -> None:
    tensors, metadata = parts()
    backwards = dict(reversed(tensors.items()))
    again = modelfile.load(Path(saved(tmp_path / "m.safetensors", backwards, {**metadata, "id": "renamed"})))
    assert again.id == "renamed"
    assert (again.entropy_digest, again.synthesis_digest) == (toy.entropy_digest, toy.synthesis_digest)


@pytest.mark.parametrize(
    ("name", "change", "entropy", "synthesis"),
    [("first_coded", 1, True, False), ("unit_db", 1.0, False, False)],
)
def test_a_setting_is_part_of_the_digest_it_matters_to(
    tmp_path: Path, toy: Model, name: str, change: float, entropy: bool, synthesis: bool
) -> None:
    tensors, metadata = parts()
    config = json.loads(metadata["config"])
    config[name] += change
    other = modelfile.load(
        Path(saved(tmp_path / "m.safetensors", tensors, {**metadata, "config": json.dumps(config)}))
    )
    assert (other.entropy_digest != toy.entropy_digest) is entropy
    assert (other.synthesis_digest != toy.synthesis_digest) is synthesis


def test_no_float_of_the_file_reaches_the_entropy_part(toy: Model) -> None:
    tensors, _ = parts()
    kinds = {v.dtype for k, v in tensors.items() if k.startswith("entropy/")}
    assert kinds <= {torch.int16, torch.int32, torch.uint8}
    assert next(toy.entropy.networks.h_s.parameters()).dtype == torch.float64


def damage() -> Iterator[tuple[str, Any]]:
    tensors, metadata = parts()
    config = json.loads(metadata["config"])

    def configured(**changes: Any) -> dict[str, str]:
        return {**metadata, "config": json.dumps({**config, **changes})}

    def replaced(name: str, value: Tensor | None) -> dict[str, Tensor]:
        rest = {k: v for k, v in tensors.items() if k != name}
        return rest if value is None else {**rest, name: value}

    yield "foreign format", (tensors, {**metadata, "format": "other-model-7"})
    yield "no metadata", (tensors, {})
    yield "no id", (tensors, {k: v for k, v in metadata.items() if k != "id"})
    yield "config no JSON", (tensors, {**metadata, "config": "{"})
    yield "config a list", (tensors, {**metadata, "config": "[1]"})
    yield "groups a text", (tensors, configured(groups="wide"))
    without = {k: v for k, v in config.items() if k != "wide"}
    yield "width missing", (tensors, {**metadata, "config": json.dumps(without)})
    yield "hidden smaller", (tensors, configured(hidden=7))
    yield "layers other", (tensors, configured(layers=[16, 9]))
    yield "layers across groups", (tensors, configured(layers=[10, 14]))
    yield "unit none", (tensors, configured(unit_db=None))
    for name in tensors:
        if name in {
            "entropy/y_cdf",
            "entropy/powers",
            "entropy/nets.heads.0.out.weight",
            "synthesis/inverse_log2",
            "synthesis/g_s.modulate",
            "analysis/deviation_log2",
        }:
            yield f"{name} missing", (replaced(name, None), metadata)
    for name in ("y_cdf", "y_size", "y_offset", "z_cdf", "z_coded", "powers", "mean_log2", "scale_offset"):
        key = f"entropy/{name}"
        yield f"{key} too few", (replaced(key, tensors[key][:-1].clone()), metadata)
    yield "tables not rising", (replaced("entropy/y_cdf", tensors["entropy/y_cdf"].flip(1)), metadata)
    huge = torch.full_like(tensors["entropy/nets.h_s.first.bias"], 2**31 - 1).double() * 2**30
    yield "sums not exact", (replaced("entropy/nets.h_s.first.bias", huge), metadata)


@pytest.mark.parametrize(("what", "content"), list(damage()), ids=lambda v: v if isinstance(v, str) else "")
def test_a_model_file_that_is_not_one_is_refused(tmp_path: Path, what: str, content: Any) -> None:
    path = saved(tmp_path / "m.safetensors", *content)
    with pytest.raises(UnsupportedError):
        modelfile.load(Path(path))


def test_cut_and_scrambled_model_files_are_refused(tmp_path: Path, toy: Model) -> None:
    whole = Path(TOY).read_bytes()
    path = tmp_path / "m.safetensors"
    for size in (0, 7, 8, 100, 5000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(UnsupportedError):
            modelfile.load(path)
    header = 8 + int.from_bytes(whole[:8], "little")
    rng = np.random.default_rng(0)
    for at in rng.integers(0, header, 60).tolist():
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x11]) + whole[at + 1 :])
        try:
            model = modelfile.load(path)
        except UnsupportedError:
            continue
        # What still loads is a model of another name, or whose configuration says so in its digest.
        assert model.id != toy.id or model.entropy_digest != toy.entropy_digest
    with pytest.raises(UnsupportedError):
        modelfile.load(tmp_path / "none.safetensors")


def test_another_entropy_part_is_refused_at_decode(tmp_path: Path) -> None:
    data = encode_array(dn((40, 40)), model=TOY, jobs=1)
    other = tmp_path / "m.safetensors"
    with_change(other, "entropy/scale_offset")
    with pytest.raises(UnsupportedError, match="entropy part") as caught:
        open_bytes(data, str(other))
    assert caught.value.exit_code == 6


def test_another_synthesis_decodes_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = encode_array(dn((40, 40)), model=TOY, jobs=1)
    other = tmp_path / "m.safetensors"
    tensors, metadata = parts()
    tensors["synthesis/g_s.out.bias"] += 0.05
    saved(other, tensors, metadata)
    with caplog.at_level(logging.WARNING):
        same = decode_bytes(data, TOY)
        assert not caplog.records
        differs = decode_bytes(data, str(other))
    assert "synthesis" in caplog.text
    assert 0 < np.abs(differs.astype(int) - same).mean() < 40


def test_a_model_that_is_not_installed_is_named() -> None:
    data = encode_array(dn((20, 20)), model=TOY, jobs=1)
    with pytest.raises(UnsupportedError, match="toy1") as caught:
        open_bytes(data, None)
    assert caught.value.exit_code == 6


FLOATS = ("synthesis/g_s.out.weight", "synthesis/inverse_log2", "analysis/g_a.lapped.weight")


def test_the_whole_content_is_what_the_settings_call_for() -> None:
    tensors, metadata = parts()
    shape = contents.settings_of(json.loads(metadata["config"])).shape
    contents.check_tensors(tensors, shape)
    for name, tensor in tensors.items():
        rest = {k: v for k, v in tensors.items() if k != name}
        other = torch.int32 if tensor.dtype != torch.int32 else torch.int16
        for changed in (
            rest,
            {**rest, name: tensor.to(other)},
            {**rest, name: tensor[None]},
            {**rest, name: torch.cat((tensor, tensor[:1]))},
        ):
            with pytest.raises(ValueError, match=re.escape(f"tensor {name} ")):
                contents.check_tensors(changed, shape)


@pytest.mark.parametrize("name", ["extra", "entropy/nets.extra.weight", "analysis/g_a.deep.1.conv1.bias"])
def test_a_tensor_that_belongs_to_no_model_is_refused(tmp_path: Path, name: str) -> None:
    tensors, metadata = parts()
    path = saved(tmp_path / "m.safetensors", {**tensors, name: torch.zeros(4)}, metadata)
    with pytest.raises(UnsupportedError, match="belongs to no model"):
        modelfile.load(Path(path))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", FLOATS)
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, name: str, value: float) -> None:
    tensors, metadata = parts()
    tensors[name].view(-1)[-1] = value
    with pytest.raises(UnsupportedError, match="not finite"):
        modelfile.load(Path(saved(tmp_path / "m.safetensors", tensors, metadata)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nets.h_s.up1.weight", 2048),
        ("nets.heads.0.mix.weight", -2048),
        ("mean_log2", 11 * 256 + 1),
        ("hyper_log2", -32768),
        ("powers", 65535),
        ("powers", 131072),
        ("y_offset", 1),
        ("z_offset", -32768),
        ("z_coded", 2),
    ],
)
def test_integers_that_no_sound_model_has_are_refused(tmp_path: Path, name: str, value: int) -> None:
    tensors, metadata = parts()
    tensors[f"entropy/{name}"].view(-1)[0] = value
    with pytest.raises(UnsupportedError, match=f"entropy/{re.escape(name)} reaches"):
        modelfile.load(Path(saved(tmp_path / "m.safetensors", tensors, metadata)))


@pytest.mark.parametrize(
    "changes",
    [
        {"wide": 10**9},
        {"wide": 2048},
        {"deep": -1},
        {"wide_blocks": 10**6},
        {"deep_blocks": 32},
        {"hidden": 2**31},
        {"hidden": 2048},
        {"hyper": 2**63},
        {"hyper": 0},
        {"anchors": 1},
        {"anchors": 10**12},
        {"anchors": True},
        {"groups": [1] * 10**5},
        {"groups": []},
        {"groups": [16, -8]},
        {"groups": [10**9], "layers": [10**9]},
        {"groups": [200, 200], "layers": [400]},
        {"layers": []},
        {"layers": [16, 8, 0]},
        {"hidden": 8.0},
        {"hidden": "8"},
        {"unit_db": math.inf},
        {"unit_db": math.nan},
        {"unit_db": 0},
        {"unit_db": [[[[]]]]},
        {"first_coded": 65},
        {"first_coded": math.inf},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_sizes_that_the_file_does_not_hold_are_refused_before_any_network_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    tensors, metadata = parts()
    config = {**json.loads(metadata["config"]), **changes}
    path = saved(tmp_path / "m.safetensors", tensors, {**metadata, "config": json.dumps(config)})

    def made(*_: object) -> None:
        pytest.fail("a network of that size was made")

    for name in ("EntropyNetworks", "transform_of"):
        monkeypatch.setattr(modelfile, name, made)
    tracemalloc.start()
    try:
        with pytest.raises(UnsupportedError):
            modelfile.load(Path(path))
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("config", ["[" * 100_000, '{"a":' * 100_000, "1" * 10_000, "null", "NaN", ""])
def test_settings_that_are_no_sound_json_are_refused(tmp_path: Path, config: str) -> None:
    tensors, metadata = parts()
    path = saved(tmp_path / "m.safetensors", tensors, {**metadata, "config": config})
    with pytest.raises(UnsupportedError):
        modelfile.load(Path(path))


@pytest.mark.parametrize("name", ["", "..", "../toy1", "a/b", "a\\b", "/etc/passwd", "a b", "ä", "x" * 300])
def test_a_model_whose_id_could_be_a_path_is_refused(tmp_path: Path, name: str) -> None:
    tensors, metadata = parts()
    path = saved(tmp_path / "m.safetensors", tensors, {**metadata, "id": name})
    with pytest.raises(UnsupportedError, match="model id"):
        modelfile.load(Path(path))


def test_a_file_far_larger_than_any_model_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    with path.open("wb") as file:
        file.truncate(contents.LARGEST_FILE + 1)
    tracemalloc.start()
    try:
        with pytest.raises(LimitError) as caught:
            modelfile.load(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert caught.value.exit_code == 7


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError):
        modelfile.load(tmp_path)


def test_loading_a_model_leaves_torchs_random_numbers_alone() -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    modelfile.load(Path(TOY))
    assert torch.equal(torch.rand(3), wanted)


@pytest.mark.parametrize("value", [3e38, -3e38])
@pytest.mark.parametrize("scale", ["dn", "power", "db"])
def test_a_synthesis_gone_mad_gives_no_pixel_outside_the_range_of_the_band(
    tmp_path: Path, scale: str, value: float
) -> None:
    linear = power((60, 50))
    scene = {"dn": dn((60, 50)), "power": linear, "db": 10 * np.log10(linear)}[scale]
    data = encode_array(scene, scale=scale, model=TOY, jobs=1)
    tensors, metadata = parts()
    tensors["synthesis/inverse_log2"].fill_(value)
    pixels = decode_bytes(data, saved(tmp_path / "m.safetensors", tensors, metadata))
    assert scene.min() <= pixels.min() <= pixels.max() <= scene.max()


# --- installed models


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a default model that alone is installed, with a right card; the toy model's bytes."""
    folder = tmp_path / "models" / zoo.DEFAULT
    folder.mkdir(parents=True)
    data = Path(TOY).read_bytes()
    (folder / "model.safetensors").write_bytes(data)
    card = {"id": zoo.DEFAULT, "sha256": hashlib.sha256(data).hexdigest()}
    (folder / "card.json").write_text(json.dumps(card))
    monkeypatch.setattr(zoo, "folders", lambda: [tmp_path / "models"])
    return folder


def test_every_installed_model_has_the_digest_on_its_card() -> None:
    assert zoo.cards()
    for card in zoo.cards():
        data = card.path.read_bytes()
        assert card.fields["sha256"] == hashlib.sha256(data).hexdigest()
        assert modelfile.load(card.path).id == card.id


def test_an_installed_model_with_another_bit_in_it_is_refused(installed: Path) -> None:
    assert modelfile.load(zoo.find()).id == "toy1"
    path = installed / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # in a tensor, where the file is as sound as before
    path.write_bytes(data)
    for given in (zoo.find(), zoo.find(str(path)), installed / ".." / installed.name / path.name):
        with pytest.raises(UnsupportedError, match="its SHA-256 is") as caught:
            modelfile.load(given)
        assert caught.value.exit_code == 6
    other = installed.parent.parent / "m.safetensors"
    other.write_bytes(data)
    assert modelfile.load(other).id == "toy1"


def test_an_installed_model_whose_card_names_no_digest_is_refused(installed: Path) -> None:
    (installed / "card.json").write_text(json.dumps({"id": zoo.DEFAULT}))
    with pytest.raises(UnsupportedError, match="its SHA-256 is"):
        modelfile.load(zoo.find())


def test_what_a_file_calls_its_model_is_an_id_and_never_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors, metadata = parts()
    name = "m.safetensors"
    path = saved(tmp_path / name, tensors, {**metadata, "id": name})
    data = encode_array(dn((20, 20)), model=path, jobs=1)
    monkeypatch.chdir(tmp_path)
    assert zoo.find(name) == Path(name)
    with pytest.raises(UnsupportedError, match="not installed"):
        zoo.installed(name)
    with pytest.raises(UnsupportedError, match="not installed"):
        open_bytes(data, None)
    assert decode_bytes(data, name).shape == (1, 20, 20)


def test_the_same_bytes_are_parsed_once_and_other_bytes_anew(tmp_path: Path) -> None:
    data = Path(TOY).read_bytes()
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    one.write_bytes(data)
    two.write_bytes(data)
    assert modelfile.load(one) is modelfile.load(two)
    tensors, metadata = parts()
    saved(one, tensors, metadata | {"id": "other"})
    assert (modelfile.load(one).id, modelfile.load(two).id) == ("other", "toy1")
