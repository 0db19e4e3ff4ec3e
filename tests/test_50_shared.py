"""One open dataset for several: forked workers, threads, pickles, copies; closed or written to meanwhile."""

from __future__ import annotations

import copy
import io
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

import sarcodec
from conftest import TOY
from sarcodec.dataset import SarcDataset
from sarcodec.encoding import survey
from sarcodec.errors import InputError, SarcError, UsageError
from sarcodec.limits import Limits
from testing.environments import ROOT
from testing.forked import ends_well
from testing.scenes import dn

SIDE = 700
Array = npt.NDArray[Any]
Window = tuple[int, int, int, int]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of nine tiles without nodata."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(survey, "TILE_SIDE", 256)
        data = sarcodec.encode_array(
            np.maximum(dn((SIDE, SIDE), 5), 1), scale="dn", quality=60, nodata=0, model=TOY, jobs=1
        )
    file = tmp_path_factory.mktemp("shared") / "scene.sarc"
    file.write_bytes(data)
    return file


@pytest.fixture(scope="module")
def whole(path: Path) -> Array:
    with sarcodec.open(path, model=TOY, jobs=1) as scene:
        pixels: Array = scene.read(1)
    assert pixels.all()  # no nodata
    return pixels


class Windows(torch.utils.data.Dataset[int]):
    """Random windows of one open file; an item is how many of its pixels are wrong."""

    def __init__(self, scene: SarcDataset, whole: Array) -> None:
        self.scene, self.whole = scene, whole

    def __len__(self) -> int:
        return 60

    def __getitem__(self, number: int) -> int:
        rng = np.random.default_rng(number)
        col, row = (int(n) for n in rng.integers(0, SIDE - 32, 2))
        expected = self.whole[row : row + 32, col : col + 32].astype(np.int64)
        found = self.scene.read(1, window=(col, row, 32, 32)).astype(np.int64)
        return int((np.abs(found - expected) > 1).sum())


_shared: Windows


def _wrong(number: int) -> int:
    return _shared[number]


@pytest.mark.parametrize("partial", [False, True])
def test_forked_workers_get_right_pixels_of_one_open_file(path: Path, whole: Array, partial: bool) -> None:
    global _shared  # noqa: PLW0603
    with sarcodec.open(path, model=TOY, jobs=1, allow_partial=partial) as scene:
        _shared = Windows(scene, whole)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads, from Python 3.12
            with multiprocessing.get_context("fork").Pool(3) as pool:
                assert pool.map(_wrong, range(60), chunksize=4) == [0] * 60
        assert scene.damaged == ()


def test_a_data_loader_gets_right_pixels_of_one_open_file(path: Path, whole: Array) -> None:
    with sarcodec.open(path, model=TOY, jobs=1) as scene, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loader = torch.utils.data.DataLoader(
            Windows(scene, whole), batch_size=5, num_workers=2, multiprocessing_context="fork"
        )
        assert sum(int(batch.sum()) for batch in loader) == 0


def test_a_dataset_of_bytes_is_read_in_forked_workers(path: Path, whole: Array) -> None:
    windows = Windows(SarcDataset(io.BytesIO(path.read_bytes()), "<bytes>", model=TOY, jobs=1), whole)

    def read() -> None:
        assert [windows[number] for number in range(10)] == [0] * 10

    assert ends_well(read, seconds=60) == ""


def test_forks_while_other_threads_read_do_not_hang(path: Path, whole: Array) -> None:
    with sarcodec.open(path, model=TOY, jobs=2) as scene:
        windows, over = Windows(scene, whole), threading.Event()
        wrong: list[int] = []

        def go_on() -> None:
            while not over.is_set():
                wrong.append(windows[len(wrong) % 60])

        def child() -> None:
            assert windows[7] == 0

        reader = threading.Thread(target=go_on)
        reader.start()
        try:
            assert [ends_well(child, seconds=60) for _ in range(6)] == [""] * 6
        finally:
            over.set()
            reader.join()
        assert not any(wrong)


_AFTER_TORCH = """
import os, sys, torch
torch.set_num_threads(2)
torch.rand(3000, 3000).exp().sum()      # threads of OpenMP are there now
import sarcodec
child = os.fork()
if child == 0:
    with sarcodec.open(sys.argv[1], model=sys.argv[2]) as scene:
        pixels = scene.read(1)
    sarcodec.encode_array(pixels, bpp=1, model=sys.argv[2])
    os._exit(0 if torch.get_num_threads() == 2 else 3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_a_process_forked_after_torch_had_threads_reads_and_encodes(path: Path) -> None:
    done = run(_AFTER_TORCH, str(path), TOY)
    assert done.returncode == 0, done.stderr[-2000:]


_ON_META = """
import sys, torch
torch.set_default_device("meta")
import sarcodec
with sarcodec.open(sys.argv[1], model=sys.argv[2]) as scene:
    pixels = scene.read()
