"""The side-by-side picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sarcodec.errors import WriteError
from sarcodec.quicklook import side_by_side, stretch

image = pytest.importorskip("matplotlib.image")


def test_the_stretch_is_the_bulk_of_the_valid_pixels() -> None:
    db = np.linspace(-20, 0, 1001).reshape(7, 143)
    valid = db < -10
    assert stretch(db, valid) == pytest.approx((-19.9, -10.12), abs=0.02)


def test_the_stretch_of_a_flat_image_is_one_db_wide() -> None:
    db = np.full((4, 4), -12.0)
    assert stretch(db, db < 0) == (-12.5, -11.5)


@pytest.mark.parametrize("shape", [(64, 64), (20, 300), (1, 1), (1100, 30)])
def test_three_panels_are_written_for_any_shape(shape: tuple[int, int], tmp_path: Path) -> None:
    db = np.random.default_rng(1).normal(-12, 2, shape).astype(np.float32)
    decoded = np.full_like(db, -12)
    valid = np.ones(shape, bool)
    valid[0, 0] = db.size == 1
    db[0, 0] = db[0, 0] if valid[0, 0] else np.nan
    side_by_side(db, decoded, valid, tmp_path / "q.png", title="scene")
    assert [path.name for path in tmp_path.iterdir()] == ["q.png"]
    pixels = image.imread(tmp_path / "q.png")
    assert pixels.shape[1] > 1500
    coloured = np.ptp(pixels[..., :3], axis=2).max(axis=0) > 0.2
    third = len(coloured) // 3
    assert not coloured[: 2 * third].any()  # the images are grey, the difference is not
    assert coloured[2 * third :].any()


def test_a_raster_without_valid_pixels_still_has_a_picture(tmp_path: Path) -> None:
    nothing = np.full((8, 8), np.nan, np.float32)
    side_by_side(nothing, nothing, np.zeros((8, 8), bool), tmp_path / "q.png")
    assert (tmp_path / "q.png").stat().st_size > 0


def test_a_missing_folder_is_a_write_error(tmp_path: Path) -> None:
    db = np.zeros((8, 8), np.float32)
    with pytest.raises(WriteError):
        side_by_side(db, db, db == 0, tmp_path / "none" / "q.png")
