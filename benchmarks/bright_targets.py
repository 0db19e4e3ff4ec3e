"""What the layer of bright targets does: detections lost, error of their peaks, bits, error of all pixels.

    python benchmarks/bright_targets.py --bpp 0.2 scenes/*.tif

A file without the layer, and one of the same size with it, are measured against the first band of each scene
by the detector of `sarcodec bench`, with the scene's own number of looks. The table is Markdown on standard
output; its last row is all scenes together: sums of counts, root mean squares over targets and over pixels.
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
import rasterio

from sarcodec.api import decode_array, encode_array
from sarcodec.bench.images import Image
from sarcodec.bench.original import Original
from sarcodec.bitstream import targetlist
from sarcodec.bitstream.reader import Reader
from sarcodec.metadata import RasterMeta
from sarcodec.metrics.targets import Targets, compare
from sarcodec.radiometry import to_db
from sarcodec.types import Scale

Array = npt.NDArray[Any]

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
    """What became of one scene in one file."""

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


def loaded(path: Path) -> Original:
    """The first band of a scene."""
    with rasterio.open(path) as source:
        values = source.read(1)
        meta = RasterMeta(values.shape[1], values.shape[0], 1, values.dtype.name, nodata=source.nodata)
        return Original(Image(path.stem, values, Scale(source.tags()["SCALE"]), meta))


def measured(original: Original, wanted: Targets, bpp: float, jobs: int, *, targets: bool) -> Found:
    """Code a scene at a rate and look for its targets."""
    image, values = original.image, original.image.values
    data = encode_array(
        values, bpp=bpp, scale=image.scale, nodata=image.meta.nodata, jobs=jobs, targets=targets
    )
    db = to_db(decode_array(data, jobs=jobs)[0], image.scale)
    found = original.targets_of(db)
    assert found is not None
    change = compare(wanted, found, db)
    reader = Reader(io.BytesIO(data))
    layer = targetlist.layer_of(reader.header)
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
    """All scenes as one."""

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
    for path in chosen.scenes:
        original = loaded(path)
        if original.targets is None:
            print(f"| {path.stem} | unknown |{' |' * (len(HEAD) - 2)}", flush=True)
            continue
        for on, found in ((False, plain), (True, raised)):
            found.append(measured(original, original.targets, chosen.bpp, chosen.jobs, targets=on))
        print(row(path.stem, f"{original.enl:.1f}", plain[-1], raised[-1]), flush=True)
    print(row("all", "", together(plain), together(raised)))


if __name__ == "__main__":
    main()
