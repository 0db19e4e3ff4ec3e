"""Rasters in and out: every metadata field survives, and whatever is wrong is said plainly."""

from __future__ import annotations

import math
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.transform import Affine

from sarcodec.errors import InputError, OutputExistsError, UsageError, WriteError
from sarcodec.io.raster import RasterSink, RasterSource
from sarcodec.metadata import BandMeta, Gcp, RasterMeta, from_chunks, pack_geo, pack_text
from sarcodec.types import Window
from testing.told import told_by_rasterio

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

UTM = (10.0, 0.0, 399960.0, 0.0, -10.0, 5000040.0)
ROTATED = (8.5, -2.25, 399960.125, 1.75, -9.0, 5000040.5)
CUSTOM = (
    'PROJCS["local stereo",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Oblique_Stereographic"],'
    'PARAMETER["latitude_of_origin",52.1],PARAMETER["central_meridian",5.3],PARAMETER["scale_factor",0.9999],'
    'PARAMETER["false_easting",1000],PARAMETER["false_northing",2000],UNIT["metre",1]]'
)
RPCS = {
    f"{axis}_{kind}": "1.5" for axis in ("LINE", "SAMP", "LAT", "LONG", "HEIGHT") for kind in ("OFF", "SCALE")
} | {
    f"{axis}_{part}_COEFF": " ".join(f"{n}.25" for n in range(20))
    for axis in ("LINE", "SAMP")
    for part in ("NUM", "DEN")
}
GCPS = tuple(
    GroundControlPoint(
        row=r + 0.5, col=c + 0.25, x=10 + c / 7, y=50 - r / 9, z=r * 1.5, id=str(n + 1), info=""
    )
    for n, (r, c) in enumerate([(0, 0), (0, 40), (30, 0), (30, 40)])
)


def write(
    path: Path, count: int = 1, dtype: str = "uint16", setup: Any = None, **profile: Any
) -> np.ndarray[Any, Any]:
    pixels = (np.random.default_rng(1).gamma(4, 20, (count, 30, 40)) + 1).astype(dtype)
    with rasterio.open(
        path, "w", driver="GTiff", width=40, height=30, count=count, dtype=dtype, **profile
    ) as dataset:
        if setup:
            setup(dataset)
        dataset.write(pixels)
    return pixels


def through_chunks(meta: RasterMeta) -> RasterMeta:
    return from_chunks(meta.width, meta.height, meta.count, meta.dtype, pack_geo(meta), pack_text(meta))


def copy(source: Path, target: Path, **arguments: Any) -> RasterMeta:
    """Source to metadata to chunks to metadata to sink; what came out of the first step."""
    with RasterSource(source) as src:
        whole = Window(0, 0, src.meta.width, src.meta.height)
        with RasterSink(target, through_chunks(src.meta), overwrite=False, **arguments) as sink:
            for band in range(src.meta.count):
                sink.write(band, src.read(band, whole), whole)
        return src.meta


def set_gcps(dataset: Any) -> None:
    dataset.gcps = (list(GCPS), CRS.from_epsg(4326))


def set_everything(dataset: Any) -> None:
    dataset.update_tags(
        SCALE="power", ACQUISITION="2024-05-01T05:33:11Z", TIFFTAG_SOFTWARE="test", NOTE='<é> & "'
    )
    dataset.update_tags(ns="SAR", ORBIT="descending", PASSES="12")
    dataset.update_tags(ns="xml:XMP", **{"<x a": '"1">e=mc2</x>'})
    dataset.update_tags(1, POLARISATION="VV")
    dataset.update_tags(2, ns="CAL", LUT="1 2 3")
    dataset.descriptions = ("VV", "VH")
    dataset.units = ("dB", "")
    dataset.scales, dataset.offsets = (0.1, 1.0), (0.0, -3.5)
    dataset.colorinterp = (ColorInterp.gray, ColorInterp.alpha)


