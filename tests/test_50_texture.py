"""Texture brings the statistics of speckle back, the same everywhere, and only where it is asked for."""

from __future__ import annotations

import io
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio

import sarcodec
from conftest import GOLDEN, TOY
from sarcodec import spectrum
from sarcodec.api import decode_array, encode_array
from sarcodec.bitstream.gaingrid import GainGrid
from sarcodec.bitstream.layout import LayerKind
from sarcodec.bitstream.reader import Reader
from sarcodec.bitstream.texturegrid import Texture
from sarcodec.cli import main
from sarcodec.corrections import texture_fit
from sarcodec.corrections import texture_noise as texture
from sarcodec.encoding import survey
from sarcodec.errors import ChecksumError, UsageError
from sarcodec.invalid import valid_mask
from sarcodec.metadata import RasterMeta
from sarcodec.metrics import psnr_db
from sarcodec.radiometry import to_db
from sarcodec.simulate import Scene, SceneSpec
from sarcodec.speckle import autocorrelation, enl, homogeneous_blocks
from sarcodec.types import Scale, Window
from testing.scenes import decode_bytes, dn, open_bytes, power

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

Array = npt.NDArray[Any]


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "TILE_SIDE", 256)


def coded(array: Array, **options: Any) -> bytes:
    chosen: dict[str, Any] = {"model": TOY, "jobs": 1, "quality": 40, "texture": True}
    return encode_array(array, **chosen | options)


def bordered() -> Array:
    """Two by three tiles with a border, a hole of whole cells and one across a border of tiles."""
    scene = dn((310, 530), 3)
    scene[:, :30] = scene[128:192, 64:192] = scene[240:300, 250:260] = 0
    return scene


@cache
def textured() -> bytes:
    """A file of :func:`bordered`."""
    return coded(bordered(), nodata=0)


def layer_bits(data: bytes) -> int:
    """Bits of the texture, checksums and lengths included."""
    reader = Reader(io.BytesIO(data))
    number = reader.header.side_layer(LayerKind.TEXTURE)
    assert number is not None
    places = [(row, col) for row in range(reader.grid.rows) for col in range(reader.grid.cols)]
    return 8 * sum(band[1 + number].size + 1 for place in places for band in reader.record(*place).segments)


