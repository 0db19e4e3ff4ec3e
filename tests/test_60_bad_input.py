"""Rasters that cannot be coded: one clear error each, and nothing is written, fetched or run."""

from __future__ import annotations

import bz2
import gzip
import struct
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

import sarcodec
from conftest import TOY
from sarcodec.errors import InputError, LimitError, UsageError
from sarcodec.io.raster import RasterSource
from sarcodec.limits import Limits
from sarcodec.types import Window
from testing.files import Array, encode, tiff, vrt
from testing.scenes import dn, power, usual_scale

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SCENE = dn((30, 40))
FLOATS = power((30, 40)).astype(np.float32)

Make = Callable[[Path], object]
"""Makes an input in a folder; its name, a path in that folder unless it is a text."""


@dataclass(frozen=True)
class Bad:
    """An input, the exit code and parts of the message and hint."""

    make: Make
    code: int
    said: tuple[str, ...]
    output: str = "out.sarc"


def made(values: Array = SCENE, **profile: Any) -> Make:
    return lambda folder: tiff(folder / "a.tif", values, **profile)


def holding(name: str, content: str | bytes) -> Make:
    def make(folder: Path) -> Path:
        tiff(folder / "s.tif", SCENE)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return folder / name

    return make


def named(name: str) -> Make:
    return lambda folder: name


def cut(share: float, **profile: Any) -> Make:
    def make(folder: Path) -> Path:
        data = tiff(folder / "a.tif", dn((300, 400)), **profile).read_bytes()
        (folder / "a.tif").write_bytes(data[: int(len(data) * share)])
        return folder / "a.tif"

    return make


def with_damaged_blocks(folder: Path) -> Path:
    path = tiff(
        folder / "a.tif", dn((300, 400)), tiled=True, blockxsize=128, blockysize=128, compress="deflate"
    )
    data = bytearray(path.read_bytes())
    with rasterio.open(path) as src:
        start = int(src.get_tag_item("BLOCK_OFFSET_2_1", "TIFF", 1))
    data[start + 8 : start + 200] = bytes(192)
    path.write_bytes(data)
    return path


def tagged(tag: int, value: int) -> Make:
    """A TIFF one of whose tags holds another value."""

    def make(folder: Path) -> Path:
        path = tiff(folder / "a.tif", SCENE, tiled=True, blockxsize=32, blockysize=32, compress="deflate")
        data = bytearray(path.read_bytes())
        (start,) = struct.unpack_from("<I", data, 4)
        (count,) = struct.unpack_from("<H", data, start)
        places = {
            struct.unpack_from("<H", data, p)[0]: p for p in range(start + 2, start + 2 + 12 * count, 12)
        }
        struct.pack_into("<I", data, places[tag] + 8, value)
        path.write_bytes(data)
        return path

    return make


def product(*, packed: bool, empty: bool = False) -> Make:
    """A Sentinel-1 product as a folder or an archive."""

    def make(folder: Path) -> Path:
        base = folder / "S1A_X.SAFE"
        for name in ("annotation", "measurement"):
            (base / name).mkdir(parents=True)
        (base / "manifest.safe").write_text("<xfdu:XFDU/>")
        if not empty:
            for band in ("vh", "vv"):
                tiff(base / "measurement" / f"s1a-iw-grd-{band}.tiff", SCENE)
        if not packed:
            return base
        with zipfile.ZipFile(folder / "S1A_X.zip", "w") as archive:
            for path in sorted(base.rglob("*.tiff")):
                archive.write(path, path.relative_to(folder))
        return folder / "S1A_X.zip"

    return make


def tarred(name: str, mode: str) -> Make:
    def make(folder: Path) -> Path:
        with tarfile.open(folder / name, mode) as archive:  # type: ignore[call-overload]
            archive.add(tiff(folder / "s.tif", SCENE), "./d/a.tif")
        return folder / name

    return make