UTM_PLACE = {"crs": "EPSG:32633", "transform": Affine(*UTM)}
CASES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "epsg": UTM_PLACE,
    "latlon": {
        "crs": "EPSG:4326",
        "transform": Affine(8.983152841195215e-05, 0, -65.357, 0, -8.983152841195215e-05, -14.7),
    },
    "rotated": {"crs": "EPSG:32633", "transform": Affine(*ROTATED)},
    "crs only": {"crs": "EPSG:3413"},
    "transform only": {"transform": Affine(*UTM)},
    "custom crs": {"crs": CUSTOM, "transform": Affine(*UTM)},
    "proj crs": {"crs": "+proj=laea +lat_0=71 +lon_0=-20 +ellps=GRS80 +units=m", "transform": Affine(*UTM)},
    "compound crs": {"crs": "EPSG:7415", "transform": Affine(*UTM)},
    "3d crs": {"crs": "EPSG:4979", "transform": Affine(*UTM)},
    "gcps": {"setup": set_gcps},
    "rpcs": {"setup": lambda d: d.update_tags(ns="RPC", **RPCS)},
    "pixel is point": {**UTM_PLACE, "setup": lambda d: d.update_tags(AREA_OR_POINT="Point")},
    "everything": {**UTM_PLACE, "count": 2, "dtype": "float32", "nodata": math.nan, "setup": set_everything},
    "nodata -9999": {"dtype": "float32", "nodata": -9999.0},
    "nodata 0.1": {"dtype": "float64", "nodata": 0.1},
    "nodata int16": {"dtype": "int16", "nodata": -32768},
    "nodata inf": {"dtype": "float32", "nodata": -math.inf},
    "uint8 rgb": {"count": 3, "dtype": "uint8", "photometric": "RGB"},
    "uint8 4 bands": {"count": 4, "dtype": "uint8"},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_rasterio_finds_the_copy_the_same(tmp_path: Path, case: dict[str, Any]) -> None:
    pixels = write(tmp_path / "a.tif", **case)
    copy(tmp_path / "a.tif", tmp_path / "b.tif")
    assert told_by_rasterio(tmp_path / "b.tif") == told_by_rasterio(tmp_path / "a.tif")
    with rasterio.open(tmp_path / "b.tif") as src:
        np.testing.assert_array_equal(src.read(), pixels)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tif", "b.tif"]


ODD = {
    "gcps with ids": {
        "gcps": (Gcp(1, 2, 3, 4, 5, "A7", "lake"), Gcp(2, 3, 4, 5, -0.0, "", "")),
        "gcp_crs": "EPSG:4326",
    },
    "gcps and transform": {
        "crs": "EPSG:32633",
        "transform": UTM,
        "gcps": (Gcp(1, 2, 3, 4, 5, "1"),),
        "gcp_crs": "EPSG:4326",
    },
    "gcps without crs": {"gcps": (Gcp(1, 2, 3, 4, 5, "1"),)},
    "nodata out of range": {"nodata": -9999},
    "empty and padded tags": {
        "tags": {"": {"EMPTY": "", "PADDED": "  x "}, "SAR": {"CONTROL": "a\x01\r\nb"}}
    },
    "tag GDAL would parse": {
        "tags": {"": {"TIFFTAG_XRESOLUTION": "72.1234567891", "TIFFTAG_RESOLUTIONUNIT": "none"}}
    },
    "xml without equals sign": {"tags": {"xml:ESRI": {"xml:ESRI": "<a/>"}}},
    "area without place": {"tags": {"": {"AREA_OR_POINT": "Point"}}},
    "place without area": {"crs": "EPSG:32633", "transform": UTM},
    "rpcs as written by hand": {"rpcs": {**RPCS, "LINE_OFF": "+0012.50 pixels", "MIN_LONG": "5"}},
    "colours GeoTIFF renames": {"bands": (BandMeta(colorinterp="undefined"), BandMeta(colorinterp="gray"))},
    "colour of a later GDAL": {"bands": (BandMeta(colorinterp="octarine"),)},
    "empty description": {"bands": (BandMeta("", colorinterp="gray"), BandMeta(" x", unit="m/s"))},
    "scale of one band": {
        "bands": (BandMeta(scale=0.0, offset=-0.0, colorinterp="gray"), BandMeta(scale=1e-300))
    },
}