@pytest.mark.parametrize(("looks", "bpp"), [(4.4, 0.1), (4.4, 0.8), (1.0, 0.2), (10.0, 0.4)])
def test_homogeneous_blocks_of_a_simulated_scene_look_like_the_sources(
    looks: float, bpp: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    scene = Scene(SceneSpec(512, 512, scale=Scale.POWER, enl=looks, seed=7)).block(0, 512).values[0]
    data = encode_array(scene, bpp=bpp, scale=Scale.POWER, jobs=1, texture=True)
    assert layer_bits(data) / scene.size < 0.002
    assert abs(8 * len(data) / scene.size / bpp - 1) < 0.01
    source, valid = to_db(scene, Scale.POWER), valid_mask(scene, Scale.POWER, None)
    source = np.where(valid, source, 0)
    plain, speckled = (
        np.where(valid, to_db(decode_array(data, jobs=1, texture=chosen)[0], Scale.POWER), 0)
        for chosen in (None, "speckle")
    )
    blocks = homogeneous_blocks(source, valid)
    assert enl(speckled, valid, blocks) / enl(source, valid, blocks) == pytest.approx(1, abs=0.05)
    lag = [autocorrelation(image, valid, blocks, lags=1)[:, 1] for image in (source, speckled)]
    assert np.abs(lag[0] - lag[1]).max() < 0.05
    assert psnr_db(source, plain, valid) - psnr_db(source, speckled, valid) < 3.1
    parts = [np.s_[b.row : b.bottom, b.col : b.right] for b in blocks]
    means = [np.array([(10 ** (image[p] / 10)).mean() for p in parts]) for image in (source, speckled)]
    assert abs(10 * np.log10(means[1] / means[0]).mean()) < 0.05


def test_what_decode_returns_by_default_is_that_of_a_file_without_texture() -> None:
    without = coded(bordered(), nodata=0, texture=False)
    assert len(textured()) > len(without)
    assert np.array_equal(decode_bytes(textured(), TOY), decode_bytes(without, TOY))


def test_a_texture_beside_gains_changes_neither() -> None:
    both = coded(bordered(), nodata=0, radiometry=True)
    gains = coded(bordered(), nodata=0, radiometry=True, texture=False)
    assert np.array_equal(decode_bytes(both, TOY, unbiased=True), decode_bytes(gains, TOY, unbiased=True))
    reader, alone = Reader(io.BytesIO(both)), Reader(io.BytesIO(textured()))
    assert reader.record(1, 1).layer(0, 3) != b""
    # Seeds differ with the headers, and so does what noise is seen to do, but not what is measured.
    assert reader.record(1, 1).layer(0, 3)[4:] == alone.record(1, 1).layer(0, 2)[4:]


@pytest.mark.parametrize(
    "window", [Window(0, 0, 530, 310), Window(250, 10, 13, 300), Window(31, 255, 499, 2)]
)
def test_a_window_is_a_part_of_the_whole(window: Window) -> None:
    with open_bytes(textured(), TOY, texture="speckle") as scene:
        whole, part = scene.read(1), scene.read(1, window=window)
    assert np.array_equal(part, whole[window.inside(Window(0, 0, 530, 310))])


def test_noise_is_the_same_in_any_window_and_in_no_two_bands_or_files() -> None:
    kernel = np.array([[127, 40, -3], [50, 20, 0], [9, -8, 7]], np.int8)
    whole = texture.normal(kernel, 77, 1, Window(100, 40, 90, 80))
    part = texture.normal(kernel, 77, 1, Window(131, 57, 20, 30))
    assert np.array_equal(part, whole[17:47, 31:51])
    for other in (
        texture.normal(kernel, 78, 1, Window(100, 40, 90, 80)),
        texture.normal(kernel, 77, 0, Window(100, 40, 90, 80)),
    ):
        assert abs(float((whole * other).mean())) < 0.1
    assert not np.array_equal(whole[:, 1:], whole[:, :-1])


def test_pixels_and_bytes_do_not_depend_on_the_number_of_threads() -> None:
    cube = np.stack([bordered(), bordered()[::-1]])
    one = coded(cube, nodata=0)
    assert all(coded(cube, nodata=0, jobs=jobs) == one for jobs in (2, 5))
    expected = decode_array(one, model=TOY, jobs=1, texture="speckle")
    assert all(
        np.array_equal(decode_array(one, model=TOY, jobs=jobs, texture="speckle"), expected)
        for jobs in (1, 3)
    )


def test_neighbouring_tiles_have_one_noise() -> None:
    """With the same kernel on both sides, noise goes on across a border of tiles."""
    kernel = np.array([[127, 90], [90, 60]], np.int8)
    left = texture.normal(kernel, 5, 0, Window(0, 0, 256, 256))
    right = texture.normal(kernel, 5, 0, Window(256, 0, 256, 256))
    across = float((left[:, -1] * right[:, 0]).mean())
    inside = float((left[:, 1:] * left[:, :-1]).mean())
    assert inside > 0.5 and abs(across - inside) < 0.2


def test_normal_noise_has_unit_variance_and_the_correlation_of_its_kernel() -> None:
    kernel = np.array([[127, 64], [32, 16]], np.int8)
    z = texture.normal(kernel, 3, 0, Window(0, 0, 700, 700)).astype(np.float64)
    full = np.array([[16, 32, 16], [64, 127, 64], [16, 32, 16]])
    energy = float((full**2).sum())
    assert texture.energy(kernel) == energy
    assert abs(z.mean()) < 0.02 and abs(z.var() - 1) < 0.02
    assert abs((z[1:] * z[:-1]).mean() - (full[1:] * full[:-1]).sum() / energy) < 0.02
    assert abs((z[:, 1:] * z[:, :-1]).mean() - (full[:, 1:] * full[:, :-1]).sum() / energy) < 0.02
    assert abs((z**4).mean() - 3) < 0.2


@pytest.mark.parametrize("skew", [-48, 0, 20])
def test_skewed_noise_keeps_its_variance(skew: int) -> None:
    z = np.random.default_rng(1).standard_normal(400_000).astype(np.float32)
    q = texture.skewed(z, skew).astype(np.float64)
    b = skew / 256
    assert abs(q.mean()) < 0.01 and abs(q.var() - 1) < 0.02
    assert (q**3).mean() == pytest.approx((6 * b + 8 * b**3) / (1 + 2 * b * b) ** 1.5, abs=0.05)


def test_amplitude_has_no_steps_and_asks_no_cell_without_data() -> None:
    codes = np.array([[0, 24], [-24, 0]], np.int16)  # 0, 12, -12 and 0 dB in halves
    valid = np.ones((128, 128), bool)
    found = texture.amplitude(Texture(GainGrid(codes, 64, 3), 2048), valid)
    assert found[32, 32] == pytest.approx(1, abs=0.06) and found[0, 0] == 1
    assert found[0, -1] == pytest.approx(10 ** (12 / 20), rel=1e-5)
    assert np.abs(np.diff(found, axis=1)).max() < 0.05
    valid[:64, 64:] = valid[64:] = False
    assert (texture.amplitude(Texture(GainGrid(codes, 64, 3), 2048), valid)[:64, :64] == 1).all()


def test_a_kernel_is_found_from_the_correlation_it_makes() -> None:
    lags = np.arange(spectrum.LAGS + 1)
    rho = np.exp(-((lags[:, None] / 1.3) ** 2) - (lags / 0.9) ** 2)
    kernel = np.rint(127 * spectrum.kernel_of(rho, 3)).astype(np.int8)
    z = texture.normal(kernel, 9, 0, Window(0, 0, 600, 600)).astype(np.float64)
    found = spectrum.correlation(z, np.ones(z.shape, bool))
    assert found is not None
    assert np.abs(found[:3, :3] - rho[:3, :3]).max() < 0.03


def test_power_of_skewed_normal_noise_has_the_wanted_correlation() -> None:
    """4 dB of noise: the correlation of power is well below that of its logarithm."""
    wanted = np.array([[1.0, 0.5, 0.2]])
    rho = spectrum.normal_correlation(wanted, 4.0, -0.15)
    rng = np.random.default_rng(2)
    first, second = rng.standard_normal((2, 400_000)).astype(np.float32)

    def speckle(z: Array) -> Array:
        return np.asarray(10 ** (0.4 * texture.skewed(z, round(-0.15 * 256)).astype(np.float64)))

    for r, goal in zip(rho[0, 1:], wanted[0, 1:], strict=True):
        mixed = (r * first + np.sqrt(1 - r * r) * second).astype(np.float32)
        assert np.corrcoef(speckle(first), speckle(mixed))[0, 1] == pytest.approx(goal, abs=0.03)


def test_measuring_finds_the_noise_that_is_missing() -> None:
    """Over flat ground what lacks is a texture itself: strength, skew and correlation come back."""
    kernel = np.array([[127, 60], [30, 15]], np.int8)
    window, valid = Window(0, 0, 512, 512), np.ones((512, 512), bool)
    flat = np.zeros(valid.shape, np.float32)
    known = Texture(GainGrid(np.zeros((8, 8), np.int16)), 4096, 0, 0, 0, -26, kernel)
    source = texture.added(known, flat, valid, 1, 0, window)
    add = partial(texture.added, db=flat, valid=valid, seed=2, band=0, window=window)
    found = texture_fit.measure(source, flat, valid, add)
    assert found is not None
    assert found.unit * np.exp(np.log(10) / 20 * (found.levels.codes * 0.5).mean()) == pytest.approx(
        4096, rel=0.05
    )
    assert abs(found.skew + 26) < 6 and found.slope == 0
    assert np.abs(found.kernel[:2, :2].astype(int) - kernel).max() < 10


def test_nothing_is_added_to_point_targets() -> None:
    kernel = np.array([[127]], np.int8)
    db = np.zeros((64, 64), np.float32)
    db[20, 20], db[40, 40], db[50, 50] = 30, 11, -30
    known = Texture(GainGrid(np.zeros((1, 1), np.int16)), 4096, 64, 20, 20, 0, kernel)
    found = texture.added(known, db, db == db, 1, 0, Window(0, 0, 64, 64))
    assert found[20, 20] == 0 and (found == 0).sum() == 1
    assert np.isfinite(found).all()


def test_nothing_missing_and_no_data_take_no_byte() -> None:
    flat = coded(np.full((300, 300), 1000, np.uint16), scale="dn")
    empty = coded(np.full((300, 300), np.nan, np.float32))
    assert np.isnan(decode_bytes(empty, TOY, texture="speckle")).all()
    assert np.array_equal(decode_bytes(flat, TOY, texture="speckle"), decode_bytes(flat, TOY))
    reader = Reader(io.BytesIO(empty))
    assert all(reader.record(row, col).layer(0, 2) == b"" for row in (0, 1) for col in (0, 1))
    db = np.linspace(-20, 0, 64 * 64, dtype=np.float32).reshape(64, 64)
    assert texture_fit.measure(db, db, np.ones(db.shape, bool), lambda _: db) is None


@pytest.mark.parametrize("kind", ["uint8", "int16", "uint16", "float32", "float64"])
def test_textured_pixels_are_valid_ones(kind: str) -> None:
    """Never nodata, in range and above 0, whatever noise asks for."""
    scene = np.minimum(dn((200, 200), 6) / 4, 250).astype(kind)
    scene[scene == 40] = 41
    scene[50:60, 70:90] = 40
    back = decode_bytes(coded(scene, nodata=40, scale="amplitude"), TOY, texture="speckle")[0]
    assert back.dtype == scene.dtype
    assert scene.min() <= back.min() and back.max() <= scene.max()
    assert np.array_equal(back == 40, scene == 40)


@pytest.mark.parametrize("shape", [(1, 1), (3, 300), (17, 31), (40, 40)])
def test_small_rasters_have_textures_too(shape: tuple[int, int]) -> None:
    data = coded(power(shape, 2, looks=1.0).astype(np.float32), scale="power", quality=1)
    assert np.isfinite(decode_bytes(data, TOY, texture="speckle")).all()


def test_a_damaged_texture_costs_its_tile_and_only_where_it_is_asked_for() -> None:
    whole = textured()
    reader = Reader(io.BytesIO(whole))
    found = reader.record(1, 1).segments[0][3]
    at = reader._span(1, 1)[0] + found.start + found.size - 1
    data = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    assert np.array_equal(decode_bytes(data, TOY), decode_bytes(whole, TOY))
    with open_bytes(data, TOY) as scene, pytest.raises(ChecksumError, match="column 1, band 1, layer 2"):
        scene.verify()
    with (
        open_bytes(data, TOY, texture="speckle") as scene,
        pytest.raises(ChecksumError, match="row 1, column 1"),
    ):
        scene.read()
    with open_bytes(data, TOY, texture="speckle", allow_partial=True) as scene:
        back = scene.read(1)
        assert [(tile.row, tile.col) for tile in scene.damaged] == [(1, 1)]
    expected = decode_bytes(whole, TOY, texture="speckle")[0]
    expected[256:, 256:512] = 0
    assert np.array_equal(back, expected)


def test_texture_is_refused_where_it_means_nothing() -> None:
    plain = coded(dn((60, 60)), texture=False)
    with pytest.raises(UsageError, match="no texture") as caught:
        decode_array(plain, model=TOY, texture="speckle")
    assert "--texture" in str(caught.value.hint)
    both = coded(dn((60, 60)), radiometry=True)
    with pytest.raises(UsageError, match="base layer"):
        open_bytes(both, TOY, texture="speckle", base_only=True)
    with pytest.raises(UsageError, match="without gains"):
        open_bytes(both, TOY, texture="speckle", unbiased=True)
    with pytest.raises(UsageError, match="'film grain'"):
        open_bytes(both, TOY, texture="film grain")


def test_targets_gains_and_texture_together_decode_in_each_way() -> None:
    """Each layer alone does what it does without the others; noise comes on top of raised targets."""
    scene, spots = bordered(), ([60, 100, 255, 301], [200, 255, 300, 420])
    scene[spots] = 9000

    def file(**layers: bool) -> bytes:
        return coded(scene, nodata=0, quality=20, **{"texture": False, **layers})

    data = file(targets=True, radiometry=True, texture=True)
    plain, targets, both = file(), file(targets=True), file(targets=True, radiometry=True)
    raised = decode_bytes(data, TOY)
    assert np.array_equal(raised, decode_bytes(targets, TOY))
    assert np.array_equal(decode_bytes(data, TOY, targets=False), decode_bytes(plain, TOY))
    assert np.array_equal(decode_bytes(data, TOY, unbiased=True), decode_bytes(both, TOY, unbiased=True))
    assert np.array_equal(decode_bytes(data, TOY, base_only=True), decode_bytes(plain, TOY, base_only=True))
    textured = decode_bytes(data, TOY, texture="speckle")
    assert np.array_equal(textured == 0, raised == 0)
    assert (textured != raised)[raised > 0].mean() > 0.9
    assert (raised[0][spots] > decode_bytes(plain, TOY)[0][spots]).all()
    assert np.array_equal(textured[0][spots], raised[0][spots])
    with open_bytes(data, TOY) as opened, open_bytes(plain, TOY) as other:
        kinds = [layer.kind for layer in opened.decoder.header.layers if layer.skippable]
        assert kinds == [LayerKind.BRIGHT_TARGETS, LayerKind.GAIN_GRID, LayerKind.TEXTURE]
        assert opened.verify() == 6
        assert np.array_equal(opened.read(reduce=4), other.read(reduce=4))


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"texture": "speckle", "unbiased": True}, "--texture and --unbiased"),
        ({"texture": "speckle", "base_only": True}, "--texture and --base-only"),
        ({"texture": "speckle", "targets": False}, "--texture and --no-targets"),
        ({"unbiased": True, "targets": False}, "--unbiased and --no-targets"),
        ({"texture": "speckle", "reduce": 2}, "texture and reduce"),
        ({"unbiased": True, "reduce": 2}, "unbiased and reduce"),
    ],
)
def test_what_contradicts_itself_is_refused_of_a_file_with_all_layers(
    options: dict[str, Any], hint: str, tmp_path: Path
) -> None:
    data = coded(dn((60, 60)), targets=True, radiometry=True)
    (tmp_path / "a.sarc").write_bytes(data)
    with pytest.raises(UsageError) as caught:
        sarcodec.decode(tmp_path / "a.sarc", tmp_path / "a.tif", model=TOY, jobs=1, **options)
    assert caught.value.hint == f"Choose one of {hint}."
    assert not (tmp_path / "a.tif").exists()


