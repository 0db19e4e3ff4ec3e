"""Odd values for every argument of every public function: a SarcError or success, and nothing is left."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

import sarcodec
from conftest import TOY
from sarcodec.errors import LimitError, SarcError, UsageError
from sarcodec.metadata import BandMeta, Gcp, RasterMeta
from sarcodec.model.modelfile import Model
from testing.files import UTM, tiff
from testing.scenes import dn

SCENE = dn((20, 24))


class Hostile:
    """Whatever is done with it fails."""

    def _fail(self, *_: object) -> Any:
        raise RuntimeError("hostile")

    __repr__ = __str__ = __bool__ = __eq__ = __float__ = __int__ = __index__ = __fspath__ = __array__ = _fail
    __len__ = __iter__ = _fail
    __hash__ = None  # type: ignore[assignment]


ODD: dict[str, Any] = {
    "None": None,
    "True": True,
    "False": False,
    "zero": 0,
    "one": 1,
    "two and a half": 2.5,
    "minus one": -1,
    "nan": float("nan"),
    "infinity": float("inf"),
    "minus infinity": float("-inf"),
    "2**64": 2**64,
    "10**400": 10**400,
    "10**5000": 10**5000,
    "complex": 1j,
    "decimal": Decimal("0.5"),
    "numpy int": np.int16(2),
    "numpy float": np.float32(2),
    "numpy bool": np.True_,
    "numpy masked": np.ma.masked,
    "numpy array": np.array([1, 2]),
    "numpy 2-D": np.ones((4, 5), np.uint16),
    "numpy objects": np.array([None, Hostile], dtype=object),
    "empty text": "",
    "digits": "2",
    "text": "high",
    "text with NUL": "a\0b",
    "half a surrogate": "\ud800",
    "long text": "x" * 5000,
    "long model": "x" * 5000 + ".safetensors",
    "bytes": b"bytes",
    "path": Path("there/is/none.such"),
    "empty list": [],
    "list": [1, 2],
    "list of texts": ["a", "b"],
    "tuple of four": (0, 0, 4, 4),
    "tuple of four texts": ("0", "0", "4", "4"),
    "nested": [[1], [2, 3]],
    "dict": {"a": 1},
    "dict of odd keys": {1: None, None: 2},
    "set": {1},
    "range": range(3),
    "object": object(),
    "class": int,
    "function of none": lambda: None,
    "BytesIO": io.BytesIO(b"x"),
    "StringIO": io.StringIO("x"),
    "hostile": Hostile(),
    "window outside": (10**6, 0, 1, 1),
    "float window": (0.5, 0, 1, 1),
}


@pytest.fixture(autouse=True)
def _toy_loaded_once(monkeypatch: pytest.MonkeyPatch, toy: Model) -> None:
    from sarcodec.model import modelfile

    load = modelfile.load
    monkeypatch.setattr(
        modelfile, "load", lambda path, device: toy if str(path) == TOY else load(path, device)
    )


@pytest.fixture(scope="module")
def coded() -> bytes:
    options: dict[str, Any] = {"radiometry": True, "texture": True}
    return sarcodec.encode_array(SCENE, quality=30, scale="dn", model=TOY, jobs=1, **options)


@pytest.fixture
def folder(tmp_path: Path, coded: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A raster, a coded one, and the current directory; nothing else may be in it afterwards."""
    tiff(tmp_path / "a.tif", SCENE, **UTM)
    (tmp_path / "a.sarc").write_bytes(coded)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.sarc", "a.tif"]


def calls(coded: bytes) -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
    """Public functions, and arguments by name with which they work."""
    quick = {"model": TOY, "jobs": 1}
    dataset = sarcodec.open(coded, model=TOY, jobs=1)
    return {
        "encode": (sarcodec.encode, {"src": "a.tif", "out": "b.sarc", "scale": "dn"} | quick),
        "encode_array": (sarcodec.encode_array, {"array": SCENE, "scale": "dn"} | quick),
        "decode": (sarcodec.decode, {"src": "a.sarc", "out": "b.tif"} | quick),
        "decode_array": (sarcodec.decode_array, {"data": coded} | quick),
        "extract": (sarcodec.extract, {"src": "a.sarc", "out": "b.sarc"}),
        "open": (sarcodec.open, {"path": "a.sarc"} | quick),
        "SarcDataset": (sarcodec.SarcDataset, {"file": io.BytesIO(coded), "name": "x"} | quick),
        "read": (dataset.read, {}),
        "verify": (dataset.verify, {}),
        "check_window": (dataset.check_window, {}),
        "tags": (dataset.tags, {}),
        "tag_namespaces": (dataset.tag_namespaces, {}),
        "Window": (sarcodec.Window, {"col": 0, "row": 0, "width": 1, "height": 1}),
        "Limits": (sarcodec.Limits, {}),
    }


