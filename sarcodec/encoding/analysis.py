"""Pixels of one band of a tile to latents.

The transforms run over the raster as if it were one image: a tile is computed with a halo of the model's
reach, cut at the raster's edges, and what the halo spoils is cut off again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sarcodec.bitstream import mask
from sarcodec.encoding.survey import Scene
from sarcodec.fill import fill_invalid
from sarcodec.latent_grid import latent_window
from sarcodec.model.modelfile import Model
from sarcodec.model.transforms import STRIDE
from sarcodec.radiometry import to_db
from sarcodec.source import classes_of
from sarcodec.types import Place, Window


class Analysed(NamedTuple):
    """One band of one tile between analysis and coding."""

    y: npt.NDArray[np.float32]
    """Latents, shape (channels, h, w); empty if neither the tile nor its halo holds valid pixels."""
    mask: bytes
    """Class map, packed."""


def analyse(scene: Scene, model: Model, place: Place) -> Analysed:
    """Read a tile with its halo: pixels -> class map, decibels -> network units -> latents."""
    grid, scan, source = scene.grid, scene.scans[place.band], scene.source
    inner = latent_window(grid, *place.at)
    region = latent_window(grid, *place.at, model.shape.reach)
    left, top = region.col * STRIDE, region.row * STRIDE
    width, height = region.width * STRIDE, region.height * STRIDE
    pixels = Window(left, top, min(grid.width - left, width), min(grid.height - top, height))
    values = source.read(place.band, pixels)
    classes = classes_of(source, values, pixels, scan.palette)
    packed = mask.pack(np.ascontiguousarray(classes[grid.window(*place.at).inside(pixels)]))
    if classes.all():
        return Analysed(np.empty((model.shape.channels, 0, 0), dtype=np.float32), packed)
    db = fill_invalid(to_db(values, scene.meanings[place.band].pixel), classes == 0, scan.mean_db)
    x = (db - np.float32(scan.mean_db)) / np.float32(scan.unit_db(model.unit_db))
    ragged = ((0, height - pixels.height), (0, width - pixels.width))
    x, valid = (np.pad(image, ragged, mode="edge") for image in (x, classes == 0))
    rows, cols = inner.inside(region)
    y = model.transform.analyse_seen(np.ascontiguousarray(x, dtype=np.float32), valid)[:, rows, cols]
    return Analysed(np.ascontiguousarray(y), packed)
