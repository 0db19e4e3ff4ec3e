"""What a benchmark found: the values behind ``bench.json``, the report and every plot.

`Results` is written as JSON field by field; ``docs/schema/bench.schema.json`` describes that document.
A figure that does not exist for a scene (no water, no targets, too small) is None and never left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SCHEMA = "sarcodec-bench/1"
OURS, REFERENCE = "sarcodec", "jpeg2000"


@dataclass(frozen=True)
class CodecInfo:
    """One codec as it was run."""

    name: str
    """Key in every other table, such as ``jpeg2000``."""
    title: str
    """For people, such as ``JPEG 2000 9/7``."""
    library: str
    """What did the work, with its version, such as ``OpenJPEG 2.5.3 through glymur 0.14.8``."""
    settings: str
    """The setting in words: everything that was chosen, and what carried the rate."""
    lossless: bool = False
    """Whether it returns every value: then it has one point a scene, at the rate that it needs."""
    threaded: bool = True
    """Whether it uses the threads that it is given; else one."""


@dataclass(frozen=True)
class SceneInfo:
    """One image: a band of a raster."""

    name: str
    file: str
    """File name, or the words of a simulated scene."""
    group: str
    """Images of one group, bands of a file and dates of a place, belong together in every resampling."""
    band: str
    kind: str
    """Class in the report: the name of the file's folder, or ``simulated``."""
    width: int
    height: int
    valid_pixels: int
    scale: str
    pixel_m: float | None
    """Ground size of a pixel in metres; None where the raster does not say."""
    sd_db: float
    """Standard deviation of the valid pixels, dB."""
    enl: float | None
    """Equivalent number of looks over `blocks`."""
    blocks: int
    """Homogeneous blocks found."""
    lag1: float | None
    """Speckle autocorrelation at one pixel, mean of both axes."""
    targets: int
    """Bright targets detected."""
    water_share: float | None
    """Share of valid pixels below Otsu's threshold; None where the histogram has no two modes."""
    bound: tuple[tuple[float, float], ...]
    """(bpp over all pixels, RMSE in dB) of the Gaussian rate-distortion bound of the measured spectrum, rates
    ascending; only valid pixels need bits."""
    truth_rmse_db: float | None = None
    """Distance of the original from the noise-free truth; None where there is no truth."""


@dataclass(frozen=True)
class Point:
    """One codec at one rate on one scene."""

    scene: str
    codec: str
    wanted_bpp: float | None
    """None for a lossless codec."""
    setting: float
    """What the codec was given to come near the wanted rate: quality, ratio, distance, tolerance."""
    bytes: int
    """The whole file."""
    bpp: float
    """8 * bytes / all pixels of the raster, valid or not."""
    measures: dict[str, float | None]
    """By the names in :data:`sarcodec.bench.measures.MEASURES`."""
    tiles_mse: tuple[float | None, ...] = ()
    """Mean square error in dB^2 of each 128x128 tile, row-major; None where less than half is valid."""


@dataclass(frozen=True)
class BdRow:
    """BD-rate of `test` against `reference` on one scene."""

    scene: str
    test: str
    reference: str
    percent: float | None
    """None where the curves share no error."""
    low_db: float | None
    high_db: float | None
    overlap: float | None
    """Common RMSE interval over the longer of the two curves' own."""
    warning: str = ""
    """Why not to trust it, in words; empty where there is no reason."""


@dataclass(frozen=True)
class BdSummary:
    """Mean BD-rate of `test` against `reference` over the scenes of one kind (`kind` empty: all)."""

    test: str
    reference: str
    kind: str
    scenes: int
    """Scenes that have a BD-rate without a warning: the mean is over these."""
    mean_percent: float | None
    low_percent: float | None
    """95 % interval of the mean over groups of scenes; None below three groups."""
    high_percent: float | None
    worst_percent: float | None
    warnings: int
    """Scenes left out for their warning."""


@dataclass(frozen=True)
class PairedTest:
    """Ours against one peer at one rate: gain of PSNR in dB, both curves read off at exactly that rate."""

    peer: str
    bpp: float
    unit: str
    """``scene`` or ``tile``."""
    count: int
    mean_db: float
    low_db: float | None
    """95 % interval of the mean over groups of scenes; None below three groups."""
    high_db: float | None
    better: float
    """Share of units where ours has the smaller error."""
    p_value: float | None
    """Two-sided Wilcoxon signed-rank test; None below six units."""


@dataclass(frozen=True)
class SpeedRow:
    """One codec at one rate on the timing scene, process warm, medians."""

    codec: str
    scene: str
    megapixels: float
    threads: int
    repeats: int
    bpp: float
    encode_mpix_s: float
    decode_mpix_s: float
    encode_ratio: float | None
    """Times JPEG 2000's speed in the same run; None where it was not run."""
    decode_ratio: float | None
    encode_spread: float
    """(slowest - fastest) / median of the repeats."""
    decode_spread: float
    encode_mb: float | None = None
    """Peak resident set of a process of its own that encodes, imports included, 1e6 bytes."""
    decode_mb: float | None = None


@dataclass(frozen=True)
class Shown:
    """A window of one scene as each codec returned it at one wanted rate: file names of the PNGs."""

    scene: str
    wanted_bpp: float
    low_db: float
    high_db: float
    """Stretch of the pictures."""
    pictures: dict[str, str]
    """``original``, and ``<codec>``, ``<codec> difference``, ``<codec> ratio`` to file names."""
    labels: dict[str, str]
    """Codec to words such as ``0.201 bpp, 1.62 dB over the whole image``; ``original`` to the window's place,
    ``difference`` and ``ratio`` to the ends of their scales."""


@dataclass(frozen=True)
class Results:
    """The whole document."""

    about: dict[str, str | float | bool]
    """date, command, sarcodec, model, model_sha256, python, numpy, machine, cores, threads, seconds, quick"""
    rates: tuple[float, ...]
    codecs: tuple[CodecInfo, ...]
    scenes: tuple[SceneInfo, ...]
    points: tuple[Point, ...]
    bd_rate: tuple[BdRow, ...]
    bd_summary: tuple[BdSummary, ...]
    paired: tuple[PairedTest, ...]
    speed: tuple[SpeedRow, ...]
    shown: tuple[Shown, ...] = ()
    warnings: tuple[str, ...] = ()
    """What a reader should know before believing the figures."""
    schema: str = field(default=SCHEMA, init=False)
