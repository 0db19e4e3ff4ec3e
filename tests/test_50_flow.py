"""The way of a tile: nothing calls upward, and nothing is read, parsed or decoded twice."""

from __future__ import annotations

import inspect
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sarcodec
from conftest import TOY
from sarcodec.bitstream import reader
from sarcodec.cli import main
from sarcodec.corrections.correction import Implementation
from sarcodec.corrections.layers import implementation
from sarcodec.corrections.registry import CORRECTIONS
from sarcodec.encoding import coding, survey
from sarcodec.io.raster import RasterSink
from sarcodec.metadata import RasterMeta
from sarcodec.model.entropy import LatentCoder
from sarcodec.progress import Steps
from sarcodec.types import Window
from testing.flow import Trace
from testing.scenes import dn

WAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "quality": ({"quality": 50}, {}),
    "all corrections": (
        {"quality": 40, "targets": True, "radiometry": True, "texture": True},
        {"unbiased": True},
    ),
    "size": ({"bpp": 0.4}, {"reduce": 4}),
    "error": ({"rmse_db": 2.5}, {"allow_partial": True}),
}


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A GeoTIFF of two bands and six tiles."""
    monkeypatch.setattr(survey, "TILE_SIDE", 256)
    cube = np.stack([dn((500, 600), 1), dn((500, 600), 2)])
    cube[:, :20] = 0
    path = tmp_path / "scene.tif"
    with RasterSink(path, RasterMeta(600, 500, 2, "uint16", nodata=0), overwrite=False) as sink:
        for number, band in enumerate(cube):
            sink.write(number, band, Window(0, 0, 600, 500))
    return path


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> Iterator[list[None]]:
    """Calls of a function while the block lasts, one entry each."""
    calls: list[None] = []
    real = getattr(owner, name)

    def noted(*arguments: Any, **options: Any) -> Any:
        calls.append(None)
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, noted)
        yield calls


@pytest.mark.parametrize("name", WAYS)
def test_no_layer_calls_one_above_it(scene: Path, name: str) -> None:
    how, back = WAYS[name]
    coded, out = scene.with_suffix(".sarc"), scene.with_name("back.tif")
    trace = Trace.of(lambda: sarcodec.encode(scene, coded, scale="dn", model=TOY, jobs=2, **how))
    assert trace.climbs == set() and len(trace.entered) > 20
    trace = Trace.of(lambda: sarcodec.decode(coded, out, model=TOY, jobs=2, **back))
    assert trace.climbs == set() and len(trace.entered) > 20


def test_a_climb_would_be_seen() -> None:
    """What shows progress is called by another name than its own, and seen all the same."""
    upward: Any = survey.survey

    def climb() -> None:
        with pytest.raises(AttributeError):
            Steps(upward, "scan", 1)()

    assert Trace.of(climb).climbs == {("progress", "encoding.survey")}


def test_the_head_of_a_record_is_parsed_once(scene: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coded = scene.with_suffix(".sarc")
    sarcodec.encode(scene, coded, quality=50, scale="dn", model=TOY, targets=True)
    with sarcodec.open(coded, model=TOY, jobs=2) as opened:
        with counted(monkeypatch, reader, "unpack_head") as heads:
            opened.read()
        assert len(heads) == 6
        with counted(monkeypatch, reader, "unpack_head") as heads:
            opened.read(window=(10, 10, 20, 20))
        assert len(heads) == 1


@pytest.mark.parametrize("damaged", [False, True])
def test_a_partial_decode_decodes_each_tile_once(
    scene: Path, monkeypatch: pytest.MonkeyPatch, *, damaged: bool
) -> None:
    coded, back = scene.with_suffix(".sarc"), scene.with_name("back.tif")
    sarcodec.encode(scene, coded, quality=50, scale="dn", model=TOY)
    if damaged:
        data = bytearray(coded.read_bytes())
        data[len(data) // 2] ^= 1
        coded.write_bytes(bytes(data))
    with counted(monkeypatch, LatentCoder, "decode") as calls:
        report = sarcodec.decode(coded, back, model=TOY, allow_partial=True)
    assert bool(report.damaged) is damaged
    assert len(calls) == 12 or (damaged and 0 < len(calls) < 12)


def test_the_command_line_does_not_read_the_file_that_it_has_written(
    scene: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with counted(monkeypatch, reader.Reader, "__init__") as opened:
        assert main(["encode", str(scene), "--targets", "--json", "--model", TOY, "--scale", "dn"]) == 0
    assert not opened
    assert '"targets_bpp": 0.' in capsys.readouterr().out


def test_a_report_says_what_each_correction_takes(scene: Path) -> None:
    coded = scene.with_suffix(".sarc")
    report = sarcodec.encode(
        scene, coded, quality=50, scale="dn", model=TOY, targets=True, radiometry=64, texture=True
    )
    with coded.open("rb") as file:
        opened = reader.Reader(file)
        assert report.header == opened.header
        assert list(report.layer_bytes) == [opened.layer_size(n) for n in range(len(report.layer_bytes))]
    assert list(report.corrections) == ["targets", "radiometry", "texture"]
    assert report.corrections["radiometry"] == 8 * report.layer_bytes[-2] / (2 * 500 * 600)


def test_a_predicted_band_alone_decodes_the_other_one_only_if_it_needs_it(
    scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del scene  # for its small tiles
    rng = np.random.default_rng(3)
    ground = dn((250, 250), 5).astype(np.float64)
    like = np.stack([ground, ground / 3 * np.sqrt(rng.gamma(50.0, 0.02, ground.shape))])
    unlike = 300 * np.sqrt(rng.gamma(4.0, 0.25, like.shape))
    for pixels, calls in ((like, 2), (unlike, 1)):
        cube = np.maximum(np.rint(pixels), 1).astype(np.uint16)
        data = sarcodec.encode_array(cube, quality=20, scale="dn", model=TOY)
        with (
            sarcodec.open(data, model=TOY, jobs=1) as opened,
            counted(monkeypatch, LatentCoder, "decode") as decodes,
        ):
            opened.read(2)
        assert len(decodes) == calls


def test_every_correction_has_what_the_lines_ask_of_it() -> None:
    wanted = {
        name: list(inspect.signature(function).parameters)[1:]
        for name, function in vars(Implementation).items()
        if inspect.isfunction(function) and not name.startswith("_")
    }
    assert len(wanted) == 5
    for correction in CORRECTIONS:
        for name, parameters in wanted.items():
            found = inspect.signature(getattr(implementation(correction), name)).parameters
            assert len(found) == len(parameters), f"{correction.module}.{name}"
    kinds = [correction.kind for correction in CORRECTIONS]
    assert len(set(kinds)) == len(kinds)


@pytest.mark.parametrize("stage", ["analyse", "code"])
def test_no_thread_works_on_once_an_encode_has_failed(scene: Path, stage: str) -> None:
    def tick(now: str, _done: int, _total: int) -> None:
        if now == stage:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough") as caught:
        sarcodec.encode(
            scene,
            scene.with_suffix(".sarc"),
            bpp=0.4,
            scale="dn",
            model=TOY,
            targets=True,
            jobs=3,
            progress=tick,
        )
    # The traceback keeps what the frames held, so nothing was cleared away by chance.
    assert caught.value.__traceback__ is not None
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("sarcodec")]


def test_the_closed_loop_holds_the_latents_of_three_tile_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "TILE_SIDE", 256)
    alive: set[int] = set()
    rows: list[int] = []
    real = coding._code_tile

    def noted(*arguments: Any, **options: Any) -> Any:
        made = real(*arguments, **options)
        for band in made:
            alive.add(key := id(band.y_hat))
            weakref.finalize(band.y_hat, alive.discard, key)
        rows.append(len(alive))
        return made

    monkeypatch.setattr(coding, "_code_tile", noted)
    sarcodec.encode_array(dn((256 * 9, 256), 1), quality=20, scale="dn", model=TOY, targets=True, jobs=1)
    ahead = 2 * 1 + 1  # tiles that threads are ahead of who asks
    assert len(rows) == 9 and max(rows) <= 3 + ahead