def test_texture_without_targets_does_not_ask_for_them() -> None:
    data = coded(dn((60, 60)))
    left_out = decode_bytes(data, TOY, texture="speckle", targets=False)
    assert np.array_equal(left_out, decode_bytes(data, TOY, texture="speckle"))


def test_the_golden_file_gives_its_textured_pixels_of_old() -> None:
    with np.load(GOLDEN / "texture.npz") as stored:
        expected, valid = stored["textured"].astype(int), stored["pixels"] > 0
    back = decode_bytes((GOLDEN / "texture.sarc").read_bytes(), TOY, texture="speckle").astype(int)
    assert np.abs(back - expected).max() <= 1
    assert np.array_equal(back > 0, valid)


def test_commands_store_apply_and_show_texture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from sarcodec.io.raster import RasterSink

    scene = dn((300, 280), 7)
    with RasterSink(tmp_path / "a.tif", RasterMeta(280, 300, 1, "uint16"), overwrite=False) as sink:
        sink.write(0, scene, Window(0, 0, 280, 300))
    source, target = str(tmp_path / "a.tif"), str(tmp_path / "a.sarc")
    common = ["--model", TOY, "-j", "1"]
    assert main(["encode", source, "-q", "40", "--texture", *common]) == 0
    sarcodec.encode(source, tmp_path / "b.sarc", quality=40, model=TOY, jobs=3, texture=True)
    assert Path(target).read_bytes() == (tmp_path / "b.sarc").read_bytes()
    for name, options in (("plain", ["--texture", "none"]), ("view", ["--texture", "speckle"])):
        assert main(["decode", target, "-o", str(tmp_path / f"{name}.tif"), *options, *common]) == 0
    with rasterio.open(tmp_path / "plain.tif") as plain, rasterio.open(tmp_path / "view.tif") as view:
        assert "MEANING" not in plain.tags(ns="SARCODEC")
        assert view.tags(ns="SARCODEC")["MEANING"] == "textured: speckle synthesised"
        expected = decode_bytes(Path(target).read_bytes(), TOY, texture="speckle")
        assert np.array_equal(view.read(), expected)
        assert not np.array_equal(view.read(), plain.read())
    capsys.readouterr()
    assert main(["info", target]) == 0
    shown = capsys.readouterr().out
    assert "decode --texture speckle adds noise like the speckle that was lost" in shown
    assert "texture, " in shown
    assert main(["encode", source, "-q", "40", "-f", *common]) == 0
    options = ["-o", str(tmp_path / "c.tif"), "--texture", "speckle"]
    assert main(["decode", target, *options, *common]) == 2
    assert "Encode the source anew with --texture" in capsys.readouterr().err
    assert not (tmp_path / "c.tif").exists()