@pytest.mark.parametrize("case", ODD.values(), ids=ODD.keys())
def test_what_geotiff_cannot_hold_survives_too(tmp_path: Path, case: dict[str, Any]) -> None:
    meta = through_chunks(RasterMeta(20, 10, len(case.get("bands", "1")), "uint16", **case))
    with RasterSink(tmp_path / "a.tif", meta, overwrite=False):
        pass
    with RasterSource(tmp_path / "a.tif") as src:
        assert src.meta == meta
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


def test_gcps_put_aside_are_forgotten_when_the_raster_was_cropped(tmp_path: Path) -> None:
    meta = RasterMeta(20, 10, 1, "uint16", gcps=(Gcp(1, 2, 3, 4, 5, "A7"),), gcp_crs="EPSG:4326")
    with RasterSink(tmp_path / "a.tif", meta, overwrite=False):
        pass
    with rasterio.open(tmp_path / "a.tif", "r+") as dataset:
        dataset.gcps = ([GroundControlPoint(row=0, col=0, x=3, y=4, z=5)], CRS.from_epsg(4326))
    with RasterSource(tmp_path / "a.tif") as src:
        assert src.meta.gcps == (Gcp(0, 0, 3, 4, 5, "1"),)


def test_transform_is_not_made_up_from_gcps_or_identity(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", setup=set_gcps)
    with RasterSource(tmp_path / "a.tif") as src:
        assert (src.meta.transform, src.meta.crs, len(src.meta.gcps)) == (None, None, 4)


def test_utm_geotiff_packs_small(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", setup=lambda d: d.set_band_description(1, "VV"), **UTM_PLACE)
    with RasterSource(tmp_path / "a.tif") as src:
        assert src.meta.crs == "EPSG:32633"
        assert len(pack_geo(src.meta)) <= 25
        assert len(pack_text(src.meta)) <= 20


def test_windows_are_read_and_written_in_place(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    pixels = rng.integers(0, 60000, (2, 300, 530)).astype("uint16")
    with RasterSink(tmp_path / "a.tif", RasterMeta(530, 300, 2, "uint16"), overwrite=False) as sink:
        for band in (0, 1):
            for col in (0, 256, 512):
                for row in (0, 256):
                    window = Window(col, row, min(256, 530 - col), min(256, 300 - row))
                    sink.write(band, pixels[band][window.inside(Window(0, 0, 530, 300))], window)
    with RasterSource(tmp_path / "a.tif") as src:
        np.testing.assert_array_equal(src.read(1, Window(101, 33, 400, 250)), pixels[1, 33:283, 101:501])
        rows = [Window(0, row, 530, 30) for row in range(0, 270, 30)]
        with ThreadPoolExecutor(8) as pool:
            for window, block in zip(rows, pool.map(lambda w: src.read(0, w), rows), strict=True):
                np.testing.assert_array_equal(block, pixels[0, window.row : window.bottom])


@pytest.mark.parametrize(
    ("dtype", "options", "expected"),
    [
        ("uint16", {}, ("deflate", "2", (256, 256))),
        ("float32", {}, ("deflate", "3", (256, 256))),
        ("float32", {"compress": "zstd", "blockxsize": "512"}, ("zstd", "3", (256, 512))),
        ("uint16", {"COMPRESS": "NONE", "TILED": "NO"}, (None, None, (30, 40))),
    ],
)
def test_creation_options(
    tmp_path: Path, dtype: str, options: dict[str, str], expected: tuple[Any, ...]
) -> None:
    write(tmp_path / "a.tif", dtype=dtype)
    copy(tmp_path / "a.tif", tmp_path / "b.tif", options=options)
    with rasterio.open(tmp_path / "b.tif") as src:
        compression = src.compression.value.lower() if src.compression else None
        assert (compression, src.tags(ns="IMAGE_STRUCTURE").get("PREDICTOR"), src.block_shapes[0]) == expected


@pytest.mark.parametrize(
    "options",
    [
        {"COMPRES": "ZSTD"},
        {"COMPRESS": "NOISE"},
        {"BLOCKXSIZE": "100"},
        {"PREDICTOR": "9"},
        {"COMPRESS": "JPEG"},
        {"COMPRESS": "CCITTFAX4"},
        {"BLOCKXSIZE": "1048576", "BLOCKYSIZE": "1048576"},
        {"TFW": "YES"},
        {"APPEND_SUBDATASET": "YES"},
        {"PROFILE": "BASELINE"},
    ],
)
def test_creation_options_that_gdal_does_not_know_are_a_usage_error(
    tmp_path: Path, options: dict[str, str]
) -> None:
    with (
        pytest.raises(UsageError, match=f"(?i){next(iter(options))}|block|JPEG|Fax"),
        RasterSink(
            tmp_path / "a.tif",
            RasterMeta(4, 3, 1, "uint16", crs="EPSG:4326"),
            overwrite=False,
            options=options,
        ),
    ):
        pytest.fail("the block must not run")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        ("uint8", {"COMPRESS": "JPEG", "JPEG_QUALITY": "100"}),
        ("uint16", {"DISCARD_LSB": "2"}),
        ("uint16", {"NBITS": "12", "PREDICTOR": "1"}),
        ("float32", {"COMPRESS": "LERC", "MAX_Z_ERROR": "0.001"}),
        ("float32", {"NBITS": "16"}),
    ],
)
def test_creation_options_that_change_pixels_are_a_usage_error(
    tmp_path: Path, dtype: str, options: dict[str, str]
) -> None:
    with (
        pytest.raises(UsageError, match="pixels"),
        RasterSink(tmp_path / "a.tif", RasterMeta(4, 3, 1, dtype), overwrite=False, options=options),
    ):
        pytest.fail("the block must not run")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.png", "a.jp2", "a.sarc", "a.tif.gz", "a.vrt"])
def test_a_name_that_promises_another_format_is_a_usage_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="GeoTIFF") as caught:
        RasterSink(tmp_path / name, RasterMeta(4, 3, 1, "uint16"), overwrite=False)
    assert ".tif" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_unreadable_inputs_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.tif").touch()
    (tmp_path / "text.tif").write_text("no raster")
    for name, message in [
        ("nowhere.tif", "does not exist"),
        ("empty.tif", "is empty"),
        ("text.tif", "cannot be read as a raster"),
        ("", "is a directory"),
        ("/vsicurl/http://127.0.0.1:9/a.tif", "not a file on this machine"),
        ("http://127.0.0.1:9/a.tif", "not a file on this machine"),
    ]:
        path = name if ":" in name else str(tmp_path / name)
        with pytest.raises(InputError, match=message) as caught:
            RasterSource(path)
        assert path in caught.value.message
        assert caught.value.hint