def dimap(name: str) -> Make:
    """A product as SNAP writes it, but for the header of its raster."""

    def make(folder: Path) -> Path:
        (folder / "p.dim").write_text(
            '<?xml version="1.0"?><Dimap_Document name="p.dim"><Metadata_Id>'
            '<METADATA_FORMAT version="2.12.1">DIMAP</METADATA_FORMAT>'
            "<METADATA_PROFILE>BEAM-DATAMODEL-V1</METADATA_PROFILE></Metadata_Id>"
            "</Dimap_Document>"
        )
        (folder / "p.data").mkdir()
        (folder / "p.data" / "Sigma0_VV.img").write_bytes(bytes(4800))
        return folder / name

    return make


def empty_zarr(folder: Path) -> Path:
    (folder / "s.zarr").mkdir()
    (folder / "s.zarr" / ".zgroup").write_text('{"zarr_format": 2}')
    return folder / "s.zarr"


def softly_masked(folder: Path) -> Path:
    tiff(folder / "a.tif", SCENE)
    soft = np.broadcast_to(np.linspace(0, 255, 40), (30, 40)).astype(np.uint8)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(folder / "a.tif", "r+") as dataset:
        dataset.write_mask(soft)
    return folder / "a.tif"


def of_two_types(folder: Path) -> Path:
    second = '<VRTRasterBand dataType="Float32" band="2"/></VRTDataset>'
    return Path(str(holding("a.vrt", vrt("s.tif").replace("</VRTDataset>", second))(folder)))


def chained(folder: Path) -> Path:
    (folder / "b.vrt").write_text(vrt("a.vrt"))
    (folder / "a.vrt").write_text(vrt("b.vrt"))
    return folder / "a.vrt"


def itself_through_a_link(folder: Path) -> Path:
    tiff(folder / "a.tif", SCENE)
    (folder / "link.sarc").symlink_to(folder / "a.tif")
    return folder / "a.tif"


def same_file(folder: Path) -> Path:
    return tiff(folder / "a.tif", SCENE)


