"""Make golden files with the toy models, of scenes made up here. Writes only what is missing.

Each is a `.sarc` file, its pixels as the first decoder gave them (`.npz`), and an entry in `expected.json`.
Those of the other families of transforms lie in `families/`, one a model and named like it.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.arrays import ArraySource
from sarcodec.dataset import SarcDataset
from sarcodec.encoding import pipeline
from sarcodec.metadata import BandMeta, Gcp, RasterMeta, to_fields
from sarcodec.options import EncodeOptions
from sarcodec.types import PixelScale, Place, Quantity, Scale, Window

HERE = Path(__file__).parent
TOY = str(HERE / "toy1.safetensors")
EXPECTED = HERE / "expected.json"

Array = npt.NDArray[Any]
Case = tuple[Array, RasterMeta, float, Scale | None, Quantity]


def power(h: int, w: int, seed: int) -> Array:
    """Gamma speckle of 4 looks on a slow trend and a step, mean about 0.05, float64."""
    rng = np.random.default_rng(seed)
    rows, cols = np.linspace(0, 1, h)[:, None], np.linspace(0, 1, w)
    trend = 1.5 * np.sin(3 * rows + 2 * cols) + (rows > 0.6) * (cols < 0.4)
    speckle: Array = 0.05 * np.exp(trend) * rng.gamma(4.0, 0.25, (h, w))
    return speckle


def dn(h: int, w: int, seed: int) -> Array:
    amplitude: Array = np.maximum(np.rint(1000 * np.sqrt(power(h, w, seed))), 1)
    return amplitude


def meta_of(cube: Array, **fields: Any) -> RasterMeta:
    return RasterMeta(cube.shape[2], cube.shape[1], cube.shape[0], cube.dtype.name, **fields)


def uint16_border() -> Case:
    cube = dn(90, 110, 1).astype(np.uint16)[None]
    cube[0, :, :7] = cube[0, -5:] = 0
    utm = (10.0, 0.0, 399960.0, 0.0, -10.0, 5300040.0)
    tags = {"": {"AREA_OR_POINT": "Area", "SENSOR": "made up"}}
    meta = meta_of(cube, nodata=0, crs="EPSG:32633", transform=utm, tags=tags)
    return cube, meta, 60, None, Quantity.DN


def int16() -> Case:
    cube = dn(48, 64, 2).astype(np.int16)[None]
    cube[0, 3, 4], cube[0, 10:14, 20:30] = -7, -32768
    return cube, meta_of(cube, nodata=-32768), 100, None, Quantity.UNKNOWN


def uint8() -> Case:
    cube = np.clip(dn(33, 47, 3) / 3, 1, 255).astype(np.uint8)[None]
    return cube, meta_of(cube), 40, None, Quantity.UNKNOWN


def float32_db() -> Case:
    cube = (10 * np.log10(power(64, 80, 4))).astype(np.float32)[None]
    holes = np.random.default_rng(4).random(cube.shape) < 0.03
    cube[holes] = np.nan
    cube.view(np.uint32)[0, 9, 9] = 0x7FC0BEEF
    band = BandMeta("Gamma0_VH_db", "dB", colorinterp="gray", tags={"": {"polarisation": "VH"}})
    return cube, meta_of(cube, nodata=float("nan"), bands=(band,)), 80, Scale.DB, Quantity.GAMMA0


def float32_power() -> Case:
    cube = power(50, 70, 5).astype(np.float32)[None]
    cube[0, 20:25, 5:60], cube[0, 0, 0], cube[0, 1, 1] = 0, -0.0, np.inf
    return cube, meta_of(cube), 70, Scale.POWER, Quantity.SIGMA0


def float64() -> Case:
    cube = np.sqrt(power(40, 41, 6))[None]
    cube[0, 5, 5] = 1e6
    return cube, meta_of(cube, nodata=-9999.0), 100, Scale.AMPLITUDE, Quantity.BETA0


def two_bands() -> Case:
    cube = np.stack([dn(70, 60, 7), dn(70, 60, 8) / 3]).astype(np.uint16)
    cube[1, :9] = 0
    bands = tuple(BandMeta(name, colorinterp="gray", tags={"": {"pol": name}}) for name in ("VV", "VH"))
    return cube, meta_of(cube, nodata=0, bands=bands), 50, None, Quantity.UNKNOWN


def predicted_bands() -> Case:
    """Two polarisations of one ground, each under speckle of its own; a part has nothing to predict from."""
    ground = power(90, 80, 21)
    smooth = np.array(
        [
            [ground[i // 8 * 8 : i // 8 * 8 + 8, j // 8 * 8 : j // 8 * 8 + 8].mean() for j in range(80)]
            for i in range(90)
        ]
    )
    rng = np.random.default_rng(22)
    cube = np.stack([smooth * rng.gamma(4.0, 0.25, smooth.shape) * part for part in (1.0, 0.2)]).astype(
        np.float32
    )
    cube[0, :12] = np.nan
    return cube, meta_of(cube, nodata=np.nan), 45, Scale.POWER, Quantity.SIGMA0


def gcps() -> Case:
    cube = dn(40, 100, 9).astype(np.uint16)[None]
    points = tuple(
        Gcp(float(r), float(c), 12 + c / 1e4, 48 - r / 1e4, 310.25, str(n), "")
        for n, (r, c) in enumerate([(0, 0), (0, 100), (40, 0), (40, 100), (20, 50)])
    )
    meta = meta_of(cube, gcps=points, gcp_crs="EPSG:4326", rpcs={"LINE_OFF": "20", "SAMP_OFF": "50"})
    return cube, meta, 30, None, Quantity.UNKNOWN


def one_pixel() -> Case:
    cube = np.full((1, 1, 1), 321, np.uint16)
    return cube, meta_of(cube), 50, None, Quantity.UNKNOWN


def ragged() -> Case:
    cube = dn(270, 300, 10).astype(np.uint16)[None]
    return cube, meta_of(cube), 50, None, Quantity.UNKNOWN


def two_tiles() -> Case:
    cube = dn(40, 1100, 11).astype(np.uint16)[None]
    cube[0, 10:30, 1015:1035] = 0
    return cube, meta_of(cube, nodata=0), 75, None, Quantity.UNKNOWN


def nothing_valid() -> Case:
    cube = np.full((1, 20, 30), np.nan, np.float32)
    cube[0, 4:9, 3] = -np.inf
    return cube, meta_of(cube), 50, Scale.DB, Quantity.UNKNOWN


def gain_grid() -> Case:
    cube = dn(41, 1060, 14).astype(np.uint16)[None]
    cube[0, :, :20] = cube[0, 10:30, 1000:1030] = cube[0, 32:, 96:128] = 0
    return cube, meta_of(cube, nodata=0), 50, None, Quantity.DN


def bright_targets() -> Case:
    cube = dn(60, 1060, 15).astype(np.uint16)[None]
    rng = np.random.default_rng(15)
    cube[0, rng.integers(0, 60, 40), rng.integers(0, 1060, 40)] = rng.integers(1500, 9000, 40)
    cube[0, [20, 21, 59], [1023, 1040, 1059]] = 5000  # at the edge of a tile, and in a corner
    cube[0, :, :20] = cube[0, 30:50, 1000:1030] = 0
    return cube, meta_of(cube, nodata=0), 40, None, Quantity.DN


def texture() -> Case:
    cube = dn(70, 1090, 15).astype(np.uint16)[None]
    cube[0, :, :20] = cube[0, 10:30, 1000:1030] = 0
    return cube, meta_of(cube, nodata=0), 30, None, Quantity.DN


def mixed_scales() -> Case:
    """VV in dB, VH in power: bands of one file that differ in scale."""
    ground = power(60, 90, 31)
    cube = np.stack([10 * np.log10(ground), 0.2 * ground]).astype(np.float32)
    cube[:, :4] = np.nan
    bands = tuple(BandMeta(name, colorinterp="gray") for name in ("Sigma0_VV_db", "Sigma0_VH"))
    return cube, meta_of(cube, nodata=float("nan"), bands=bands), 55, None, Quantity.SIGMA0


def scaled_decibels() -> Case:
    """Hundredths of a dB above -50 dB in integers: a gain and an addend."""
    cube = np.rint((10 * np.log10(power(50, 75, 32)) + 50) * 100).astype(np.uint16)[None]
    cube[0, 10:20, 30:40] = 65535
    bands = (BandMeta(unit="dB", scale=0.01, offset=-50.0, colorinterp="gray"),)
    return cube, meta_of(cube, nodata=65535, bands=bands), 60, None, Quantity.UNKNOWN


def mask_band() -> Case:
    """A mask band over two bands, with zeros and other values under it."""
    cube = np.stack([dn(80, 70, 33), dn(80, 70, 34)]).astype(np.uint16)
    cube[:, :6] = 0
    cube[1, ~MASK] = 777
    return cube, meta_of(cube, nodata=0), 50, Scale.DN, Quantity.DN


MASK = np.add.outer(np.arange(80), np.arange(70)) > 30
"""Where the mask band of `mask_band` leaves pixels valid."""


@dataclass(frozen=True)
class MaskedSource(ArraySource):
    """An array with a mask band."""

    has_mask: bool = True

    def mask(self, window: Window) -> npt.NDArray[np.bool_]:
        """The mask of `mask_band`."""
        return MASK[window.row : window.bottom, window.col : window.right]


CASES: tuple[Callable[[], Case], ...] = (
    uint16_border,
    int16,
    uint8,
    float32_db,
    float32_power,
    float64,
    two_bands,
    predicted_bands,
    gcps,
    one_pixel,
    ragged,
    two_tiles,
    nothing_valid,
    gain_grid,
    bright_targets,
    texture,
    mixed_scales,
    scaled_decibels,
    mask_band,
)

GAIN_SIDES: dict[str, int] = {"gain_grid": 32}
"""Sides of the cells of those that carry a gain grid; their unbiased pixels are kept too."""
WITH_TARGETS = {"bright_targets"}
"""Those that carry bright targets; their pixels without them are kept too."""

TEXTURED: frozenset[str] = frozenset({"texture"})
"""Those that carry a texture; their textured pixels are kept too."""


def toy_plain() -> Case:
    cube = dn(150, 130, 12).astype(np.uint16)[None]
    cube[0, 60:75, 40:95] = 0
    return cube, meta_of(cube, nodata=0), 70, None, Quantity.DN


def toy_residual() -> Case:
    cube = (10 * np.log10(power(140, 165, 13))).astype(np.float32)[None]
    return cube, meta_of(cube), 60, Scale.DB, Quantity.GAMMA0


def toy_trellis() -> Case:
    cube = dn(130, 150, 15).astype(np.uint16)[None]
    cube[0, 40:60, :30] = 0
    cube[0, 90, 70] = 40000
    return cube, meta_of(cube, nodata=0), 75, None, Quantity.DN


FAMILIES: tuple[Callable[[], Case], ...] = (toy_plain, toy_residual, toy_trellis)
"""Cases coded with the model of the same name."""


def encoded(
    case: Case,
    model: str = TOY,
    radiometry: bool | int = False,
    *,
    targets: bool = False,
    texture: bool = False,
) -> bytes:
    """The `.sarc` file of a case."""
    cube, meta, quality, scale, quantity = case
    chosen: Any = {"radiometry": radiometry, "targets": targets, "texture": texture, "device": "cpu"}
    options = EncodeOptions(quality=quality, scale=scale, quantity=quantity, model=model, jobs=1, **chosen)
    file = io.BytesIO()
    source = (
        MaskedSource if cube.shape[1:] == MASK.shape and len(cube) == 2 and scale is Scale.DN else ArraySource
    )
    pipeline.encode(source(cube, meta), file, options)
    return file.getvalue()


def header_fields(coded: SarcDataset) -> dict[str, Any]:
    """Every field of the header, as JSON holds it."""
    dump: dict[str, Any] = json.loads(
        json.dumps(
            asdict(coded.decoder.header), default=lambda v: v.hex() if isinstance(v, bytes) else str(v)
        )
    )
    return _without(dump, NEW) | {"bands": [_without(band, NEW_OF_BANDS) for band in dump["bands"]]}


NEW = {"basis": "unrecorded", "key": ""}
NEW_OF_BANDS = {"scale": None, "gain": 1.0, "addend": 0.0, "masked": None}
"""Fields of later minor versions, and what they are in earlier files, whose listings do not have them."""


def _without(fields: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key not in new or value != new[key]}


def latent_digests(coded: SarcDataset) -> list[str]:
    """SHA-256 of each band's decoded latents, tile after tile, int32 little-endian."""
    grid, out = coded.decoder.header.grid, []
    for band in range(coded.meta.count):
        sha = hashlib.sha256()
        for row in range(grid.rows):
            for col in range(grid.cols):
                y_hat = coded.decoder.latents(Place(band, row, col))
                sha.update(np.ascontiguousarray(y_hat, "<i4").tobytes())
        out.append(sha.hexdigest())
    return out


