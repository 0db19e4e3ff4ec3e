"""Model files: two digests, and no way in for what is damaged, foreign or executable."""

from __future__ import annotations

import ast
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

import sarcodec
from conftest import TOY
from sarcodec.api import encode_array
from sarcodec.errors import UnsupportedError
from sarcodec.model import modelfile
from sarcodec.model.modelfile import Model
from testing.scenes import decode_bytes, dn, open_bytes


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


def package_files() -> list[Path]:
    return sorted(Path(sarcodec.__path__[0]).rglob("*.py"))


@pytest.mark.parametrize("path", package_files(), ids=lambda p: p.stem)
def test_nothing_is_unpickled_or_evaluated(path: Path) -> None:
    forbidden = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert not {n.name.split(".")[0] for n in node.names} & forbidden
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in forbidden
        elif isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in {
                "torch.load",
                "torch.save",
                "eval",
                "exec",
                "torch.jit.load",
            }
            assert not any(k.arg == "allow_pickle" for k in node.keywords)
