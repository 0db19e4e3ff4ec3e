"""Simulated scenes as files: layout, georeferencing, tags, truth, and the command's options."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import rasterio
import typer
from typer.testing import CliRunner, Result

from sarcodec.cli.simulate import simulate
from sarcodec.errors import OutputExistsError, UsageError
from sarcodec.io.simulated import Georef, write_scene
from sarcodec.simulate import Scene, SceneSpec
from sarcodec.types import Scale

app = typer.Typer()
app.command()(simulate)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], standalone_mode=False)


def test_file_holds_the_scene_and_its_description(tmp_path: Path) -> None:
    spec = SceneSpec(300, 530, bands=("VV", "VH"), seed=4)
    write_scene(tmp_path / "a.tif", spec)
    with rasterio.open(tmp_path / "a.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(), Scene(spec).block(0, 530).values)
        assert dataset.dtypes == ("uint16", "uint16")
        assert dataset.nodata == 0
        assert dataset.descriptions == ("VV", "VH")
        assert dataset.tags()["SCALE"] == "dn"
        assert dataset.crs.to_epsg() == 32632
        assert dataset.transform.a == 10
        assert dataset.block_shapes[0] == (256, 256)
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


def test_gcps_replace_the_transform(tmp_path: Path) -> None:
    write_scene(tmp_path / "a.tif", SceneSpec(300, 200), georef=Georef.GCPS)
    with rasterio.open(tmp_path / "a.tif") as dataset:
        points, crs = dataset.gcps
        assert dataset.crs is None
    assert crs.to_epsg() == 4326
    assert len(points) == 210
    assert {(p.row, p.col) for p in points} >= {(0, 0), (0, 299), (199, 0), (199, 299)}
    # Neighbouring columns lie 10 m apart on the ground.
    first, last = (next(p for p in points if (p.row, p.col) == (0, c)) for c in (0, 299))
    metres = np.hypot((last.x - first.x) * 75_900, (last.y - first.y) * 111_200)
    assert metres / 299 == pytest.approx(10, rel=0.03)


def test_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.tif", "b.tif"):
        write_scene(tmp_path / name, SceneSpec(260, 300, bands=("VV", "VH"), seed=9))
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


@pytest.mark.parametrize(
    ("scale", "truth_scale"), [(Scale.DN, "power"), (Scale.POWER, "power"), (Scale.DB, "db")]
)
def test_truth_file_matches_many_looks(tmp_path: Path, scale: Scale, truth_scale: str) -> None:
    spec = SceneSpec(160, 140, scale=scale, enl=200, seed=6)
    write_scene(tmp_path / "a.tif", spec, truth=tmp_path / "t.tif")
    with rasterio.open(tmp_path / "a.tif") as dataset, rasterio.open(tmp_path / "t.tif") as clean:
        seen, valid = dataset.read(1).astype(np.float64), dataset.read_masks(1) > 0
        truth, truth_valid = clean.read(1).astype(np.float64), clean.read_masks(1) > 0
        assert clean.dtypes == ("float32",)
        assert clean.tags()["SCALE"] == truth_scale
    np.testing.assert_array_equal(valid, truth_valid)
    assert 0 < valid.sum() < valid.size
    power = {Scale.DN: seen**2, Scale.POWER: seen, Scale.DB: 10 ** (seen / 10)}[scale]
    mean = 10 ** (truth / 10) if scale is Scale.DB else truth
    assert np.mean(power[valid] / mean[valid]) == pytest.approx(1.0, abs=0.01)


def test_existing_files_are_kept_unless_told_otherwise(tmp_path: Path) -> None:
    out = tmp_path / "a.tif"
    out.write_bytes(b"mine")
    with pytest.raises(OutputExistsError):
        write_scene(out, SceneSpec(64, 64))
    assert out.read_bytes() == b"mine"
    write_scene(out, SceneSpec(64, 64), overwrite=True)
    assert out.read_bytes()[:2] == b"II"


def test_truth_over_the_scene_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        write_scene(tmp_path / "a.tif", SceneSpec(64, 64), truth=tmp_path / "." / "a.tif")


def test_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_scene(tmp_path / "a.tif", SceneSpec(64, 64), truth=tmp_path / "t.tif", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_rows_to_the_end(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    write_scene(tmp_path / "a.tif", SceneSpec(40, 600), progress=lambda *call: calls.append(call))
    assert calls == [(256, 600), (512, 600), (600, 600)]


def test_memory_does_not_grow_with_the_number_of_rows(tmp_path: Path) -> None:
    peaks = []
    for height in (256, 2048):
        tracemalloc.start()
        write_scene(tmp_path / f"{height}.tif", SceneSpec(256, height, enl=1))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_command_writes_scene_and_truth(tmp_path: Path) -> None:
    result = run(
        tmp_path / "a.tif", "--size", "200x100", "--bands", "vv,vh", "--scale", "db", "--seed", 3, "--truth",
        tmp_path / "t.tif", "--georef", "utm", "--border", 0, "--enl", 2, "--oversampling", 1,
    )  # fmt: skip
    assert result.exception is None
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert (dataset.width, dataset.height, dataset.count) == (200, 100, 2)
        assert dataset.dtypes[0] == "float32"
        assert dataset.tags()["SIMULATION_ENL"] == "2"
    assert (tmp_path / "t.tif").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--size", "ten"),
        ("--size", "1x2x3"),
        ("--dtype", "uint16", "--scale", "db"),
        ("--dtype", "float32", "--scale", "dn"),
    ],
)
def test_command_refuses_contradictions(tmp_path: Path, options: tuple[str, ...]) -> None:
    result = run(tmp_path / "a.tif", *options)
    assert isinstance(result.exception, UsageError)
    assert not (tmp_path / "a.tif").exists()


def test_float32_alone_means_power(tmp_path: Path) -> None:
    run(tmp_path / "a.tif", "--size", 64, "--dtype", "float32")
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert dataset.tags()["SCALE"] == "power"
