"""What gains do to mean power: bias of cells of 100 x 100 pixels and error, without and with --unbiased.

    python benchmarks/radiometry.py --rates 0.1 0.2 0.4 0.8 --cells auto 64

Scenes are simulated, at 4.4 looks and at one; where the environment variable SARCODEC_DATA names a folder of
data, those under its val/ are measured too. The table is Markdown on standard output.
"""

from __future__ import annotations

import argparse
import io
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio

from sarcodec.api import decode_array, encode_array
from sarcodec.bitstream import gaingrid
from sarcodec.bitstream.layout import LayerKind
from sarcodec.bitstream.reader import Reader
from sarcodec.invalid import valid_mask
from sarcodec.metrics import power_bias
from sarcodec.radiometry import to_db
from sarcodec.simulate import Scene, SceneSpec
from sarcodec.types import Scale

Array = npt.NDArray[Any]

HEAD = (
    "scene",
    "pixels",
    "cell",
    "bpp",
    "of which gains",
    "bias p95",
    "unbiased",
    "bias of all",
    "unbiased",
    "RMSE",
    "unbiased",
    "encoding",
    "with gains",
)


@dataclass(frozen=True)
class Item:
    """One band to code."""

    name: str
    values: Array
    """Shape (h, w)."""
    scale: Scale
    nodata: float | None


@dataclass(frozen=True)
class Quality:
    """What decoded pixels are like."""

    cells_db: float
    """95th percentile of the absolute bias of mean power over cells of 100 x 100 pixels, dB."""
    whole_db: float
    """Bias of mean power over all pixels, dB."""
    rmse_db: float
    """Root mean square error of dB values."""


def simulated(side: int) -> Iterator[Item]:
    """The same landscape in every form of pixels and of few looks and many."""
    for scale, enl in ((Scale.DN, 4.4), (Scale.DB, 4.4), (Scale.POWER, 1.0), (Scale.DN, 1.0)):
        spec = SceneSpec(side, side, scale=scale, enl=enl, seed=5)
        yield Item(f"simulated, {enl:g} looks", Scene(spec).block(0, side).values[0], scale, spec.nodata)


def real(folder: Path) -> Iterator[Item]:
    """The first band of every scene under val/."""
    for path in sorted(folder.glob("val/*/*.tif")):
        with rasterio.open(path) as source:
            yield Item(path.stem, source.read(1), Scale(source.tags()["SCALE"]), source.nodata)


def quality(item: Item, decoded: Array) -> Quality:
    """Compare decoded pixels with those of the source."""
    valid = valid_mask(item.values, item.scale, item.nodata)
    db, found = to_db(item.values, item.scale), to_db(decoded, item.scale)
    bias = power_bias(db, found, valid, cell=100)
    difference = (found[valid] - db[valid]).astype(np.float64)
    return Quality(bias.abs_p95_db, bias.global_db, float(np.sqrt((difference**2).mean())))


def gain_bytes(data: bytes) -> int:
    """Bytes of the gain grid, checksums included."""
    reader = Reader(io.BytesIO(data))
    number = reader.header.side_layer(LayerKind.GAIN_GRID)
    assert number is not None
    return sum(
        band[1 + number].size
        for row in range(reader.grid.rows)
        for col in range(reader.grid.cols)
        for band in reader.record(row, col).segments
    )


def timed(item: Item, **options: Any) -> tuple[bytes, float]:
    """The file of a scene, and the seconds it took."""
    began = time.perf_counter()
    data = encode_array(item.values, scale=item.scale, nodata=item.nodata, **options)
    return data, time.perf_counter() - began


def row(item: Item, bpp: float, cell: str, jobs: int) -> tuple[str, ...]:
    """One line of the table."""
    _, seconds = timed(item, bpp=bpp, jobs=jobs)
    data, with_gains = timed(item, bpp=bpp, jobs=jobs, radiometry=True if cell == "auto" else int(cell))
    before, after = (quality(item, decode_array(data, jobs=jobs, unbiased=on)[0]) for on in (False, True))
    pixels = item.values.size
    return (
        item.name,
        f"{item.values.dtype} {item.scale.value}",
        cell,
        f"{8 * len(data) / pixels:.3f}",
        f"{8 * gain_bytes(data) / pixels:.5f}",
        f"{before.cells_db:.3f}",
        f"{after.cells_db:.3f}",
        f"{before.whole_db:+.3f}",
        f"{after.whole_db:+.3f}",
        f"{before.rmse_db:.3f}",
        f"{after.rmse_db:.3f}",
        f"{seconds:.2f} s",
        f"{with_gains:.2f} s",
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rates", type=float, nargs="+", default=[0.1, 0.2, 0.4, 0.8, 1.6])
    cells = ["auto", *map(str, gaingrid.SIDES)]
    parser.add_argument("--cells", nargs="+", default=["auto"], choices=cells, help="sides in pixels")
    parser.add_argument("--side", type=int, default=1024, help="pixels a side of simulated scenes")
    parser.add_argument("--jobs", type=int, default=1)
    chosen = parser.parse_args()
    items = list(simulated(chosen.side))
    if "SARCODEC_DATA" in os.environ:
        items += real(Path(os.environ["SARCODEC_DATA"]))
    timed(items[0], quality=50, jobs=1)  # loads the model
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for item in items:
        for cell in chosen.cells:
            for bpp in chosen.rates:
                print(f"| {' | '.join(row(item, bpp, cell, chosen.jobs))} |", flush=True)


if __name__ == "__main__":
    main()