@pytest.mark.parametrize(
    "crs", ["nonsense", "EPSG:1", "EPSG:99999999999", "/etc/hostname", "http://127.0.0.1:9/crs"]
)
def test_crs_that_is_none_is_left_out_with_a_warning_and_kept_as_a_text(
    tmp_path: Path, crs: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    meta = RasterMeta(4, 3, 1, "uint16", crs=crs)
    with RasterSink(tmp_path / "a.tif", meta, overwrite=False):
        pass
    assert capfd.readouterr() == ("", "")
    assert f"without its CRS {crs!r}: it is refused" in caplog.text
    with rasterio.open(tmp_path / "a.tif") as back:
        assert back.crs is None
    with RasterSource(tmp_path / "a.tif") as source:
        assert source.meta.crs == crs


@pytest.mark.parametrize("compress", ["NONE", "DEFLATE"])
@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_truncated_tiff_is_an_input_error(tmp_path: Path, compress: str, share: float) -> None:
    write(tmp_path / "a.tif", compress=compress)
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match=r"a\.tif") as caught, RasterSource(tmp_path / "a.tif") as src:
        src.read(0, Window(0, 0, 40, 30))
    assert caught.value.hint


def test_kinds_that_are_not_coded_are_refused_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for dtype, hint in [
        ("complex64", r"\|z\|"),
        ("complex_int16", r"\|z\|"),
        ("int64", "float32"),
        ("uint64", "float32"),
    ]:
        with rasterio.open(path, "w", driver="GTiff", width=4, height=3, count=1, dtype=dtype):
            pass
        with pytest.raises(InputError, match=dtype) as caught:
            RasterSource(path)
        assert hint.strip("\\") or hint in caught.value.hint


