"""What is measured on a decoded image: the names, units and short definitions of every figure.

Formulas and sources stand in the docstrings of :mod:`sarcodec.metrics` and in ``docs/benchmark.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Better(str, Enum):
    """Where a figure is good."""

    HIGH = "high"
    LOW = "low"
    ONE = "one"
    ZERO = "zero"
    NEITHER = "neither"
    """It describes, it does not judge."""


@dataclass(frozen=True)
class Measure:
    """One figure of a decoded image."""

    name: str
    """Key in `Point.measures`."""
    title: str
    unit: str
    """Empty where it has none."""
    better: Better
    group: str
    """Heading in the report."""
    text: str
    """One sentence for a reader of the report."""


ERROR, LIKENESS, RADIOMETRY, SPECKLE, TASKS = "Error", "Likeness", "Radiometry", "Speckle", "Tasks"

MEASURES: tuple[Measure, ...] = (
    Measure(
        "rmse_db",
        "RMSE",
        "dB",
        Better.LOW,
        ERROR,
        "Root mean square error of decibels of power over valid pixels, not clipped.",
    ),
    Measure("psnr_db", "PSNR", "dB", Better.HIGH, ERROR, "20 log10(30 dB / RMSE)."),
    Measure(
        "bound_gap_db",
        "gap to bound",
        "dB",
        Better.LOW,
        ERROR,
        "PSNR below the Gaussian rate-distortion bound of the scene's spectrum at the same rate.",
    ),
    Measure(
        "truth_rmse_db",
        "distance to truth",
        "dB",
        Better.LOW,
        ERROR,
        "RMSE against the scene without speckle; simulated scenes alone have one.",
    ),
    Measure(
        "truth_gain_db",
        "nearer to truth",
        "dB",
        Better.HIGH,
        ERROR,
        "20 log10 of the original's distance to the truth over the decoded image's: above 0 coding denoises.",
    ),
    Measure(
        "ssim", "SSIM", "", Better.HIGH, LIKENESS, "Mean structural similarity of the dB images, range 30 dB."
    ),
    Measure(
        "ms_ssim",
        "MS-SSIM",
        "",
        Better.HIGH,
        LIKENESS,
        "Multi-scale structural similarity, five scales, range 30 dB.",
    ),
    Measure(
        "epi_correlation",
        "EPI, correlation",
        "",
        Better.ONE,
        LIKENESS,
        "Correlation of the gradient magnitudes of original and decoded image.",
    ),
    Measure(
        "epi_ratio",
        "EPI, ratio",
        "",
        Better.ONE,
        LIKENESS,
        "Sum of absolute differences of neighbours, decoded over original.",
    ),
    Measure(
        "notes_psnr",
        "PSNR, notes' convention",
        "dB",
        Better.HIGH,
        LIKENESS,
        "PSNR of dB clipped at the 1st and 99th percentile of the training scenes, scaled to [0, 1].",
    ),
    Measure(
        "notes_ssim",
        "SSIM, notes' convention",
        "",
        Better.HIGH,
        LIKENESS,
        "SSIM of the same clipped images, peak 1.",
    ),
    Measure(
        "bias_db",
        "bias of mean power",
        "dB",
        Better.ZERO,
        RADIOMETRY,
        "Mean linear power of the decoded image over that of the original.",
    ),
    Measure(
        "bias_cell_p5_db",
        "bias of cells, 5 %",
        "dB",
        Better.ZERO,
        RADIOMETRY,
        "5th percentile of the bias over cells of 1 km x 1 km.",
    ),
    Measure(
        "bias_cell_p95_db",
        "bias of cells, 95 %",
        "dB",
        Better.ZERO,
        RADIOMETRY,
        "95th percentile of the bias over cells of 1 km x 1 km.",
    ),
    Measure(
        "bias_cell_abs_p95_db",
        "bias of cells, magnitude",
        "dB",
        Better.LOW,
        RADIOMETRY,
        "95th percentile of the magnitude of the bias over cells of 1 km x 1 km.",
    ),
    Measure(
        "enl_ratio",
        "ENL ratio",
        "",
        Better.ONE,
        SPECKLE,
        "Equivalent number of looks on homogeneous blocks, decoded over original; above 1 is smoother.",
    ),
    Measure(
        "lag1_change",
        "lag-1 autocorrelation, change",
        "",
        Better.ZERO,
        SPECKLE,
        "Speckle autocorrelation at one pixel on homogeneous blocks, decoded minus original.",
    ),
    Measure(
        "ks_speckle",
        "KS of speckle",
        "",
        Better.LOW,
        SPECKLE,
        "Kolmogorov-Smirnov distance between the speckle distributions of original and decoded image.",
    ),
    Measure(
        "ks_ratio",
        "KS of ratio image",
        "",
        Better.NEITHER,
        SPECKLE,
        "KS distance of original / decoded to the gamma law of speckle: 0 where all of the speckle, and "
        "nothing else, was taken away, near the largest value where nothing was.",
    ),
    Measure(
        "water_iou",
        "water mask, IoU",
        "",
        Better.ONE,
        TASKS,
        "Water masks by Otsu's threshold, original against decoded.",
    ),
    Measure(
        "water_truth_iou",
        "water mask, IoU with truth",
        "",
        Better.HIGH,
        TASKS,
        "Water mask of the decoded image against that of the scene without speckle.",
    ),
    Measure(
        "targets_kept",
        "targets kept",
        "share",
        Better.ONE,
        TASKS,
        "CA-CFAR detections of the original found again in the decoded image; images of 20 and more count.",
    ),
    Measure(
        "targets_added",
        "targets added",
        "per target",
        Better.ZERO,
        TASKS,
        "CA-CFAR detections of the decoded image near none of the original, per target of the original.",
    ),
    Measure(
        "bright_kept",
        "bright targets kept",
        "share",
        Better.ONE,
        TASKS,
        "Of the detections of more than 10 dB contrast, the share found again; images of 5 and more count.",
    ),
    Measure(
        "bright_peak_rms_db",
        "bright targets, peak error",
        "dB",
        Better.LOW,
        TASKS,
        "RMS error of the peak of targets of more than 10 dB contrast.",
    ),
    Measure(
        "change_iou",
        "change map, IoU",
        "",
        Better.ONE,
        TASKS,
        "Log-ratio change map between two dates, of the originals against of the decoded images.",
    ),
    Measure(
        "change_f1",
        "change map, F1",
        "",
        Better.HIGH,
        TASKS,
        "Log-ratio change map of the decoded images against the change that was simulated.",
    ),
)

BY_NAME = {measure.name: measure for measure in MEASURES}
