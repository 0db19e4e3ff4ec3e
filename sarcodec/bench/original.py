"""What is known of an original before any codec sees it, and what a decoded image is measured against it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec import metrics, speckle
from sarcodec.bench import notes
from sarcodec.bench.images import Image
from sarcodec.bench.results import SceneInfo
from sarcodec.errors import InputError
from sarcodec.metrics import change, water
from sarcodec.metrics.bound import Spectrum, spectrum
from sarcodec.metrics.targets import Targets, compare, detect
from sarcodec.types import Window

Raster = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]

TILE = 128  # pixels a side of the squares that errors are compared on
CELL_M = 1000.0  # side of the cells in which mean power is compared
_CELL_PIXELS = (16, 400)  # least and most pixels a side of such a cell
_CELL_DEFAULT = 100  # where the ground size of a pixel is unknown
_FEWEST_TARGETS, _FEWEST_BRIGHT = 20, 5  # a share of fewer says nothing: pure speckle has one false alarm
_LAGS = 1
_BOUND_POINTS = 48


@dataclass(frozen=True)
class Original:
    """One image with what is found in it once: homogeneous blocks, looks, targets, water, spectrum."""

    image: Image

    def __post_init__(self) -> None:
        if not self.image.valid.any():
            raise InputError(
                f"{self.image.name} has no valid pixel to compare", hint="Leave this raster out."
            )

    @property
    def db(self) -> npt.NDArray[np.float32]:
        """dB of power, shape (h, w)."""
        return self.image.db

    @property
    def valid(self) -> Mask:
        """True where the pixel is data, shape (h, w)."""
        return self.image.valid

    @cached_property
    def blocks(self) -> list[Window]:
        """Homogeneous blocks."""
        return speckle.homogeneous_blocks(self.db, self.valid)

    @cached_property
    def enl(self) -> float | None:
        """Equivalent number of looks; None without homogeneous blocks."""
        return finite(speckle.enl(self.db, self.valid, self.blocks))

    @cached_property
    def lag1(self) -> float | None:
        """Autocorrelation of power at one pixel, mean of both axes; None without homogeneous blocks."""
        return self.lag1_of(self.db)

    def lag1_of(self, db: Raster) -> float | None:
        """The same of another image, on the original's blocks."""
        if not self.blocks:
            return None
        return finite(float(speckle.autocorrelation(db, self.valid, self.blocks, lags=_LAGS)[:, 1].mean()))

    @cached_property
    def targets(self) -> Targets | None:
        """Bright targets; None where the number of looks, which sets the threshold, is unknown."""
        return self.targets_of(self.db)

    def targets_of(self, db: Raster) -> Targets | None:
        """Bright targets of another image, found with the original's number of looks."""
        if self.enl is None:
            return None
        lag1 = min(max(self.lag1 or 0.0, 0.0), 0.95)
        return detect(db, self.valid, enl=self.enl, lag1=lag1)

    @cached_property
    def otsu(self) -> water.Otsu:
        """Otsu's threshold of the image."""
        return water.otsu(self.db, self.valid)

    @cached_property
    def water(self) -> Mask:
        """Water by that threshold, shape (h, w)."""
        return water.water_mask(self.db, self.valid)

    @cached_property
    def spectrum(self) -> Spectrum | None:
        """Spectrum of the dB image; None where it is too small."""
        return spectrum(self.db, self.valid)

    @property
    def cell(self) -> int:
        """Side of the cells in which mean power is compared, pixels: 1 km, or 100 where nobody knows."""
        if not self.image.pixel_m:
            return _CELL_DEFAULT
        low, high = _CELL_PIXELS
        return min(max(round(CELL_M / self.image.pixel_m), low), high)

    def info(self) -> SceneInfo:
        """What the report says of the image itself."""
        image, valid = self.image, self.valid
        height, width = valid.shape
        truth = image.truth_db
        rates = np.geomspace(0.01, 4.0, _BOUND_POINTS)
        return SceneInfo(
            name=image.name,
            file=image.file,
            group=image.group or image.file or image.name,
            band=image.band,
            kind=image.kind,
            width=width,
            height=height,
            valid_pixels=int(np.count_nonzero(valid)),
            scale=image.scale.value,
            pixel_m=image.pixel_m,
            sd_db=float(self.db[valid].std(dtype=np.float64)),
            enl=self.enl,
            blocks=len(self.blocks),
            lag1=self.lag1,
            targets=self.targets.count if self.targets else 0,
            water_share=float(self.water[valid].mean()) if self.otsu.bimodal else None,
            bound=self._bound(rates),
            truth_rmse_db=None if truth is None else metrics.rmse_db(truth, self.db, valid),
        )

    @property
    def valid_share(self) -> float:
        """Part of the pixels that is valid."""
        return float(np.mean(self.valid))

    def _bound(self, rates: npt.NDArray[np.float64]) -> tuple[tuple[float, float], ...]:
        """The bound over bits per pixel of the raster: only valid pixels need bits."""
        if self.spectrum is None:
            return ()
        share = self.valid_share
        return tuple((float(rate) * share, error) for rate, error in self.spectrum.curve(rates))

    def measures(self, decoded_db: Raster, bpp: float) -> dict[str, float | None]:
        """Every figure of a decoded image but those of change; None where the scene has no such figure.

        Parameters
        ----------
        decoded_db : ndarray, shape (h, w), float, dB of power
        bpp : float
            Rate of its file over all pixels, for the distance to the bound.
        """
        found: dict[str, float | None] = {
            **self._error(decoded_db, bpp),
            **self._likeness(decoded_db),
            **self._radiometry(decoded_db),
            **self._speckle(decoded_db),
            **self._tasks(decoded_db),
        }
        return {name: finite(value) for name, value in found.items()}

    def _error(self, decoded: Raster, bpp: float) -> dict[str, float | None]:
        rmse = metrics.rmse_db(self.db, decoded, self.valid)
        bound = self.spectrum.rmse_db(bpp / self.valid_share) if self.spectrum else 0.0
        truth = self.image.truth_db
        distance = None if truth is None else metrics.rmse_db(truth, decoded, self.valid)
        before = None if truth is None else metrics.rmse_db(truth, self.db, self.valid)
        return {
            "rmse_db": rmse,
            "psnr_db": metrics.psnr_db(self.db, decoded, self.valid),
            "bound_gap_db": 20 * math.log10(rmse / bound) if rmse and bound else None,
            "truth_rmse_db": distance,
            "truth_gain_db": 20 * math.log10(before / distance) if distance and before else None,
        }

    def _likeness(self, decoded: Raster) -> dict[str, float | None]:
        db, valid = self.db, self.valid
        by_notes = notes.score(db, decoded, valid)
        return {
            "ssim": metrics.ssim(db, decoded, valid),
            "ms_ssim": metrics.ms_ssim(db, decoded, valid),
            "epi_correlation": metrics.epi_correlation(db, decoded, valid),
            "epi_ratio": metrics.epi_ratio(db, decoded, valid),
            "notes_psnr": by_notes.psnr,
            "notes_ssim": by_notes.ssim,
        }

    def _radiometry(self, decoded: Raster) -> dict[str, float | None]:
        bias = metrics.power_bias(self.db, decoded, self.valid, cell=self.cell)
        return {
            "bias_db": bias.global_db,
            "bias_cell_p5_db": bias.p5_db,
            "bias_cell_p95_db": bias.p95_db,
            "bias_cell_abs_p95_db": bias.abs_p95_db,
        }

    def _speckle(self, decoded: Raster) -> dict[str, float | None]:
        if not self.blocks or self.enl is None:
            return dict.fromkeys(("enl_ratio", "lag1_change", "ks_speckle", "ks_ratio"))
        db, valid, blocks = self.db, self.valid, self.blocks
        lag1 = self.lag1_of(decoded)
        return {
            "enl_ratio": metrics.enl_ratio(db, decoded, valid, blocks),
            "lag1_change": lag1 - self.lag1 if lag1 is not None and self.lag1 is not None else None,
            "ks_speckle": metrics.ks_speckle(db, decoded, valid, blocks),
            "ks_ratio": metrics.ks_ratio(db, decoded, valid, blocks, self.enl),
        }

    def _tasks(self, decoded: Raster) -> dict[str, float | None]:
        found: dict[str, float | None] = dict.fromkeys(
            (
                "water_iou",
                "water_truth_iou",
                "targets_kept",
                "targets_added",
                "bright_kept",
                "bright_peak_rms_db",
            )
        )
        found |= dict.fromkeys(("change_iou", "change_f1"))
        if self.otsu.bimodal:
            mask = water.water_mask(decoded, self.valid)
            found["water_iou"] = water.iou(self.water, mask, self.valid)
            if self.image.truth_db is not None:
                truth = water.water_mask(self.image.truth_db, self.valid)
                found["water_truth_iou"] = water.iou(truth, mask, self.valid)
        after = self.targets_of(decoded)
        if self.targets is not None and after is not None:
            fate = compare(self.targets, after, decoded)
            if self.targets.count >= _FEWEST_TARGETS:
                found["targets_kept"] = fate.kept / self.targets.count
                found["targets_added"] = fate.added / self.targets.count
            if fate.bright >= _FEWEST_BRIGHT:
                found["bright_kept"] = fate.bright_kept / fate.bright
                found["bright_peak_rms_db"] = fate.bright_peak_rms_db
        return found

    def tiles_mse(self, decoded_db: Raster) -> tuple[float | None, ...]:
        """Mean square error of each 128x128 tile in dB^2, row-major; None where less than half is valid."""
        error = np.where(self.valid, np.square(self.db.astype(np.float64) - decoded_db), 0.0)
        found: list[float | None] = []
        for top in range(0, error.shape[0], TILE):
            for left in range(0, error.shape[1], TILE):
                part = np.s_[top : top + TILE, left : left + TILE]
                count = int(np.count_nonzero(self.valid[part]))
                enough = 2 * count >= TILE * TILE
                found.append(float(error[part].sum() / count) if enough else None)
        return tuple(found)


def change_measures(
    before: Original, after: Original, decoded_before: Raster, decoded_after: Raster
) -> dict[str, float | None]:
    """How a change map of two decoded dates compares with that of the originals, and with the truth."""
    valid = before.valid & after.valid
    original = change.change_map(before.db, after.db, valid)
    decoded = change.change_map(decoded_before, decoded_after, valid)
    known = after.image.change
    return {
        "change_iou": change.scores(decoded, original, valid).iou,
        "change_f1": None if known is None else change.scores(decoded, known, valid).f1,
    }


def finite(value: float | None) -> float | None:
    """The value, None where it is not a finite number."""
    return float(value) if value is not None and math.isfinite(value) else None
