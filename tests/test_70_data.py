"""Real scenes through encode and decode: metadata, dtype and all that is not data come back."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest

import sarcodec
from sarcodec import zoo
from sarcodec.arrays import source_of
from sarcodec.errors import UsageError
from sarcodec.io.raster import RasterSource
from sarcodec.meaning.decide import meanings
from sarcodec.provenance import unmarked
from sarcodec.radiometry import to_db, valid_mask
from sarcodec.types import Basis, Scale, TileGrid, Window

DATA = os.environ.get("SARCODEC_DATA")
SCENES = sorted(Path(DATA).glob("test/*/*.tif")) if DATA else []


FIRST = list({path.parent: path for path in reversed(SCENES)}.values())
"""A scene of each class."""
CASES = [(path, zoo.DEFAULT) for path in SCENES]
CASES += [(path, card.id) for card in zoo.cards() if card.id != zoo.DEFAULT for path in FIRST]


@pytest.mark.skipif(not SCENES, reason="SARCODEC_DATA names no folder of scenes")
@pytest.mark.parametrize(("scene", "model"), CASES, ids=[f"{path.stem}-{model}" for path, model in CASES])
def test_a_real_scene_keeps_metadata_dtype_and_invalid_pixels(
    scene: Path, model: str, tmp_path: Path
) -> None:
    coded, back = tmp_path / "coded.sarc", tmp_path / "back.tif"
    report = sarcodec.encode(scene, coded, quality=35, model=model)
    sarcodec.decode(coded, back)
    with RasterSource(scene) as before, RasterSource(back) as after:
        assert unmarked(after.meta) == before.meta
        whole = Window(0, 0, before.meta.width, before.meta.height)
        for band in range(before.meta.count):
            scale = report.scales[band]
            old, new = before.read(band, whole), after.read(band, whole)
            valid = valid_mask(old, scale, before.meta.nodata)
            bits = f"u{old.dtype.itemsize}"
            assert np.array_equal(old[~valid].view(bits), new[~valid].view(bits))
            assert valid_mask(new, scale, before.meta.nodata)[valid].all()
            if valid.any():
                error = to_db(new, scale)[valid] - to_db(old, scale)[valid]
                assert np.sqrt(np.mean(error.astype(np.float64) ** 2)) < to_db(old, scale)[valid].std()


@pytest.mark.skipif(DATA is None, reason="SARCODEC_DATA names no folder of scenes")
def test_the_scale_of_every_real_scene_is_that_of_its_listing() -> None:
    folder = Path(DATA or "")
    found, wanted = [], []
    for row in csv.DictReader((folder / "index.csv").read_text(encoding="utf-8").splitlines()):
        with RasterSource(folder / row["file"]) as source:
            grid = TileGrid(source.meta.width, source.meta.height, 1024)
            for meaning in meanings(source, (), grid, 2, lambda: None, matters=True, exactly=True):
                found.append((row["file"], meaning.pixel.scale.value, meaning.basis))
                wanted.append((row["file"], row["scale"], Basis.TAG))
    assert found == wanted


@pytest.mark.skipif(DATA is None, reason="SARCODEC_DATA names no folder of scenes")
def test_no_real_scene_is_silently_wrong_without_its_tags() -> None:
    folder, wrong, right = Path(DATA or ""), [], 0
    rows = list(csv.DictReader((folder / "index.csv").read_text(encoding="utf-8").splitlines()))
    for row in rows[::4]:
        with RasterSource(folder / row["file"]) as source:
            meta = source.meta
            values = source.read(0, Window(0, 0, meta.width, meta.height))
        db = to_db(values, Scale(row["scale"]))
        db[~valid_mask(values, Scale(row["scale"]), meta.nodata)] = np.nan
        forms = {
            "db": db,
            "db above 0": db - np.nanmin(db) + 0.01,
            "power": 10 ** (db / 10),
            "amplitude": 10 ** (db / 20),
            "stretched": ((db + 30) / 35).clip(0.001, 1),
        }
        for name, form in forms.items():
            try:
                (meaning,) = meanings(
                    source_of(form), (), TileGrid(meta.width, meta.height, 1024), 2, lambda: None,
                    matters=True, exactly=False,
                )  # fmt: skip
            except UsageError:
                continue
            if meaning.basis is not Basis.ASSUMED:
                right += name.startswith(meaning.pixel.scale.value)
                wrong += [] if name.startswith(meaning.pixel.scale.value) else [(row["file"], name, meaning)]
    assert wrong == []
    assert right > len(rows[::4])
