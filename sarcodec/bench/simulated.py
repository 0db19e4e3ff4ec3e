"""Scenes that the benchmark makes itself: a landscape on two dates, and clutter without any structure.

They come with what no real scene has: the ground without speckle, and which pixels changed between the dates.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from sarcodec.bench.images import Image
from sarcodec.metadata import BandMeta, RasterMeta
from sarcodec.simulate import Scene, SceneSpec
from sarcodec.simulate.scene import DN_GAIN
from sarcodec.simulate.speckle import LowPass, look_weights, multilook
from sarcodec.types import Scale

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

KIND, CLUTTER = "simulated", "clutter"
CLUTTER_DB = -10.0  # sigma nought of farmland in C band
CHANGES_DB = (4.0, 6.0)  # how much the backscatter of a changed field rises or falls
_FIELDS_PER_MEGAPIXEL = 60
_SPACING = 10.0


def scenes(*, quick: bool) -> list[Image]:
    """The scenes for a benchmark without input.

    Parameters
    ----------
    quick : bool
        512x512 pixels of a landscape on two dates and of clutter of ENL 4.4; else 1024x1024, and also
        clutter of a single look.
    """
    side = 512 if quick else 1024
    found = [*two_dates(side, seed=5), clutter(side, enl=4.4, seed=1)]
    return found if quick else [*found, clutter(side, enl=1.0, seed=2)]


def two_dates(side: int, *, seed: int) -> list[Image]:
    """A landscape on two dates; on the second, fields of known outline are brighter or darker.

    Returns
    -------
    list of Image
        uint16 DN with their truth; the second with its `before` and its `change`.
    """
    before, after = (landscape(side, seed=seed, date=date) for date in (0, 1))
    gain_db = changed_fields(side, seed)
    dn = np.rint(after.values * 10 ** (gain_db / 20))
    values = np.where(after.valid, np.clip(dn, 1, 65535), 0).astype(np.uint16)
    assert after.truth_db is not None
    return [
        before,
        replace(
            after,
            values=values,
            truth_db=after.truth_db + gain_db,
            before=before.name,
            change=(gain_db != 0) & after.valid,
        ),
    ]


def clutter(side: int, *, enl: float, seed: int) -> Image:
    """Homogeneous speckle of a given number of looks, correlated as in Sentinel-1 GRD; uint16 DN."""
    psf, weights = LowPass(SceneSpec(side, side).oversampling), look_weights(enl)
    reach = psf.reach
    ground = np.full((side + 2 * reach, side + 2 * reach), 10 ** (CLUTTER_DB / 10), np.float32)
    rows = range(-reach, side + reach)
    power = multilook(ground, None, rows, seed=seed, band=0, weights=weights, psf=psf)
    values = np.clip(np.rint(np.sqrt(power) * DN_GAIN), 1, 65535).astype(np.uint16)
    truth = np.full((side, side), CLUTTER_DB + 20 * np.log10(DN_GAIN), np.float32)
    return _image(f"clutter ENL {enl:g}", values, truth, CLUTTER)


def changed_fields(side: int, seed: int) -> Floats:
    """Change between the two dates, shape (side, side), dB: turned rectangles, 0 elsewhere."""
    rng = np.random.default_rng([seed, side])
    row, col = np.mgrid[:side, :side].astype(np.float32)
    gain = np.zeros((side, side), np.float32)
    for _ in range(max(4, round(_FIELDS_PER_MEGAPIXEL * side * side / 2**20))):
        y, x = rng.uniform(0, side, 2)
        half_length, half_width = rng.uniform(12, 40), rng.uniform(8, 24)
        turn, change = rng.uniform(0, np.pi), rng.uniform(*CHANGES_DB) * rng.choice((-1, 1))
        along = (col - x) * np.cos(turn) + (row - y) * np.sin(turn)
        across = (row - y) * np.cos(turn) - (col - x) * np.sin(turn)
        gain[(np.abs(along) <= half_length) & (np.abs(across) <= half_width)] = change
    return gain


def landscape(side: int, *, seed: int, date: int) -> Image:
    """Fields, water and towns under speckle of ENL 4.4, as uint16 DN, with their truth."""
    spec = SceneSpec(side, side, seed=seed, date=date)
    blocks = list(Scene(spec).blocks(truth=True))
    values = np.concatenate([block.values[0] for block in blocks])
    truth = np.concatenate([block.truth[0] for block in blocks])
    truth_db = 10 * np.log10(np.where(truth > 0, truth, np.nan))
    return _image(f"landscape date {date + 1}", values, truth_db, KIND)


def _image(name: str, values: npt.NDArray[np.uint16], truth_db: Floats, kind: str) -> Image:
    height, width = values.shape
    meta = RasterMeta(
        width, height, 1, "uint16", nodata=0, crs="EPSG:32632", bands=(BandMeta(colorinterp="gray"),),
        transform=(_SPACING, 0.0, 600_000.0, 0.0, -_SPACING, 5_400_000.0),
    )  # fmt: skip
    file = "landscape" if kind == KIND else name
    return Image(name, values, Scale.DN, meta, file=file, group=file, band="VV", kind=kind, truth_db=truth_db)
