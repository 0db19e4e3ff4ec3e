"""A made-up benchmark: three images of two kinds, four lossy codecs and a lossless one, four rates."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.bench.measures import MEASURES
from sarcodec.bench.report import write_crops
from sarcodec.bench.results import (
    BdRow,
    BdSummary,
    CodecInfo,
    PairedTest,
    Point,
    Results,
    SceneInfo,
    SpeedRow,
)
from testing.scenes import power

Array = npt.NDArray[Any]

RATES = (0.05, 0.1, 0.2, 0.4)

CODECS = (
    CodecInfo("sarcodec", "sarcodec", "sarcodec 0.1.0", "model lapped16, quality searched for the size"),
    CodecInfo(
        "jpeg2000", "JPEG 2000 9/7", "OpenJPEG 2.5.3 through glymur 0.14.8", "one tile, six resolutions"
    ),
    CodecInfo(
        "jpegxl", "JPEG XL", "libjxl 0.11.1 through imagecodecs", "VarDCT, effort 7, distance searched"
    ),
    CodecInfo("avif", "AVIF", "libavif 1.1.1", "AV1, 12 bit, speed 6", threaded=False),
    CodecInfo("lerc", "LERC", "LERC 4.0 through rasterio 1.4.4", "float32, tolerance 0", lossless=True),
)

_EDGE = {"sarcodec": 0.0, "jpeg2000": 0.055, "jpegxl": 0.085, "avif": 0.115}
"""RMSE above ours, dB."""
_SCENES = (("bolivia VV", "grd", 2.25), ("mekong VH", "grd", 2.6), ("simulated coast", "simulated", 2.05))
_SMOOTH = {"sarcodec": 3.4, "jpeg2000": 2.9, "jpegxl": 3.1, "avif": 4.0}


def results() -> Results:
    """Everything that a document may hold, pictures apart."""
    return Results(
        about={
            "date": "2025-11-20 14:18 UTC",
            "command": "sarcodec bench bolivia.tif mekong.tif --bpp 0.05,0.1,0.2,0.4 -o report",
            "sarcodec": "0.1.0",
            "model": "lapped16",
            "model_sha256": "9d1f" * 16,
            "python": "3.11.9",
            "numpy": "1.26.4",
            "os": "Linux x86_64",
            "processor": "Imaginary CPU at 2 GHz",
            "cores": 4,
            "device": "cpu",
            "threads": 4,
            "seconds": 912.4,
            "quick": False,
        },
        rates=RATES,
        codecs=CODECS,
        scenes=tuple(_scene(name, kind, sd) for name, kind, sd in _SCENES),
        points=tuple(_points()),
        bd_rate=tuple(_bd_rows()),
        bd_summary=tuple(_bd_means()),
        paired=tuple(_paired()),
        speed=tuple(_speed()),
        warnings=("The model was trained on Sentinel-1 alone; one image is simulated.",),
    )


def with_crops(found: Results, folder: Path, side: int = 96) -> Results:
    """`found` with windows of its scenes, whose pictures lie in `folder`."""
    shown = []
    for number, scene in enumerate(found.scenes, start=1):
        original = 10 * np.log10(power((200, 176), seed=number)).astype(np.float32)
        valid = np.ones(original.shape, bool)
        valid[:20, :40] = False
        decoded = {
            name: (
                smoothed(original, 2 + place),
                f"{0.2 + place / 1000:.3f} bpp, {1.9 + place / 20:.2f} dB over the whole image",
            )
            for place, name in enumerate(_EDGE)
        }
        shown.append(write_crops(folder, number, scene.name, original, decoded, valid, 0.2, side=side))
    return replace(found, shown=tuple(shown))


def smoothed(db: Array, reach: int) -> Array:
    """Mean of the `reach` x `reach` shifted images: what a codec does to speckle, roughly."""
    shifts = [(row, col) for row in range(reach) for col in range(reach)]
    mean: Array = np.mean([np.roll(db, shift, (0, 1)) for shift in shifts], axis=0).astype(np.float32)
    return mean


def unmeasured(found: Results) -> Results:
    """`found` with every measure None."""
    empty: dict[str, float | None] = {measure.name: None for measure in MEASURES}
    return replace(found, points=tuple(replace(point, measures=empty) for point in found.points))


def _error(codec: str, sd: float, bpp: float) -> float:
    return sd * (0.62 - 0.105 * math.log2(bpp / 0.05)) + _EDGE[codec] * (1 + 0.3 * math.log2(bpp / 0.05))


def _scene(name: str, kind: str, sd: float) -> SceneInfo:
    bound = tuple((0.03 * 1.5**step, 0.93 * _error("sarcodec", sd, 0.03 * 1.5**step)) for step in range(9))
    simulated = kind == "simulated"
    return SceneInfo(
        name=name, file="simulated, seed 0" if simulated else f"{name[:-3]}.tif",
        group="simulated, seed 0" if simulated else f"place {1 if name.startswith('bolivia') else 2}",
        band=name[-2:], kind=kind,
        width=512, height=512, valid_pixels=512 * 512 - (0 if simulated else 1900), scale="db",
        pixel_m=None if simulated else 10.0, sd_db=sd, enl=4.4, blocks=41, lag1=0.21,
        targets=12 if simulated else 0, water_share=None if name == "mekong VH" else 0.31, bound=bound,
        truth_rmse_db=2.9 if simulated else None,
    )  # fmt: skip


def _points() -> list[Point]:
    found = []
    for place, (scene, kind, sd) in enumerate(_SCENES):
        for codec in _EDGE:
            for step, rate in enumerate(RATES):
                rmse = _error(codec, sd, rate)
                bpp = (
                    0.081
                    if (codec, rate, scene) == ("avif", 0.05, "mekong VH")
                    else rate * (1 + 0.003 * place)
                )
                noise = np.random.default_rng(99 * place + step).lognormal(0, 0.08, 16)
                tiles = tuple(
                    float(rmse**2 * factor) for factor in noise ** (1 if codec == "sarcodec" else 0.5)
                )
                measures = _measures(codec, scene, kind, rmse, step, place)
                found.append(
                    Point(
                        scene, codec, rate, 40 + 7.5 * step, round(bpp * 32768), bpp, measures, (*tiles, None)
                    )
                )
        exact = {"rmse_db": 0.0, "psnr_db": None, "ssim": 1.0, "bias_db": 0.0, "enl_ratio": 1.0}
        found.append(Point(scene, "lerc", None, 0.0, 372000 + 9000 * place, 11.35 + 0.3 * place, _all(exact)))
    return found


def _all(known: dict[str, float | None]) -> dict[str, float | None]:
    return {measure.name: known.get(measure.name) for measure in MEASURES}


def _measures(
    codec: str, scene: str, kind: str, rmse: float, step: int, place: int
) -> dict[str, float | None]:
    smooth = _SMOOTH[codec] / (1 + 0.45 * step) + 0.1 * place
    worse = 6 * _EDGE[codec]
    known: dict[str, float | None] = {
        "rmse_db": rmse,
        "psnr_db": 20 * math.log10(30 / rmse),
        "bound_gap_db": 0.63 + worse / 2,
        "ssim": 0.45 + 0.11 * step - worse / 20,
        "ms_ssim": 0.81 + 0.05 * step - worse / 20,
        "epi_correlation": 0.42 + 0.14 * step - worse / 12,
        "epi_ratio": 0.33 + 0.13 * step + 0.01 * place,
        "notes_psnr": 21.5 + step,
        "notes_ssim": 0.5 + 0.1 * step,
        "bias_db": (-0.21 if codec != "sarcodec" else -0.012) / (1 + step) + 0.004 * place,
        "enl_ratio": smooth,
        "lag1_change": 0.31 / (1 + step) + worse / 40,
        "ks_speckle": 0.22 / (1 + step) + worse / 60,
        "ks_ratio": 0.07 + 0.02 * step,
    }
    if scene != "mekong VH":
        known["water_iou"] = 0.93 + 0.015 * step - worse / 50
    if kind == "simulated":
        known |= {"truth_rmse_db": 1.9 + worse / 9, "truth_gain_db": 3.7 - 0.5 * step - worse}
        known |= {"targets_kept": 0.71 + 0.06 * step, "targets_added": 0.05 - 0.01 * step}
        known |= {"bright_kept": 0.93 + 0.02 * step, "bright_peak_rms_db": 1.4 - 0.3 * step + worse / 9}
        known |= {"change_iou": 0.6 + 0.08 * step, "change_f1": 0.7 + 0.05 * step, "water_truth_iou": 0.97}
    else:
        known |= {"bias_cell_p5_db": -0.25, "bias_cell_p95_db": 0.2, "bias_cell_abs_p95_db": 0.3 / (1 + step)}
    return _all(known)


def _bd_rows() -> list[BdRow]:
    warning = "the curves share less than half of their errors"
    found = []
    for test, reference, first in (
        ("sarcodec", "jpeg2000", -19.7), ("sarcodec", "jpegxl", -26.2), ("sarcodec", "avif", -33.1),
        ("jpegxl", "jpeg2000", 8.4), ("avif", "jpeg2000", 21.5),
    ):  # fmt: skip
        for place, (scene, _, _) in enumerate(_SCENES):
            if (test, scene) == ("avif", "mekong VH"):
                found.append(
                    BdRow(scene, test, reference, None, None, None, None, "the curves share no error")
                )
                continue
            low = reference == "avif" and place == 1
            overlap, percent = 0.31 if low else 0.86 + place / 50, first + 3.1 * place
            reason = warning if low else ""
            found.append(BdRow(scene, test, reference, percent, 1.15, 1.62, overlap, reason))
    return found


def _bd_means() -> list[BdSummary]:
    return [
        BdSummary("sarcodec", "jpeg2000", "", 3, -16.6, -19.7, -13.5, -13.5, 0),
        BdSummary("sarcodec", "jpeg2000", "grd", 2, -18.15, None, None, -16.6, 0),
        BdSummary("sarcodec", "jpeg2000", "simulated", 1, -13.5, None, None, -13.5, 0),
        BdSummary("sarcodec", "jpegxl", "", 3, -23.1, -26.2, -20.0, -20.0, 0),
        BdSummary("sarcodec", "avif", "", 2, -30.0, None, None, -26.9, 1),
        BdSummary("jpegxl", "jpeg2000", "", 3, 11.5, 8.4, 14.6, 14.6, 0),
        BdSummary("avif", "jpeg2000", "", 2, 24.6, None, None, 27.7, 1),
    ]


def _paired() -> list[PairedTest]:
    found = []
    for peer in ("jpeg2000", "jpegxl", "avif"):
        for place, rate in enumerate(RATES):
            gain = 3.5 * _EDGE[peer] + 0.05 * place
            found.append(PairedTest(peer, rate, "scene", 3, gain, gain - 0.07, gain + 0.06, 1.0, None))
            found.append(
                PairedTest(peer, rate, "tile", 48, gain - 0.02, gain - 0.1, gain + 0.08, 0.97, 0.0021)
            )
    return found


def _speed() -> list[SpeedRow]:
    speeds = {"sarcodec": (7.4, 6.1), "jpeg2000": (6.2, 9.8), "jpegxl": (1.31, 22.0), "avif": (0.42, 14.0)}
    return [
        SpeedRow(codec, "bolivia VV", 16.8, 1 if codec == "avif" else 4, 5, rate, encode, decode,
                 encode / 6.2, decode / 9.8, 0.04, 0.06, 310.0 if codec == "sarcodec" else 120.0, None)
        for codec, (encode, decode) in speeds.items()
        for rate in (0.1, 0.2)
    ]  # fmt: skip