def test_tag_that_is_not_utf8_is_an_input_error(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", setup=lambda d: d.update_tags(NOTE="QQQQ"))
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data.replace(b"QQQQ", b"caf\xe9"))
    with pytest.raises(InputError, match="not UTF-8"):
        RasterSource(tmp_path / "a.tif")


def test_palette_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", dtype="uint8", setup=lambda d: d.write_colormap(1, {0: (1, 2, 3, 255)}))
    with pytest.raises(InputError, match="palette"):
        RasterSource(tmp_path / "a.tif")


@pytest.mark.parametrize("internal", [True, False])
def test_a_mask_band_says_which_pixels_are_valid(tmp_path: Path, internal: bool) -> None:
    seen = np.eye(30, 40, dtype=bool)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal):
        write(tmp_path / "a.tif", setup=lambda d: d.write_mask(seen))
    with RasterSource(tmp_path / "a.tif") as src:
        assert src.has_mask
        assert np.array_equal(src.mask(Window(0, 0, 40, 30)), seen)
        assert np.array_equal(src.mask(Window(7, 5, 20, 11)), seen[5:16, 7:27])
    write(tmp_path / "b.tif")
    with RasterSource(tmp_path / "b.tif") as src:
        assert not src.has_mask


@pytest.mark.parametrize(
    ("first", "second", "fits"), [("0", "1", False), ("nan", "nan", True), ("nan", "0", False)]
)
def test_nodata_that_differs_between_bands_is_refused(
    tmp_path: Path, first: str, second: str, fits: bool
) -> None:
    bands = "".join(
        f'<VRTRasterBand dataType="Float32" band="{n}"><NoDataValue>{v}</NoDataValue></VRTRasterBand>'
        for n, v in [(1, first), (2, second)]
    )
    (tmp_path / "a.vrt").write_text(f'<VRTDataset rasterXSize="4" rasterYSize="3">{bands}</VRTDataset>')
    if fits:
        with RasterSource(tmp_path / "a.vrt") as src:
            assert repr(src.meta.nodata) == "nan"
    else:
        with pytest.raises(InputError, match="nodata"):
            RasterSource(tmp_path / "a.vrt")


def test_windows_and_arrays_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.tif")
    with RasterSource(tmp_path / "a.tif") as src:
        for band, window in [(-1, Window(0, 0, 1, 1)), (1, Window(0, 0, 1, 1)), (0, Window(39, 0, 2, 1))]:
            with pytest.raises(UsageError):
                src.read(band, window)
    with RasterSink(tmp_path / "b.tif", RasterMeta(4, 3, 1, "uint16"), overwrite=False) as sink:
        for array in (np.zeros((4, 3), "uint16"), np.zeros((3, 4), "float32")):
            with pytest.raises(UsageError):
                sink.write(0, array, Window(0, 0, 4, 3))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_failing_block_leaves_the_old_file_alone(tmp_path: Path, error: type[BaseException]) -> None:
    write(tmp_path / "a.tif")
    before = (tmp_path / "a.tif").read_bytes()
    with pytest.raises(error), RasterSink(tmp_path / "a.tif", RasterMeta(4, 3, 1, "uint16"), overwrite=True):
        raise error
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.tif", before)]


