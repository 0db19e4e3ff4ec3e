"""What of a raster file is not carried is named, once and with what to do; nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.enums import Resampling

import sarcodec
from conftest import TOY
from sarcodec.io.leftout import left_out
from sarcodec.io.raster import RasterSource
from sarcodec.types import Window
from testing.files import decode, encode, tiff
from testing.reported import Array, amplitude, ground_db, write
from testing.scenes import dn

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SCENE = dn((30, 40))


def digital(seed: int = 0, mean: float = -11) -> Array:
    found: Array = np.rint(amplitude(ground_db(mean, seed)) * 470).clip(1).astype(np.uint16)
    return found


def told(path: Path) -> tuple[str, ...]:
    with RasterSource(path) as source:
        return source.left_out


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A TIFF of three pages, one date each."""
    for page in range(3):
        tiff(tmp_path / "in.tif", digital(page, -11 - 4 * page), APPEND_SUBDATASET="YES" if page else "NO")
    return tmp_path / "in.tif"


def test_pages_are_named_by_the_names_they_are_coded_by(
    pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert encode(pages, tmp_path / "a.sarc") == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        f"sarcodec: warning: {pages}: 2 more pages in the file are left out; encode each by its name: "
        f"GTIFF_DIR:2:{pages}, GTIFF_DIR:3:{pages}"
    )
    assert encode(f"GTIFF_DIR:3:{pages}", tmp_path / "c.sarc") == 0
    assert capsys.readouterr().err == ""
    with RasterSource(f"GTIFF_DIR:3:{pages}") as source:
        np.testing.assert_array_equal(source.read(0, Window(0, 0, 413, 300)), digital(2, -19))


def test_python_hears_of_it_in_the_log_and_from_the_source(
    pages: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sarcodec.encode(pages, tmp_path / "a.sarc", model=TOY)
    assert [(record.levelname, record.name) for record in caplog.records] == [
        ("WARNING", "sarcodec.io.source")
    ]
    (text,) = told(pages)
    assert text in caplog.text


@pytest.mark.parametrize("external", [False, True])
def test_overviews_are_named_once(tmp_path: Path, external: bool, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "in.tif", np.stack([digital(), digital(1)]), tiled=True)
    with rasterio.Env(TIFF_USE_OVR=external), rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2, 4], Resampling.average)
    assert (tmp_path / "in.tif.ovr").exists() == external
    assert encode(path, tmp_path / "a.sarc") == 0
    (line,) = capsys.readouterr().err.splitlines()
    for part in ("overviews (1:2, 1:4) are left out", "decode --reduce", "gdaladdo"):
        assert part in line


def test_what_an_inverted_tiff_loses_can_be_brought_back_as_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "in.tif", digital(), photometric="MINISWHITE")
    assert encode(path, tmp_path / "a.sarc") == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "PHOTOMETRIC=MINISWHITE is left out" in line
    assert line.endswith("decode --co PHOTOMETRIC=MINISWHITE brings it back")
    assert decode(tmp_path / "a.sarc", tmp_path / "b.tif", "--co", "PHOTOMETRIC=MINISWHITE") == 0
    with rasterio.open(tmp_path / "b.tif") as back:
        assert back.tags(ns="IMAGE_STRUCTURE")["MINISWHITE"] == "YES"


def test_arrays_beside_the_one_that_is_read_are_named_and_it_is_not(tmp_path: Path) -> None:
    stack = tiff(tmp_path / "s.tif", np.stack([SCENE, SCENE, SCENE]).astype("float32"))
    rasterio.shutil.copy(stack, tmp_path / "a.nc", driver="netCDF", FORMAT="NC4")
    with RasterSource(f"NETCDF:{tmp_path}/a.nc:Band2") as source:
        assert source.left_out == ()

    class Opened:
        """What GDAL gives of a netCDF file with a raster and coordinates of each pixel."""

        driver, indexes, files, count = "netCDF", (1,), (), 1
        subdatasets = ("netcdf:/a.nc:lat", "netcdf:/a.nc:lon", "netcdf:/a.nc:sigma0", "netcdf:/a.nc:angle")

        def overviews(self, band: int) -> list[int]:
            return []

        def tags(self, band: int = 0, ns: str | None = None) -> dict[str, str]:
            if ns == "GEOLOCATION":
                return {"X_DATASET": 'NETCDF:"/a.nc":lon', "Y_DATASET": 'NETCDF:"/a.nc":lat'}
            return {"NETCDF_VARNAME": "sigma0"} if band else {}

    assert left_out(Opened()) == (
        "1 more raster in the file is left out; encode it by its name: netcdf:/a.nc:angle",
        'geolocation arrays (NETCDF:"/a.nc":lon, NETCDF:"/a.nc":lat) are left out; keep the file for them',
    )


AUX = (
    "<PAMDataset><PAMRasterBand band='1'>{}</PAMRasterBand></PAMDataset>",
    {
        "<GDALRasterAttributeTable tableType='thematic'></GDALRasterAttributeTable>": (
            "the raster attribute table in a.tif.aux.xml is left out"
        ),
        "<CategoryNames><Category>water</Category></CategoryNames>": (
            "names of categories in a.tif.aux.xml are left out"
        ),
        "<Histograms><HistItem><HistMin>0</HistMin></HistItem></Histograms>": (
            "histograms in a.tif.aux.xml are left out"
        ),
        "<Description>VV</Description>": None,
    },
)


@pytest.mark.parametrize(("inside", "said"), AUX[1].items())
def test_what_stands_beside_a_raster_and_is_no_tag_is_named(
    tmp_path: Path, inside: str, said: str | None
) -> None:
    path = tiff(tmp_path / "a.tif", SCENE)
    (tmp_path / "a.tif.aux.xml").write_text(AUX[0].format(inside))
    assert told(path) == (() if said is None else (said,))


@pytest.mark.parametrize(
    ("name", "profile"),
    [
        ("a.tif", {}),
        ("a.jp2", {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"}),
        ("a.img", {"driver": "ENVI"}),
        ("b.img", {"driver": "HFA"}),
        ("a.png", {"driver": "PNG"}),
    ],
)
def test_nothing_is_said_of_a_raster_that_is_carried_whole(
    tmp_path: Path, name: str, profile: dict[str, Any]
) -> None:
    assert told(tiff(tmp_path / name, np.tile(SCENE, (20, 20)), **profile)) == ()
