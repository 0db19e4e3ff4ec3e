"""The same bytes for any number of threads, the same latents on any processor."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import sarcodec
from conftest import GOLDEN, TOY
from sarcodec import encoder
from sarcodec.api import encode_array
from testing.scenes import dn

FILES = ("float32_db", "two_tiles", "two_bands")

CHILD = """
import hashlib, sys
import numpy as np
import sarcodec
toy, default, out, *golden = sys.argv[1:]
pixels = {}
for path, model in [(default, None)] + [(path, toy) for path in golden]:
    with sarcodec.open(path, model=model) as coded:
        grid, sha = coded.decoder.header.grid, hashlib.sha256()
        for band in range(coded.meta.count):
            for row in range(grid.rows):
                for col in range(grid.cols):
                    sha.update(coded.decoder.latents((band, row, col)).astype("<i4").tobytes())
        pixels[str(len(pixels))] = coded.read()
    print(sha.hexdigest())
np.savez(out, **pixels)
"""

SETTINGS: tuple[dict[str, str], ...] = (
    {"OMP_NUM_THREADS": "1"},
    {"OMP_NUM_THREADS": "2", "ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default"},
    {"OMP_NUM_THREADS": "1", "ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
    {"OMP_NUM_THREADS": "2"},
)


def decoded_under(
    setting: dict[str, str], folder: Path, default: Path
) -> tuple[list[str], list[npt.NDArray[Any]]]:
    """Digests and pixels that a fresh process gives."""
    known = ("OMP_NUM_THREADS", "ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")
    rest = {key: value for key, value in os.environ.items() if key not in known}
    root = str(Path(sarcodec.__path__[0]).parent)
    out = folder / f"{'-'.join(setting.values())}.npz"
    paths = [str(GOLDEN / f"{name}.sarc") for name in FILES]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, TOY, str(default), str(out), *paths],
        env={**rest, **setting, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with np.load(out) as stored:
        return done.stdout.split(), [stored[str(k)] for k in range(1 + len(FILES))]


def test_latents_are_the_same_on_any_processor_and_pixels_nearly(tmp_path: Path) -> None:
    default = tmp_path / "default.sarc"
    default.write_bytes(encode_array(dn((200, 170), 1), quality=60, jobs=1))
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda setting: decoded_under(setting, tmp_path, default), SETTINGS))
    digests, pixels = results[0]
    assert len(set(digests)) == 1 + len(FILES)
    for setting, (others, changed) in zip(SETTINGS[1:], results[1:], strict=True):
        assert others == digests, setting
        for a, b in zip(pixels, changed, strict=True):
            most = 1 if a.dtype.kind in "iu" else 0.001
            assert np.nanmax(np.abs(a.astype(np.float64) - b)) <= most, setting


@pytest.mark.parametrize("target", [{"quality": 50}, {"bpp": 0.15}], ids=str)
def test_files_are_the_same_for_any_number_of_jobs(
    monkeypatch: pytest.MonkeyPatch, target: dict[str, Any]
) -> None:
    monkeypatch.setattr(encoder, "TILE_SIDE", 256)
    scene = np.stack([dn((400, 520), 2), dn((400, 520), 3)])
    files = {jobs: encode_array(scene, model=TOY, jobs=jobs, **target) for jobs in (1, 2, 3)}
    assert files[1] == files[2] == files[3]


def test_files_are_the_same_every_time_with_the_default_model() -> None:
    scene = dn((300, 280), 4)
    assert encode_array(scene, jobs=1) == encode_array(scene, jobs=2)