NAMES = (
    "Window",
    "Limits",
    "encode",
    "encode_array",
    "decode",
    "decode_array",
    "extract",
    "open",
    "SarcDataset",
    "read",
    "verify",
    "check_window",
    "tags",
    "tag_namespaces",
)


def outcome(call: Callable[..., Any], given: dict[str, Any]) -> str:
    """What is wrong with how a call ends, "" if nothing is."""
    try:
        made = call(**given)
        if call is sarcodec.open:
            made.close()
    except SarcError as error:
        return "" if error.message else "an empty message"
    except Exception as error:  # noqa: BLE001  (this is what must not be)
        return f"{type(error).__name__} {str(error)[:80]}"
    return ""


@pytest.mark.parametrize("name", NAMES)
def test_an_odd_argument_is_a_sarc_error_or_works(folder: Path, coded: bytes, name: str) -> None:
    call, fine = calls(coded)[name]
    wrong = []
    for argument in inspect.signature(call).parameters:
        for kind, value in ODD.items():
            said = outcome(call, fine | {argument: value})
            if said:
                wrong.append(f"{argument}={kind}: {said}")
            known = {"a.sarc", "a.tif", "b.sarc", "b.tif"}
            if argument == "out" and isinstance(value, str | Path):
                known.add(str(value))
            left = {path.name for path in folder.iterdir()}
            if left - known:
                wrong.append(f"{argument}={kind} leaves {left - known}")
            for other in left - {"a.sarc", "a.tif"}:
                (folder / other).unlink()
    assert wrong == []