def invalid_of(cube: Array, meta: RasterMeta, scales: Sequence[PixelScale]) -> Array:
    """Which pixels are invalid, from the source itself."""
    bad = np.zeros(cube.shape, bool)
    for number, scale in enumerate(scales):
        with np.errstate(invalid="ignore"):
            wide = cube[number].astype(np.float64) * scale.gain + scale.addend
            bad[number] = ~np.isfinite(wide) | ((wide <= 0) & (scale.scale is not Scale.DB))
    return bad if meta.nodata is None else bad | (cube == meta.nodata)


def scales_of(coded: SarcDataset) -> list[PixelScale]:
    """What the values of each band mean."""
    return [coded.decoder.header.pixel_scale(number) for number in range(coded.meta.count)]


def otherwise(path: Path, model: str, **options: Any) -> Array:
    """All pixels of a file, decoded in another way."""
    with SarcDataset(io.BytesIO(path.read_bytes()), path.stem, model=model, jobs=1, **options) as coded:
        return coded.read()


def make_missing(folder: Path, cases: dict[Callable[[], Case], str]) -> None:
    """Make the files that are not there yet, of cases and the models that code them."""
    listing = folder / EXPECTED.name
    expected: dict[str, Any] = json.loads(listing.read_text()) if listing.exists() else {}
    for make, model in cases.items():
        name = make.__name__
        path = folder / f"{name}.sarc"
        if path.exists():
            continue
        case = make()
        chosen: Any = {"targets": name in WITH_TARGETS, "texture": name in TEXTURED}
        path.write_bytes(encoded(case, model, GAIN_SIDES.get(name, False), **chosen))
        with SarcDataset(io.BytesIO(path.read_bytes()), name, model=model, jobs=1) as coded:
            invalid = invalid_of(case[0], case[1], scales_of(coded))
            if make is mask_band:
                invalid |= ~MASK
            below = coded.read() if make is mask_band else case[0]
            bits = below.view(f"u{below.dtype.itemsize}")[invalid]
            kept: dict[str, Any] = {
                "pixels": coded.read(),
                "invalid": np.packbits(invalid),
                "invalid_bits": bits,
            }
            if name in GAIN_SIDES:
                kept["unbiased"] = otherwise(path, model, unbiased=True)
            if name in WITH_TARGETS:
                kept["without_targets"] = otherwise(path, model, targets=False)
            if name in TEXTURED:
                kept["textured"] = otherwise(path, model, texture="speckle")
            np.savez_compressed(folder / f"{name}.npz", **kept)
            expected[name] = {
                "header": header_fields(coded),
                "latents": latent_digests(coded),
                "meta": json.loads(json.dumps(to_fields(coded.meta))),
            }
    listing.write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n")


def main() -> None:
    (HERE / "families").mkdir(exist_ok=True)
    make_missing(HERE, dict.fromkeys(CASES, TOY))
    make_missing(HERE / "families", {make: str(HERE / f"{make.__name__}.safetensors") for make in FAMILIES})


if __name__ == "__main__":
    main()
