"""Overviews: time of reduced decoding in parts of a whole decode's, and distance to block means of one.

    python benchmarks/overviews.py

On a simulated scene in dB, on one thread. Times are medians of CPU seconds, decodes of all kinds in turn.
The table is Markdown on standard output.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.api import encode_array
from sarcodec.dataset import SarcDataset
from sarcodec.model.transforms import FACTORS
from sarcodec.radiometry import to_db
from sarcodec.simulate import Scene, SceneSpec
from sarcodec.types import Scale, Window

Array = npt.NDArray[Any]


def scene_db(side: int) -> Array:
    """Decibels of a GRD-like scene, float32, NaN where it has no data."""
    values = np.concatenate([block.values[0] for block in Scene(SceneSpec(side, side, seed=5)).blocks()])
    with np.errstate(divide="ignore"):
        db: Array = to_db(values, Scale.DN).astype(np.float32)
    db[values == 0] = np.nan
    return db


def block_means(values: Array, factor: int) -> Array:
    """Means over squares of pixels, NaN where one is."""
    rows, cols = (side // factor for side in values.shape)
    means: Array = values.astype(np.float64).reshape(rows, factor, cols, factor).mean((1, 3))
    return means


def measured(data: bytes, repeats: int) -> dict[int, tuple[int, float, float]]:
    """Layers, time in parts of a whole decode's and RMS distance in dB, by factor."""
    seconds: dict[int, list[float]] = {factor: [] for factor in (1, *FACTORS)}
    images: dict[int, Array] = {}
    with SarcDataset(io.BytesIO(data), "scene", jobs=1) as scene:
        for _ in range(repeats):
            for factor, times in seconds.items():
                began = time.process_time()
                images[factor] = scene.read(1, reduce=factor)
                times.append(time.process_time() - began)
        everything = Window(0, 0, scene.meta.width, scene.meta.height)
        layers = {factor: scene.reduced(factor, everything)[0].layers for factor in FACTORS}
    out = {}
    for factor in FACTORS:
        part = statistics.median(seconds[factor]) / statistics.median(seconds[1])
        wrong = images[factor] - block_means(images[1], factor)
        out[factor] = layers[factor], part, float(np.sqrt(np.nanmean(wrong**2)))
    return out


def main() -> None:
    """Encode, decode, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=2048, help="pixels, a multiple of 16")
    parser.add_argument("--rates", type=float, nargs="+", default=[0.1, 0.2, 0.8], help="bpp")
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    values = scene_db(chosen.side)
    found = {}
    for bpp in chosen.rates:
        data = encode_array(values, bpp=bpp, scale="db", nodata=np.nan)
        found[bpp] = measured(data, chosen.repeats)
    rates = ", ".join(f"{bpp:g}" for bpp in found)
    print(f"| N | layers | time at {rates} bpp |", *(f"dB at {bpp:g} bpp |" for bpp in found))
    print("| --- " * (3 + len(found)) + "|")
    for factor in FACTORS:
        rows = [by_factor[factor] for by_factor in found.values()]
        parts = ", ".join(f"{part:.2f}" for _, part, _ in rows)
        print(f"| {factor} | {rows[0][0]} | {parts} |", *(f"{wrong:.2f} |" for _, _, wrong in rows))


if __name__ == "__main__":
    main()
