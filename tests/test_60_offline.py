"""Encoding asks no other machine for anything, whatever a raster or its name says; GDAL's memory is bound."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import rasterio
from rasterio.env import get_gdal_config

from sarcodec.io import gdal
from sarcodec.types import Scale
from testing.files import assert_pixels_come_back, decode, encode, tiff, vrt
from testing.scenes import dn

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SCENE = dn((30, 40))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """Address of a local web server, and what it was asked for. Environment variables point all to it."""
    requests: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            requests.append(self.rfile.readline(2000).decode(errors="replace"))
            self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        host = f"127.0.0.1:{server.server_address[1]}"
        for name, value in {
            "NO_PROXY": "*",
            "AWS_S3_ENDPOINT": host,
            "AWS_HTTPS": "NO",
            "AWS_VIRTUAL_HOSTING": "FALSE",
            "AWS_NO_SIGN_REQUEST": "YES",
            "CPL_GS_ENDPOINT": f"http://{host}/",
            "GS_NO_SIGN_REQUEST": "YES",
            "AZURE_STORAGE_CONNECTION_STRING": (
                f"DefaultEndpointsProtocol=http;AccountName=a;AccountKey=YQ==;BlobEndpoint=http://{host}/"
            ),
        }.items():
            monkeypatch.setenv(name, value)
        yield f"http://{host}", requests
        server.shutdown()


WMS = (
    '<GDAL_WMS><Service name="TMS"><ServerUrl>{}/${{z}}/${{x}}/${{y}}.png</ServerUrl></Service><DataWindow>'
    "<UpperLeftX>-2e7</UpperLeftX><UpperLeftY>2e7</UpperLeftY><LowerRightX>2e7</LowerRightX>"
    "<LowerRightY>-2e7</LowerRightY><TileLevel>1</TileLevel><YOrigin>top</YOrigin></DataWindow>"
    "<Projection>EPSG:3857</Projection><BlockSizeX>256</BlockSizeX><BlockSizeY>256</BlockSizeY>"
    "<BandsCount>1</BandsCount></GDAL_WMS>"
)
ADDRESSES = (
    "{}/a.tif",
    "/vsicurl/{}/a.tif",
    "/vsicurl?url={}/a.tif",
    "/vsicurl_streaming/{}/a.tif",
    "/vsizip//vsicurl/{}/a.zip/a.tif",
    "/vsisubfile/0_100,/vsicurl/{}/a.tif",
    "/vsicached?file=/vsicurl/{}/a.tif",
    "/vsis3/b/a.tif",
    "/vsis3_streaming/b/a.tif",
    "/vsigs/b/a.tif",
    "/vsiaz/b/a.tif",
    "/vsiwebhdfs/{}/a",
    "WMS:{}/?SERVICE=WMS&VERSION=1.1.1&REQUEST=GetMap&LAYERS=a",
    "WMTS:{}/wmts",
    "WCS:{}/wcs?coverage=a",
    "DAAS:{}/",
    'NETCDF:"{}/a.nc":x',
    'STACIT:"{}/a"',
    "vrt://{}/a.tif",
    "DERIVED_SUBDATASET:AMPLITUDE:/vsicurl/{}/a.tif",
    'ZARR:"/vsicurl/{}/a"',
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_nothing_is_fetched_whatever_names_it(
    tmp_path: Path, asked: tuple[str, list[str]], address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server, requests = asked
    name = address.format(server)
    escaped = name.replace("&", "&amp;").replace('"', "&quot;")
    (tmp_path / "a.vrt").write_text(vrt(escaped, relative=0))
    (tmp_path / "b.vrt").write_text(vrt("a.vrt"))
    inline = vrt(escaped, relative=0).replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    (tmp_path / "c.vrt").write_text(vrt(inline, relative=0))
    for source in (name, tmp_path / "a.vrt", tmp_path / "b.vrt", tmp_path / "c.vrt"):
        assert encode(source, tmp_path / "out.sarc") == 3
    assert requests == []


def test_files_that_point_to_an_address_are_not_followed(
    tmp_path: Path, asked: tuple[str, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    server, requests = asked
    (tmp_path / "wms.xml").write_text(WMS.format(server))
    (tmp_path / "wms.vrt").write_text(vrt("wms.xml"))
    (tmp_path / "stac.json").write_text(
        '{"stac_version":"1.0.0","type":"Feature","stac_extensions":["tiled-assets"],"asset_templates":'
        f'{{"a":{{"href":"{server}/{{TileMatrix}}.tif"}}}},"properties":{{}}}}'
    )
    (tmp_path / "index.gti").write_text(
        f"<GDALTileIndexDataset><IndexDataset>/vsicurl/{server}/i.gpkg</IndexDataset></GDALTileIndexDataset>"
    )
    (tmp_path / "cache.mrf").write_text(
        f"<MRF_META><CachedSource><Source>/vsicurl/{server}/a.tif</Source></CachedSource>"
        '<Raster><Size x="40" y="30" c="1"/></Raster></MRF_META>'
    )
    for name in ("wms.xml", "wms.vrt", "stac.json", "index.gti", "cache.mrf"):
        assert encode(tmp_path / name, tmp_path / "out.sarc") == 3
    # A side file may name an overview, which is not needed: the raster is coded without it.
    tiff(tmp_path / "a.tif", SCENE)
    (tmp_path / "a.tif.aux.xml").write_text(
        f'<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">/vsicurl/{server}/a.ovr</MDI>'
        "</Metadata></PAMDataset>"
    )
    assert encode(tmp_path / "a.tif", tmp_path / "out.sarc") == 0
    assert decode(tmp_path / "out.sarc", tmp_path / "b.tif") == 0
    assert_pixels_come_back(tmp_path / "a.tif", tmp_path / "b.tif", Scale.DN)
    assert requests == []


@pytest.mark.parametrize("address", [a for a in ADDRESSES if not a.startswith("NETCDF")])
def test_gdal_itself_fetches_nothing_even_where_a_name_slips_through(
    tmp_path: Path, asked: tuple[str, list[str]], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, requests = asked
    monkeypatch.delenv("NO_PROXY")
    (tmp_path / "a.vrt").write_text(
        vrt(address.format(server).replace("&", "&amp;").replace('"', "&quot;"), relative=0)
    )
    with (
        pytest.raises(gdal.GdalErrors),
        gdal.reading(),
        gdal.open_raster(str(tmp_path / "a.vrt"), vrt=True) as src,
    ):
        src.read()
    assert requests == []


def test_the_server_of_these_tests_does_hear_gdal(tmp_path: Path, asked: tuple[str, list[str]]) -> None:
    server, requests = asked
    with pytest.raises(rasterio.errors.RasterioIOError):
        rasterio.open(f"/vsicurl/{server}/a.tif")
    assert requests


# --- memory


def test_gdal_keeps_no_more_blocks_than_agreed(tmp_path: Path) -> None:
    with rasterio.Env():
        before = get_gdal_config("GDAL_CACHEMAX")
    for environment in (gdal.reading, gdal.writing):
        with environment():
            assert get_gdal_config("GDAL_CACHEMAX") == gdal.CACHE_BYTES
        with rasterio.Env(GDAL_CACHEMAX=10**7), environment():
            assert get_gdal_config("GDAL_CACHEMAX") == 10**7
    with rasterio.Env():
        assert get_gdal_config("GDAL_CACHEMAX") == before
