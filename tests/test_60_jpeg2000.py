"""JPEG 2000 at a wanted size: its settings, its library and its odd inputs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sarcodec.bench.codecs import jpeg2000
from sarcodec.errors import InputError
from sarcodec.metrics import rmse_db

Array = npt.NDArray[Any]


def scene(shape: tuple[int, int] = (128, 128), seed: int = 3) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    db = 10 * np.log10(rng.gamma(4.4, 0.01, shape)) + np.linspace(-6, 6, shape[1])
    return db.astype(np.float32), np.ones(shape, bool)


def test_openjpeg_is_found_and_names_its_version() -> None:
    assert tuple(int(part) for part in jpeg2000.openjpeg_version().split(".")) >= (2, 4, 0)


def test_openjpeg_is_found_without_touching_home_or_environment(tmp_path: Path) -> None:
    script = (
        "import os; before = dict(os.environ)\n"
        "from sarcodec.bench.codecs import jpeg2000\n"
        "jpeg2000.openjpeg_version()\n"
        "print(dict(os.environ) == before)\n"
    )
    env = {k: v for k, v in os.environ.items() if k != "XDG_CONFIG_HOME"} | {"HOME": str(tmp_path)}
    env["PYTHONPATH"] = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_jpeg2000_lands_near_the_wanted_size() -> None:
    db, valid = scene((512, 512))
    for bpp in (0.25, 1.0):
        size, _ = jpeg2000.encode_decode(db, valid, bpp)
        assert 8 * size / db.size == pytest.approx(bpp, rel=0.04)


def test_jpeg2000_error_falls_with_the_rate_down_to_the_rounding() -> None:
    db, valid = scene()
    errors = [rmse_db(db, jpeg2000.encode_decode(db, valid, bpp)[1], valid) for bpp in (0.2, 1, 4, 12)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.01


def test_jpeg2000_is_the_irreversible_transform_with_six_resolutions_and_one_layer() -> None:
    data = jpeg2000.encode(*scene(), 1.0).data
    cod = data.index(b"\xff\x52")
    assert int.from_bytes(data[cod + 6 : cod + 8], "big") == 1  # layers
    assert data[cod + 9] == 5  # decompositions
    assert data[cod + 13] == 0  # 9/7


@pytest.mark.parametrize(("shape", "tile"), [((300, 200), (300, 200)), ((40, 4100), (40, 4096))])
def test_jpeg2000_is_one_tile_up_to_4096_pixels(shape: tuple[int, int], tile: tuple[int, int]) -> None:
    data = jpeg2000.encode(*scene(shape), 1.0, tolerance=np.inf).data
    assert (int.from_bytes(data[28:32], "big"), int.from_bytes(data[24:28], "big")) == tile


def test_invalid_pixels_neither_widen_the_range_nor_cost_more_than_flat_ones() -> None:
    db, valid = scene()
    valid[:, :64] = False
    spoilt = np.where(valid, db, np.tile(np.array([np.nan, 3e38], np.float32), (128, 64)))
    flat = np.where(valid, db, db[valid].mean())
    codes = [jpeg2000.encode(image, valid, 1.0) for image in (spoilt, flat)]
    assert codes[0] == codes[1]
    assert codes[0].low_db == db[valid].min()


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (31, 100)])
def test_rasters_of_any_size_go_through_jpeg2000(shape: tuple[int, int]) -> None:
    db, valid = scene(shape)
    decoded = jpeg2000.decode(jpeg2000.encode(db, valid, 400.0))
    assert decoded.shape == shape
    assert rmse_db(db, decoded, valid) < 0.01


def test_a_constant_raster_comes_back_constant() -> None:
    db = np.full((64, 64), -12.5, np.float32)
    size, decoded = jpeg2000.encode_decode(db, db < 0, 0.5)
    assert size > 0
    assert (decoded == -12.5).all()


def test_a_raster_without_valid_pixels_is_refused() -> None:
    db, valid = scene()
    with pytest.raises(InputError):
        jpeg2000.encode(db, ~valid, 1.0)
