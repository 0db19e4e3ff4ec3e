"""An open file told as rasterio tells it: attributes, bands, masks, shapes, files and bytes."""

from __future__ import annotations

import inspect
import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from rasterio.transform import Affine
from rasterio.windows import Window as GdalWindow

import sarcodec
from conftest import TOY
from sarcodec.errors import FormatError, InputError, UsageError
from testing.files import ROTATED, UTM, control_points, tiff
from testing.scenes import dn

pytestmark = [
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
    pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning"),  # rasterio's own
]

Array = npt.NDArray[Any]
SCENE = np.stack([dn((30, 40), 1), dn((30, 40), 2), dn((30, 40), 3)])
SCENE[:, :8, :6] = 0


def described(dataset: Any) -> None:
    dataset.update_tags(PRODUCT="GRD")
    dataset.update_tags(ns="S1", orbit="44")
    dataset.update_tags(2, POLARISATION="VH")
    dataset.descriptions = ("VV", "VH", "ratio")
    dataset.units = ("1", "1", "")
    dataset.scales, dataset.offsets = (0.5, 1, 1), (0, 2, 0)


PLACES: dict[str, dict[str, Any]] = {
    "north up": UTM,
    "rotated": ROTATED,
    "south up": {"crs": "EPSG:32633", "transform": Affine(10, 0, 5e5, 0, 20, 5e6)},
    "nowhere": {},
}


ATTRIBUTES = (
    *("width", "height", "count", "shape", "indexes", "dtypes", "nodata", "nodatavals"),
    *("crs", "transform", "bounds", "res", "descriptions", "units", "scales", "offsets"),
)


def files(folder: Path, setup: Any = described, **profile: Any) -> tuple[Path, Path]:
    """A GeoTIFF and its coded form."""
    tiff(folder / "a.tif", SCENE, setup, nodata=0, **profile)
    sarcodec.encode(folder / "a.tif", folder / "a.sarc", quality=30, scale="dn", model=TOY, jobs=1)
    return folder / "a.tif", folder / "a.sarc"


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return files(tmp_path_factory.mktemp("coded"), **UTM)[1]


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
def test_attributes_are_those_that_rasterio_tells_of_the_source(
    tmp_path: Path, place: dict[str, Any]
) -> None:
    source, path = files(tmp_path, **place)
    with rasterio.open(source) as theirs, sarcodec.open(path, model=TOY) as ours:
        for name in ATTRIBUTES:
            assert getattr(ours, name) == getattr(theirs, name), name
        for band in range(4):
            assert ours.tags(band) == theirs.tags(band)
        assert ours.tags(ns="S1") == {"orbit": "44"}
        assert ours.tags(ns="none such") == {}
        assert ours.tag_namespaces() == ["S1"]
        assert ours.name == str(path)


def test_a_raster_placed_by_control_points_has_no_crs_of_its_own(tmp_path: Path) -> None:
    with sarcodec.open(files(tmp_path, control_points)[1], model=TOY) as scene:
        assert (scene.crs, scene.transform) == (None, Affine.identity())


def test_the_text_of_a_dataset_says_what_it_is(coded: Path) -> None:
    scene = sarcodec.open(coded, model=TOY)
    assert repr(scene) == (
        f"<open SarcDataset {str(coded)!r}: 40 x 30, 3 bands of uint16, nodata 0, EPSG:32633>"
    )
    scene.close()
    assert repr(scene).startswith("<closed SarcDataset ")


def test_bands_are_read_in_the_order_asked_for(coded: Path) -> None:
    with sarcodec.open(coded, model=TOY) as scene:
        every = scene.read()
        for wanted in ([1, 2], (3, 1), [2, 2, 1], range(1, 3), np.array([3]), [np.int64(2)]):
            found = scene.read(wanted)  # type: ignore[arg-type]
            assert np.array_equal(found, every[[int(number) - 1 for number in wanted]])
        assert np.array_equal(scene.read(2.0), every[1])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("band", "said", "hint"),
    [
        ("VH", "band 'VH' is not the number of a band", "VH is band 2"),
        ("HH", "band 'HH' is not the number of a band", "1 to 3"),
        ([1, 4], "band 4 is not one of 1..3", "counted from 1"),
        ([], "no band is asked for", "leave band out"),
        (0, "band 0 is not one of 1..3", "counted from 1"),
        (1.5, "band=1.5 is not a whole number", "whole number"),
        ([[1]], "band=[1] is not a number", "number"),
        (True, "band=True is not a number", "number"),
    ],
)
def test_other_bands_are_refused(coded: Path, band: Any, said: str, hint: str) -> None:
    with sarcodec.open(coded, model=TOY) as scene, pytest.raises(UsageError) as caught:
        scene.read(band)
    assert said in caught.value.message
    assert hint in caught.value.hint


def test_masked_reads_mask_nodata(coded: Path) -> None:
    with sarcodec.open(coded, model=TOY) as scene:
        found: Any = scene.read(1, masked=True)
        assert isinstance(found, np.ma.MaskedArray)
        assert np.array_equal(found.mask, SCENE[0] == 0)
        assert found.fill_value == 0
        assert np.array_equal(found.data, scene.read(1))
        assert scene.read(masked=True).shape == (3, 30, 40)


