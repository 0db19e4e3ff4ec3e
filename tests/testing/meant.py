"""Inputs of known meaning, for the test that counts wrong guesses. A reader adds one by a line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, zoom

from sarcodec.arrays import ArraySource
from sarcodec.metadata import BandMeta, RasterMeta
from testing.reported import amplitude, ground_db, inside, power

Array = npt.NDArray[Any]
SHAPE = (176, 208)


def ground(mean: float = -11.0, seed: int = 0) -> Array:
    return ground_db(mean, seed, SHAPE)


def town(mean: float = 2.0, seed: int = 3) -> Array:
    """A town: bright rough blocks among streets, dB."""
    rng = np.random.default_rng(seed)
    blocks = np.kron(rng.normal(0, 4, (SHAPE[0] // 16, SHAPE[1] // 16)), np.ones((16, 16)))
    return np.asarray(mean + blocks + 10 * np.log10(rng.gamma(2, 1 / 2, SHAPE)))


def homogeneous(mean: float = -8.0, looks: float = 4.4, seed: int = 5) -> Array:
    return np.asarray(mean + 10 * np.log10(np.random.default_rng(seed).gamma(looks, 1 / looks, SHAPE)))


def resampled(mean: float = -11.0, seed: int = 7) -> Array:
    """Terrain-corrected: power interpolated onto another grid."""
    small = power(ground_db(mean, seed, (SHAPE[0] // 2, SHAPE[1] // 2)))
    return np.asarray(10 * np.log10(np.maximum(zoom(small, 2, order=1), 1e-5)))


def averaged(mean: float = -11.0, seed: int = 9) -> Array:
    """A mean over 20 dates."""
    ground_power = power(ground_db(mean, seed, SHAPE))
    rng = np.random.default_rng(seed)
    return np.asarray(10 * np.log10(gaussian_filter(ground_power, 2) * rng.gamma(80, 1 / 80, SHAPE)))


def bordered(values: Array, fill: float) -> Array:
    return np.where(inside(SHAPE), values, fill)


def dn(db: Array, gain: float = 470.0, dtype: str = "u2") -> Array:
    return np.asarray(np.rint(amplitude(db) * gain).clip(1, np.iinfo(dtype).max).astype(dtype))


@dataclass(frozen=True)
class Meant:
    """One band, and what its values are."""

    name: str
    truth: str
    """dn, amplitude, power, db, or none."""
    make: Callable[[], Array]
    decided: bool = False
    """Whether the tool has to find the scale at the default quality without the user."""
    description: str | None = None
    unit: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    file: str = "in.tif"
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = None
    color: str = "gray"

    def source(self) -> ArraySource:
        """The band as a source of pixels."""
        values = self.make()
        band = BandMeta(self.description, self.unit, self.scale, self.offset, self.color)
        tags = {"": self.tags} if self.tags else {}
        meta = RasterMeta(
            values.shape[1], values.shape[0], 1, values.dtype.name, self.nodata, tags=tags, bands=(band,)
        )
        return ArraySource(np.ascontiguousarray(values)[None], meta, name=self.file)


def _f4(values: Array) -> Array:
    return values.astype("f4")


_S1 = "s1a-iw-grd-vv-20240501t053300-20240501t053325-053671-0684aa-001.tiff"
_HYP3 = "S1A_IW_20230101T053300_DVP_RTC30_G_g{}uned_1A2B_VV.tif"
_OPERA = "OPERA_L2_RTC-S1_T069-147170-IW1_20230601T053300Z_20230602T010203Z_S1A_30_v1.0_VV.tif"
_EXPRESSION = {"OUTPUT_BACKSCATTER_EXPRESSION_CONVENTION": "linear backscatter intensity"}

TABLE = (
    # products that have to be decided without the user
    Meant("GEE dB", "db", lambda: bordered(ground(), np.nan), True, "VV"),
    Meant("GEE dB of the sea", "db", lambda: ground(-20, 2), True, "VH"),
    Meant("GEE dB, resampled", "db", resampled, True, "VV"),
    Meant("HyP3 RTC power", "power", lambda: _f4(power(ground())), True, file=_HYP3.format("p"), nodata=0),
    Meant("HyP3 RTC amplitude", "amplitude", lambda: _f4(amplitude(ground())), True, file=_HYP3.format("a")),
    Meant("HyP3 RTC dB", "db", lambda: _f4(ground()), True, file=_HYP3.format("d")),
    Meant("SNAP Sigma0", "power", lambda: _f4(power(ground())), True, "Sigma0_VV", "intensity", nodata=0),
    Meant("SNAP Sigma0, no unit", "power", lambda: _f4(power(ground())), True, "Sigma0_VV"),
    Meant("SNAP Sigma0 dB", "db", lambda: _f4(ground()), True, "Sigma0_VV_db", "intensity_db"),
    Meant("SNAP Gamma0", "power", lambda: _f4(power(resampled())), True, "Gamma0_VH"),
    Meant("SNAP Beta0", "power", lambda: _f4(power(ground(-3))), True, "Beta0_HH"),
    Meant("SNAP Amplitude", "amplitude", lambda: dn(ground()), True, "Amplitude_VV", "amplitude"),
    Meant("SNAP Intensity", "power", lambda: _f4(power(ground(40))), True, "Intensity_VV", "intensity"),
    Meant("SNAP Sigma0 in a DIMAP folder", "power", lambda: _f4(power(ground())), True, file="Sigma0_VV.img"),
    Meant("SNAP dB in a DIMAP folder", "db", lambda: _f4(ground()), True, file="Gamma0_VH_db.img"),
    Meant("SNAP coregistered", "power", lambda: _f4(power(ground())), True, "Sigma0_VV_slv1_01Jan2020"),
    Meant("OPERA RTC-S1", "power", lambda: _f4(power(resampled())), True, file=_OPERA, nodata=np.nan),
    Meant("OPERA RTC-S1, renamed", "power", lambda: _f4(power(resampled())), True, tags=_EXPRESSION),
    Meant(
        "Planetary Computer RTC",
        "power",
        lambda: _f4(power(resampled())),
        True,
        file="iw-vv.rtc.tiff",
        nodata=-32768,
    ),
    Meant("Copernicus GRD", "dn", lambda: dn(ground()), True, file=_S1, nodata=0),
    Meant("Copernicus GRD, renamed", "dn", lambda: dn(ground()), True, nodata=0),
    Meant(
        "Copernicus GRD by its tag",
        "dn",
        lambda: dn(homogeneous()),
        True,
        tags={"TIFFTAG_IMAGEDESCRIPTION": "Sentinel-1A IW GRD HR L1"},
    ),
    Meant("Copernicus GRD COG", "dn", lambda: dn(ground()), True, file=_S1.replace(".tiff", "-cog.tiff")),
    Meant("Planetary Computer GRD", "dn", lambda: dn(ground()), True, file="iw-vv.tiff"),
    Meant(
        "CEOS-ARD NRB",
        "power",
        lambda: _f4(power(resampled())),
        True,
        file="s1a-iw-nrb-20220721t051225-044194-05465e-33tuf-vv-g-lin.tif",
    ),
    Meant(
        "CEOS-ARD NRB, logarithmic",
        "db",
        lambda: _f4(resampled()),
        True,
        file="s1a-iw-nrb-20220721t051225-044194-05465e-33tuf-vv-g-log.vrt",
    ),
    Meant("PALSAR-2 mosaic", "dn", lambda: dn(ground(-9), 8000), True, file="N10E105_18_sl_HH_F02DAR.tif"),
    Meant(
        "ICEYE GRD",
        "dn",
        lambda: dn(homogeneous(looks=1.0)),
        True,
        file="ICEYE_X7_GRD_SM_36534_20201220T101112.tif",
    ),
    Meant(
        "Capella GEO",
        "dn",
        lambda: dn(ground(), 3000),
        True,
        file="CAPELLA_C02_SM_GEO_HH_20201209213329_20201209213332.tif",
    ),
    Meant(
        "Umbra GEC", "dn", lambda: dn(ground(), 200, "u1"), True, file="2023-04-01-05-12-02_UMBRA-05_GEC.tif"
    ),
    Meant("a file of the data folder, dB", "db", lambda: _f4(ground()), True, tags={"SCALE": "db"}),
    Meant(
        "a file of the data folder, power",
        "power",
        lambda: _f4(power(ground())),
        True,
        tags={"SCALE": "power"},
    ),
    Meant(
        "a file of the data folder, amplitude",
        "amplitude",
        lambda: _f4(amplitude(ground())),
        True,
        tags={"SCALE": "amplitude"},
    ),
    # dB without names
    Meant("dB float32", "db", lambda: _f4(ground()), True),
    Meant("dB with an undeclared border of 0", "db", lambda: _f4(bordered(ground(), 0)), True),
    Meant("dB with an undeclared border of -9999", "db", lambda: _f4(bordered(ground(), -9999)), True),
    Meant("dB whose median is 0", "db", lambda: _f4(ground() - np.median(ground()) + 0.2), True),
    Meant("dB of a town about 0", "db", lambda: _f4(town(0.0)), True),
    Meant("dB of a town, all positive", "db", lambda: _f4(np.maximum(town(16.0), 0.02))),
    Meant("positive dB of ground", "db", lambda: _f4(np.maximum(ground(14), 0.02)), True),
    Meant("dB of digital numbers", "db", lambda: _f4(ground() + 53.4), True),
    Meant("dB of digital numbers, resampled", "db", lambda: _f4(resampled() + 53.4)),
    Meant("dB of homogeneous speckle", "db", lambda: _f4(homogeneous()), True),
    Meant("dB of a single look", "db", lambda: _f4(homogeneous(looks=1.0)), True),
    Meant("dB of homogeneous speckle above 0", "db", lambda: _f4(homogeneous(30.0))),
    Meant("dB of a temporal mean", "db", lambda: _f4(averaged())),
    Meant("dB of a temporal mean above 0", "db", lambda: _f4(averaged(30.0))),
    Meant("dB rounded to halves", "db", lambda: _f4(np.rint(ground() * 2) / 2), True),
    Meant("dB in a small chip", "db", lambda: _f4(ground()[:24, :24]), True),
    Meant("dB in a chip of 8 x 8", "db", lambda: _f4(ground()[:8, :8])),
    Meant("dB by unit, all positive", "db", lambda: _f4(ground(30)), True, unit="dB"),
    Meant("dB by unit decibel", "db", lambda: _f4(ground()), True, unit="decibels"),
    Meant("dB by the tag UNITS", "db", lambda: _f4(town(16)), True, tags={"UNITS": "dB"}),
    Meant("dB named Sigma0 without db", "db", lambda: _f4(ground()), True, "Sigma0_VV"),
    Meant("dB named intensity", "db", lambda: _f4(ground()), False, "Intensity_VV"),
    Meant("dB tagged power", "db", lambda: _f4(ground()), False, tags={"SCALE": "power"}),
    # dB in integers
    Meant("dB x 100 with its scale", "db", lambda: np.rint(ground() * 100).astype("i2"), True, scale=0.01),
    Meant(
        "dB x 100 with nodata",
        "db",
        lambda: np.rint(bordered(ground(), -327.68) * 100).astype("i2"),
        True,
        scale=0.01,
        nodata=-32768,
    ),
    Meant(
        "dB x 100 + 5000, scale and offset",
        "db",
        lambda: np.rint((ground() + 50) * 100).astype("u2"),
        True,
        scale=0.01,
        offset=-50.0,
    ),
    Meant(
        "dB x 100 + 5000, with unit",
        "db",
        lambda: np.rint((ground() + 50) * 100).astype("u2"),
        True,
        unit="dB",
        scale=0.01,
        offset=-50.0,
    ),
    Meant(
        "dB in bytes with scale and offset",
        "db",
        lambda: np.rint((ground() + 40) * 5).clip(1, 255).astype("u1"),
        True,
        scale=0.2,
        offset=-40.0,
    ),
    Meant("whole dB", "db", lambda: np.rint(ground()).astype("i2"), True),
    Meant("whole dB of 16 values", "db", lambda: np.rint(ground()).clip(-20, -5).astype("i2"), True),
    Meant("dB x 100 without its scale", "none", lambda: np.rint(ground() * 100).astype("i2")),
    Meant("dB x 100 + 5000 without its scale", "none", lambda: np.rint((ground() + 50) * 100).astype("u2")),
    Meant(
        "dB x 1000 + 60000 without its scale", "none", lambda: np.rint((ground() + 60) * 1000).astype("u4")
    ),
    # linear floats: power and amplitude are not told apart
    Meant("power", "power", lambda: _f4(power(ground()))),
    Meant("power of a town", "power", lambda: _f4(power(town()))),
    Meant("power, resampled", "power", lambda: _f4(power(resampled()))),
    Meant("power of homogeneous speckle", "power", lambda: _f4(power(homogeneous()))),
    Meant("power of a temporal mean", "power", lambda: _f4(power(averaged()))),
    Meant("power, not calibrated", "power", lambda: _f4(power(ground(45)))),
    Meant("amplitude", "amplitude", lambda: _f4(amplitude(ground()))),
    Meant("amplitude, resampled", "amplitude", lambda: _f4(amplitude(resampled()))),
    Meant("amplitude of a single look", "amplitude", lambda: _f4(amplitude(homogeneous(looks=1.0)))),
    Meant("amplitude, not calibrated", "amplitude", lambda: _f4(amplitude(ground(45)))),
    Meant("amplitude float64", "amplitude", lambda: amplitude(ground(seed=4))),
    Meant("power by unit", "power", lambda: _f4(power(ground())), True, unit="m2/m2"),
    Meant("power by unit linear", "power", lambda: _f4(power(ground())), True, unit="linear power"),
    Meant("amplitude by name", "amplitude", lambda: _f4(amplitude(ground())), True, "amplitude HH"),
    Meant("linear by its tag", "power", lambda: _f4(power(ground())), True, tags={"scale": "linear"}),
    Meant("power tagged dB", "power", lambda: _f4(power(ground())), False, tags={"SCALE": "dB"}),
    Meant("power named Gamma0_VV_db", "power", lambda: _f4(power(ground())), False, "Gamma0_VV_db"),
    Meant(
        "power named amplitude and intensity",
        "power",
        lambda: _f4(power(ground())),
        False,
        "Amplitude_VV",
        "intensity",
    ),
    # linear integers
    Meant(
        "power x 10000 with its scale",
        "power",
        lambda: np.rint(power(ground()) * 1e4).clip(1).astype("u2"),
        scale=1e-4,
    ),
    Meant(
        "power x 10000, named",
        "power",
        lambda: np.rint(power(ground()) * 1e4).clip(1).astype("u2"),
        True,
        "Sigma0_VV",
        scale=1e-4,
    ),
    Meant("squares of digital numbers", "power", lambda: dn(ground()).astype("u4") ** 2, True),
    Meant("squares of digital numbers in floats", "power", lambda: dn(ground()).astype("f4") ** 2, True),
    Meant("whole intensities", "power", lambda: np.rint(power(ground(50))).astype("f4")),
    Meant("digital numbers in floats", "dn", lambda: dn(ground()).astype("f4")),
    Meant("digital numbers, int16", "dn", lambda: dn(ground()).astype("i2"), True),
    Meant("digital numbers, resampled", "dn", lambda: dn(resampled()), True),
    Meant("digital numbers of a temporal mean", "dn", lambda: dn(averaged()), True),
    Meant("digital numbers of a chip", "dn", lambda: dn(ground()[:24, :24]), True),
    Meant("digital numbers in bytes", "dn", lambda: dn(ground(), 300, "u1"), True),
    Meant(
        "digital numbers with a border", "dn", lambda: bordered(dn(ground()), 0).astype("u2"), True, nodata=0
    ),
    Meant("digital numbers wrapped to int16", "none", lambda: dn(ground(-2), 30000).view("i2")),
    # no backscatter, or no scale that fits
    Meant(
        "incidence angle",
        "none",
        lambda: _f4(30 + 15 * np.indices(SHAPE)[1] / SHAPE[1]),
        False,
        "localIncidenceAngle",
    ),
    Meant(
        "incidence angle of GEE", "none", lambda: 30 + 15 * np.indices(SHAPE)[1] / SHAPE[1], False, "angle"
    ),
    Meant(
        "incidence angle by unit",
        "none",
        lambda: _f4(30 + 15 * np.indices(SHAPE)[1] / SHAPE[1]),
        unit="degrees",
    ),
    Meant("incidence angle without a name", "none", lambda: _f4(30 + 15 * np.indices(SHAPE)[1] / SHAPE[1])),
    Meant("elevation", "none", lambda: _f4(200 + 80 * gaussian_filter(ground(), 9)), False, "elevation", "m"),
    Meant(
        "HyP3 incidence map",
        "none",
        lambda: _f4(0.6 + 0.1 * np.indices(SHAPE)[1] / SHAPE[1]),
        file="S1A_IW_20230101T053300_DVP_RTC30_G_gpuned_1A2B_inc_map.tif",
    ),
    Meant("coherence", "none", lambda: _f4(1 / (1 + power(ground()))), False, "coh_VV_1Jan2020_13Jan2020"),
    Meant(
        "real part of a complex number",
        "none",
        lambda: _f4(amplitude(ground()) * np.cos(ground())),
        False,
        "i_VV",
    ),
    Meant("noise-subtracted power", "none", lambda: _f4(power(ground()) - 0.05)),
    Meant("noise-subtracted power, not calibrated", "none", lambda: _f4(power(ground(40)) - 3000)),
    Meant("dB stretched to 0..1", "none", lambda: _f4(((ground() + 30) / 35).clip(0.001, 1))),
    Meant(
        "dB stretched to bytes", "none", lambda: ((ground() + 30) / 35 * 253 + 1).clip(1, 254).astype("u1")
    ),
    Meant(
        "class map",
        "none",
        lambda: np.digitize(gaussian_filter(ground(), 9), (-13, -11, -9)).astype("u1"),
        False,
        "landcover classes",
    ),
    # names and tags that mislead
    Meant("dB x 100 with the unit dB", "none", lambda: np.rint(ground() * 100).astype("i2"), unit="dB"),
    Meant("dB x 100 in floats, tagged dB", "none", lambda: _f4(ground() * 100), tags={"SCALE": "dB"}),
    Meant(
        "dB stretched to bytes, named VV_dB",
        "none",
        lambda: ((ground() + 30) / 35 * 253 + 1).clip(1, 254).astype("u1"),
        description="VV_dB",
    ),
    Meant(
        "dB stretched to 0..1, named VV_dB",
        "none",
        lambda: _f4(((ground() + 30) / 35).clip(0.001, 1)),
        description="VV_dB",
    ),
    Meant("digital numbers in a file named gamma0", "dn", lambda: dn(ground()), file="alos_gamma0_2020.tif"),
    Meant(
        "positive dB named Gamma0VHdB", "db", lambda: _f4(np.maximum(ground(14), 0.02)), True, "Gamma0VHdB"
    ),
    Meant(
        "positive dB named sigma0 10*log10",
        "db",
        lambda: _f4(np.maximum(ground(14), 0.02)),
        True,
        "sigma0 10*log10",
    ),
    Meant(
        "positive dB in a HyP3 power file named dB",
        "db",
        lambda: _f4(np.maximum(town(16), 0.02)),
        file="S1A_IW_20230101T053300_DVP_RTC30_G_gpuned_1A2B_VV_dB.tif",
    ),
    Meant(
        "amplitude in power_plant.tif", "amplitude", lambda: _f4(amplitude(ground())), file="power_plant.tif"
    ),
    Meant("power in amp_tower.tif", "power", lambda: _f4(power(ground())), file="amp_tower.tif"),
    Meant(
        "amplitude with a formula as its tag",
        "amplitude",
        lambda: _f4(amplitude(ground())),
        tags={"BACKSCATTER_EXPRESSION": "sqrt(Intensity_VV)"},
    ),
    Meant(
        "SNAP Sigma0 by the local angle",
        "power",
        lambda: _f4(power(ground())),
        True,
        "Sigma0_VV_use_local_inci_angle_from_dem",
        "intensity",
    ),
    Meant("intensity of 9 looks", "power", lambda: _f4(power(ground())), True, "Intensity_VV_9looks"),
    Meant("dB of a town called Nairobi", "db", lambda: _f4(ground()), True, file="S1_Nairobi_VV.tif"),
    Meant("dB whose map has metres", "db", lambda: _f4(ground()), True, tags={"UNITS": "m"}),
    Meant(
        "averaged dB about zero named Sigma0_HH",
        "db",
        lambda: _f4(averaged(0.0) - np.median(averaged(0.0))),
        description="Sigma0_HH",
    ),
    # other fields of even spread
    Meant("wrapped phase", "none", lambda: _f4(np.random.default_rng(1).uniform(-np.pi, np.pi, SHAPE))),
    Meant("real part of single looks", "none", lambda: _f4(np.random.default_rng(2).normal(0, 3, SHAPE))),
    Meant(
        "real part of single looks, x 10", "none", lambda: _f4(np.random.default_rng(2).normal(0, 10, SHAPE))
    ),
    Meant(
        "local angle over hills",
        "none",
        lambda: _f4(38 + 6 * gaussian_filter(np.random.default_rng(3).normal(size=SHAPE), 2)),
    ),
    Meant("temperature", "none", lambda: _f4(12 + 2 * np.random.default_rng(4).normal(size=SHAPE))),
    Meant("velocity", "none", lambda: _f4(-2 + 4 * np.random.default_rng(5).normal(size=SHAPE))),
    Meant(
        "codes of classes that are squares",
        "none",
        lambda: np.array([100, 144, 400, 900], "u2")[np.random.default_rng(6).integers(0, 4, SHAPE)],
    ),
    Meant(
        "dates of a PALSAR mosaic",
        "none",
        lambda: (2500 + np.indices(SHAPE)[1] // 20).astype("u2"),
        file="N10E105_18_date_F02DAR.tif",
    ),
    Meant(
        "amplitude enlarged eight times",
        "amplitude",
        lambda: _f4(np.kron(amplitude(ground())[:22, :26], np.ones((8, 8)))),
    ),
    Meant(
        "amplitude of a chip with holes",
        "amplitude",
        lambda: _f4(np.where(np.indices((15, 15))[0] < 8, np.nan, amplitude(ground())[:15, :15])),
    ),
    Meant(
        "power x 10000 without its scale", "power", lambda: np.rint(power(homogeneous()) * 1e4).astype("u2")
    ),
    Meant(
        "dB x 100 with an undeclared border",
        "db",
        lambda: np.rint(bordered(ground(), -327.68) * 100).astype("i2"),
        True,
        scale=0.01,
    ),
)
"""At least 80 inputs."""
