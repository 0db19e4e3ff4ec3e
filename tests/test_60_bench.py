"""What a benchmark runs on and what it measures: images, pairs of dates, simulated scenes, points."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from conftest import TOY
from sarcodec.bench import benchmark, inputs, machine, simulated
from sarcodec.bench.codecs.interface import Coded
from sarcodec.bench.codecs.sarc import Sarc
from sarcodec.bench.images import Image, images
from sarcodec.bench.measures import BY_NAME
from sarcodec.bench.original import Original
from sarcodec.bench.results import CodecInfo, Point, Shown
from sarcodec.bench.runner import Run
from sarcodec.errors import InputError, UsageError, VerifyError
from sarcodec.types import Scale

rasterio = pytest.importorskip("rasterio")
Array = npt.NDArray[Any]


def raster(
    path: Path, shape: tuple[int, int] = (64, 96), *, bands: int = 1, seed: int = 0, **options: Any
) -> Path:
    rng = np.random.default_rng(seed)
    values = (-12 + rng.normal(0, 2, (bands, *shape))).astype(np.float32)
    profile = {"driver": "GTiff", "width": shape[1], "height": shape[0], "count": bands, "dtype": "float32"}
    with rasterio.open(path, "w", **profile, **options) as sink:
        sink.write(values)
        sink.update_tags(SCALE="db", SOURCE="made up")
        sink.descriptions = ("VV", "VH")[:bands]
    return path


UTM = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 300000, 0, -20, 5000000)}


@dataclass(frozen=True)
class Stepper:
    """Stand-in codec: uniform steps of `setting` dB and zlib."""

    name: str = "stepper"
    lossless: bool = False
    spoil: float = 0.0

    def info(self) -> CodecInfo:
        return CodecInfo(self.name, self.name, "zlib", "a stand-in", lossless=self.lossless)

    def prepare(self, image: Image) -> Array:
        return np.where(image.valid, image.db, 0)

    def encode(self, prepared: Array, setting: float, *, threads: int = 1) -> bytes:
        symbols = np.rint(prepared / setting).astype(np.int16)
        return zlib.compress(setting.hex().encode().ljust(32) + symbols.tobytes(), 1)

    def search(self, prepared: Array, bpp: float) -> Coded:
        low, high = 0.01, 100.0
        for _ in range(20):
            step = (low * high) ** 0.5
            size = 8 * len(self.encode(prepared, step))
            low, high = (low, step) if size <= bpp * prepared.size else (step, high)
        return Coded(self.encode(prepared, step), step)

    def decode(self, prepared: Array, data: bytes, *, threads: int = 1) -> Array:
        plain = zlib.decompress(data)
        step = float.fromhex(plain[:32].decode().strip())
        decoded = np.frombuffer(plain[32:], np.int16).reshape(prepared.shape) * step
        return decoded + self.spoil


def run_of(codecs: dict[str, Any], found: list[Image], rates: tuple[float, ...] = (1.0, 2.0)) -> Run:
    run = Run(codecs, rates, 2, rates[0], lambda o, kept, rate: Shown(o.image.name, rate, 0, 0, {}, {}))
    run.images(found, lambda *_: None)
    return run


# --- images


def test_images_are_bands_without_tags(tmp_path: Path) -> None:
    found = list(images(raster(tmp_path / "chip.tif", bands=2, nodata=0, **UTM)))
    assert [image.name for image in found] == ["chip VV", "chip VH"]
    found[1].write(tmp_path / "band.tif")
    with rasterio.open(tmp_path / "band.tif") as source, rasterio.open(tmp_path / "chip.tif") as whole:
        assert (source.read(1) == whole.read(2)).all()
        assert (source.crs.to_epsg(), source.transform, source.nodata) == (32633, UTM["transform"], 0)
        assert set(source.tags()) <= {"AREA_OR_POINT"}
        assert source.descriptions == (None,)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_the_kind_of_an_image_is_its_folder_and_small_ones_stand_apart(tmp_path: Path) -> None:
    (tmp_path / "grd").mkdir()
    [small] = images(raster(tmp_path / "grd" / "a.tif", (64, 600)))
    [large] = images(raster(tmp_path / "grd" / "b.tif", (512, 512)))
    assert (small.kind, large.kind) == ("grd, small", "grd")


def test_a_large_raster_is_cut_to_its_middle_with_its_place_on_the_ground(tmp_path: Path) -> None:
    [whole] = images(raster(tmp_path / "a.tif", (90, 120), **UTM))
    [part] = images(tmp_path / "a.tif", largest=64)
    assert (part.values == whole.values[13:77, 28:92]).all()
    assert part.cut
    assert not whole.cut
    assert part.meta.transform is not None
    assert (part.meta.transform[2], part.meta.transform[5]) == (300000 + 28 * 10, 5000000 - 13 * 20)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (UTM, 20.0),
        ({"crs": "EPSG:4326", "transform": rasterio.Affine(2e-4, 0, 10, 0, -1e-4, 50)}, 11.132),
        ({"crs": "EPSG:2263", "transform": rasterio.Affine(30, 0, 0, 0, -30, 0)}, 30 * 1200 / 3937),
    ],
    ids=["metres", "degrees", "US survey feet"],
)
def test_pixels_are_measured_in_metres_along_their_columns(
    tmp_path: Path, options: dict[str, Any], expected: float
) -> None:
    [image] = images(raster(tmp_path / "a.tif", **options))
    assert image.pixel_m == pytest.approx(expected, rel=1e-4)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_pixels_of_a_raster_without_a_place_have_no_size(tmp_path: Path) -> None:
    [image] = images(raster(tmp_path / "a.tif"))
    assert image.pixel_m is None
    assert Original(image).cell == 100


# --- pairs of dates


def test_the_later_date_of_a_pair_follows_the_earlier_and_knows_it(tmp_path: Path) -> None:
    late, early, other = (
        str(raster(tmp_path / f"{name}.tif", bands=2, **UTM)) for name in ("late", "early", "other")
    )
    found = inputs.load([late, other], [(early, late)], largest=4096)
    assert [(i.name, i.before) for i in found] == [
        ("early VV", ""), ("early VH", ""), ("other VV", ""), ("other VH", ""),
        ("late VV", "early VV"), ("late VH", "early VH"),
    ]  # fmt: skip


def test_two_rasters_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    paths = [str(raster(tmp_path / name / "scene.tif", seed=ord(name), **UTM)) for name in "ab"]
    found = inputs.load(paths, [], largest=4096)
    assert [image.name for image in found] == ["scene VV", "scene VV (2)"]
    assert (found[0].values != found[1].values).any()


ELSEWHERE = UTM | {"transform": rasterio.Affine(10, 0, 300020, 0, -20, 5000000)}


@pytest.mark.parametrize(
    ("side", "where"), [(80, UTM), (64, ELSEWHERE), (64, UTM | {"crs": "EPSG:32632"})], ids=str
)
def test_rasters_of_different_size_or_place_are_no_pair(
    tmp_path: Path, side: int, where: dict[str, Any]
) -> None:
    a = str(raster(tmp_path / "a.tif", (64, 64), **UTM))
    b = str(raster(tmp_path / "b.tif", (64, side), **where))
    for largest in (4096, 64):  # cut to their middle they would have one size
        with pytest.raises(UsageError, match="not two dates on one grid"):
            inputs.load([], [(a, b)], largest=largest)


def test_bands_of_a_file_and_dates_of_a_place_are_one_group_whatever_their_names(tmp_path: Path) -> None:
    for name in "xyz":
        (tmp_path / name).mkdir()
    x, y, z = (str(raster(tmp_path / n / "scene.tif", bands=2, seed=ord(n), **UTM)) for n in "xyz")
    again = str(tmp_path / "x" / ".." / "x" / "scene.tif")
    found = inputs.load([x, y, z, again], [(x, z)], largest=4096)
    assert len(found) == 6
    groups = {image.path: image.group for image in found}
    assert groups[x] == groups[z] != groups[y]
    assert len({image.name for image in found}) == 6


def test_a_raster_has_one_part_in_one_pair(tmp_path: Path) -> None:
    a, b, c = (str(raster(tmp_path / f"{n}.tif", **UTM)) for n in "abc")
    for pairs in ([(a, b), (b, c)], [(a, c), (b, c)]):
        with pytest.raises(UsageError, match="two pairs"):
            inputs.load([], pairs, largest=4096)


# --- simulated scenes


def test_the_two_dates_differ_by_speckle_and_by_the_known_change_alone() -> None:
    before, after = simulated.two_dates(256, seed=5)
    assert after.before == before.name
    assert after.change is not None
    assert before.truth_db is not None
    assert after.truth_db is not None
    gain = simulated.changed_fields(256, 5)
    assert ((gain != 0) & after.valid == after.change).all()
    assert 0.02 < after.change.mean() < 0.3
    both = before.valid & after.valid
    assert np.allclose((after.truth_db - before.truth_db)[both], gain[both], atol=1e-4)
    quiet = both & (gain == 0)
    assert np.corrcoef((before.db - before.truth_db)[quiet], (after.db - after.truth_db)[quiet])[0, 1] < 0.05


def test_clutter_has_the_looks_and_the_truth_that_it_claims() -> None:
    image = simulated.clutter(512, enl=4.4, seed=3)
    power = 10 ** (image.db.astype(float) / 10)
    assert power.mean() ** 2 / power.var() == pytest.approx(4.4, rel=0.03)
    assert image.truth_db is not None
    assert 10 * np.log10(power.mean()) == pytest.approx(float(image.truth_db[0, 0]), abs=0.02)


# --- what is measured


@pytest.fixture(scope="module")
def dates() -> list[Image]:
    return simulated.two_dates(256, seed=5)


def test_a_perfect_copy_has_the_ideal_of_every_figure(dates: list[Image]) -> None:
    original = Original(dates[0])
    found = original.measures(original.db, 8.0)
    ideal = {"high": 1.0, "one": 1.0, "zero": 0.0, "low": 0.0}
    free = {
        "psnr_db",
        "notes_psnr",
        "truth_rmse_db",
        "truth_gain_db",
        "bound_gap_db",
        "water_truth_iou",
        "ks_ratio",
    }
    for name, value in found.items():
        if name not in free and value is not None:
            assert value == pytest.approx(ideal[BY_NAME[name].better.value], abs=1e-9), name
    assert found["psnr_db"] is None  # infinite
    assert found["truth_rmse_db"] == original.info().truth_rmse_db
    assert found["truth_gain_db"] == 0


def test_every_measure_has_a_name_and_every_name_a_value(dates: list[Image]) -> None:
    run = run_of({"stepper": Stepper()}, dates)
    assert {name for point in run.points for name in point.measures} == set(BY_NAME)
    last = run.points[-1].measures
    assert all(isinstance(value, float) for value in last.values() if value is not None)
    assert last["change_f1"] is not None


def test_a_gain_shows_as_bias_and_as_error(dates: list[Image]) -> None:
    original = Original(dates[0])
    found = original.measures(original.db + np.float32(0.3), 1.0)
    for name in ("rmse_db", "bias_db", "bias_cell_p5_db", "bias_cell_p95_db", "bias_cell_abs_p95_db"):
        assert found[name] == pytest.approx(0.3, abs=1e-4)
    assert found["enl_ratio"] == pytest.approx(1)


def test_the_truth_itself_is_infinitely_nearer_to_the_truth(dates: list[Image]) -> None:
    original = Original(dates[0])
    truth = dates[0].truth_db
    assert truth is not None
    found = original.measures(np.where(original.valid, truth, original.db), 1.0)
    assert found["truth_rmse_db"] == 0
    assert found["truth_gain_db"] is None
    assert found["ks_ratio"] is not None
    assert found["ks_ratio"] < 0.03  # what went is speckle
    assert found["enl_ratio"] is not None
    assert found["enl_ratio"] > 5  # the ground's own texture stays


def test_tiles_are_those_that_are_at_least_half_valid(dates: list[Image]) -> None:
    values = dates[0].values.copy()
    values[:70, :128] = 0
    original = Original(replace(dates[0], values=values))
    error = np.full(original.db.shape, 2.0, np.float32)
    error[128:, 128:] = 3.0
    tiles = original.tiles_mse(np.where(original.valid, original.db, 0) + error)
    assert tiles[0] is None
    assert tiles[1:] == pytest.approx((4.0, 4.0, 9.0), rel=1e-5)


def test_an_image_without_valid_pixels_is_refused(dates: list[Image]) -> None:
    empty = replace(dates[0], values=np.zeros_like(dates[0].values))
    with pytest.raises(InputError, match="no valid pixel"):
        Original(empty)


# --- points


def test_rates_are_those_of_whole_files_over_all_pixels(dates: list[Image]) -> None:
    run = run_of({"a": Stepper("a"), "b": Stepper("b", lossless=True)}, dates)
    assert [(p.scene, p.codec, p.wanted_bpp) for p in run.points] == [
        (image.name, codec, rate) for image in dates for codec, rate in (("a", 1.0), ("a", 2.0), ("b", None))
    ]
    assert all(p.bpp == 8 * p.bytes / dates[0].values.size for p in run.points)
    stepper = Stepper()
    [first, *_] = run.points
    assert first.bytes == len(stepper.encode(stepper.prepare(dates[0]), first.setting))


def test_ours_may_not_lose_a_pixel(dates: list[Image]) -> None:
    with pytest.raises(VerifyError, match=r"sarcodec at 1\.0 bpp"):
        run_of({"sarcodec": Stepper("sarcodec", spoil=np.nan)}, dates[:1])


def test_another_codec_that_loses_pixels_is_reported(dates: list[Image]) -> None:
    run = run_of({"stepper": Stepper(spoil=np.nan)}, dates[:1])
    assert not run.points
    assert "did not return every valid pixel" in run.failures[0]


def test_a_codec_that_fails_loses_its_points_alone(dates: list[Image]) -> None:
    class Broken(Stepper):
        def encode(self, prepared: Array, setting: float, *, threads: int = 1) -> bytes:
            raise RuntimeError("too wide")

    run = run_of({"stepper": Stepper(), "broken": Broken("broken")}, dates[:1])
    assert {point.codec for point in run.points} == {"stepper"}
    assert sorted(run.failures) == [
        f"broken failed on {dates[0].name} at {rate} bpp: too wide" for rate in (1, 2)
    ]


def test_the_bound_is_read_at_the_bits_that_valid_pixels_get(dates: list[Image]) -> None:
    values = dates[0].values.copy()
    whole = Original(replace(dates[0], values=values))
    half = values.copy()
    half[:128] = 0
    part = Original(replace(dates[0], values=half))
    assert part.spectrum is not None
    share = part.valid_share
    assert share < 0.55 < whole.valid_share
    noisy = part.db + np.float32(1)
    gap = part.measures(noisy, 0.2)["bound_gap_db"]
    assert gap == pytest.approx(20 * np.log10(1 / part.spectrum.rmse_db(0.2 / share)), abs=1e-5)
    rates, errors = zip(*part.info().bound, strict=True)
    assert errors[10] == pytest.approx(part.spectrum.rmse_db(rates[10] / share))


def test_a_share_of_few_targets_is_no_figure() -> None:
    clutter = Original(simulated.clutter(256, enl=4.4, seed=1))
    found = clutter.measures(clutter.db, 1.0)
    assert found["targets_kept"] is None
    assert found["bright_kept"] is None


def test_a_change_map_compares_the_decoded_dates_of_one_codec_and_rate(dates: list[Image]) -> None:
    run = run_of({"fine": Stepper("fine")}, dates, (4.0, 0.2))
    fine, coarse = (p.measures["change_iou"] for p in run.points if p.scene == dates[1].name)
    assert fine is not None
    assert coarse is not None
    assert fine > 0.9 > coarse
    assert all(p.measures["change_iou"] is None for p in run.points if p.scene == dates[0].name)


# --- ours


@pytest.mark.parametrize("scale", [Scale.DN, Scale.DB])
def test_the_setting_found_for_a_rate_makes_the_very_file_that_the_command_writes(
    dates: list[Image], scale: Scale
) -> None:
    image = dates[0]
    if scale is Scale.DB:
        values = np.where(image.valid, image.db, np.nan).astype(np.float32)
        image = replace(
            image, values=values, scale=scale, meta=replace(image.meta, dtype="float32", nodata=np.nan)
        )
    codec = Sarc(TOY)
    coded = codec.search(codec.prepare(image), 0.8)
    assert codec.encode(image, coded.setting, threads=2) == coded.data
    decoded = codec.decode(image, coded.data)
    assert np.isfinite(decoded[image.valid]).all()
    assert codec.info().name == "sarcodec"


# --- the whole


def test_a_reader_is_told_what_the_figures_rest_on(tmp_path: Path) -> None:
    path = str(raster(tmp_path / "a.tif", (100, 90), **UTM))
    plan = benchmark.Plan("x", peers=(), rates=(0.8,), largest=80, model=TOY, with_speed=False, quick=True)
    found = benchmark.images_of([path], plan)
    results = benchmark.run(benchmark.codecs_of(plan), found, plan, tmp_path, lambda *_: None)
    said = " ".join(results.warnings)
    assert "quick" in said
    assert "1 place: too few" in said
    assert "a VV the middle 80x80" in said
    assert "small" in said
    assert "simulated" not in said
    assert results.about["command"] == "x"
    assert len(str(results.about["model_sha256"])) == 64


def test_bands_without_data_are_left_out_and_named(tmp_path: Path, dates: list[Image]) -> None:
    empty = replace(dates[0], name="nothing", values=np.zeros_like(dates[0].values))
    plan = benchmark.Plan("x", peers=(), rates=(0.8,), model=TOY, with_speed=False)
    codecs = benchmark.codecs_of(plan)
    results = benchmark.run(codecs, [empty, dates[0]], plan, tmp_path, lambda *_: None)
    assert [scene.name for scene in results.scenes] == [dates[0].name]
    assert "left out: nothing" in results.warnings[0]
    with pytest.raises(InputError, match="nothing: no valid pixel"):
        benchmark.run(codecs, [empty], plan, tmp_path, lambda *_: None)


def test_a_missed_rate_is_told() -> None:
    points = [
        Point("s", "c", wanted, 1.0, 1, bpp, {})
        for wanted, bpp in ((0.1, 0.1), (0.2, 0.3), (0.4, 0.402), (0.8, 0.5))
    ]
    [said] = benchmark._missed(points, {"c": Stepper("c").info()})
    assert "2 of 4 files (at 0.2, 0.8 bpp)" in said


def test_a_report_leaves_out_packages_that_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "compressai":
            raise PackageNotFoundError(name)
        return "1.2"

    monkeypatch.setattr(machine, "version", version)
    found = machine.about("sarcodec bench", model=None, device="cpu", threads=1, quick=True)
    assert "compressai" not in found
    assert found["numpy"] == "1.2"