PYTHON = (
    "<PixelFunctionType>f</PixelFunctionType><PixelFunctionLanguage>Python</PixelFunctionLanguage>"
    "<PixelFunctionCode>def f(*a, **k): open('ran', 'w')</PixelFunctionCode><SimpleSource>"
)
BAD: dict[str, Bad] = {
    # pixels
    "many negative values": Bad(made(FLOATS - FLOATS.mean()), 2, ("noise floor", "--scale db")),
    "many negative values of power": Bad(
        lambda f: tiff(f / "a.tif", FLOATS - FLOATS.mean(), lambda d: d.update_tags(SCALE="power")),
        2,
        ("SCALE=power", "below zero have no logarithm", "noise floor"),
    ),
    "more than 64 bands": Bad(made(np.ones((65, 4, 4), "uint8")), 7, ("bands is 65", "--limit bands")),
    "complex64": Bad(made(FLOATS.astype("complex64")), 3, ("complex64", "|z|")),
    "complex128": Bad(made(FLOATS.astype("complex128")), 3, ("complex128", "|z|")),
    "complex int16": Bad(
        made(FLOATS.astype("complex64"), dtype="complex_int16"), 3, ("complex_int16", "|z|")
    ),
    "int64": Bad(made(SCENE.astype("int64")), 3, ("int64", "float32")),
    "uint64": Bad(made(SCENE.astype("uint64")), 3, ("uint64", "float32")),
    "palette": Bad(
        lambda f: tiff(
            f / "a.tif", (SCENE % 200).astype("uint8"), lambda d: d.write_colormap(1, {0: (1, 2, 3, 255)})
        ),
        3,
        ("palette", "drawn from"),
    ),
    "soft mask band": Bad(softly_masked, 3, ("mask band has values between 0 and 255", "gdal_calc")),
    "bands of two types": Bad(of_two_types, 3, ("float32, uint16", "files of their own")),
    # names
    "missing": Bad(lambda f: f / "nowhere.tif", 3, ("does not exist", "Check the name")),
    "missing in a missing folder": Bad(lambda f: f / "no" / "a.tif", 3, ("does not exist",)),
    "GDAL's standard input": Bad(named("/vsistdin/"), 3, ("not a file", "Standard input")),
    "device": Bad(named("/dev/zero"), 3, ("not a regular file",)),
    "name of 5000 characters": Bad(named("x" * 5000), 3, ("does not exist",)),
    "path of 3000 characters": Bad(named("/".join(["y" * 200] * 15)), 3, ("does not exist",)),
    "name that is not UTF-8": Bad(named("a\udcff.tif"), 3, ("not UTF-8", "Rename")),
    "URL": Bad(named("https://127.0.0.1:9/a.tif"), 3, ("not a file on this machine", "Download")),
    "file URL": Bad(named("file:///nowhere/a.tif"), 3, ("/nowhere/a.tif does not exist",)),
    "file URL of a folder": Bad(lambda f: f"file://{f}", 3, ("is a directory",)),
    "missing, with a colon": Bad(named("S1_T05:33.tif"), 3, ("S1_T05:33.tif does not exist",)),
    "zip URL of no archive": Bad(named("zip://a.zip!a.tif"), 3, ("a.zip does not exist",)),
    "zip URL without a file": Bad(
        lambda f: f"zip://{Path(str(product(packed=True)(f))).name}", 3, ("names no file", "zip://S1A_X.zip!")
    ),
    "zip URL elsewhere": Bad(
        named("zip+https://127.0.0.1:9/a.zip!a.tif"), 3, ("not a file on this machine",)
    ),
    "HDF5 elsewhere": Bad(named('HDF5:"https://127.0.0.1:9/a.h5"://x'), 3, ("not a file on this machine",)),
    "HDF5 elsewhere, no quotes": Bad(named("HDF5:https://127.0.0.1:9/a.h5://x"), 3, ("on this machine",)),
    "HDF5 that is missing": Bad(named("HDF5:a.h5://x"), 3, ("a.h5 does not exist",)),
    "page of a missing TIFF": Bad(named("GTIFF_DIR:2:a.tif"), 3, ("a.tif does not exist",)),
    "page that is missing": Bad(lambda f: f"GTIFF_DIR:9:{same_file(f)}", 3, ("cannot be read", "by itself")),
    "Windows path": Bad(named("C:\\data\\a.tif"), 3, ("does not exist",)),
    "vsicurl": Bad(named("/vsicurl/http://127.0.0.1:9/a.tif"), 3, ("not a file on this machine", "Download")),
    "S3": Bad(named("/vsis3/bucket/a.tif"), 3, ("not a file on this machine", "Download")),
    "web map service": Bad(named("WMS:http://127.0.0.1:9/"), 3, ("not a file on this machine",)),
    "inline VRT": Bad(named(vrt("a.tif")), 3, ("does not exist",)),
    "folder": Bad(lambda f: f, 3, ("is a directory", "measurement/*.tiff")),
    "SAFE folder": Bad(product(packed=False), 3, ("is a directory", "measurement/s1a-iw-grd-vv.tiff")),
    "SAFE folder without rasters": Bad(
        product(packed=False, empty=True), 3, ("directory", "measurement/*.tiff")
    ),
    "SAFE archive": Bad(
        product(packed=True),
        3,
        ("archive", "/vsizip/", "S1A_X.zip/S1A_X.SAFE/measurement/s1a-iw-grd-vv.tiff"),
    ),
    "archive without rasters": Bad(product(packed=True, empty=True), 3, ("cannot be read as a raster",)),
    "packed by gzip": Bad(
        lambda f: holding("a.tif.gz", gzip.compress(same_file(f).read_bytes()))(f), 3, ("/vsigzip/", "Unpack")
    ),
    "archive of tar": Bad(tarred("a.tar", "w"), 3, ("/a.tar/d/a.tif",)),
    "archive of tar, packed": Bad(tarred("a.tar.gz", "w:gz"), 3, ("/vsitar/", "/a.tar.gz/d/a.tif")),
    "archive of tar, packed, by another name": Bad(tarred("a.bin", "w:gz"), 3, ("tar archive", "unpack it")),
    "packed by bzip2": Bad(holding("a.tif.bz2", bz2.compress(b"a")), 3, ("bzip2", "unpack it first")),
    "header of BEAM-DIMAP": Bad(dimap("p.dim"), 3, ("BEAM-DIMAP", "/p.data/Sigma0_VV.img")),
    "folder of BEAM-DIMAP": Bad(dimap("p.data"), 3, ("is a directory", "/p.data/Sigma0_VV.img")),
    "raster of BEAM-DIMAP without its header": Bad(
        dimap("p.data/Sigma0_VV.img"), 3, ("Sigma0_VV.hdr is missing",)
    ),
    "Zarr store without arrays": Bad(empty_zarr, 3, ("Zarr version 2", 's.zarr":/VV')),
    "file of this codec": Bad(
        holding("a.sarc", b"\x89SARC\r\n\x1a rest"), 3, ("is a .sarc file already: decode or extract it",)
    ),
    # content
    "empty file": Bad(holding("a.tif", ""), 3, ("is empty",)),
    "one byte": Bad(holding("a.tif", "I"), 3, ("cannot be read as a raster",)),
    "text file": Bad(holding("a.tif", "no raster\n" * 99), 3, ("cannot be read as a raster", "complete")),
    "TIFF's magic alone": Bad(holding("a.tif", b"II*\0"), 3, ("cannot be read as a raster",)),
    "TIFF cut within its head": Bad(cut(0.0001), 3, ("cannot be read",)),
    "TIFF cut at a quarter": Bad(cut(0.25), 3, ("cannot be read", "truncated")),
    "TIFF cut at half": Bad(cut(0.5, compress="deflate"), 3, ("cannot be read", "truncated")),
    "tiled TIFF cut near its end": Bad(
        cut(0.99, tiled=True, blockxsize=64, blockysize=64), 3, ("truncated",)
    ),
    "TIFF with damaged blocks": Bad(with_damaged_blocks, 3, ("band 1, rows", "damaged")),
    "TIFF of no columns": Bad(tagged(256, 0), 3, ("cannot be read",)),
    "TIFF of 4 billion columns": Bad(tagged(256, 2**32 - 1), 3, ("TileOffsets", "damaged")),
    "TIFF of 2 million columns": Bad(tagged(256, 2**21), 3, ("cannot be read",)),
    "TIFF of unknown bit depth": Bad(tagged(258, 77), 3, ("cannot be read",)),
    "TIFF of unknown compression": Bad(tagged(259, 4711), 3, ("cannot be read",)),
    "TIFF with blocks of no width": Bad(tagged(322, 0), 3, ("cannot be read",)),
    "TIFF with blocks of 1 billion columns": Bad(tagged(322, 2**30), 3, ("cannot be read",)),
    "TIFF with blocks of another size": Bad(tagged(323, 16), 3, ("TileOffsets", "damaged")),
    "TIFF of 65535 bands": Bad(tagged(277, 65535), 7, ("bands is 65535",)),
    # VRT
    "VRT of nothing": Bad(holding("a.vrt", vrt("nowhere.tif")), 3, ("nowhere.tif", "no file")),
    "VRT of a text file": Bad(holding("a.vrt", vrt("a.vrt.txt")), 3, ("no file",)),
    "VRT that holds itself": Bad(holding("a.vrt", vrt("a.vrt")), 3, ("refers to itself",)),
    "VRTs that hold each other": Bad(chained, 3, ("refers to itself",)),
    "VRT of a URL": Bad(
        holding("a.vrt", vrt("http://127.0.0.1:9/a.tif", relative=0)), 3, ("refers to http", "Download")
    ),
    "VRT of an escaped URL": Bad(
        holding("a.vrt", vrt("&#x2f;vsicurl/http:&#47;/127.0.0.1:9/a.tif", relative=0)),
        3,
        ("/vsicurl/", "Download"),
    ),
    "VRT of an archive": Bad(holding("a.vrt", vrt("/vsizip/a.zip/a.tif", relative=0)), 3, ("no file",)),
    "VRT with a function in Python": Bad(
        holding(
            "a.vrt",
            vrt("s.tif", band='subClass="VRTDerivedRasterBand"').replace("<SimpleSource>", PYTHON),
        ),
        3,
        ("Python", "not run"),
    ),
    "VRT too large": Bad(
        holding("a.vrt", vrt("s.tif", size=(2**31 - 1, 2**31 - 1))), 7, ("width is 2147483647",)
    ),
    "VRT of too many pixels": Bad(
        holding("a.vrt", vrt("s.tif", size=(2**20, 2**20))),
        7,
        ("pixels per band is 1099511627776", "--limit pixels"),
    ),
    "VRT that ends early": Bad(holding("a.vrt", vrt("s.tif")[:-40]), 3, ("cannot be read as a raster",)),
    # output
    "output is the input": Bad(same_file, 2, ("is the input itself",), output="a.tif"),
    "output is the input by a link": Bad(
        itself_through_a_link, 2, ("is the input itself",), output="link.sarc"
    ),
    "output is GDAL's standard output": Bad(same_file, 2, ("/vsistdout/", "-o -"), output="/vsistdout/"),
    "output in GDAL's memory": Bad(same_file, 2, ("/vsimem/a.sarc",), output="/vsimem/a.sarc"),
    "output is elsewhere": Bad(same_file, 2, ("s3://b/a.sarc",), output="s3://b/a.sarc"),
    "output without a name": Bad(same_file, 2, ("empty",), output=""),
    "output by the name of a TIFF": Bad(same_file, 2, (".sarc file by another name",), output="b.TIF"),
    "output by the name of an image": Bad(same_file, 2, (".sarc file by another name",), output="b.jp2"),
    "output is the file of the page": Bad(
        lambda f: f"GTIFF_DIR:1:{same_file(f)}", 2, ("is the input itself",), output="a.tif"
    ),
    "output is the input by its URL": Bad(
        lambda f: f"file://{same_file(f)}", 2, ("is the input itself",), output="a.tif"
    ),
    "output in a folder that is missing": Bad(same_file, 9, ("no folder", "Create"), output="no/"),
    "output in a missing folder": Bad(same_file, 9, ("no folder",), output="no/out.sarc"),
    "output in a file": Bad(same_file, 9, ("a.tif",), output="a.tif/out.sarc"),
    "output in a folder that takes no files": Bad(
        same_file, 9, ("could not be written",), output="/proc/self/out.sarc"
    ),
    "output is a device": Bad(same_file, 9, ("not a regular file",), output="/dev/full"),
    "output of 300 characters": Bad(same_file, 9, ("too long",), output="x" * 300),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_a_bad_input_is_one_clear_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, case: Bad
) -> None:
    monkeypatch.chdir(tmp_path)
    source = case.make(tmp_path)
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    code = encode(source, case.output, "-f")
    out, err = capsys.readouterr()
    message, hint, *more = err.splitlines()
    assert (code, out, more) == (case.code, "", [])
    assert message.startswith("sarcodec: error: ") and len(message) < 1500
    assert hint.startswith("  ") and len(hint) > 12
    for part in case.said:
        assert part in err
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("compress", ["none", "deflate"])
def test_a_tiff_cut_anywhere_is_refused_or_whole(tmp_path: Path, compress: str) -> None:
    data = tiff(tmp_path / "a.tif", SCENE, compress=compress, blockysize=4).read_bytes()
    refused = 0
    for length in [*range(0, len(data), 13), len(data) - 1]:
        (tmp_path / "a.tif").write_bytes(data[:length])
        try:
            with RasterSource(tmp_path / "a.tif") as source:
                pixels = source.read(0, Window(0, 0, 40, 30))
        except InputError:
            refused += 1
        else:
            np.testing.assert_array_equal(pixels, SCENE)
    assert refused > len(data) // 13 - 5


