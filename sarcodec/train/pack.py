"""Pack a folder of rasters into one array file for training (see `sarcodec.train.data`)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.atomic import replacing
from sarcodec.errors import InputError
from sarcodec.fill import fill_invalid
from sarcodec.io.raster import RasterSource
from sarcodec.meaning.decide import meanings
from sarcodec.packing import INVALID, to_codes
from sarcodec.radiometry import to_db, valid_mask
from sarcodec.types import PixelScale, Scale, TileGrid, Window

SUFFIXES = {".tif", ".tiff", ".vrt", ".jp2", ".img"}
TILE_SIDE = 1024
FEWEST = 1000
"""Valid pixels below which a band is left out."""


def pack_folder(folder: Path, out: Path, *, progress: Callable[[int, int], None] | None = None) -> int:
    """Pack every band of every raster under `folder`.

    The class of a scene is the name of the folder it lies in directly; weights go by it.

    Parameters
    ----------
    out : Path
        The ``.npy`` to write; the list of scenes goes beside it as ``.json``.

    Returns
    -------
    int
        Number of scenes (bands) packed.

    Raises
    ------
    InputError
        There is no raster, or one cannot be read.
    """
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    codes: list[npt.NDArray[np.uint16]] = []
    listing: list[dict[str, Any]] = []
    offset = 0
    for number, path in enumerate(paths, start=1):
        with RasterSource(path) as source:
            grid = TileGrid(source.meta.width, source.meta.height, TILE_SIDE)
            found = meanings(source, (), grid, 1, lambda: None, matters=False, exactly=False)
            for band, meaning in enumerate(found):
                packed = _pack_band(source, band, meaning.pixel)
                if packed is None:
                    continue
                entry = {"name": path.name, "band": band + 1, "cls": path.parent.name, "offset": offset}
                listing.append({**entry, "height": packed.shape[0], "width": packed.shape[1]})
                codes.append(packed.reshape(-1))
                offset += packed.size
        if progress:
            progress(number, len(paths))
    if not listing:
        raise InputError(f"no raster with data under {folder}", hint="Give a folder of GeoTIFFs.")
    out.parent.mkdir(parents=True, exist_ok=True)
    # The array comes last and goes first: where it lies, the list beside it belongs to it.
    out.unlink(missing_ok=True)
    with replacing(out.with_suffix(".json"), overwrite=True) as partial:
        partial.write_text(json.dumps(listing))
    with replacing(out, overwrite=True) as partial, partial.open("wb") as file:
        np.save(file, np.concatenate(codes))
    return len(listing)


def _pack_band(source: RasterSource, band: int, scale: PixelScale) -> npt.NDArray[np.uint16] | None:
    """Codes of one band, or None where it holds next to no data."""
    values = source.read(band, Window(0, 0, source.meta.width, source.meta.height))
    valid = valid_mask(values, scale, source.meta.nodata)
    if np.count_nonzero(valid) < FEWEST:
        return None
    data = valid
    if values.dtype == np.uint8:
        # Eight bits: the top value is saturated, and steps are coarse enough to show in the logarithm.
        valid, data = valid & (values < 255), valid
        dither = np.random.default_rng(band + 1).uniform(-0.5, 0.5, values.shape)
        values = np.maximum(values + dither, 0.5).astype(np.float32)
        scale = PixelScale(Scale.AMPLITUDE) if scale.scale is Scale.DN else scale
    db = fill_invalid(to_db(values, scale), data)
    return to_codes(db) | np.where(valid, 0, INVALID).astype(np.uint16)
