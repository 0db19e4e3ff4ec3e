"""CRSs that GeoTIFF cannot hold, that PROJ refuses, or that PROJ knows only with the right data."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
import rasterio
from rasterio.crs import CRS
from rasterio.errors import CRSError

import sarcodec
from conftest import TOY
from sarcodec.cli import main
from sarcodec.errors import FormatError, OutputExistsError, WriteError
from sarcodec.io.crs import crs_from_text
from sarcodec.io.ground import pixel_m
from sarcodec.io.raster import RasterSink, RasterSource
from sarcodec.metadata import Gcp, RasterMeta
from sarcodec.model.modelfile import Model
from testing.files import decode, encode, tiff, vrt
from testing.scenes import dn

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

ROTATED_POLE = (
    "+proj=ob_tran +o_proj=longlat +o_lon_p=-162 +o_lat_p=39.25 +lon_0=180 +to_meter=0.0174532925199433"
)
ENGINEERING = 'ENGCRS["A",EDATUM["b"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],LENGTHUNIT["metre",1]]'
IN_GEOTIFF = {
    "a shift to WGS 84": "+proj=utm +zone=33 +ellps=bessel "
    "+towgs84=598.1,73.7,418.2,0.202,0.045,-2.455,6.7 +units=m",
    "compound": "EPSG:32632+5773",
    "geocentric": "EPSG:4978",
    "local": 'LOCAL_CS["x",UNIT["metre",1]]',
    "ESRI's": "ESRI:54009",
    "dynamic": "EPSG:9000",
    "polar": "EPSG:3413",
    "latitude first": "EPSG:4326",
    "a sphere without a name": "+proj=laea +lat_0=52 +lon_0=10 +R=6371000",
    "geostationary": "+proj=geos +h=35785831 +lon_0=0 +sweep=y",
    "two points": "+proj=tpeqd +lat_1=10 +lat_2=20 +lon_1=1 +lon_2=5",
    "of the Moon, in metres": "ESRI:103881",
}
BESIDE = {
    "rotated pole": ROTATED_POLE,
    "rotated Mollweide": "+proj=ob_tran +o_proj=moll +o_lon_p=10 +o_lat_p=40 +lon_0=3",
    "grids": "+proj=longlat +ellps=clrk66 +nadgrids=@conus",
    "engineering": ENGINEERING,
    "heights": "EPSG:5773",
    "icosahedral": "+proj=isea",
    "of the Moon": "+proj=longlat +R=1737400",
}
BOUND = (
    'BOUNDCRS[SOURCECRS[{0}],TARGETCRS[{0}],ABRIDGEDTRANSFORMATION["x",METHOD["NTv2"],'
    'PARAMETERFILE["f","/etc/passwd"]]]'
).format(
    'GEOGCRS["x",DATUM["y",ELLIPSOID["z",6378137,298]],CS[ellipsoidal,2],AXIS["a",north],AXIS["b",east],'
    'ANGLEUNIT["degree",0.0174]]'
)
REFUSED = {
    "a code that is none": "EPSG:1",
    "text": "nonsense",
    "deep": 'PROJCRS["x",' + 'BASEGEOGCRS["y",' * 3000 + "]" * 3001,
    "grids from a file": BOUND,
    "of time": 'TIMECRS["x",TDATUM["y"],CS[TemporalDateTime,1],AXIS["t",future]]',
    "control characters": 'GEOGCRS["a\x01\x00\n"]',
}
PLACE = (10.0, 0.0, 5e5, 0.0, -10.0, 5e6)


@pytest.fixture(autouse=True)
def _toy_loaded_once(monkeypatch: pytest.MonkeyPatch, toy: Model) -> None:
    monkeypatch.setattr("sarcodec.model.modelfile.load", lambda path, device: toy)


def source_in(folder: Path, crs: str) -> Path:
    """A raster in this CRS, a VRT: it holds all of them."""
    tiff(folder / "s.tif", dn((30, 40)))
    wkt = CRS.from_user_input(crs).to_wkt(version="WKT2_2019")
    place = "<GeoTransform>500000, 10, 0, 5000000, 0, -10</GeoTransform>"
    (folder / "in.vrt").write_text(vrt("s.tif", extra=f"<SRS>{escape(wkt)}</SRS>{place}"))
    return folder / "in.vrt"


def crs_of(path: Path) -> CRS:
    with rasterio.open(path) as dataset:
        return dataset.crs


def coded(crs: str, **fields: object) -> bytes:
    meta = RasterMeta(40, 30, 1, "uint16", crs=crs, transform=PLACE, **fields)  # type: ignore[arg-type]
    return sarcodec.encode_array(dn((30, 40)), scale="dn", meta=meta, model=TOY)


@pytest.mark.parametrize("crs", IN_GEOTIFF.values(), ids=IN_GEOTIFF.keys())
def test_a_crs_that_geotiff_holds_comes_back_in_one_file(
    tmp_path: Path, crs: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source = source_in(tmp_path, crs)
    assert encode(source, tmp_path / "a.sarc", "--scale", "dn") == 0
    assert decode(tmp_path / "a.sarc", tmp_path / "b.tif") == 0
    assert crs_of(source) == crs_of(tmp_path / "b.tif")
    assert not (tmp_path / "b.tif.aux.xml").exists()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("options", [(), ("--window", "8,4,20,16"), ("--reduce", "2")])
@pytest.mark.parametrize("crs", BESIDE.values(), ids=BESIDE.keys())
def test_a_crs_that_geotiff_cannot_hold_comes_back_beside_the_file(
    tmp_path: Path, crs: str, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    source = source_in(tmp_path, crs)
    assert encode(source, tmp_path / "a.sarc") == 0
    assert decode(tmp_path / "a.sarc", tmp_path / "b.tif", *options) == 0
    assert crs_of(source) == crs_of(tmp_path / "b.tif")
    assert "GeoTIFF cannot hold the CRS: it stands in b.tif.aux.xml" in capsys.readouterr().err
    with RasterSource(source) as before, RasterSource(tmp_path / "b.tif") as after:
        assert after.meta.crs == before.meta.crs
    (tmp_path / "b.tif.aux.xml").unlink()  # the file has it, too, for this program
    with RasterSource(source) as before, RasterSource(tmp_path / "b.tif") as after:
        assert after.meta.crs == before.meta.crs


@pytest.mark.parametrize("kind", ["Area", "Point"])
def test_what_stands_beside_changes_nothing_but_the_crs(tmp_path: Path, kind: str) -> None:
    tags = {"": {"AREA_OR_POINT": kind, "A": "1"}}
    meta = RasterMeta(8, 6, 1, "uint16", crs=ROTATED_WKT, transform=PLACE, tags=tags, nodata=7)
    with RasterSink(tmp_path / "b.tif", meta, overwrite=False):
        pass
    with rasterio.open(tmp_path / "b.tif") as back:
        kept = {"A": "1", "AREA_OR_POINT": "Point"} if kind == "Point" else {"A": "1"}
        assert back.tags() == kept  # Area is what GDAL takes for granted
        assert (tuple(back.transform)[:6], back.nodata, back.crs) == (PLACE, 7, CRS.from_wkt(ROTATED_WKT))
    with RasterSource(tmp_path / "b.tif") as source:
        assert source.meta == meta


ROTATED_WKT = CRS.from_user_input(ROTATED_POLE).to_wkt(version="WKT2_2019")
ROTATED = RasterMeta(8, 6, 1, "uint16", crs=ROTATED_WKT, transform=PLACE)


def test_the_file_beside_appears_and_goes_with_the_raster(tmp_path: Path) -> None:
    out, aside = tmp_path / "b.tif", tmp_path / "b.tif.aux.xml"
    with pytest.raises(RuntimeError), RasterSink(out, ROTATED, overwrite=False):
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    with RasterSink(out, ROTATED, overwrite=False):
        assert not out.exists() and not aside.exists()
    assert sorted(tmp_path.iterdir()) == [out, aside]
    with RasterSink(out, RasterMeta(8, 6, 1, "uint16", crs="EPSG:32632"), overwrite=True):
        pass
    assert (sorted(tmp_path.iterdir()), crs_of(out)) == ([out], CRS.from_epsg(32632))


def test_a_file_beside_is_replaced_only_with_leave(tmp_path: Path) -> None:
    aside = tmp_path / "b.tif.aux.xml"
    aside.write_text("mine")
    with pytest.raises(OutputExistsError), RasterSink(tmp_path / "b.tif", ROTATED, overwrite=False):
        pytest.fail("the block must not run")
    assert aside.read_text() == "mine"
    with RasterSink(tmp_path / "b.tif", ROTATED, overwrite=True):
        pass
    assert crs_of(tmp_path / "b.tif") == CRS.from_wkt(ROTATED_WKT)


def test_a_link_in_place_of_the_file_beside_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("mine")
    (tmp_path / "b.tif.aux.xml").symlink_to(tmp_path / "other")
    with (
        pytest.raises(WriteError, match="symbolic link"),
        RasterSink(tmp_path / "b.tif", ROTATED, overwrite=True),
    ):
        pytest.fail("the block must not run")
    assert (tmp_path / "other").read_text() == "mine"
    assert not (tmp_path / "b.tif").exists()


def test_without_the_file_beside_there_is_no_raster_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = os.link

    def failing(source: str, target: str) -> None:
        if str(target).endswith(".aux.xml"):
            raise KeyboardInterrupt
        put(source, target)

    monkeypatch.setattr(os, "link", failing)
    with pytest.raises(KeyboardInterrupt), RasterSink(tmp_path / "b.tif", ROTATED, overwrite=False):
        pass
    assert not list(tmp_path.iterdir())


def test_a_crs_that_was_given_to_the_file_later_counts(tmp_path: Path) -> None:
    with RasterSink(tmp_path / "b.tif", ROTATED, overwrite=False):
        pass
    (tmp_path / "b.tif.aux.xml").unlink()
    with rasterio.open(tmp_path / "b.tif", "r+") as dataset:
        dataset.crs = CRS.from_epsg(32633)
    with RasterSource(tmp_path / "b.tif") as source:
        assert source.meta.crs == "EPSG:32633"


# --- what PROJ refuses


@pytest.mark.parametrize("crs", REFUSED.values(), ids=REFUSED.keys())
def test_pixels_come_out_without_a_crs_that_proj_refuses_and_a_warning_names_it(
    tmp_path: Path, crs: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "a.sarc", tmp_path / "b.tif"
    source.write_bytes(coded(crs))
    assert main(["test", str(source), "--model", TOY, "--quiet"]) == 0
    assert decode(source, out) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("sarcodec: warning: the GeoTIFF is written without its CRS ")
    assert repr(crs[:20])[1:-1].replace("\\", "\\\\") in lines[0] or repr(crs[:20])[1:-1] in lines[0]
    with rasterio.open(out) as back, sarcodec.open(source, model=TOY) as wanted:
        assert back.crs is None and tuple(back.transform)[:6] == PLACE
        assert (back.read() == wanted.read()).all()
        assert json.loads(back.tags(ns="SARCODEC")["NOT_IN_GEOTIFF"])["fields"]["p"] == crs
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.sarc", "b.tif"]


GRIDS = "+proj=longlat +ellps=clrk66 +nadgrids=@conus"
HEIGHTS = "+proj=tmerc +lat_0=49 +ellps=airy +nadgrids=@conus +geoidgrids=@conus"


@pytest.mark.parametrize("version", ["WKT2_2019", "WKT1_GDAL"])
@pytest.mark.parametrize("system", [GRIDS, HEIGHTS], ids=["grids", "heights"])
@pytest.mark.parametrize("spelling", ["{}", "@{}", "@null,{}", "x/../../../../../../..{}"])
def test_proj_is_not_asked_for_a_crs_that_names_a_file(
    tmp_path: Path, version: str, system: str, spelling: str, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")  # whoever opened it would wait for ever
    wkt = CRS.from_user_input(system).to_wkt(version=version)
    assert "@conus" in wkt
    (tmp_path / "a.sarc").write_bytes(coded(wkt.replace("@conus", spelling.format(tmp_path / "pipe"))))
    assert decode(tmp_path / "a.sarc", tmp_path / "b.tif") == 0
    assert re.search(
        r"without its CRS .*: it is refused: it names the file '[@nulx,]*/", capsys.readouterr().err
    )
    assert crs_of(tmp_path / "b.tif") is None


def test_a_crs_with_slashes_in_its_names_is_no_file(tmp_path: Path) -> None:
    for code in (3857, 32633, 27200):
        for version in ("WKT2_2019", "WKT1_GDAL"):
            text = CRS.from_epsg(code).to_wkt(version=version)
            assert crs_from_text(text) == CRS.from_epsg(code)


@pytest.mark.parametrize(
    "text", ['"' * 400_000, "=" * 400_000, "[ " * 400_000, '"a","' * 200_000 + "EXTENSION" * 9]
)
def test_looking_for_files_in_a_text_takes_no_time(text: str) -> None:
    began = time.process_time()
    with pytest.raises(CRSError):
        crs_from_text(text)
    assert time.process_time() - began < 5


def test_control_points_come_out_without_a_crs_that_proj_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    meta = RasterMeta(40, 30, 1, "uint16", gcps=(Gcp(0, 0, 1, 2, 0, "1"),), gcp_crs="EPSG:1")
    data = sarcodec.encode_array(dn((30, 40)), scale="dn", meta=meta, model=TOY)
    (tmp_path / "a.sarc").write_bytes(data)
    assert decode(tmp_path / "a.sarc", tmp_path / "b.tif") == 0
    assert "without its CRS 'EPSG:1'" in capsys.readouterr().err
    with rasterio.open(tmp_path / "b.tif") as back:
        assert [(point.x, point.y) for point in back.gcps[0]] == [(1, 2)]


def test_a_profile_with_a_crs_that_proj_refuses_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.sarc").write_bytes(coded("EPSG:1"))
    with sarcodec.open(tmp_path / "a.sarc", model=TOY) as opened:
        assert opened.meta.crs == "EPSG:1"
        with pytest.raises(FormatError, match="the CRS 'EPSG:1' is neither") as caught:
            opened.profile  # noqa: B018
    assert caught.value.hint
    assert pixel_m(RasterMeta(1, 1, 1, "uint8", crs="EPSG:1", transform=PLACE)) is None


# --- PROJ's data

READ_AND_WRITE = """
import sys
from dataclasses import replace
from sarcodec.errors import InputError
from sarcodec.io import proj, raster
if "own" not in sys.argv:
    proj.PROJDataFinder.search_wheel = lambda self: None
