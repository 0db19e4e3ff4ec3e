"""Tags through the command line: statistics of the source do not come back, the others do, and in time."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import rasterio

import sarcodec
from conftest import TOY
from sarcodec.cli import main
from sarcodec.model.modelfile import Model
from testing.files import decode, encode, tiff, vrt
from testing.reported import ground_db, power, write
from testing.scenes import dn

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

POWER = power(ground_db(shape=(96, 128))).astype("float32")
STATISTICS = {
    "STATISTICS_MINIMUM": "0.001",
    "STATISTICS_MAXIMUM": "0.49956805",
    "STATISTICS_MEAN": "0.07945861",
    "STATISTICS_STDDEV": "0.045177314",
    "STATISTICS_VALID_PERCENT": "100",
}
OTHERS = {"POLARISATION": "VV", "STATISTICS_OFFICE": "Rome", "NUMBER_OF_LINES": "96", "valid_range": "0 1"}


@pytest.fixture(autouse=True)
def _toy_loaded_once(monkeypatch: pytest.MonkeyPatch, toy: Model) -> None:
    monkeypatch.setattr("sarcodec.model.modelfile.load", lambda path, device: toy)


def looked_at(raster: Path) -> None:
    """Put beside a raster of one band what QGIS does when it shows it."""
    items = "".join(f'<MDI key="{key}">{value}</MDI>' for key, value in STATISTICS.items())
    raster.with_name(f"{raster.name}.aux.xml").write_text(
        f'<PAMDataset><PAMRasterBand band="1"><Metadata>{items}</Metadata></PAMRasterBand></PAMDataset>'
    )


@pytest.mark.parametrize("options", [(), ("--window", "16,8,40,30"), ("--reduce", "4")])
def test_statistics_of_the_source_are_not_given_back(tmp_path: Path, options: tuple[str, ...]) -> None:
    every = STATISTICS | OTHERS
    write(tmp_path / "in.tif", POWER, tags=every, band_tags=every)
    assert encode(tmp_path / "in.tif", tmp_path / "a.sarc", "--scale", "power") == 0
    assert decode(tmp_path / "a.sarc", tmp_path / "b.tif", *options) == 0
    with rasterio.open(tmp_path / "b.tif") as back:
        assert back.tags(1) == OTHERS
        assert back.tags() == OTHERS | {"AREA_OR_POINT": "Area"}


def test_statistics_that_a_viewer_put_beside_the_source_are_not_given_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path / "in.tif", POWER, band_tags=OTHERS)
    looked_at(source)
    with rasterio.open(source) as given:
        assert given.tags(1) == OTHERS | STATISTICS
    assert encode(source, tmp_path / "a.sarc", "--scale", "power") == 0
    assert main(["info", str(tmp_path / "a.sarc"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bands"][0]["tags"] == {"": OTHERS}


def test_what_geotiff_cannot_hold_survives_a_viewers_statistics(tmp_path: Path) -> None:
    tiff(tmp_path / "in.tif", dn((30, 40)))
    point = '<GCP Id="A7" Info="a lake" Pixel="0.5" Line="0.5" X="12.5" Y="45.5" Z="3"/>'
    points = f'<GCPList Projection="EPSG:4326">{point}</GCPList>'
    (tmp_path / "in.vrt").write_text(vrt("in.tif", extra=points))
    assert encode(tmp_path / "in.vrt", tmp_path / "a.sarc") == 0
    assert decode(tmp_path / "a.sarc", tmp_path / "b.tif") == 0
    looked_at(tmp_path / "b.tif")
    assert encode(tmp_path / "b.tif", tmp_path / "b.sarc") == 0
    with sarcodec.open(tmp_path / "b.sarc", model=TOY) as coded:
        assert [(gcp.id, gcp.info) for gcp in coded.meta.gcps] == [("A7", "a lake")]
        assert coded.meta.bands[0].tags == {}


def test_as_many_tags_as_allowed_take_seconds_and_more_are_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tags = {f"k{number}": "v" for number in range(16_380)}
    tiff(tmp_path / "in.tif", dn((40, 48)), lambda dataset: dataset.update_tags(**tags))
    began = time.process_time()
    assert encode(tmp_path / "in.tif", tmp_path / "a.sarc") == 0
    assert decode(tmp_path / "a.sarc", tmp_path / "b.tif") == 0
    assert time.process_time() - began < 20
    with rasterio.open(tmp_path / "b.tif") as back:
        assert tags.items() <= back.tags().items()
    tiff(
        tmp_path / "in.tif",
        dn((40, 48)),
        lambda dataset: dataset.update_tags(**tags, A="1", B="1", C="1", D="1", E="1"),
    )
    assert encode(tmp_path / "in.tif", tmp_path / "c.sarc") == 7
    assert "number of tags is 16385, above the limit of 16384" in capsys.readouterr().err
    assert encode(tmp_path / "in.tif", tmp_path / "c.sarc", "--limit", "tags=16385") == 0
    assert decode(tmp_path / "c.sarc", tmp_path / "d.tif") == 7
