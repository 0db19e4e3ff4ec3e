"""Rasters by other names than a path: URLs of files here, archives, HDF5, netCDF, Zarr, pages of a TIFF."""

from __future__ import annotations

import gzip
import re
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil

import sarcodec
from conftest import TOY
from sarcodec.cli import main
from sarcodec.errors import InputError, UsageError
from sarcodec.io.names import checked
from sarcodec.io.raster import RasterSource
from sarcodec.types import Window
from testing.files import encode, tiff, vrt
from testing.reported import amplitude, ground_db, write
from testing.scenes import dn, power

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SCENE = dn((30, 40))
FLOATS = power((30, 40)).astype(np.float32)
WHOLE = Window(0, 0, 40, 30)


def pixels(name: object) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    with RasterSource(str(name)) as source:
        return source.read(0, WHOLE)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a.tif in the forms in which rasters travel, as the current one."""
    monkeypatch.chdir(tmp_path)
    tiff(tmp_path / "a.tif", SCENE)
    with zipfile.ZipFile("a.zip", "w") as archive:
        archive.write("a.tif", "d/in.tif")
    shutil.copy("a.zip", "a.SAFE_zip")
    Path("a.tif.gz").write_bytes(gzip.compress(Path("a.tif").read_bytes()))
    for name, mode in (("a.tar", "w"), ("a.tar.gz", "w:gz"), ("a.tgz", "w:gz")):
        with tarfile.open(name, mode) as packed:  # type: ignore[call-overload]
            packed.add("a.tif", "./d/in.tif")
    (tmp_path / "p.data").mkdir()
    tiff(tmp_path / "p.data" / "Sigma0_VV.img", SCENE, driver="ENVI")
    (tmp_path / "p.dim").write_text("<Dimap_Document><x>BEAM-DATAMODEL-V1</x></Dimap_Document>")
    return tmp_path


URLS = (
    "file://{here}/a.tif",
    "file:{here}/a.tif",
    "file:a.tif",
    "file://a.tif",
    "zip://a.zip!d/in.tif",
    "zip://{here}/a.zip!/d/in.tif",
    "zip+file://{here}/a.zip!/d/in.tif",
    "zip://a.SAFE_zip!d/in.tif",
    "tar://a.tar!d/in.tif",
    "tar://a.tar.gz!d/in.tif",
    "gzip://a.tif.gz",
    "gzip://{here}/a.tif.gz",
    "GTIFF_DIR:1:a.tif",
)


@pytest.mark.parametrize("url", URLS)
def test_urls_of_rasters_on_this_machine_are_read(here: Path, url: str) -> None:
    before = sorted(path.name for path in here.iterdir())
    name = url.replace("{here}", str(here))
    np.testing.assert_array_equal(pixels(name), SCENE)
    assert encode(name, "out.sarc") == 0
    assert sorted(path.name for path in here.iterdir()) == sorted([*before, "out.sarc"])


@pytest.mark.parametrize(
    "name", ["a.zip", "a.SAFE_zip", "a.tif.gz", "a.tar", "a.tar.gz", "a.tgz", "p.data", "p.dim"]
)
@pytest.mark.parametrize("absolute", [False, True])
def test_a_name_that_a_hint_gives_works(here: Path, name: str, absolute: bool) -> None:
    given = str(here / name) if absolute else name
    with pytest.raises(InputError) as caught:
        RasterSource(given)
    (named,) = re.findall(r"(?:/vsi\S+|\S+\.img)(?=\.$)", caught.value.hint)
    assert "//" not in named.replace("//", "/", 1)
    np.testing.assert_array_equal(pixels(named), SCENE)


def test_a_path_in_a_url_may_be_escaped(here: Path) -> None:
    shutil.copy("a.tif", "S1 05:33.tif")
    np.testing.assert_array_equal(pixels(f"file://{here}/S1%2005%3A33.tif"), SCENE)


def test_the_output_of_a_name_is_not_the_file_that_holds_it(here: Path) -> None:
    before = Path("a.zip").read_bytes()
    for name in ("zip://a.zip!d/in.tif", "/vsizip/a.zip/d/in.tif", f"/vsizip/{here}/a.zip/d/in.tif"):
        with pytest.raises(UsageError, match="is the input itself"):
            sarcodec.encode(name, "a.zip", overwrite=True, model=TOY)
    assert Path("a.zip").read_bytes() == before


# --- rasters within HDF5, netCDF and Zarr


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two rasters in a netCDF 4 file, which is HDF5, and in a Zarr store."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    tiff(tmp_path / "two.tif", np.stack([FLOATS, FLOATS[::-1]]))
    tiff(tmp_path / "one.tif", FLOATS)
    rasterio.shutil.copy("two.tif", "in/a.nc", driver="netCDF", FORMAT="NC4")
    rasterio.shutil.copy("two.tif", "in/S1_T05:33.nc", driver="netCDF", FORMAT="NC4")
    rasterio.shutil.copy("one.tif", "in/s.zarr", driver="Zarr")
    return tmp_path


HELD = (
    "NETCDF:in/a.nc:Band1",
    'NETCDF:"in/a.nc":Band1',
    'netcdf:"{here}/in/a.nc":Band1',
    "NETCDF:{here}/in/a.nc:Band1",
    "NETCDF:in/S1_T05:33.nc:Band1",
    "HDF5:in/a.nc://Band1",
    'HDF5:"in/a.nc"://Band1',
    'HDF5:"{here}/in/a.nc"://Band1',
    "hdf5:{here}/in/a.nc://Band1",
    "HDF5:in/S1_T05:33.nc://Band1",
    "in/s.zarr",
    "ZARR:in/s.zarr",
    'ZARR:"{here}/in/s.zarr"',
)


@pytest.mark.parametrize("name", HELD)
def test_a_raster_within_a_file_is_read_by_its_name(held: Path, name: str) -> None:
    found = pixels(name.replace("{here}", str(held)))
    assert np.array_equal(found, FLOATS) or np.array_equal(found, FLOATS[::-1])  # netCDF may turn it over


@pytest.mark.parametrize("name", ["in/a.nc", "in/S1_T05:33.nc"])
def test_the_names_that_the_hint_for_a_netcdf_file_gives_work(held: Path, name: str) -> None:
    with pytest.raises(InputError, match="no bands of its own") as caught:
        RasterSource(name)
    names = re.findall(r"(?i)netcdf:\S+?(?=,|\.$)", caught.value.hint)
    assert len(names) == 2
    for one in names:
        assert pixels(one).shape == (30, 40)


def test_gdal_gets_an_absolute_path_in_quotes(held: Path) -> None:
    assert checked("hdf5:in/a.nc://g/Band1") == f'HDF5:"{held}/in/a.nc"://g/Band1'
    assert checked('NETCDF:"in/a.nc":/g/x') == f'NETCDF:"{held}/in/a.nc":/g/x'
    assert checked("GTIFF_DIR:off:8:two.tif") == f"GTIFF_DIR:off:8:{held}/two.tif"


ELSEWHERE = (
    'HDF5:"https://x/a.h5"://y',
    "HDF5:https://x/a.h5://y",
    "HDF5:in/a.nc://https://x/y",
    'HDF5:"in/a.nc":///vsicurl/https://x',
    'NETCDF:"in/a.nc":https://x/y',
    'HDF5:"/vsis3/b/a.h5"://y',
    "GTIFF_DIR:1:/vsicurl/https://x/a.tif",
    "zip://https://x/a.zip!a.tif",
    "gzip:///vsicurl/https://x/a.gz",
    'ZARR:"https://x/a"',
    "file:https://x/a.tif",
)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_name_that_leads_elsewhere_is_refused(held: Path, name: str) -> None:
    with pytest.raises(InputError):
        checked(name)


@pytest.mark.parametrize("relative", [0, 1])
def test_a_vrt_may_hold_rasters_of_an_hdf5_file_here(held: Path, relative: int) -> None:
    name = 'HDF5:"in/a.nc"://Band1'.replace("in", str(held / "in"))
    Path("a.vrt").write_text(vrt(name.replace('"', "&quot;"), relative=relative))
    assert encode("a.vrt", "a.sarc") == 0
    for bad in ("HDF5:https://x/a.h5://y", 'HDF5:"https://x/a.h5"://y', "HDF5:in/none.h5://y"):
        Path("b.vrt").write_text(vrt(bad.replace('"', "&quot;"), relative=relative))
        with pytest.raises(InputError, match="refers to"):
            RasterSource("b.vrt")


# --- names with colons


def test_a_file_name_with_a_colon_needs_no_name_for_its_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "S1_20240501T05:33.tif", np.rint(amplitude(ground_db()) * 470).clip(1).astype(np.uint16))
    options = ["--quiet", "--model", TOY, "-f"]
    for name in ("S1_20240501T05:33.tif", f"{tmp_path}/S1_20240501T05:33.tif", "file:S1_20240501T05:33.tif"):
        assert main(["encode", name, *options]) == 0
        coded = tmp_path / "S1_20240501T05:33.sarc"
        assert coded.is_file()
        assert main(["decode", f"file:{coded}", *options]) == 0
        coded.unlink()
    assert [path.name for path in tmp_path.iterdir()] == ["S1_20240501T05:33.tif"]
