"""Odd rasters through the command line: each comes back with its shape, type, metadata and invalid pixels."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from sarcodec.model.modelfile import Model
from sarcodec.types import Scale
from testing.files import (
    ROTATED,
    RPCS,
    UTM,
    Array,
    Setup,
    assert_pixels_come_back,
    control_points,
    decode,
    encode,
    tiff,
    vrt,
)
from testing.scenes import dn, power
from testing.told import told_by_rasterio

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SCENE = dn((30, 40))
FLOATS = power((30, 40)).astype(np.float32)
CHECKS = np.indices((30, 40)).sum(0) % 2
NAN, INF = float("nan"), float("inf")
POWER = Scale.POWER


def single(value: float, dtype: str, shape: tuple[int, int] = (30, 40)) -> Array:
    return np.full(shape, value, dtype)


def wide(dtype: str, low: float, high: float) -> Array:
    return np.logspace(low, high, 1200).reshape(30, 40).astype(dtype)


def with_pixels(values: Array, at: dict[tuple[int, int], float]) -> Array:
    out = values.copy()
    for place, value in at.items():
        out[place] = value
    return out


@pytest.fixture(autouse=True)
def _toy_loaded_once(monkeypatch: pytest.MonkeyPatch, toy: Model) -> None:
    monkeypatch.setattr("sarcodec.model.modelfile.load", lambda path, device: toy)


@dataclass(frozen=True)
class Odd:
    values: Array
    scale: Scale = Scale.DN
    profile: dict[str, Any] = field(default_factory=dict)
    setup: Setup | None = None


RASTERS: dict[str, Odd] = {
    "one pixel": Odd(single(7, "uint16", (1, 1))),
    "one row": Odd(dn((1, 300))),
    "one column": Odd(dn((300, 1))),
    "65535 columns of one pixel": Odd(dn((1, 65535))),
    "65535 rows of one pixel": Odd(dn((65535, 1))),
    "all nodata": Odd(single(0, "uint16"), profile={"nodata": 0}),
    "all nodata that looks like data": Odd(single(500, "uint16"), profile={"nodata": 500}),
    "all zero without nodata": Odd(single(0, "uint16")),
    "all NaN": Odd(single(NAN, "float32"), POWER),
    "all NaN declared": Odd(single(NAN, "float64"), POWER, {"nodata": NAN}),
    "all +Inf": Odd(single(INF, "float32"), POWER),
    "NaN, +Inf and -Inf among data": Odd(
        with_pixels(FLOATS, {(0, 0): NAN, (5, 5): INF, (6, 6): -INF, (7, 7): -0.0}), POWER
    ),
    "-9999 declared": Odd(with_pixels(FLOATS, {(0, 0): -9999, (29, 39): -9999}), POWER, {"nodata": -9999}),
    "decibels with undeclared sentinel": Odd(
        with_pixels(10 * np.log10(FLOATS) - 9, {(3, 3): -32768}), Scale.DB
    ),
    "a few negative values": Odd(with_pixels(FLOATS, {(0, n): -n / 8 for n in range(1, 9)}), POWER),
    "constant": Odd(single(123, "uint16")),
    "constant float": Odd(single(0.037, "float32"), POWER),
    "checkerboard of two values": Odd((CHECKS * 60000 + 5).astype("uint16")),
    "checkerboard of data and nodata": Odd((CHECKS * 900).astype("uint16"), profile={"nodata": 0}),
    "one valid pixel": Odd(with_pixels(single(0, "uint16"), {(11, 13): 400}), profile={"nodata": 0}),
    "one valid pixel in NaN": Odd(with_pixels(single(NAN, "float32"), {(11, 13): 0.25}), POWER),
    "float32 from 1e-30 to 1e30": Odd(wide("float32", -30, 30), POWER),
    "float64 from 1e-300 to 1e300": Odd(wide("float64", -300, 300), POWER),
    "float64 from 1e-30 to 1e30": Odd(wide("float64", -30, 30), POWER),
    "denormals in float32": Odd(wide("float32", -44, -39), POWER),
    "denormals in float64": Odd(wide("float64", -320, -309), POWER),
    "largest float32": Odd(single(float(np.finfo("float32").max), "float32"), POWER),
    "uint16 saturated": Odd(single(65535, "uint16")),
    "uint8": Odd((SCENE // 8 % 255 + 1).astype("uint8")),
    "int8": Odd((SCENE % 127 + 1).astype("int8")),
    "int16": Odd((SCENE % 32767 + 1).astype("int16")),
    "int16 with nodata": Odd(
        with_pixels(SCENE.astype("int16"), {(0, 0): -32768}), profile={"nodata": -32768}
    ),
    "uint32": Odd(SCENE.astype("uint32") * 60000),
    "int32": Odd(SCENE.astype("int32") * 30000),
    "uint32 to the top": Odd(with_pixels(SCENE.astype("uint32"), {(0, 0): 2**32 - 1})),
    "float64": Odd(power((30, 40)), POWER),
    "64 bands": Odd(np.repeat(SCENE[None, :4, :4], 64, axis=0)),
    "RGB": Odd(np.repeat((SCENE[None] % 255 + 1).astype("uint8"), 3, 0), profile={"photometric": "RGB"}),
    "alpha band": Odd(
        np.stack([np.maximum(SCENE, 300), np.where(SCENE > 300, 255, 0).astype("uint16")]),
        setup=lambda d: setattr(d, "colorinterp", [ColorInterp.gray, ColorInterp.alpha]),
    ),
    "rotated transform": Odd(SCENE, profile=ROTATED),
    "GCPs": Odd(SCENE, setup=control_points),
    "RPCs alone": Odd(SCENE, setup=lambda d: d.update_tags(ns="RPC", **RPCS)),
    "no CRS": Odd(SCENE, profile={"transform": UTM["transform"]}),
    "one block for the whole image": Odd(SCENE, profile={"blockysize": 30, "compress": "LZW"}),
    "strips of one row": Odd(SCENE, profile={"blockysize": 1}),
}


@pytest.mark.parametrize("case", RASTERS.values(), ids=RASTERS.keys())
def test_an_odd_raster_comes_back(tmp_path: Path, capsys: pytest.CaptureFixture[str], case: Odd) -> None:
    source = tiff(tmp_path / "a.tif", case.values, case.setup, **case.profile)
    assert encode(source, tmp_path / "a.sarc", "--scale", case.scale.value) == 0
    assert decode(tmp_path / "a.sarc", tmp_path / "b.tif") == 0
    assert_pixels_come_back(source, tmp_path / "b.tif", case.scale)
    assert told_by_rasterio(tmp_path / "b.tif") == told_by_rasterio(source)
    assert capsys.readouterr() == ("", "")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.sarc", "a.tif", "b.tif"]


@pytest.mark.parametrize("case", RASTERS.values(), ids=RASTERS.keys())
def test_an_odd_raster_without_a_scale_is_coded_or_the_scale_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], case: Odd
) -> None:
    source = tiff(tmp_path / "a.tif", case.values, case.setup, **case.profile)
    code, told = encode(source, tmp_path / "a.sarc"), capsys.readouterr().err.splitlines()
    if code:
        message, hint = told
        assert code == 2 and message.startswith("sarcodec: error: band ") and "--scale " in hint
        assert not (tmp_path / "a.sarc").exists()
    else:
        assert all(re.match("sarcodec: warning: bands? ", line) for line in told)
        assert decode(tmp_path / "a.sarc", tmp_path / "b.tif") == 0
        assert_pixels_come_back(source, tmp_path / "b.tif", case.scale)


def test_nan_payloads_come_back_bit_by_bit(tmp_path: Path) -> None:
    values = FLOATS.copy()
    values.view("u4")[0, :3] = 0x7FC00001, 0xFFC00000, 0x7F800001  # quiet with payload, negative, signalling
    tiff(tmp_path / "a.tif", values)
    assert encode(tmp_path / "a.tif", tmp_path / "a.sarc", "--scale", "power") == 0
    assert decode(tmp_path / "a.sarc", tmp_path / "b.tif") == 0
    with rasterio.open(tmp_path / "b.tif") as back:
        assert back.read(1).view("u4")[0, :3].tolist() == [0x7FC00001, 0xFFC00000, 0x7F800001]


# --- where the file lies, and what it is in

NAMES = {
    "a name that is not ASCII": "Zürich 漢字 🛰.tif",
    "a name of 255 characters": "x" * 251 + ".tif",
    "a name that GDAL could take for an archive": "zip:a!b.tif",
    "a name like a query": "a?b=c#d%20e.tif",
    "a name with a line break": "a\nb.tif",
    "a name like an option": "-q.tif",
    "a name with quotes": "a'b\"c.tif",
    "a name in capitals": "A.TIFF",
    "a path of 1500 characters": "/".join(["y" * 200] * 7) + "/a.tif",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_a_file_of_any_name_is_read_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    source, out = tmp_path / "in" / name, tmp_path / "out" / name
    for path in (source, out):
        path.parent.mkdir(parents=True)
    source.write_bytes(tiff(tmp_path / "a.tif", SCENE).read_bytes())
    monkeypatch.chdir(source.parent)
    relative = f"./{source.name}" if name.startswith("-") else source.name
    assert (encode(relative, tmp_path / "a.sarc"), decode(tmp_path / "a.sarc", out)) == (0, 0)
    out.replace(tmp_path / "b.tif")
    assert_pixels_come_back(tmp_path / "a.tif", tmp_path / "b.tif", Scale.DN)


FORMATS = {
    "VRT": ("a.vrt", None),
    "VRT of a VRT": ("b.vrt", None),
    "VRT with an absolute path": ("c.vrt", None),
    "JPEG 2000": ("a.jp2", {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"}),
    "ENVI": ("a.img", {"driver": "ENVI"}),
    "PNG": ("a.png", {"driver": "PNG"}),
}


@pytest.mark.parametrize(("name", "profile"), FORMATS.values(), ids=FORMATS.keys())
def test_rasters_in_other_formats_are_read(tmp_path: Path, name: str, profile: dict[str, Any] | None) -> None:
    (tmp_path / "s").mkdir()
    tiff(tmp_path / "s" / "a.tif", SCENE, **UTM)
    (tmp_path / "a.vrt").write_text(vrt("s/a.tif"))
    (tmp_path / "b.vrt").write_text(vrt("<![CDATA[a.vrt]]>"))
    (tmp_path / "c.vrt").write_text(vrt(str(tmp_path / "s" / "a.tif"), relative=0))
    if profile:
        tiff(tmp_path / name, SCENE, **profile)
    assert (
        encode(tmp_path / name, tmp_path / "a.sarc"),
        decode(tmp_path / "a.sarc", tmp_path / "b.tif"),
    ) == (
        0,
        0,
    )
    assert_pixels_come_back(tmp_path / "s" / "a.tif", tmp_path / "b.tif", Scale.DN)


def test_a_raster_in_an_archive_is_read_by_its_gdal_name(tmp_path: Path) -> None:
    tiff(tmp_path / "a.tif", SCENE)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.tif", "p.SAFE/measurement/a.tiff")
    name = f"/vsizip/{tmp_path}/a.zip/p.SAFE/measurement/a.tiff"
    assert (encode(name, tmp_path / "a.sarc"), decode(tmp_path / "a.sarc", tmp_path / "b.tif")) == (0, 0)
    assert_pixels_come_back(tmp_path / "a.tif", tmp_path / "b.tif", Scale.DN)


def test_links_are_followed_for_input_and_output(tmp_path: Path) -> None:
    tiff(tmp_path / "a.tif", SCENE)
    (tmp_path / "link.tif").symlink_to(tmp_path / "a.tif")
    (tmp_path / "link.sarc").symlink_to(tmp_path / "real.sarc")
    assert encode(tmp_path / "link.tif", tmp_path / "link.sarc") == 0
    assert (tmp_path / "link.sarc").is_symlink()
    assert (tmp_path / "real.sarc").read_bytes()[:1] == b"\x89"