again = sarcodec.encode_array(pixels, bpp=2, scale="dn", model=sys.argv[2])
again = sarcodec.decode_array(again, model=sys.argv[2])
assert again.shape == (1, 700, 700) and again.mean() > 1
assert torch.zeros(1).device.type == "meta"
"""


def test_another_default_device_of_torch_changes_nothing(path: Path) -> None:
    done = run(_ON_META, str(path), TOY)
    assert done.returncode == 0, done.stderr[-2000:]


def test_closing_while_threads_read_gives_right_pixels_or_says_closed(path: Path, whole: Array) -> None:
    ends: list[object] = []

    def read(windows: Windows) -> None:
        for number in range(60):
            try:
                ends.append(windows[number])
            except SarcError as error:
                ends.append(error)

    for partial in (False, True):
        scene = sarcodec.open(path, model=TOY, jobs=2, allow_partial=partial)
        threads = [threading.Thread(target=read, args=(Windows(scene, whole),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        while len(ends) % 240 < 20:
            threading.Event().wait(0.001)
        scene.close()
        for thread in threads:
            thread.join()
        assert scene.closed
    errors = [end for end in ends if end != 0]
    assert errors
    assert all(isinstance(error, UsageError) and "is closed" in error.message for error in errors)


def test_everything_that_reads_a_closed_dataset_is_a_usage_error(path: Path) -> None:
    scene = sarcodec.open(path, model=TOY)
    told = [scene.closed]
    for _ in range(2):
        scene.close()
        told.append(scene.closed)
    assert told == [False, True, True]
    for use in (scene.read, scene.verify, lambda: pickle.dumps(scene), lambda: copy.deepcopy(scene)):
        with pytest.raises(UsageError, match="is closed"):
            use()


def test_pickles_and_copies_open_the_file_again_with_the_same_options(
    path: Path, whole: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    options: dict[str, Any] = {"base_only": True, "jobs": 1, "limits": Limits(bands=3), "allow_partial": True}
    with sarcodec.open("./scene.sarc", model=TOY, **options) as scene:
        base = scene.read(1)
        assert (base != whole).any()
        monkeypatch.chdir("/")
        for other in (pickle.loads(pickle.dumps(scene)), copy.deepcopy(scene), copy.copy(scene)):
            with other:
                assert (other.read(1) == base).all()
                assert (other.name, other.fill) == ("./scene.sarc", 0)
                assert (other.coded.limits.bands, other.coded.jobs) == (3, 1)
            assert not scene.closed


def test_a_dataset_of_bytes_is_pickled_with_its_bytes(path: Path, whole: Array) -> None:
    scene = SarcDataset(io.BytesIO(path.read_bytes()), "<bytes>", model=TOY)
    with pickle.loads(pickle.dumps(scene)) as other:
        assert (other.read(1) == whole).all()


class Elsewhere(io.BytesIO):
    """An object that no other process could open."""


def test_a_dataset_of_an_unknown_object_says_that_it_cannot_be_pickled(path: Path) -> None:
    scene = SarcDataset(Elsewhere(path.read_bytes()), "<elsewhere>", model=TOY)
    with pytest.raises(UsageError, match="cannot be pickled or copied"):
        pickle.dumps(scene)


def test_a_pickle_does_not_take_another_file_for_its_own(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.sarc"
    file.write_bytes(path.read_bytes())
    with sarcodec.open(file, model=TOY) as scene:
        pickled = pickle.dumps(scene)
    file.write_bytes(sarcodec.encode_array(dn((40, 40), 1), scale="dn", model=TOY))
    with pytest.raises(InputError, match="is not the file that the dataset was opened from"):
        pickle.loads(pickled)
    file.unlink()
    with pytest.raises(InputError, match="cannot open"):
        pickle.loads(pickled)


def test_spawned_processes_get_a_dataset_by_its_path(path: Path, whole: Array) -> None:
    with sarcodec.open(path, model=TOY, jobs=1) as scene:
        pickled = pickle.dumps(scene)
    code = "import pickle, sys; print(int(pickle.loads(bytes.fromhex(sys.argv[1])).read(1).sum()))"
    done = run(code, pickled.hex())
    assert done.stdout.split() == [str(int(whole.sum()))], done.stderr[-2000:]


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("change", ["cut", "other"])
def test_a_file_that_is_written_to_while_it_is_open_is_neither_damaged_nor_nodata(
    path: Path, tmp_path: Path, partial: bool, change: str
) -> None:
    file = tmp_path / "a.sarc"
    file.write_bytes(path.read_bytes())
    with sarcodec.open(file, model=TOY, allow_partial=partial) as scene:
        data = file.read_bytes()
        with file.open("r+b") as writing:
            writing.truncate(len(data) // 2)
            if change == "other":
                writing.write(bytes(255 - byte for byte in data))
        with pytest.raises(InputError, match="written to while it was open"):
            scene.read()


def test_a_file_that_is_replaced_while_it_is_open_stays_readable(
    path: Path, whole: Array, tmp_path: Path
) -> None:
    file = tmp_path / "a.sarc"
    file.write_bytes(path.read_bytes())
    with sarcodec.open(file, model=TOY) as scene:
        (tmp_path / "b").write_bytes(b"")
        (tmp_path / "b").replace(file)
        assert (scene.read(1) == whole).all()