# --- arrays


@pytest.mark.parametrize(
    ("array", "options", "error"),
    [
        (np.zeros((0, 0), "uint16"), {}, InputError),
        (np.zeros((0, 5), "uint16"), {}, InputError),
        (np.zeros((0, 5, 5), "uint16"), {}, InputError),
        (np.zeros((2, 3, 4, 5), "uint16"), {}, InputError),
        (np.zeros(7, "uint16"), {}, InputError),
        (np.float32(1), {}, InputError),
        (FLOATS.astype("complex64"), {}, InputError),
        (FLOATS.astype("float16"), {}, InputError),
        (SCENE.astype("int64"), {}, InputError),
        (SCENE > 300, {}, InputError),
        (np.array([["a", "b"]]), {}, InputError),
        (np.array([[None, 1]]), {}, InputError),
        (np.ones((65, 4, 4), "uint8"), {}, LimitError),
        (np.broadcast_to(np.uint8(1), (1, 2**21)), {}, LimitError),
        (SCENE, {"nodata": "x"}, UsageError),
        (SCENE, {"scale": "loud"}, UsageError),
    ],
    ids=lambda value: f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray | np.generic) else None,
)
def test_arrays_that_are_no_rasters_are_refused(
    array: Any, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        sarcodec.encode_array(array, model=TOY, jobs=1, **options)
    assert isinstance(caught.value, error)


def test_files_and_arrays_are_coded_in_the_same_types(tmp_path: Path) -> None:
    for name in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"):
        values = (SCENE % 100 + 1).astype(name)
        path = tiff(tmp_path / f"{name}.tif", values)
        scale = usual_scale(name)
        assert encode(path, tmp_path / f"{name}.sarc", "--scale", scale) == 0
        with sarcodec.open(tmp_path / f"{name}.sarc", model=TOY) as coded:
            data = sarcodec.encode_array(values, scale=scale, model=TOY)
            decoded = sarcodec.decode_array(data, model=TOY)
            assert decoded.dtype == name
            np.testing.assert_array_equal(coded.read(), decoded)


# --- limits


@pytest.mark.parametrize(
    ("limits", "shape", "said"),
    [
        (Limits(pixels=1199), (30, 40), "pixels per band is 1200, above the limit of 1199"),
        (Limits(side=39), (30, 40), "width is 40, above the limit of 39"),
        (Limits(side=39), (40, 30), "height is 40, above the limit of 39"),
        (Limits(bands=2), (3, 30, 40), "bands is 3, above the limit of 2"),
        (Limits(memory=2000), (30, 40), "block in bytes is"),
    ],
)
def test_a_raster_above_a_limit_is_refused_when_opened(
    tmp_path: Path, limits: Limits, shape: tuple[int, ...], said: str
) -> None:
    path = tiff(tmp_path / "a.tif", np.ones(shape, "uint16"))
    with pytest.raises(LimitError, match=said) as caught:
        RasterSource(path, limits=limits)
    assert "--limit" in caught.value.hint
    RasterSource(path).close()


def test_a_limit_is_raised_by_the_user_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tiff(tmp_path / "a.tif", np.ones((65, 4, 4), "uint8"))
    assert encode(path, tmp_path / "a.sarc") == 7
    assert encode(path, tmp_path / "a.sarc", "--limit", "bands=65") == 0
