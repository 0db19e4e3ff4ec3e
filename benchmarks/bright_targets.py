"""What the layer of bright targets does: detections lost, error of their peaks, bits, error of all pixels.

    python benchmarks/bright_targets.py --bpp 0.2 scenes/*.tif

A file without the layer, and one of the same size with it, are measured against each band of each scene by
the detector of `sarcodec bench`, with the band's own number of looks, or 4.4 where it has no homogeneous
blocks to measure them on. The table is Markdown on standard output; its last row is all bands together: sums
of counts, root mean squares over targets and over pixels.
"""

from __future__ import annotations

import argparse
import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.api import decode_array, encode_array
from sarcodec.bench.images import images
from sarcodec.bench.original import Original
from sarcodec.bitstream.layout import LayerKind
from sarcodec.bitstream.reader import Reader
from sarcodec.metrics.targets import Targets, compare, detect
from sarcodec.radiometry import to_db

Array = npt.NDArray[Any]

ENL = 4.4
"""Looks of Sentinel-1 IW GRD, for scenes whose own are unknown."""

HEAD = (
    "scene",
    "looks",
    "bright",
    "lost",
    "with targets",
    "peak error",
    "with targets",
    "found",
    "kept",
    "with targets",
    "added",
    "with targets",
    "bpp",
    "of which targets",
    "RMSE",
    "with targets",
)


@dataclass(frozen=True)
class Found:
    """What became of one band in one file."""

    detections: int
    kept: int
    added: int
    bright: int
    bright_kept: int
    peak_mse: float
    """Mean square error of the peaks of bright targets, dB^2."""
    valid: int
    mse: float
    """Mean square error over valid pixels, dB^2."""
    pixels: int
    bits: int
    target_bits: int
    """Of the layer, checksums included."""


def targets_of(original: Original, db: Array) -> Targets:
    """Targets of an image of a band, shape (h, w), dB."""
    return original.targets_of(db) or detect(db, original.valid, enl=ENL)


def measured(original: Original, wanted: Targets, bpp: float, jobs: int, *, targets: bool) -> Found:
    """Code a band at a rate and look for its targets."""
    image, values = original.image, original.image.values
    data = encode_array(
        values, bpp=bpp, scale=image.scale, nodata=image.meta.nodata, jobs=jobs, targets=targets
    )
    db = to_db(decode_array(data, jobs=jobs)[0], image.scale)
    change = compare(wanted, targets_of(original, db), db)
    reader = Reader(io.BytesIO(data))
    layer = reader.header.side_layer(LayerKind.BRIGHT_TARGETS)
    difference = (db - original.db)[original.valid].astype(np.float64)
    return Found(
        wanted.count,
        change.kept,
        change.added,
        change.bright,
        change.bright_kept,
        (change.bright_peak_rms_db or 0.0) ** 2,
        difference.size,
        float((difference**2).mean()),
        values.size,
        8 * len(data),
        8 * reader.layer_size(layer) if layer is not None else 0,
    )


def together(parts: list[Found]) -> Found:
    """All bands as one."""

    def over(value: Callable[[Found], float], weight: Callable[[Found], int]) -> float:
        return sum(weight(part) * value(part) for part in parts) / max(sum(map(weight, parts)), 1)

    return Found(
        sum(part.detections for part in parts),
        sum(part.kept for part in parts),
        sum(part.added for part in parts),
        sum(part.bright for part in parts),
        sum(part.bright_kept for part in parts),
        over(lambda part: part.peak_mse, lambda part: part.bright),
        sum(part.valid for part in parts),
        over(lambda part: part.mse, lambda part: part.valid),
        sum(part.pixels for part in parts),
        sum(part.bits for part in parts),
        sum(part.target_bits for part in parts),
    )


def row(name: str, looks: str, plain: Found, raised: Found) -> str:
    """One line of the table."""
    cells = (
        name,
        looks,
        plain.bright,
        plain.bright - plain.bright_kept,
        raised.bright - raised.bright_kept,
        f"{math.sqrt(plain.peak_mse):.2f}",
        f"{math.sqrt(raised.peak_mse):.2f}",
        plain.detections,
        plain.kept,
        raised.kept,
        plain.added,
        raised.added,
        f"{plain.bits / plain.pixels:.4f}, {raised.bits / raised.pixels:.4f}",
        f"{raised.target_bits / raised.pixels:.5f}",
        f"{math.sqrt(plain.mse):.4f}",
        f"{math.sqrt(raised.mse):.4f}",
    )
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenes", type=Path, nargs="+", help="rasters with a tag SCALE")
    parser.add_argument("--bpp", type=float, default=0.2)
    parser.add_argument("--jobs", type=int, default=1)
    chosen = parser.parse_args()
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    plain: list[Found] = []
    raised: list[Found] = []
    for image in (image for path in chosen.scenes for image in images(path)):
        original = Original(image)
        wanted = targets_of(original, original.db)
        looks = f"{original.enl:.1f}" if original.enl else f"{ENL} assumed"
        for on, found in ((False, plain), (True, raised)):
            found.append(measured(original, wanted, chosen.bpp, chosen.jobs, targets=on))
        print(row(image.name, looks, plain[-1], raised[-1]), flush=True)
    print(row("all", "", together(plain), together(raised)))


if __name__ == "__main__":
    main()