MISTAKES: dict[str, tuple[Callable[[Path, bytes], object], type[SarcError], str, str]] = {
    "quality in words": (
        lambda f, c: sarcodec.encode("a.tif", "b.sarc", quality="high"),  # type: ignore[arg-type]
        UsageError, "quality='high' is not a number", "number",
    ),
    "bpp as text": (
        lambda f, c: sarcodec.encode_array(SCENE, bpp="0.2"),  # type: ignore[arg-type]
        UsageError, "bpp='0.2' is not a number", "number",
    ),
    "quality True": (
        lambda f, c: sarcodec.encode_array(SCENE, quality=True), UsageError, "quality=True", "number",
    ),
    "jobs as text": (
        lambda f, c: sarcodec.open("a.sarc", jobs="2"),  # type: ignore[arg-type]
        UsageError, "jobs='2'", "number",
    ),
    "no jobs": (lambda f, c: sarcodec.open("a.sarc", jobs=0), UsageError, "0 threads", "or more"),
    "model a number": (
        lambda f, c: sarcodec.open("a.sarc", model=5),  # type: ignore[arg-type]
        UsageError, "model=5", "text",
    ),
    "model empty": (lambda f, c: sarcodec.open("a.sarc", model=""), UsageError, "model is an empty", "name"),
    "another device": (
        lambda f, c: sarcodec.encode_array(SCENE, device="tpu"), UsageError, "'tpu' is not one of", "",
    ),
    "radiometry in words": (
        lambda f, c: sarcodec.encode_array(SCENE, radiometry="yes"),  # type: ignore[arg-type]
        UsageError, "radiometry='yes'", "number",
    ),
    "overwrite in words": (
        lambda f, c: sarcodec.encode("a.tif", "b.sarc", overwrite="no"),  # type: ignore[arg-type]
        UsageError, "overwrite='no'", "True or False",
    ),
    "progress a class": (
        lambda f, c: sarcodec.encode("a.tif", "b.sarc", progress=int),  # type: ignore[arg-type]
        UsageError, "progress=", "lambda stage, done, total",
    ),
    "a raster for encode": (
        lambda f, c: sarcodec.encode(rasterio.open("a.tif"), "b.sarc"),
        UsageError, "src=", "Give its name, a.tif",
    ),
    "an array for encode": (
        lambda f, c: sarcodec.encode(SCENE, "b.sarc"),  # type: ignore[arg-type]
        UsageError, "src=", "encode_array",
    ),
    "bytes for decode": (
        lambda f, c: sarcodec.decode(c, "b.tif"),  # type: ignore[arg-type]
        UsageError, "src=", "decode_array",
    ),
    "a name for decode_array": (
        lambda f, c: sarcodec.decode_array("a.sarc"),  # type: ignore[arg-type]
        UsageError, "are not bytes", "sarcodec.open",
    ),
    "options as a list": (
        lambda f, c: sarcodec.decode("a.sarc", "b.tif", creation_options=["COMPRESS=LZW"]),  # type: ignore[arg-type]
        UsageError, "creation_options=", "COMPRESS",
    ),
    "a limit that there is not": (
        lambda f, c: sarcodec.open("a.sarc", limits={"band": 5}),
        UsageError, "'band' is no limit", "bands=64",
    ),
    "bands last": (
        lambda f, c: sarcodec.encode_array(np.ones((256, 256, 2), np.uint8)),
        LimitError, "has 256 bands", "moveaxis",
    ),
    "a window of texts": (
        lambda f, c: sarcodec.decode("a.sarc", "b.tif", window="0,0,4,4", model=TOY),  # type: ignore[arg-type]
        UsageError, "not four whole numbers", "col,row,width,height",
    ),
    "a window of two": (
        lambda f, c: sarcodec.decode("a.sarc", "b.tif", window=((0, 4), (0, 4)), model=TOY),  # type: ignore[arg-type]
        UsageError, "not four whole numbers", "col,row,width,height",
    ),
    "meta of another kind": (
        lambda f, c: sarcodec.encode_array(SCENE, meta={"crs": "EPSG:32633"}),  # type: ignore[arg-type]
        UsageError, "meta=", "RasterMeta",
    ),
    "nodata of masked pixels in words": (
        lambda f, c: sarcodec.encode_array(SCENE, nodata="nan"),  # type: ignore[arg-type]
        UsageError, "nodata='nan'", "number",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "said", "hint"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_told_with_a_way_out(
    folder: Path,
    coded: bytes,
    call: Callable[[Path, bytes], object],
    kind: type[SarcError],
    said: str,
    hint: str,
) -> None:
    with pytest.raises(kind) as caught:
        call(folder, coded)
    assert said in caught.value.message
    assert hint in caught.value.hint


def test_an_array_may_be_encoded_with_limits_quantity_and_progress() -> None:
    """What the error about 65 bands says is possible."""
    bands = np.broadcast_to(SCENE[:4, :4], (65, 4, 4))
    with pytest.raises(LimitError, match="65"):
        sarcodec.encode_array(bands, model=TOY)
    stages: set[str] = set()
    data = sarcodec.encode_array(
        bands,
        quality=10,
        scale="dn",
        quantity="Sigma0",
        model=TOY,
        jobs=1,
        limits=sarcodec.Limits(bands=65),
        progress=lambda stage, done, total: stages.add(stage),
    )
    assert stages == {"scan", "code"}
    with sarcodec.open(data, model=TOY, limits={"bands": 65}) as scene:
        assert scene.count == 65
        assert scene.decoder.header.quantity == "sigma0"


@pytest.mark.parametrize("scale", ["dB", "DECIBELS", "Intensity", "linear", "Amplitude", "AUTO", "DN"])
def test_a_scale_may_be_written_as_people_write_it(scale: str) -> None:
    power = (SCENE / 1000.0).astype(np.float32)
    meta = RasterMeta(24, 20, 1, "float32", tags={"": {"SCALE": "power"}})  # what AUTO finds
    data = sarcodec.encode_array(power, scale=scale, meta=meta, model=TOY, jobs=1)
    with sarcodec.open(data, model=TOY) as scene:
        wanted = {"dB": "db", "DECIBELS": "db", "Amplitude": "amplitude", "DN": "dn"}.get(scale, "power")
        assert scene.decoder.header.scale == wanted


@pytest.mark.parametrize(
    "wrong",
    [
        {"crs": 5},
        {"crs": "\ud800"},
        {"transform": (1, 2)},
        {"transform": ("a",) * 6},
        {"tags": 5},
        {"tags": {"": {1: 2}}},
        {"tags": {"": {"a": b"x"}}},
        {"bands": (5,)},
        {"bands": (BandMeta(scale="x"),)},  # type: ignore[arg-type]
        {"gcps": (Gcp("a", 0, 0, 0),)},  # type: ignore[arg-type]
        {"gcps": (1,)},
        {"rpcs": 7},
    ],
    ids=repr,
)
def test_metadata_that_no_file_can_hold_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="meta cannot be stored"):
        sarcodec.encode_array(SCENE, meta=RasterMeta(24, 20, 1, "uint16", **wrong), model=TOY)


def test_metadata_check_their_nodata_value_and_bands() -> None:
    for wrong in ({"nodata": "x"}, {"nodata": 10**400}, {"bands": (BandMeta(),) * 2}):
        with pytest.raises(UsageError):
            RasterMeta(24, 20, 1, "uint16", **wrong)


def test_numbers_of_numpy_are_as_good_as_any(folder: Path, coded: bytes) -> None:
    report = sarcodec.encode("a.tif", "b.sarc", quality=np.float32(30), jobs=np.int64(1), model=Path(TOY))  # type: ignore[arg-type]
    assert report.bytes == (folder / "b.sarc").stat().st_size
    (folder / "b.sarc").unlink()
    with sarcodec.open("a.sarc", model=TOY, targets=np.False_) as scene:  # type: ignore[arg-type]
        assert scene.read(np.uint8(1), reduce=np.float64(2)).shape == (10, 12)  # type: ignore[arg-type]