@pytest.mark.parametrize(
    ("dtype", "nodata", "mask"),
    [("float32", np.nan, True), ("float32", None, False), ("uint16", -9999, False), ("uint16", 0, True)],
)
def test_masked_reads_follow_the_declared_nodata_value(dtype: str, nodata: float | None, mask: bool) -> None:
    pixels = dn((20, 20)).astype(dtype)
    pixels[:4] = np.nan if dtype == "float32" else 0
    data = sarcodec.encode_array(pixels, nodata=nodata, scale="dn", model=TOY, jobs=1)
    with sarcodec.open(data, model=TOY) as scene:
        found: Any = scene.read(1, masked=True)
    assert found.mask[:4].all() == mask
    assert not found.mask[4:].any()


def test_masked_reads_come_back_as_they_are(coded: Path) -> None:
    """What a masked read gives may be encoded again: the mask stays where it is."""
    with sarcodec.open(coded, model=TOY) as scene:
        masked = scene.read(masked=True)
        again = sarcodec.encode_array(masked, meta=scene.meta, scale="dn", model=TOY, jobs=1)
    with sarcodec.open(again, model=TOY) as scene:
        mask: Any = scene.read(masked=True)
        assert np.array_equal(mask.mask, SCENE == 0)


def test_windows_of_rasterio_and_of_floats_that_are_whole_are_taken(coded: Path) -> None:
    with sarcodec.open(coded, model=TOY) as scene:
        crop = scene.read(1)[4:24, 8:40]
        windows: list[Any] = [
            (8, 4, 32, 20),
            [8.0, 4, np.float32(32), np.uint8(20)],
            np.array([8, 4, 32, 20]),
            GdalWindow(8, 4, 32, 20),
            GdalWindow(8.0, 4.0, 32.0, 20.0),
            sarcodec.Window(8, 4, 32, 20),
        ]
        for window in windows:
            assert np.array_equal(scene.read(1, window=window), crop)
        wrong: list[Any] = [(8.5, 4, 2, 2), (1, 2, 3), "8,4,32,20", ("8", "4", "2", "2"), 5, ((0, 2), (0, 2))]
        for window in wrong:
            with pytest.raises(UsageError, match="not four whole numbers"):
                scene.read(1, window=window)
        with pytest.raises(UsageError, match="not four whole numbers"):
            scene.read(1, window=GdalWindow(0.5, 0, 2, 2))


def test_a_shape_asks_for_the_reduction_that_gives_it(coded: Path) -> None:
    with sarcodec.open(coded, model=TOY) as scene:
        for factor, shape in ((1, (30, 40)), (2, (15, 20)), (4, (8, 10)), (8, (4, 5))):
            assert np.array_equal(scene.read(1, out_shape=shape), scene.read(1, reduce=factor))
        assert scene.read(out_shape=(3, 15, 20)).shape == (3, 15, 20)
        assert np.array_equal(scene.read(1, reduce=2.0), scene.read(1, reduce=2))  # type: ignore[arg-type]
        wrong: list[Any] = [(14, 20), (2, 15, 20), 15, "a", (15,), (15.5, 20), None]
        for shape in wrong[:-1]:
            with pytest.raises(UsageError, match="out_shape"):
                scene.read(out_shape=shape)
        with pytest.raises(UsageError, match="reduce and out_shape"):
            scene.read(out_shape=(15, 20), reduce=2)
        with pytest.raises(UsageError, match="reduced by 3"):
            scene.read(reduce=3)


def test_bytes_and_open_files_are_opened_and_files_stay_open(coded: Path) -> None:
    data = coded.read_bytes()
    with sarcodec.open(coded, model=TOY) as scene:
        expected = scene.read()
    with coded.open("rb") as file:
        file.seek(7)
        forms: list[Any] = [data, bytearray(data), memoryview(data), io.BytesIO(data), file]
        for form in forms:
            with sarcodec.open(form, model=TOY) as scene:
                assert np.array_equal(scene.read(), expected)
            assert not getattr(form, "closed", False)
        assert file.read(0) == b""


def test_other_files_are_refused(coded: Path, tmp_path: Path) -> None:
    closed = io.BytesIO(b"")
    closed.close()
    with coded.open(encoding="latin-1") as text:
        wrong: list[Any] = [text, closed, io.StringIO(""), 5, None, ["a"]]
        for form in wrong:
            with pytest.raises(UsageError):
                sarcodec.open(form, model=TOY)
    with pytest.raises(FormatError):
        sarcodec.open(b"nothing", model=TOY)
    with pytest.raises(InputError):
        sarcodec.open(tmp_path / "none.sarc", model=TOY)


def test_options_are_the_same_wherever_a_file_is_opened() -> None:
    names = {
        function: set(inspect.signature(function).parameters)
        for function in (sarcodec.open, sarcodec.SarcDataset, sarcodec.decode)
    }
    assert names[sarcodec.open] - {"path"} == names[sarcodec.SarcDataset] - {"file", "name"}
    assert names[sarcodec.open] - {"path"} <= names[sarcodec.decode]
