"""The same latents on any processor and for any number of threads, proven by the file's own digests."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conftest import GOLDEN, TOY
from sarcodec.api import decode_array, encode_array
from sarcodec.bitstream import layer_body
from sarcodec.encoding import survey
from sarcodec.errors import ChecksumError, FormatError
from sarcodec.model import modelfile
from sarcodec.model.integer import ACTIVATION_MAX, SHIFT, IntConv2d
from sarcodec.model.integer_bytes import in_bytes
from sarcodec.model.modelfile import Model
from sarcodec.model.tables import Tables
from testing import environments
from testing.environments import JOBS, THREADS, Environment, File, Result, Scene, Work
from testing.scenes import dn

GOLDEN_FILES = ("float32_db", "float32_power", "two_tiles", "two_bands")
SCENES = (Scene("default", "dn", 200, 170, 60), Scene("toy", "db", 120, 130, 80, TOY))
X86 = platform.machine() in {"x86_64", "AMD64"}
INTEL = Path("/proc/cpuinfo").is_file() and "GenuineIntel" in Path("/proc/cpuinfo").read_text("utf-8")


@dataclass(frozen=True)
class Outcome:
    """What every environment made of the same files, and what this process makes of theirs."""

    files: tuple[File, ...]
    latents: dict[str, str]
    """Here, by file."""
    results: dict[Environment, Result]
    returned: dict[tuple[Environment, str], str]
    """Latents here of what they encoded, by environment and scene."""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("environments")
    made = folder / "made.sarc"
    made.write_bytes(environments.encode(SCENES[0]))
    files = (File(str(made)), *(File(str(GOLDEN / f"{name}.sarc"), TOY) for name in GOLDEN_FILES))
    here = environments.save_reference(folder / "here.npz", files)

    def work(item: tuple[int, Environment]) -> Result:
        own = folder / str(item[0])
        own.mkdir()
        return environments.run(
            item[1], Work(files, str(folder / "here.npz"), scenes=SCENES, folder=str(own))
        )

    matrix = environments.matrix()
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(work, enumerate(matrix)))
    returned = {
        (environment, scene.name): environments.decode(
            File(str(folder / str(number) / f"{scene.name}.sarc"), scene.model), 1
        )[0]
        for number, environment in enumerate(matrix)
        for scene in SCENES
    }
    latents = {file.path: sha for file, sha in zip(files, here, strict=True)}
    return Outcome(files, latents, dict(zip(matrix, results, strict=True)), returned)


def test_every_environment_was_really_another_one(outcome: Outcome) -> None:
    aten = {environment.aten for environment in outcome.results}
    assert len(outcome.results) == len(environments.ONEDNN) * len(aten)
    for environment, result in outcome.results.items():
        assert result.capability == environment.aten.upper()
    if X86:
        taken = {e.onednn: r.convolution for e, r in outcome.results.items()}
        assert taken["SSE41"].endswith("sse41")
        # Machines differ in how far they go beyond SSE 4.1; each step that this one can take, it takes.
        able = 1 + torch.cpu._is_avx2_supported() * 2 + torch.cpu._is_avx512_supported()
        assert len({name.partition(":")[2] for name in taken.values()}) >= able
        if INTEL:  # on other processors MKL takes the instructions that it likes
            assert len({result.sums for result in outcome.results.values()}) >= min(able, 2)


def test_threads_were_really_used(outcome: Outcome) -> None:
    if Path("/proc/self/task").is_dir():
        for result in outcome.results.values():
            one, two, three = result.tasks
            assert one < two < three


def test_latents_are_the_same_in_every_environment(outcome: Outcome) -> None:
    decodes = len(THREADS) * (1 + len(JOBS))
    assert len(set(outcome.latents.values())) == len(outcome.files)
    for environment, result in outcome.results.items():
        for file in outcome.files:
            assert result.latents[file.path] == [outcome.latents[file.path]] * decodes, environment


def test_pixels_move_by_less_than_one_dn_or_a_thousandth_of_a_decibel(outcome: Outcome) -> None:
    for environment, result in outcome.results.items():
        for file in outcome.files:
            most = 0.001 if "float" in file.path else 1
            assert len(result.moved[file.path]) == len(THREADS) * (1 + len(JOBS))
            assert max(result.moved[file.path]) <= most, environment


def test_files_of_every_environment_decode_here_to_the_latents_they_have_there(outcome: Outcome) -> None:
    for (environment, scene), latents in outcome.returned.items():
        assert latents == outcome.results[environment].encoded[scene][1], environment


def test_the_number_of_threads_in_the_environment_changes_nothing(tmp_path: Path) -> None:
    made = tmp_path / "made.sarc"
    made.write_bytes(environments.encode(SCENES[0]))
    files = (File(str(made)),)
    (here,) = environments.save_reference(tmp_path / "here.npz", files)
    work = Work(files, str(tmp_path / "here.npz"), threads=(), scenes=SCENES[:1], folder=str(tmp_path))
    three = Environment("", "default", (("OMP_NUM_THREADS", "3"), ("MKL_NUM_THREADS", "3")))
    result = environments.run(three, replace(work, threads=(3,)))
    assert set(result.latents[str(made)]) == {here}
    assert max(result.moved[str(made)]) <= 1
    assert result.encoded["default"][1] == environments.decode(File(str(tmp_path / "default.sarc")), 1)[0]


def nudged(**changes: Any) -> Model:
    """The toy model with other values in its entropy part."""
    model = modelfile.load(Path(TOY))
    return replace(model, entropy=replace(model.entropy, **changes))


def frozen(model: Model) -> Model:
    """The model with its changed networks in bytes too, where they were."""
    networks, made = model.entropy.networks, model.entropy.in_bytes
    return replace(
        model, entropy=replace(model.entropy, in_bytes=None if made is None else in_bytes(networks))
    )


def weight() -> Model:
    """One integer weight larger by one unit: means of one channel of the last group differ a little."""
    model = deepcopy(modelfile.load(Path(TOY)))
    layer = model.entropy.networks.heads[-1].get_submodule("out")
    assert isinstance(layer, IntConv2d)
    layer.weight.data[3] += 2.0**-SHIFT
    layer.freeze(ACTIVATION_MAX)
    return frozen(model)


def rounding() -> Model:
    """A layer that rounds another way."""
    model = deepcopy(modelfile.load(Path(TOY)))
    first = model.entropy.networks.h_s.first
    assert isinstance(first, IntConv2d)
    first.bias.data += 2.0 ** -(SHIFT + 4) * 2 ** (SHIFT - 1)
    first.freeze(ACTIVATION_MAX)
    return frozen(model)


def table() -> Model:
    """Zero has a count of 65536 less in every table, and minus one has it more."""
    tables = modelfile.load(Path(TOY)).entropy.y_tables
    cdf = tables.cdf.copy()
    cdf[np.arange(len(cdf)), -tables.offset] += 1
    return nudged(y_tables=Tables(cdf, tables.size, tables.offset))


def powers() -> Model:
    """Powers of two as a sloppy `exp2` would give them."""
    return nudged(powers=modelfile.load(Path(TOY)).entropy.powers + 8)


def scale() -> Model:
    """The scale of one channel up by a fifth of an octave, to the next table."""
    offset = modelfile.load(Path(TOY)).entropy.scale_offset.copy()
    offset[:, 0] += 7
    return nudged(scale_offset=offset)


def use(monkeypatch: pytest.MonkeyPatch, model: Model) -> None:
    monkeypatch.setattr(modelfile, "load", lambda *_: model)


@pytest.mark.parametrize("make", [weight, rounding, table, powers, scale], ids=lambda make: make.__name__)
def test_a_decoder_that_computes_otherwise_stops_instead_of_giving_wrong_pixels(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[], Model]
) -> None:
    data = encode_array(dn((200, 170), 1), quality=95, model=TOY, jobs=1)
    assert decode_array(data, model=TOY, jobs=1).shape == (1, 200, 170)
    use(monkeypatch, make())
    with pytest.raises(FormatError, match="tile row 0, column 0, band 1"):
        decode_array(data, model=TOY, jobs=1)


def test_only_the_digest_sees_a_mean_that_is_off_by_a_sixteenth(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = dn((200, 170), 1)
    stored = layer_body.latents_digest
    monkeypatch.setattr(layer_body, "latents_digest", lambda *_: b"same")
    blind = encode_array(scene, quality=95, model=TOY, jobs=1)
    right = decode_array(blind, model=TOY, jobs=1)
    with monkeypatch.context() as other:
        use(other, weight())
        wrong = decode_array(blind, model=TOY, jobs=1)
    assert 0 < np.abs(wrong.astype(int) - right).max() < 1000
    monkeypatch.setattr(layer_body, "latents_digest", stored)
    data = encode_array(scene, quality=95, model=TOY, jobs=1)
    use(monkeypatch, weight())
    with pytest.raises(ChecksumError, match="the latents of layer 1 are not those the encoder had"):
        decode_array(data, model=TOY, jobs=1)


@pytest.mark.parametrize("target", [{"quality": 50}, {"bpp": 0.15}], ids=str)
def test_files_are_the_same_for_any_number_of_jobs(
    monkeypatch: pytest.MonkeyPatch, target: dict[str, Any]
) -> None:
    monkeypatch.setattr(survey, "TILE_SIDE", 256)
    scene = np.stack([dn((400, 520), 2), dn((400, 520), 3)])
    files = {jobs: encode_array(scene, model=TOY, jobs=jobs, **target) for jobs in (1, 2, 3)}
    assert files[1] == files[2] == files[3]


def test_files_are_the_same_every_time_with_the_default_model() -> None:
    scene = dn((300, 280), 4)
    assert encode_array(scene, jobs=1) == encode_array(scene, jobs=2)


def test_programs_that_change_torchs_defaults_get_the_same_pixels() -> None:
    data = encode_array(dn((100, 90), 5), quality=70, model=TOY, jobs=1)
    before = decode_array(data, model=TOY, jobs=1)
    usual = torch.get_default_dtype()
    try:
        for dtype in (torch.float64, torch.float16):
            torch.set_default_dtype(dtype)
            assert encode_array(dn((100, 90), 5), quality=70, model=TOY, jobs=1) == data
            np.testing.assert_array_equal(decode_array(data, model=TOY, jobs=1), before)
    finally:
        torch.set_default_dtype(usual)


def test_this_process_keeps_its_own_number_of_threads() -> None:
    threads = torch.get_num_threads()
    assert threads == int(os.environ["OMP_NUM_THREADS"].split(",")[0])
    decode_array(encode_array(dn((40, 40)), model=TOY, jobs=2), model=TOY, jobs=2)
    assert torch.get_num_threads() == threads
