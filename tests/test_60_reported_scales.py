"""Cases of users: what pixels mean, per band; masks, alpha, borders. With the model that ships."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from rasterio.enums import ColorInterp, MaskFlags

import sarcodec
from sarcodec.cli import main
from sarcodec.errors import InputError, UsageError
from sarcodec.types import Basis, Scale
from testing.reported import HEIGHT, WIDTH, amplitude, ground_db, inside, power, write

Array = npt.NDArray[Any]
PEER_STEP = 0.01
"""dB by which a measured error may be above the one asked for: rounding of what is stored as a float."""


def there_and_back(source: Path, **options: Any) -> tuple[sarcodec.EncodeReport, Array]:
    """Encode and decode a raster; the report, and the decoded pixels, shape (bands, h, w)."""
    coded, back = source.with_suffix(".sarc"), source.with_name("back.tif")
    report = sarcodec.encode(source, coded, overwrite=True, jobs=1, **options)
    sarcodec.decode(coded, back, overwrite=True, jobs=1)
    with rasterio.open(back) as dataset:
        return report, dataset.read()


def rmse(one: Array, other: Array, seen: Array | None = None) -> float:
    apart = (one.astype(float) - other.astype(float))[... if seen is None else seen]
    return float(np.sqrt(np.mean(apart**2)))


# --- borders that nobody declared


@pytest.mark.parametrize("fill", [0.0, -9999.0, -7.25])
@pytest.mark.parametrize("mean", [-11.0, 0.0])
def test_an_undeclared_border_on_the_db_scale_comes_back_exactly(
    tmp_path: Path, fill: float, mean: float, capsys: pytest.CaptureFixture[str]
) -> None:
    db = np.where(inside(), ground_db(mean), fill).astype(np.float32)
    _, back = there_and_back(write(tmp_path / "in.tif", db), bpp=0.3)
    assert np.array_equal(back[0] == fill, ~inside())
    assert main(["info", str(tmp_path / "in.sarc"), "--json"]) == 0
    (band,) = json.loads(capsys.readouterr().out)["bands"]
    assert fill in band["invalid_values"]


def test_an_undeclared_border_of_bytes_comes_back_exactly_and_info_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = ((ground_db() + 30) / 35 * 253 + 1).clip(1, 254).astype(np.uint8)
    values[~inside()] = 255
    _, back = there_and_back(write(tmp_path / "in.tif", values), bpp=0.4)
    assert np.array_equal(back[0] == 255, ~inside())
    assert main(["info", str(tmp_path / "in.sarc")]) == 0
    share = 100 * float((~inside()).mean())
    assert f"constant areas of value 255, {share:.1f} % of the pixels" in capsys.readouterr().out


# --- one scale a band


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_bands_that_differ_in_scale_are_coded_each_on_its_own(tmp_path: Path, order: tuple[int, int]) -> None:
    db = ground_db()
    cube = np.stack([db, power(db)]).astype(np.float32)[list(order)]
    names = [("Sigma0_VV_db", "Sigma0_VV")[k] for k in order]
    report, back = there_and_back(write(tmp_path / "in.tif", cube, descriptions=names), bpp=0.5)
    assert [scale.value for scale in report.scales] == [("db", "power")[k] for k in order]
    assert set(report.scales_from) == {Basis.NAME}
    as_db = [back[order.index(0)], 10 * np.log10(back[order.index(1)])]
    assert all(rmse(values, db) < 2 for values in as_db)
    assert (back[order.index(1)] > 0).all()


def test_scales_are_given_for_each_band_on_the_command_line(tmp_path: Path) -> None:
    db = ground_db()
    source = write(tmp_path / "in.tif", np.stack([db, amplitude(db)]).astype(np.float32))
    coded = tmp_path / "a.sarc"
    assert main(["encode", str(source), "-o", str(coded), "--scale", "dB,Amplitude", "--quiet"]) == 0
    with sarcodec.open(coded) as dataset:
        header = dataset.decoder.header
        assert [header.pixel_scale(band).scale for band in (0, 1)] == [Scale.DB, Scale.AMPLITUDE]


def test_a_band_that_is_no_backscatter_is_named_and_can_be_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    angle = 30 + 15 * np.indices((HEIGHT, WIDTH))[1] / WIDTH
    cube = np.stack([angle, ground_db(), ground_db(-18, 4)]).astype(np.float32)
    source = write(tmp_path / "in.tif", cube, descriptions=["localIncidenceAngle", "VV", "VH"])
    coded = str(tmp_path / "a.sarc")
    assert main(["encode", str(source), "-o", coded]) == 2
    told = capsys.readouterr().err
    assert "band 1" in told and "localIncidenceAngle" in told and "--bands 2,3" in told
    assert main(["encode", str(source), "-o", coded, "--bands", "2,3", "--bpp", "0.5"]) == 0
    assert "scale db (from statistics)" in capsys.readouterr().out
    assert main(["decode", coded, "-o", str(tmp_path / "b.tif"), "--quiet"]) == 0
    with rasterio.open(tmp_path / "b.tif") as back:
        assert back.descriptions == ("VV", "VH")
        assert rmse(back.read(1), cube[1]) < 2


@pytest.mark.parametrize("bands", ["0", "4", "1,1", "x", "", "1;2"])
def test_bands_that_are_none_are_refused(tmp_path: Path, bands: str) -> None:
    source = write(tmp_path / "in.tif", ground_db().astype(np.float32))
    assert main(["encode", str(source), "-o", str(tmp_path / "a.sarc"), "--bands", bands]) == 2
    assert not (tmp_path / "a.sarc").exists()


def test_an_rmse_holds_for_the_worst_band_and_the_report_has_it_for_each(tmp_path: Path) -> None:
    angle = 30 + 15 * np.indices((HEIGHT, WIDTH))[1] / WIDTH
    cube = np.stack([ground_db(), ground_db(-18, 4), angle]).astype(np.float32)
    source = write(tmp_path / "in.tif", cube)
    report, back = there_and_back(source, rmse_db=1.5, scale="db")
    measured = [rmse(one, other) for one, other in zip(back, cube, strict=True)]
    assert 1.47 < max(measured) <= 1.5 + PEER_STEP
    assert report.rmse_db == pytest.approx(measured, abs=PEER_STEP)


# --- dB in floats and integers


@pytest.mark.parametrize(
    ("db", "options"),
    [
        (np.maximum(ground_db(14), 0.02), {}),
        (ground_db() + 53.4, {}),
        (ground_db() - np.median(ground_db()) + 0.2, {}),
    ],
    ids=["all positive", "of digital numbers", "about zero"],
)
def test_decibels_near_and_above_zero_keep_the_wanted_error(
    tmp_path: Path, db: Array, options: dict[str, Any]
) -> None:
    report, back = there_and_back(write(tmp_path / "in.tif", db.astype(np.float32)), rmse_db=1.5, **options)
    assert report.scales == (Scale.DB,)
    assert 1.45 < rmse(back[0], db) <= 1.5 + PEER_STEP


@pytest.mark.parametrize("scale", [None, "db"])
def test_hundredths_of_decibels_in_integers_count_as_decibels(tmp_path: Path, scale: str | None) -> None:
    db = ground_db()
    stored = np.where(inside(), np.rint(db * 100), -32768).astype(np.int16)
    source = write(tmp_path / "in.tif", stored, nodata=-32768, scales=[0.01])
    report, back = there_and_back(source, rmse_db=1.5, scale=scale)
    assert back.dtype == np.int16
    assert np.array_equal(back[0] == -32768, ~inside())
    assert 1.45 < rmse(back[0] * 0.01, db, inside()) <= 1.5 + PEER_STEP
    assert report.bpp < 0.8
    with rasterio.open(tmp_path / "back.tif") as dataset:
        assert (dataset.scales, dataset.offsets) == ((0.01,), (0.0,))


def test_decibels_with_an_offset_in_unsigned_integers_have_no_bias(tmp_path: Path) -> None:
    db = ground_db()
    stored = np.rint((db + 50) * 100).clip(1).astype(np.uint16)
    source = write(tmp_path / "in.tif", stored, scales=[0.01], offsets=[-50.0], units=["dB"])
    report, back = there_and_back(source, rmse_db=1.5)
    assert (report.scales, report.scales_from) == ((Scale.DB,), (Basis.UNIT,))
    found = back[0] * 0.01 - 50
    assert 1.45 < rmse(found, db) <= 1.5 + PEER_STEP
    assert abs(float((found - db).mean())) < 0.1


def test_power_in_integers_is_asked_for_and_then_keeps_its_error(tmp_path: Path) -> None:
    db = ground_db()
    stored = np.rint(power(db) * 1e4).clip(1, 65535).astype(np.uint16)
    source = write(tmp_path / "in.tif", stored, scales=[1e-4], units=["1"])
    with pytest.raises(UsageError, match="power or amplitude"):
        there_and_back(source, rmse_db=1.5)
    _, back = there_and_back(source, rmse_db=1.5, scale="power")
    assert 1.4 < rmse(10 * np.log10(back[0]), 10 * np.log10(stored)) <= 1.5 + PEER_STEP


def test_whole_decibels_of_few_values_are_decibels(tmp_path: Path) -> None:
    db = np.rint(ground_db()).clip(-20, -5).astype(np.int16)
    report, back = there_and_back(write(tmp_path / "in.tif", db), bpp=0.5)
    assert report.scales == (Scale.DB,)
    assert report.bpp == pytest.approx(0.5, rel=0.02)
    assert rmse(back[0], db) < 2


def test_a_patch_between_all_windows_is_seen(tmp_path: Path) -> None:
    values = np.zeros((1500, 1500), np.float32)
    values[135:335, 150:330] = ground_db()[:200, :180]
    report, back = there_and_back(write(tmp_path / "in.tif", values, nodata=0))
    assert report.scales == (Scale.DB,)
    assert np.array_equal(back[0] == 0, values == 0)


# --- what is not settled


@pytest.mark.parametrize("options", [{}, {"rmse_db": 1.5}, {"quality": 30}, {"bpp": 0.5, "radiometry": True}])
def test_power_or_amplitude_is_asked_for_if_decibels_are_counted(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    source = write(tmp_path / "in.tif", amplitude(ground_db()).astype(np.float32))
    with pytest.raises(UsageError) as caught:
        sarcodec.encode(source, tmp_path / "a.sarc", **options)
    assert "--scale power" in caught.value.hint and "--scale amplitude" in caught.value.hint
    assert not (tmp_path / "a.sarc").exists()


def test_a_guess_is_warned_of_and_recorded_in_report_file_and_raster(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path / "in.tif", amplitude(ground_db()).astype(np.float32))
    coded, back = str(tmp_path / "a.sarc"), str(tmp_path / "b.tif")
    assert main(["encode", str(source), "-o", coded, "--bpp", "0.5", "--json"]) == 0
    told = capsys.readouterr()
    assert told.err.count("\n") == 1 and "warning" in told.err and "--scale amplitude" in told.err
    assert json.loads(told.out)["scale_from"] == "assumed"
    assert main(["info", coded]) == 0
    assert "scale power (assumed)" in capsys.readouterr().out
    assert main(["decode", coded, "-o", back, "--quiet"]) == 0
    with rasterio.open(back) as dataset:
        assert dataset.tags(1, ns="SARCODEC") == {"SCALE": "power", "SCALE_FROM": "assumed"}
    # A guess does not become evidence by going through a file.
    assert main(["encode", back, "-o", coded, "-f"]) == 2
    # The right answer has the error that the same quality gives elsewhere.
    _, right = there_and_back(source, scale="amplitude", rmse_db=1.5)
    assert rmse(20 * np.log10(right[0]), ground_db()) <= 1.5 + PEER_STEP


def test_what_a_decoded_raster_says_of_its_scale_is_evidence(tmp_path: Path) -> None:
    source = write(tmp_path / "in.tif", power(ground_db()).astype(np.float32), descriptions=["Sigma0_VV"])
    sarcodec.encode(source, tmp_path / "a.sarc", bpp=0.5)
    sarcodec.decode(tmp_path / "a.sarc", tmp_path / "b.tif")
    with rasterio.open(tmp_path / "b.tif", "r+") as dataset:
        dataset.set_band_description(1, "")
    report = sarcodec.encode(tmp_path / "b.tif", tmp_path / "c.sarc", bpp=0.5)
    assert (report.scales, report.scales_from) == ((Scale.POWER,), (Basis.TAG,))


def test_integers_below_zero_are_spoken_of_as_what_they_may_be(tmp_path: Path) -> None:
    wrapped = np.rint(amplitude(ground_db(-2)) * 30000).clip(1, 65535).astype(np.uint16).view(np.int16)
    with pytest.raises(UsageError, match="unsigned integers that were read as signed") as caught:
        sarcodec.encode(write(tmp_path / "in.tif", wrapped), tmp_path / "a.sarc")
    assert "gdal_edit.py -scale" in caught.value.hint


def test_a_photograph_is_not_taken_for_backscatter(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (3, 64, 64)).astype(np.uint8)
    source = write(tmp_path / "in.tif", picture, photometric="RGB")
    with pytest.raises(UsageError, match="red, green and blue"):
        sarcodec.encode(source, tmp_path / "a.sarc", bpp=1)
    assert sarcodec.encode(source, tmp_path / "a.sarc", bpp=1, scale="dn").scales == (Scale.DN,) * 3


# --- masks


def blocks_of_four(mask: Array) -> Array:
    """Pixels that are True in each block of 4 x 4."""
    rows = np.add.reduceat(mask.astype(int), range(0, mask.shape[0], 4), 0)
    return np.asarray(np.add.reduceat(rows, range(0, mask.shape[1], 4), 1))


def masked_tiff(path: Path, pixels: Array, mask: Array, *, internal: bool = True, **options: Any) -> Path:
    write(path, pixels, **options)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(mask)
    return path


@pytest.mark.parametrize("internal", [True, False])
@pytest.mark.parametrize("nodata", [None, 0])
@pytest.mark.parametrize("count", [1, 2])
def test_a_mask_band_comes_back_exactly_and_as_a_mask_band(
    tmp_path: Path, internal: bool, nodata: int | None, count: int
) -> None:
    values = np.rint(amplitude(np.stack([ground_db(seed=k) for k in range(count)])) * 470).clip(1)
    values = values.astype(np.uint16)
    values[:, :9] = 0
    source = masked_tiff(tmp_path / "in.tif", values, inside(), internal=internal, nodata=nodata)
    _, back = there_and_back(source, bpp=0.5)
    with rasterio.open(tmp_path / "back.tif") as dataset:
        assert dataset.mask_flag_enums == ([MaskFlags.per_dataset],) * count
        assert np.array_equal(dataset.dataset_mask() != 0, inside())
        assert dataset.nodata == nodata
        assert not (tmp_path / "back.tif.msk").exists()
    seen = inside() & (values[0] > 0)
    assert (back[:, seen] > 0).all()
    assert (back[:, :9] == 0)[:, inside()[:9]].all()
    assert rmse(20 * np.log10(back[0][seen]), 20 * np.log10(values[0][seen])) < 2


def test_masked_pixels_do_not_bleed_into_valid_ones(tmp_path: Path) -> None:
    db = ground_db().astype(np.float32)
    hot = np.where(inside(), db, np.random.default_rng(1).normal(60, 20, db.shape)).astype(np.float32)
    clean, _ = hot, masked_tiff(tmp_path / "in.tif", hot, inside())
    _, back = there_and_back(tmp_path / "in.tif", bpp=0.5)
    edge = inside() & ~np.roll(inside(), 2, 1)
    assert np.isnan(back[0][~inside()]).all()
    assert rmse(back[0], clean, edge) < 2.5


def test_values_under_a_mask_that_are_few_come_back(tmp_path: Path) -> None:
    values = np.rint(amplitude(ground_db()) * 470).clip(1).astype(np.uint16)
    values[~inside()] = 137
    _, back = there_and_back(masked_tiff(tmp_path / "in.tif", values, inside()), bpp=0.5)
    assert (back[0][~inside()] == 137).all()


def test_masks_are_read_in_python_too(tmp_path: Path) -> None:
    values = np.rint(amplitude(ground_db()) * 470).clip(1).astype(np.uint16)
    sarcodec.encode(masked_tiff(tmp_path / "in.tif", values, inside()), tmp_path / "a.sarc", bpp=0.5)
    with sarcodec.open(tmp_path / "a.sarc") as coded:
        assert np.array_equal(coded.dataset_mask() == 255, inside())
        assert np.array_equal(coded.dataset_mask(window=(40, 30, 9, 8)) == 255, inside()[30:38, 40:49])
        read: Any = coded.read(1, masked=True)
        assert np.array_equal(~read.mask, inside())


def test_windows_and_overviews_have_their_mask(tmp_path: Path) -> None:
    values = np.rint(amplitude(ground_db()) * 470).clip(1).astype(np.uint16)
    sarcodec.encode(masked_tiff(tmp_path / "in.tif", values, inside()), tmp_path / "a.sarc", bpp=0.5)
    sarcodec.decode(tmp_path / "a.sarc", tmp_path / "w.tif", window=(40, 30, 200, 100))
    with rasterio.open(tmp_path / "w.tif") as dataset:
        assert np.array_equal(dataset.dataset_mask() != 0, inside()[30:130, 40:240])
    sarcodec.decode(tmp_path / "a.sarc", tmp_path / "r.tif", reduce=4)
    with rasterio.open(tmp_path / "r.tif") as dataset:
        valid, all_of_them = (blocks_of_four(part) for part in (inside(), np.ones((HEIGHT, WIDTH), bool)))
        assert np.array_equal(dataset.dataset_mask() != 0, 2 * valid >= all_of_them)


def test_a_hard_alpha_band_comes_back_exactly_and_masks_as_it_did(tmp_path: Path) -> None:
    values = np.rint(amplitude(ground_db()) * 470).clip(1).astype(np.uint16)
    cube = np.stack([values, np.where(inside(), 255, 0).astype(np.uint16)])
    source = write(tmp_path / "in.tif", cube)
    with rasterio.open(source, "r+") as dataset:
        dataset.colorinterp = [ColorInterp.gray, ColorInterp.alpha]
    _, back = there_and_back(source, bpp=0.5)
    assert np.array_equal(back[1], cube[1])
    with rasterio.open(tmp_path / "back.tif") as dataset:
        assert dataset.colorinterp == (ColorInterp.gray, ColorInterp.alpha)
        assert np.array_equal(dataset.dataset_mask() != 0, inside())
    _, alone = there_and_back(source, bpp=0.5, bands=[1])
    assert len(alone) == 1
    with rasterio.open(tmp_path / "back.tif") as dataset:
        assert np.array_equal(dataset.dataset_mask() != 0, inside())


def test_a_nodata_value_outranks_an_alpha_band_as_for_gdal(tmp_path: Path) -> None:
    values = np.rint(amplitude(ground_db()) * 470).clip(1).astype(np.uint16)
    values[:20] = 0
    source = write(tmp_path / "in.tif", np.stack([values, np.where(inside(), 255, 0)]).astype(np.uint16))
    with rasterio.open(source, "r+") as dataset:
        dataset.nodata = 0
        dataset.colorinterp = [ColorInterp.gray, ColorInterp.alpha]
    there_and_back(source, bpp=0.5)
    with rasterio.open(source) as before, rasterio.open(tmp_path / "back.tif") as after:
        masks = before.dataset_mask(), before.read_masks(1)
        assert np.array_equal(after.dataset_mask(), masks[0])
        assert np.array_equal(after.read_masks(1), masks[1])
    with sarcodec.open(tmp_path / "in.sarc") as coded:
        assert np.array_equal(coded.dataset_mask(), masks[0])
        pixels: Any = coded.read(masked=True)
        assert np.array_equal(pixels.mask[0], masks[1] == 0)


def test_a_soft_alpha_band_is_refused_by_name(tmp_path: Path) -> None:
    values = ((ground_db() + 30) / 35 * 254 + 1).clip(1, 255).astype(np.uint8)
    soft = np.clip(np.indices((HEIGHT, WIDTH))[1], 0, 255).astype(np.uint8)
    cube = np.stack([values, values, values, soft])
    source = write(tmp_path / "in.tif", cube, photometric="RGB", alpha="YES")
    with pytest.raises(UsageError, match="band 4 is an alpha band") as caught:
        sarcodec.encode(source, tmp_path / "a.sarc", bpp=0.5)
    assert "--bands 1,2,3" in caught.value.hint


def test_a_soft_mask_band_is_refused_by_name(tmp_path: Path) -> None:
    values = np.rint(amplitude(ground_db()) * 470).clip(1).astype(np.uint16)
    soft = np.clip(np.indices((HEIGHT, WIDTH))[1], 0, 255).astype(np.uint8)
    source = masked_tiff(tmp_path / "in.tif", values, soft, internal=False)
    with rasterio.open(source) as dataset:
        kept = np.unique(dataset.read_masks(1)).size
    if kept < 3:
        pytest.skip("this GDAL keeps no soft masks")
    with pytest.raises(InputError, match="mask band has values between"):
        sarcodec.encode(source, tmp_path / "a.sarc", bpp=0.5)


def test_nodata_of_one_band_is_taken_for_all_with_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = np.where(inside(), np.rint(amplitude(ground_db()) * 470).clip(1), 0).astype(np.uint16)
    write(tmp_path / "in.tif", values, nodata=0)
    band = (
        '<VRTRasterBand dataType="UInt16" band="{}">{}<SimpleSource><SourceFilename relativeToVRT="1">in.tif'
        "</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>"
    )
    bands = band.format(1, "<NoDataValue>0</NoDataValue>") + band.format(2, "")
    place = "<GeoTransform>5e5, 10, 0, 5e6, 0, -10</GeoTransform>"
    vrt = f'<VRTDataset rasterXSize="{WIDTH}" rasterYSize="{HEIGHT}">{place}{bands}</VRTDataset>'
    (tmp_path / "in.vrt").write_text(vrt)
    assert main(["encode", str(tmp_path / "in.vrt"), "-o", str(tmp_path / "a.sarc"), "--bpp", "0.5"]) == 0
    assert "nodata 0 is declared for band 1 only" in capsys.readouterr().err
    sarcodec.decode(tmp_path / "a.sarc", tmp_path / "b.tif")
    with rasterio.open(tmp_path / "b.tif") as dataset:
        assert dataset.nodatavals == (0, 0)
        assert all(np.array_equal(dataset.read(k) == 0, ~inside()) for k in (1, 2))


def test_what_damage_takes_is_masked_in_a_raster_with_a_mask_band(tmp_path: Path) -> None:
    shape = (300, 1124)
    values = np.rint(amplitude(ground_db(shape=shape)) * 470).clip(1).astype(np.uint16)
    source = masked_tiff(tmp_path / "in.tif", values, inside(shape))
    sarcodec.encode(source, tmp_path / "a.sarc", bpp=0.5)
    data = bytearray((tmp_path / "a.sarc").read_bytes())
    with sarcodec.open(tmp_path / "a.sarc") as coded:
        start = len(data) - 40 - coded.decoder.reader.tile_size(0, 1) // 2
    data[start] ^= 1
    (tmp_path / "b.sarc").write_bytes(data)
    report = sarcodec.decode(tmp_path / "b.sarc", tmp_path / "b.tif", allow_partial=True)
    assert [(tile.row, tile.col) for tile in report.damaged] == [(0, 1)]
    with rasterio.open(tmp_path / "b.tif") as dataset:
        seen = dataset.dataset_mask() != 0
    assert not seen[:, 1024:].any()
    assert np.array_equal(seen[:, :900], inside(shape)[:, :900])
    with sarcodec.open(tmp_path / "b.sarc", allow_partial=True) as coded:
        assert np.array_equal(coded.dataset_mask() != 0, seen)


MASKED_BANDS = """<VRTDataset rasterXSize="{w}" rasterYSize="{h}">
<GeoTransform>5e5, 10, 0, 5e6, 0, -10</GeoTransform>{bands}</VRTDataset>"""
MASKED_BAND = (
    '<VRTRasterBand dataType="UInt16" band="{n}"><SimpleSource><SourceFilename relativeToVRT="1">in.tif'
    "</SourceFilename><SourceBand>1</SourceBand></SimpleSource><MaskBand><VRTRasterBand "
    'dataType="Byte"><SimpleSource><SourceFilename relativeToVRT="1">mask.tif</SourceFilename>'
    "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></MaskBand></VRTRasterBand>"
)


def test_a_mask_band_of_one_band_is_coded_and_masks_of_several_are_refused(tmp_path: Path) -> None:
    values = np.rint(amplitude(ground_db()) * 470).clip(1).astype(np.uint16)
    write(tmp_path / "in.tif", values)
    write(tmp_path / "mask.tif", np.where(inside(), 255, 0).astype(np.uint8))
    for count in (1, 2):
        bands = "".join(MASKED_BAND.format(n=n + 1) for n in range(count))
        (tmp_path / f"{count}.vrt").write_text(MASKED_BANDS.format(w=WIDTH, h=HEIGHT, bands=bands))
    sarcodec.encode(tmp_path / "1.vrt", tmp_path / "a.sarc", bpp=0.5)
    with sarcodec.open(tmp_path / "a.sarc") as coded:
        assert np.array_equal(coded.dataset_mask() != 0, inside())
    with pytest.raises(InputError, match="band 1 has a mask band of its own") as caught:
        sarcodec.encode(tmp_path / "2.vrt", tmp_path / "b.sarc", bpp=0.5)
    assert "--bands 1" in caught.value.hint
    sarcodec.encode(tmp_path / "2.vrt", tmp_path / "b.sarc", bpp=0.5, bands=[2])
    with sarcodec.open(tmp_path / "b.sarc") as coded:
        assert np.array_equal(coded.dataset_mask() != 0, inside())


def test_nodata_of_another_band_that_is_data_here_is_refused(tmp_path: Path) -> None:
    values = np.rint(amplitude(ground_db()) * 470).clip(1).astype(np.uint16)
    write(tmp_path / "in.tif", values)
    common = int(np.bincount(values.ravel()).argmax())
    band = (
        '<VRTRasterBand dataType="UInt16" band="{}">{}<SimpleSource><SourceFilename relativeToVRT="1">in.tif'
        "</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>"
    )
    bands = band.format(1, f"<NoDataValue>{common}</NoDataValue>") + band.format(2, "")
    (tmp_path / "in.vrt").write_text(MASKED_BANDS.format(w=WIDTH, h=HEIGHT, bands=bands))
    with pytest.raises(UsageError, match="band 2 declares no nodata") as caught:
        sarcodec.encode(tmp_path / "in.vrt", tmp_path / "a.sarc", bpp=0.5)
    assert "--bands 2" in caught.value.hint
    report = sarcodec.encode(tmp_path / "in.vrt", tmp_path / "a.sarc", bpp=0.5, bands=[2])
    assert report.scales == (Scale.DN,)
    assert (sarcodec.decode_array((tmp_path / "a.sarc").read_bytes()) > 0).all()


def test_an_rmse_holds_for_rasters_of_many_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sarcodec.encoding.survey.TILE_SIDE", 256)
    db = ground_db(shape=(520, 600))
    db[:, 512:] = -20 + np.random.default_rng(0).normal(0, 0.15, (520, 88))
    source = write(tmp_path / "in.tif", np.stack([db] * 5).astype(np.float32))
    report, back = there_and_back(source, rmse_db=1.5, scale="db")
    measured = [rmse(band, db) for band in back]
    assert 1.45 < max(measured) <= 1.5 + PEER_STEP
    assert report.rmse_db == pytest.approx(measured, abs=PEER_STEP)
