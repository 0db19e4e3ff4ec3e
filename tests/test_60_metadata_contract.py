"""What the format keeps of a raster besides pixels, through files and the command line, told by rasterio."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.transform import Affine

import sarcodec
from conftest import TOY
from sarcodec.cli import main
from sarcodec.io.raster import RasterSink, RasterSource
from sarcodec.metadata import RasterMeta
from sarcodec.model.modelfile import Model
from sarcodec.types import Window
from testing.files import ROTATED, RPCS, UTM, Setup, decode, encode, tiff, vrt
from testing.scenes import dn, usual_scale
from testing.strategies import raster_metas
from testing.told import told_by_rasterio

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SCENE = dn((60, 80))
PAIR = np.stack([SCENE, dn((60, 80), 1)])
PLACE = UTM["transform"]


@pytest.fixture(autouse=True)
def _toy_loaded_once(monkeypatch: pytest.MonkeyPatch, toy: Model) -> None:
    monkeypatch.setattr("sarcodec.model.modelfile.load", lambda path, device: toy)


@dataclass(frozen=True)
class Case:
    """A GeoTIFF to be made."""

    setup: Setup | None = None
    profile: dict[str, Any] = field(default_factory=dict)
    bands: int = 1
    dtype: str = "uint16"
    alpha: bool = False
    """Whether the last band is 0 and 255."""

    def write(self, path: Path) -> Path:
        """Write it."""
        values = np.clip(PAIR[: self.bands], 1, 120 if self.dtype == "int8" else 65535)
        if self.alpha:
            values[-1] = np.where(values[-1] > 300, 255, 0)
        return tiff(path, values.astype(self.dtype), self.setup, **self.profile)


def grid(crs: Any, rows: int = 10, cols: int = 21) -> Setup:
    """Control points in a grid, as a Sentinel-1 GRD product has them."""
    points = [
        GroundControlPoint(
            row=59 * i / (rows - 1),
            col=79 * j / (cols - 1),
            x=12.3456789 + j / 7 + i / 91,
            y=45.678901234 - i / 9 + j / 83,
            z=1000 / 3 * math.sin(i + j),
            id=str(i * cols + j + 1),
        )
        for i in range(rows)
        for j in range(cols)
    ]
    return bands(gcps=(points, crs))


def tags(ns: str | None = None, band: int = 0, /, **items: str) -> Setup:
    return lambda dataset: dataset.update_tags(band, ns=ns, **items)


def both(*setups: Setup) -> Setup:
    return lambda dataset: [setup(dataset) for setup in setups]


def bands(**values: Any) -> Setup:
    def setup(dataset: Any) -> None:
        for name, value in values.items():
            setattr(dataset, name, value)

    return setup


def at(crs: Any = "EPSG:32633", transform: Affine = PLACE, **profile: Any) -> dict[str, Any]:
    return {"crs": crs, "transform": transform, **profile}


XMP = {"<x:xmpmeta xmlns:x": '"adobe:ns:meta/"><a b="1">ü &amp; = 2</a></x:xmpmeta>'}
ESRI = (
    'PROJCS["NAD_1983_HARN_StatePlane_Oregon_North",GEOGCS["GCS_North_American_1983_HARN",DATUM["D_North_American'
    '_1983_HARN",SPHEROID["GRS_1980",6378137.0,298.257222101]],PRIMEM["Greenwich",0.0],UNIT["Degree",'
    '0.0174532925199433]],PROJECTION["Lambert_Conformal_Conic"],PARAMETER["False_Easting",8202099.737532808],'
    'PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",-120.5],PARAMETER["Standard_Parallel_1",'
    '44.33333333333334],PARAMETER["Standard_Parallel_2",46.0],PARAMETER["Latitude_Of_Origin",43.66666666666666],'
    'UNIT["Foot",0.3048]]'
)
SYSTEMS = {
    "UTM": "EPSG:32633",
    "geographic": "EPSG:4326",
    "geographic with height": "EPSG:4979",
    "geocentric": "EPSG:4978",
    "web Mercator": "EPSG:3857",
    "polar": "EPSG:3413",
    "compound of UTM and EGM96 height": "EPSG:32633+5773",
    "compound with a code of its own": "EPSG:7415",
    "engineering": 'LOCAL_CS["dock",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]',
    "given by PROJ alone": "+proj=laea +lat_0=71.5 +lon_0=-20.25 +x_0=1000 +ellps=GRS80 +units=m",
    "with a shift to WGS 84": "+proj=tmerc +lat_0=49 +lon_0=-2 +k=0.9996 +x_0=4e5 +ellps=airy"
    " +towgs84=446.448,-125.157,542.06,0.15,0.247,0.842,-20.489 +units=m",
    "on a sphere": "+proj=sinu +lon_0=0 +R=6371007.181 +units=m",
    "in feet by ESRI": ESRI,
}
TRANSFORMS = {
    "north up": PLACE,
    "rotated": ROTATED["transform"],
    "sheared": Affine(10, 3, 500000.25, 0, -10, 4000000.75),
    "south up": Affine(10, 0, 399960, 0, 10, 5000040),
    "west up": Affine(-10, 0, 399960, 0, -10, 5000040),
    "not square": Affine(2.3297, 0, 1e5, 0, -14.1021, 1e6),
    "degrees to the last bit": Affine(8.983152841195215e-05, 0, -65.35712345678901, 0, -8.98e-05, -14.7),
    "tiny": Affine(1e-12, 0, 1e-3, 0, -1e-12, 0),
    "huge": Affine(1e9, 0, -1e17, 0, -1e9, 1e17),
}
CASES: dict[str, Case] = (
    {f"CRS {name}": Case(profile=at(crs)) for name, crs in SYSTEMS.items()}
    | {f"transform {name}": Case(profile=at(transform=value)) for name, value in TRANSFORMS.items()}
    | {
        "nothing": Case(),
        "CRS without transform": Case(profile={"crs": "EPSG:32633"}),
        "transform without CRS": Case(profile={"transform": PLACE}),
        "identity transform with CRS": Case(profile=at(transform=Affine.identity())),
        "210 control points": Case(grid(CRS.from_epsg(4326))),
        "control points in UTM": Case(grid(CRS.from_epsg(32633), 3, 4)),
        "control points on a sphere": Case(grid(CRS.from_string("+proj=longlat +R=6371000"), 2, 2)),
        "one control point": Case(
            bands(gcps=([GroundControlPoint(row=-3.5, col=1e6, x=1e-9, y=-0.0, z=-1)], CRS.from_epsg(4326)))
        ),
        "RPCs": Case(tags("RPC", **RPCS)),
        "RPCs with bounds and errors": Case(
            tags("RPC", **RPCS, ERR_BIAS="2.5", ERR_RAND="0.5", MIN_LONG="-5.5", MAX_LONG="5.5")
        ),
        "RPCs and transform": Case(tags("RPC", **RPCS), at()),
        "pixel is point": Case(tags(AREA_OR_POINT="Point"), at()),
        "pixel is point, rotated": Case(tags(AREA_OR_POINT="Point"), ROTATED),
        "pixel is point, control points": Case(both(grid(CRS.from_epsg(4326)), tags(AREA_OR_POINT="Point"))),
        "tags": Case(tags(ACQUISITION="2024-05-01T05:33:11Z", ORBIT="DESCENDING", TIFFTAG_SOFTWARE="ESA")),
        "TIFF's own tags": Case(
            tags(
                TIFFTAG_DATETIME="2024:05:01 05:33:11",
                TIFFTAG_IMAGEDESCRIPTION="Sentinel-1A IW GRD",
                TIFFTAG_COPYRIGHT="© Copernicus",
                TIFFTAG_XRESOLUTION="72",
                TIFFTAG_YRESOLUTION="72",
                TIFFTAG_RESOLUTIONUNIT="2 (pixels/inch)",
            )
        ),
        "tags of many namespaces": Case(
            both(*(tags(f"NS{n}", A=str(n), B="b") for n in range(20)), tags("s1:orbit", PASS="x"))
        ),
        "XML and JSON documents": Case(
            both(tags("xml:XMP", **XMP), tags("json:STAC", **{'{"a"': '[1,"="]}'}))
        ),
        "tags of bands": Case(
            both(tags(None, 1, POL="VV"), tags(None, 2, POL="VH"), tags("CAL", 2, LUT="1 2 3")), bands=2
        ),
        "tags that are not ASCII": Case(tags(ORT="Zürich 漢字 🛰", größe="ß")),
        "tags with line breaks and markup": Case(
            tags(LINES="a\nb\n\n  c\td", MARKUP='<a b="c">&amp;</a>]]>', QUOTES="\"'`\\")
        ),
        "tags with spaces about them": Case(tags(PADDED="  x  ", SPACES="   ")),
        "empty tags": Case(tags(EMPTY="", FULL="x")),
        "tags with odd keys": Case(
            tags(**{"with space": "1", "with:colon": "2", "with/slash": "3", "1": "4"})
        ),
        "a tag of 200,000 characters": Case(tags(LONG="läng " * 40000)),
        "a thousand tags": Case(tags(**{f"KEY_{n:04}": f"value {n}" for n in range(1000)})),
        "descriptions": Case(bands(descriptions=("VV ß", "a,b; c")), bands=2),
        "one description": Case(bands(descriptions=(None, "VH")), bands=2),
        "units": Case(bands(units=("dB", "m²")), bands=2),
        "scales and offsets": Case(bands(scales=(0.1, 1e-300), offsets=(-3.5, 1 / 3)), bands=2),
        "scale and offset of no effect": Case(bands(scales=(1.0,), offsets=(0.0,))),
        "colours": Case(bands(colorinterp=[ColorInterp.gray, ColorInterp.alpha]), bands=2, alpha=True),
        "undefined colours": Case(bands(colorinterp=[ColorInterp.gray, ColorInterp.undefined]), bands=2),
        "red and green": Case(bands(colorinterp=[ColorInterp.red, ColorInterp.green]), bands=2),
        "nodata 0": Case(profile={"nodata": 0}),
        "nodata 65535": Case(profile={"nodata": 65535}),
        "nodata NaN": Case(profile={"nodata": math.nan}, dtype="float32"),
        "nodata -9999": Case(profile={"nodata": -9999}, dtype="float32"),
        "nodata of float32's end": Case(profile={"nodata": float(np.finfo("float32").min)}, dtype="float32"),
        "nodata with many digits": Case(profile={"nodata": -3.4028234663852886e38}, dtype="float64"),
        "nodata infinite": Case(profile={"nodata": -math.inf}, dtype="float32"),
        "nodata -32768": Case(profile={"nodata": -32768}, dtype="int16"),
        "nodata of uint32's end": Case(profile={"nodata": 2**32 - 1}, dtype="uint32"),
        "nodata of int8's end": Case(profile={"nodata": -128}, dtype="int8"),
    }
)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_rasterio_says_the_same_of_the_decoded_file(tmp_path: Path, case: Case) -> None:
    source = case.write(tmp_path / "a.tif")
    options = ("--scale", usual_scale(case.dtype))
    assert (
        encode(source, tmp_path / "a.sarc", *options) == decode(tmp_path / "a.sarc", tmp_path / "b.tif") == 0
    )
    assert told_by_rasterio(tmp_path / "b.tif") == told_by_rasterio(source)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.sarc", "a.tif", "b.tif"]


def test_control_points_stay_control_points(tmp_path: Path) -> None:
    source = CASES["210 control points"].write(tmp_path / "a.tif")
    encode(source, tmp_path / "a.sarc")
    decode(tmp_path / "a.sarc", tmp_path / "b.tif")
    with rasterio.open(tmp_path / "b.tif") as back:
        points, crs = back.gcps
        assert (len(points), crs, back.crs, back.transform) == (210, "EPSG:4326", None, Affine.identity())
    with sarcodec.open(tmp_path / "a.sarc", model=TOY) as coded:
        assert (coded.meta.transform, coded.meta.crs, len(coded.meta.gcps)) == (None, None, 210)
        assert coded.profile["transform"] == Affine.identity() and coded.profile["crs"] is None


# --- fields that GeoTIFF has no place for

RICH = """
<SRS>EPSG:32633</SRS><GeoTransform>5, 10, 0.5, 7, 0.25, -10</GeoTransform>
<GCPList Projection="EPSG:4326">
<GCP Id="A7" Info="a lake &amp; its shore" Pixel="0.25" Line="0.5" X="12.5" Y="45.5" Z="3.25"/>
<GCP Id="" Info="" Pixel="79" Line="59" X="12.75" Y="45.25"/></GCPList>
<Metadata><MDI key="AREA_OR_POINT">Point</MDI><MDI key="EMPTY"></MDI></Metadata>
<Metadata domain="xml:NOTE" format="xml"><a><b/></a></Metadata>
<Metadata domain="json:NOTE" format="json">{"a":["b=c"]}</Metadata>
"""


def test_what_geotiff_cannot_hold_is_in_the_file_and_in_the_next_one(tmp_path: Path) -> None:
    tiff(tmp_path / "s.tif", SCENE)
    (tmp_path / "a.vrt").write_text(vrt("s.tif", size=(80, 60), extra=RICH))
    assert encode(tmp_path / "a.vrt", tmp_path / "a.sarc") == 0
    assert decode(tmp_path / "a.sarc", tmp_path / "b.tif") == 0
    assert encode(tmp_path / "b.tif", tmp_path / "b.sarc") == 0
    told = told_by_rasterio(tmp_path / "a.vrt")
    for name in ("a.sarc", "b.sarc"):
        with sarcodec.open(tmp_path / name, model=TOY) as coded:
            meta = coded.meta
        assert [vars(gcp) for gcp in meta.gcps] == told["gcps"]
        assert (meta.crs, meta.gcp_crs) == ("EPSG:32633", "EPSG:4326")
        assert meta.transform == tuple(told["transform"])[:6]
        assert {"": told["tags"][0], **told["namespaces"][0]} == meta.tags
        assert meta.bands[0].colorinterp == told["colours"][0].name == "undefined"
    with rasterio.open(tmp_path / "b.tif") as back:
        assert (back.crs, back.transform) == (told["crs"], told["transform"])
        assert back.gcps == ([], None)  # GeoTIFF holds a transform or GCPs; nothing is made up of either
        assert back.tags() == told["tags"][0]


# --- windows

WINDOWS = ["16,8,40,30", "79,59,1,1"]
MOVED = ["transform rotated", "transform south up", "210 control points", "RPCs", "pixel is point", "nothing"]


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("name", MOVED)
def test_a_window_moves_transform_points_and_coefficients_along(
    tmp_path: Path, name: str, window: str
) -> None:
    source = CASES[name].write(tmp_path / "a.tif")
    col, row, width, height = (int(number) for number in window.split(","))
    assert encode(source, tmp_path / "a.sarc") == 0
    assert decode(tmp_path / "a.sarc", tmp_path / "b.tif", "--window", window) == 0
    told, wanted = told_by_rasterio(tmp_path / "b.tif"), told_by_rasterio(source)
    wanted["shape"] = (1, height, width)
    if not wanted["transform"].is_identity:
        wanted["transform"] @= Affine.translation(col, row)
    for point in wanted["gcps"]:
        point["row"] -= row
        point["col"] -= col
    if wanted["rpcs"]:
        wanted["rpcs"] |= {"SAMP_OFF": str(1.5 - col), "LINE_OFF": str(1.5 - row)}
        for told_of in (told, wanted):
            told_of["rpcs"] = {
                key: [float(number) for number in text.split()] for key, text in told_of["rpcs"].items()
            }
        told["namespaces"][0]["RPC"] = wanted["namespaces"][0]["RPC"] = {}
    assert tuple(told.pop("transform")) == pytest.approx(tuple(wanted.pop("transform")), rel=1e-15)
    assert told == wanted


def test_rpcs_with_units_are_moved_and_rpcs_without_numbers_are_left_out() -> None:
    offsets = {"SAMP_OFF": "+0012.50 pixels", "LINE_OFF": " 7", "HEIGHT_OFF": "3 metres"}
    part = RasterMeta(80, 60, 1, "uint8", rpcs=offsets).cropped(Window(4, 10, 20, 20))
    assert part.rpcs == {"SAMP_OFF": "8.5 pixels", "LINE_OFF": "-3.0", "HEIGHT_OFF": "3 metres"}
    for text in ("", "none", "pixels 5", "nan"):
        assert (
            RasterMeta(80, 60, 1, "uint8", rpcs={"SAMP_OFF": text}).cropped(Window(4, 10, 9, 9)).rpcs is None
        )


# --- what info says


def test_info_says_what_rasterio_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = CASES["tags of bands"].write(tmp_path / "a.tif")
    encode(source, tmp_path / "a.sarc")
    capsys.readouterr()
    assert main(["info", str(tmp_path / "a.sarc"), "--json"]) == 0
    facts, told = json.loads(capsys.readouterr().out), told_by_rasterio(source)
    assert facts["tags"].get("", {}) == told["tags"][0]
    assert facts["dtype"] == told["dtypes"][0]


# --- any metadata

SYSTEM = st.sampled_from([None, "EPSG:4326", "EPSG:32633", "EPSG:3413", 'LOCAL_CS["dock",UNIT["metre",1]]'])


@given(raster_metas(), SYSTEM, SYSTEM, st.integers(1, 9), st.integers(1, 9))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_metadata_comes_back_from_a_geotiff(
    tmp_path: Path, meta: RasterMeta, crs: str | None, gcp_crs: str | None, width: int, height: int
) -> None:
    meta = replace(meta, crs=crs, gcp_crs=gcp_crs, width=width, height=height)
    with RasterSink(tmp_path / "a.tif", meta, overwrite=True):
        pass
    with RasterSource(tmp_path / "a.tif") as source:
        assert source.meta == meta