def crs_text():
    with raster.RasterSource("in.tif") as source:
        return source.meta.crs
def write():
    with raster.RasterSink("b.tif", meta, overwrite=True):
        return "written"
meta = replace(raster.RasterMeta(8, 6, 1, "uint16"), crs="EPSG:32632")
for do in (crs_text, lambda: str(raster.profile(meta)["crs"]), write):
    try:
        print(do())
    except InputError as error:
        print(error.exit_code, error.message)
"""
"""Run in a process of its own: a process that has found PROJ's data once goes on using them."""


def read_and_write(folder: Path, *arguments: str, **variables: str) -> tuple[list[str], str]:
    """Lines that the program prints, and standard error; the raster that it reads is in UTM."""
    tiff(folder / "in.tif", dn((30, 40)), crs="EPSG:32632", transform=rasterio.Affine(*PLACE))
    ran = subprocess.run(
        [sys.executable, "-c", READ_AND_WRITE, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stdout.splitlines(), ran.stderr


@pytest.mark.parametrize(
    "variables",
    [{"PROJ_DATA": "nowhere", "PROJ_LIB": "nowhere"}, {"PROJ_LIB": "other"}, {"PROJ_DATA": "other"}],
)
def test_variables_that_name_data_of_another_proj_do_no_harm(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "proj.db").write_bytes(b"of another PROJ")
    lines, complaints = read_and_write(tmp_path, "own", **variables)
    assert (lines, complaints) == (["EPSG:32632", "EPSG:32632", "written"], "")
    assert crs_of(tmp_path / "b.tif") == CRS.from_epsg(32632)


def test_without_data_of_proj_the_error_names_the_variable(tmp_path: Path) -> None:
    lines, _ = read_and_write(tmp_path, PROJ_DATA="nowhere")
    told = "3 PROJ does not find its data (proj.db), and so knows no CRS: PROJ_DATA=nowhere"
    assert lines == [told, told, told]
    assert not (tmp_path / "b.tif").exists()