def test_overwriting_removes_what_belonged_to_the_old_file(tmp_path: Path) -> None:
    write(tmp_path / "a.tif")
    (tmp_path / "a.tif.aux.xml").write_text(
        "<PAMDataset><Metadata><MDI key='OLD'>1</MDI></Metadata></PAMDataset>"
    )
    with (
        pytest.raises(OutputExistsError),
        RasterSink(tmp_path / "a.tif", RasterMeta(4, 3, 1, "uint16"), overwrite=False),
    ):
        pytest.fail("the block must not run")
    with RasterSink(tmp_path / "a.tif", RasterMeta(4, 3, 1, "uint16"), overwrite=True):
        pass
    with RasterSource(tmp_path / "a.tif") as src:
        assert src.meta == RasterMeta(4, 3, 1, "uint16")
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Let writing beyond `size` bytes fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("side", [64, 700])
@pytest.mark.parametrize("share", [0.02, 0.4, 0.8, 0.99])
def test_full_disk_is_a_write_error(tmp_path: Path, side: int, share: float) -> None:
    meta = RasterMeta(side, side, 1, "uint16", tags={"": {"NOTE": "x" * 500}})
    pixels = np.random.default_rng(3).integers(0, 2**16, (side, side)).astype("uint16")
    whole = Window(0, 0, side, side)
    with RasterSink(tmp_path / "full.tif", meta, overwrite=False) as sink:
        sink.write(0, pixels, whole)
    size = (tmp_path / "full.tif").stat().st_size
    with (
        files_no_larger_than(int(size * share)),
        pytest.raises(WriteError, match=r"cut\.tif"),
        RasterSink(tmp_path / "cut.tif", meta, overwrite=False) as sink,
    ):
        sink.write(0, pixels, whole)
    assert [p.name for p in tmp_path.iterdir()] == ["full.tif"]


@pytest.mark.parametrize("share", [0.3, 0.7, 0.999])
def test_blocks_lost_when_closing_are_noticed(
    tmp_path: Path, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify = RasterSink._verify

    def lose_the_end(sink: RasterSink, partial: Path) -> None:
        os.truncate(partial, int(partial.stat().st_size * share))
        verify(sink, partial)

    monkeypatch.setattr(RasterSink, "_verify", lose_the_end)
    with (
        pytest.raises(WriteError, match=r"a\.tif"),
        RasterSink(tmp_path / "a.tif", RasterMeta(700, 700, 1, "uint16"), overwrite=False) as sink,
    ):
        sink.write(0, np.ones((700, 700), "uint16"), Window(0, 0, 700, 700))
    assert not list(tmp_path.iterdir())


def test_nothing_is_printed(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", setup=set_gcps)
    (tmp_path / "cut.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:-50])
    program = """
import sys, threading
from sarcodec.errors import SarcError
from sarcodec.io.raster import RasterSink, RasterSource
from sarcodec.types import Window
def copy(name):
    try:
        with RasterSource(name) as src, RasterSink(name + ".copy.tif", src.meta, overwrite=True) as sink:
            sink.write(0, src.read(0, Window(0, 0, 40, 30)), Window(0, 0, 40, 30))
    except SarcError:
        pass
for name in sys.argv[1:]:
    copy(name)
    thread = threading.Thread(target=copy, args=(name,))
    thread.start()
    thread.join()
"""
    names = [str(tmp_path / name) for name in ("a.tif", "cut.tif", "nowhere.tif")]
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", program, *names], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert (tmp_path / "a.tif.copy.tif").exists()


def test_real_rasters_survive(tmp_path: Path) -> None:
    root = os.environ.get("SARCODEC_DATA")
    if not root:
        pytest.skip("SARCODEC_DATA is not set")
    for path in sorted(Path(root, "test").rglob("*.tif")):
        with RasterSource(path) as src:
            meta = through_chunks(src.meta)
            assert meta == src.meta
            target = tmp_path / path.name
            with RasterSink(target, replace(meta), overwrite=False, options={"SPARSE_OK": "YES"}):
                pass
            told, wanted = told_by_rasterio(target), told_by_rasterio(path)
            assert told == wanted
            target.unlink()
