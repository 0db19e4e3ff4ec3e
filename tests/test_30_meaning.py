"""What pixels mean: decided where the evidence settles it, asked where it does not, never silently wrong."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sarcodec.arrays import ArraySource
from sarcodec.errors import InputError, SarcError, UsageError
from sarcodec.meaning.clues import of_description, of_file, of_tags, of_unit
from sarcodec.meaning.decide import Meaning, meanings
from sarcodec.meaning.statistics import Statistics, Verdict, usable
from sarcodec.metadata import BandMeta, RasterMeta
from sarcodec.types import Basis, PixelScale, Scale, TileGrid
from testing.meant import TABLE, Meant
from testing.reported import amplitude, ground_db, power

Array = npt.NDArray[Any]


def found(
    source: ArraySource, *scales: Scale | None, matters: bool = True, exactly: bool = False
) -> tuple[Meaning, ...]:
    grid = TileGrid(source.meta.width, source.meta.height, 1024)
    return meanings(source, scales, grid, 1, lambda: None, matters=matters, exactly=exactly)


def of(values: Array, *scales: Scale | None, bands: tuple[BandMeta, ...] = (), **options: Any) -> list[Scale]:
    cube = values[None] if values.ndim == 2 else values
    meta = RasterMeta(cube.shape[2], cube.shape[1], len(cube), cube.dtype.name, bands=bands)
    return [meaning.pixel.scale for meaning in found(ArraySource(cube, meta), *scales, **options)]


def same(scale: Scale, truth: str) -> bool:
    """Whether a scale reads the values as they are meant; digital numbers are amplitudes."""
    amplitudes = {"dn", "amplitude"}
    return scale.value == truth or {scale.value, truth} <= amplitudes


# --- the table


def test_the_table_has_eighty_inputs_of_different_names() -> None:
    assert len({row.name for row in TABLE}) == len(TABLE) >= 80


def answer(source: ArraySource, **options: bool) -> Meaning | SarcError:
    """The meaning of the one band, or the error that asks for it."""
    try:
        return found(source, **options)[0]
    except (UsageError, InputError) as error:
        return error


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_no_input_is_silently_wrong(row: Meant, caplog: pytest.LogCaptureFixture) -> None:
    source = row.source()
    for matters, exactly in ((True, True), (True, False), (False, False)):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            said = answer(source, matters=matters, exactly=exactly)
        if isinstance(said, SarcError):
            assert not row.decided or exactly
            assert "band 1" in said.message
            assert "--scale" in said.hint
            continue
        scale = said.pixel.scale
        if said.basis is Basis.ASSUMED:
            assert not exactly
            assert "band 1" in caplog.text
            assert scale.value in caplog.text
        else:
            assert same(scale, row.truth)
            assert not caplog.text
        assert not row.decided or same(scale, row.truth)


@pytest.mark.parametrize(
    "row",
    [
        row
        for row in TABLE
        if row.truth in ("power", "amplitude")
        and not row.decided
        and (row.scale != 1 or row.make().dtype.kind == "f")
    ],
    ids=lambda row: row.name,
)
def test_power_and_amplitude_without_a_name_are_asked_for_at_the_default_quality(row: Meant) -> None:
    with pytest.raises(UsageError) as caught:
        found(row.source())
    assert "--scale power" in caught.value.hint
    assert "--scale amplitude" in caught.value.hint or "--scale db" in caught.value.hint


# --- the order of evidence


def test_what_the_user_says_counts_before_everything() -> None:
    values = power(ground_db()).astype(np.float32)
    bands = (BandMeta("Sigma0_VV_db", "dB"),)
    (meaning,) = found(
        ArraySource(values[None], RasterMeta(413, 300, 1, "float32", bands=bands)), Scale.POWER
    )
    assert (meaning.pixel, meaning.basis) == (PixelScale(Scale.POWER), Basis.GIVEN)


def test_bands_of_a_file_may_differ() -> None:
    db = ground_db()
    cube = np.stack([db, power(db), amplitude(db)]).astype(np.float32)
    bands = (BandMeta("Sigma0_VV_db"), BandMeta("Sigma0_VV"), BandMeta("Amplitude_VH"))
    assert of(cube, bands=bands) == [Scale.DB, Scale.POWER, Scale.AMPLITUDE]
    assert of(cube[::-1], bands=bands[::-1]) == [Scale.AMPLITUDE, Scale.POWER, Scale.DB]


def test_scales_are_given_for_all_bands_or_for_each() -> None:
    db = ground_db()
    cube = np.stack([db, power(db)]).astype(np.float32)
    assert of(cube, Scale.DB, Scale.POWER) == [Scale.DB, Scale.POWER]
    assert of(cube, None, Scale.POWER) == [Scale.DB, Scale.POWER]
    assert of(cube, Scale.POWER) == [Scale.POWER, Scale.POWER]
    with pytest.raises(UsageError, match="3 scales are given for 2 bands"):
        of(cube, Scale.DB, Scale.DB, Scale.DB)


def test_the_error_for_a_band_names_it_and_the_way_to_leave_it_out() -> None:
    cube = np.stack([ground_db(), ground_db(seed=1), np.indices((300, 413))[1] / 10.0]).astype(np.float32)
    bands = (BandMeta("VV"), BandMeta("VH"), BandMeta("localIncidenceAngle"))
    with pytest.raises(UsageError, match="band 3: name 'localIncidenceAngle'") as caught:
        of(cube, bands=bands)
    assert "--bands 1,2" in caught.value.hint


def test_a_tag_of_the_raster_does_not_make_an_angle_backscatter() -> None:
    values = (30 + np.indices((300, 413))[1] / 40).astype(np.float32)
    meta = RasterMeta(413, 300, 1, "float32", tags={"": {"SCALE": "db"}}, bands=(BandMeta("angle"),))
    with pytest.raises(UsageError, match="no backscatter"):
        found(ArraySource(values[None], meta))


def test_a_guess_of_an_earlier_decode_is_no_evidence() -> None:
    values = power(ground_db()).astype(np.float32)[None]
    for origin, asked in (("name", False), ("assumed", True)):
        band = BandMeta(tags={"SARCODEC": {"SCALE": "power", "SCALE_FROM": origin}})
        source = ArraySource(values, RasterMeta(413, 300, 1, "float32", bands=(band,)))
        if asked:
            with pytest.raises(UsageError):
                found(source)
        else:
            assert found(source)[0].basis is Basis.TAG


def test_scale_and_offset_that_are_no_numbers_are_left_out_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    values = ground_db().astype(np.float32)[None]
    source = ArraySource(values, RasterMeta(413, 300, 1, "float32", bands=(BandMeta(scale=0.0),)))
    with caplog.at_level(logging.WARNING):
        assert found(source)[0].pixel == PixelScale(Scale.DB)
    assert "scale of 0" in caplog.text


@pytest.mark.parametrize("value", [np.nan, 0.0])
@pytest.mark.parametrize("dtype", ["float32", "uint16"])
def test_a_band_without_valid_pixels_needs_no_scale(value: float, dtype: str) -> None:
    assert len(of(np.full((20, 20), value if dtype == "float32" else 0, dtype), exactly=True)) == 1


def test_pixels_outside_of_25_windows_count_too() -> None:
    values = np.zeros((1500, 1500), np.float32)
    values[135:335, 150:330] = ground_db()[:200, :180]
    assert of(values) == [Scale.DB]


# --- clues


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("Sigma0_VV_db", Scale.DB),
        ("sigma0_vv_dB", Scale.DB),
        ("VV (decibel)", Scale.DB),
        ("Amplitude_VV", Scale.AMPLITUDE),
        ("Intensity_HH_mst_22Jan2020", Scale.POWER),
        ("Gamma0_VH", Scale.POWER),
        ("gamma nought VV", Scale.POWER),
        ("beta0", Scale.POWER),
    ],
)
def test_descriptions_tell_scales(text: str, scale: Scale) -> None:
    clue = of_description(text)
    assert clue is not None
    assert clue.scale is scale


@pytest.mark.parametrize("text", ["VV", "HH", "band 1", "2024-05-01", "", None, "dubbed", "powerful?", "S1"])
def test_descriptions_that_say_nothing_are_no_clues(text: str | None) -> None:
    assert of_description(text) is None


@pytest.mark.parametrize(
    "text",
    ["angle", "localIncidenceAngle", "incidenceAngleFromEllipsoid", "layover_shadow_mask", "i_VV", "DEM"],
)
def test_descriptions_tell_what_is_no_backscatter(text: str) -> None:
    clue = of_description(text)
    assert clue is not None
    assert clue.scale is None


@pytest.mark.parametrize(
    ("text", "scale"), [("dB", Scale.DB), ("[dB]", Scale.DB), ("Intensity", Scale.POWER), ("DN", Scale.DN)]
)
def test_units_tell_scales(text: str, scale: Scale) -> None:
    clue = of_unit(text)
    assert clue is not None
    assert clue.scale is scale


@pytest.mark.parametrize("text", ["1", "", None, "unitless", "sr"])
def test_units_that_say_nothing_are_no_clues(text: str | None) -> None:
    assert of_unit(text) is None


@pytest.mark.parametrize(
    ("text", "scale"),
    [("dB", Scale.DB), ("POWER", Scale.POWER), ("Intensity", Scale.POWER), (" amplitude ", Scale.AMPLITUDE)],
)
def test_the_scale_tag_decides_in_any_case(text: str, scale: Scale) -> None:
    clue = of_tags({"scale": text}, {})
    assert clue is not None
    assert (clue.scale, clue.basis) == (scale, Basis.TAG)


def test_a_scale_tag_that_names_no_scale_is_passed_over() -> None:
    assert of_tags({"SCALE": "0.01"}, {}) is None


@pytest.mark.parametrize("stem", ["scene", "chip_0001", "20240501_VV", "mosaic", "area", "S1_20240501T05:33"])
def test_file_names_that_say_nothing_are_no_clues(stem: str) -> None:
    assert of_file(stem, {}) == []


# --- statistics


def verdict(numbers: Array) -> Verdict:
    numbers = numbers.astype(np.float64)
    return Statistics.of(numbers, usable(numbers, np.isfinite(numbers))).verdict()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("mean", [-20.0, -8.0, 0.0])
def test_decibels_and_power_of_one_scene_are_told_apart(mean: float, seed: int) -> None:
    db = ground_db(mean, seed)
    assert verdict(db) is Verdict.DB
    assert verdict(power(db)) is Verdict.LINEAR
    assert verdict(amplitude(db)) in (Verdict.LINEAR, Verdict.UNCLEAR)


@pytest.mark.parametrize("noise", [0.02, 0.06])
def test_power_with_subtracted_noise_is_not_taken_for_decibels(noise: float) -> None:
    assert verdict(power(ground_db()) - noise) is Verdict.SIGNED


def test_statistics_do_not_depend_on_tiles() -> None:
    db = ground_db(shape=(320, 416))
    whole = Statistics.of(db, np.ones(db.shape, bool))
    parts = Statistics.empty()
    for rows in (slice(0, 160), slice(160, 320)):
        parts |= Statistics.of(db[rows], np.ones((160, 416), bool))
    np.testing.assert_array_equal(whole.counts, parts.counts)
    assert whole.percentile(50) == parts.percentile(50) == pytest.approx(np.median(db), rel=0.01)


def test_masks_that_nobody_declared_do_not_sway_the_statistics() -> None:
    db = ground_db(shape=(320, 416))
    db[:, :200] = -9999
    db[:, 200:232] = 0
    assert verdict(db) is Verdict.DB


def test_errors_are_of_the_package() -> None:
    with pytest.raises(SarcError):
        of((power(ground_db()) - 0.05).astype(np.float32), matters=False)
