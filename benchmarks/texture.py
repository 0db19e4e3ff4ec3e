"""What --texture does to speckle: looks and correlation of homogeneous blocks, PSNR and bits, by rate.

    python benchmarks/texture.py --rates 0.1 0.2 0.4 0.8

Scenes are simulated, of 1, 4.4 and 10 looks; where the environment variable SARCODEC_DATA names a folder of
data, those under the folders that --folders names, val alone where it is left out, are measured too. Scenes
without homogeneous blocks are left out. The table is Markdown on standard output; what misses a bar has a *.
"""

from __future__ import annotations

import argparse
import io
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio

from sarcodec.api import decode_array, encode_array
from sarcodec.bitstream.layout import LayerKind
from sarcodec.bitstream.reader import Reader
from sarcodec.invalid import valid_mask
from sarcodec.metrics import psnr_db
from sarcodec.radiometry import to_db
from sarcodec.simulate import Scene, SceneSpec
from sarcodec.speckle import autocorrelation, enl, homogeneous_blocks
from sarcodec.types import Scale, Window

Array = npt.NDArray[Any]

LOOKS, LAG, LOSS_DB, BPP = 0.05, 0.05, 3.1, 0.002
"""Bars: of the ratio of looks from 1, of correlation at lag 1, of PSNR and of the layer."""
FEWEST = 6
"""Homogeneous blocks from which on a scene has something to say."""
HEAD = (
    "scene",
    "bpp",
    "blocks",
    "ENL",
    "decoded",
    "textured",
    "lag 1",
    "decoded",
    "textured",
    "PSNR loss, dB",
    "bpp of texture",
    "bias of blocks, dB",
    "textured",
    "encoding",
    "with texture",
)


@dataclass(frozen=True)
class Item:
    """One band to code."""

    name: str
    values: Array
    """Shape (h, w)."""
    scale: Scale
    nodata: float | None


def simulated(side: int, seed: int) -> Iterator[Item]:
    """The same landscape, of few looks and many."""
    for scale, enl_ in ((Scale.DN, 4.4), (Scale.POWER, 1.0), (Scale.DB, 10.0)):
        spec = SceneSpec(side, side, scale=scale, enl=enl_, seed=seed)
        yield Item(f"simulated, {enl_:g} looks", Scene(spec).block(0, side).values[0], scale, spec.nodata)


def real(folder: Path, splits: Sequence[str], side: int) -> Iterator[Item]:
    """The first band of every scene, at most side x side pixels of its upper left corner."""
    for path in sorted(path for split in splits for path in folder.glob(f"{split}/**/*.tif")):
        with rasterio.open(path) as source:
            values = source.read(1)[:side, :side]
            yield Item(path.stem, values, Scale(source.tags()["SCALE"]), source.nodata)


def texture_bytes(data: bytes) -> int:
    """Bytes of the texture, checksums and lengths included."""
    reader = Reader(io.BytesIO(data))
    number = reader.header.side_layer(LayerKind.TEXTURE)
    assert number is not None
    places = [(row, col) for row in range(reader.grid.rows) for col in range(reader.grid.cols)]
    return sum(band[1 + number].size + 1 for place in places for band in reader.record(*place).segments)


def timed(item: Item, **options: Any) -> tuple[bytes, float]:
    """The file of a scene, and the seconds it took."""
    began = time.perf_counter()
    data = encode_array(item.values, scale=item.scale, nodata=item.nodata, **options)
    return data, time.perf_counter() - began


def bias_db(db: Array, decoded: Array, blocks: list[Window]) -> float:
    """Mean power of blocks, decoded over source, dB; mean over blocks."""
    parts = [np.s_[b.row : b.bottom, b.col : b.right] for b in blocks]
    means = [
        [np.log10((10 ** (image[part].astype(float) / 10)).mean()) for part in parts]
        for image in (db, decoded)
    ]
    return 10 * float(np.mean(means[1]) - np.mean(means[0]))


def marked(text: str, *, good: bool) -> str:
    """The text, and a star where it misses its bar."""
    return text if good else f"{text} *"


def row(item: Item, db: Array, blocks: list[Window], bpp: float, jobs: int) -> tuple[str, ...]:
    """One line of the table."""
    valid = valid_mask(item.values, item.scale, item.nodata)
    _, seconds = timed(item, bpp=bpp, jobs=jobs)
    data, with_texture = timed(item, bpp=bpp, jobs=jobs, texture=True)
    decoded, textured = (
        np.where(valid, to_db(decode_array(data, jobs=jobs, texture=chosen)[0], item.scale), 0)
        for chosen in (None, "speckle")
    )
    images = (db, decoded, textured)
    looks = [enl(image, valid, blocks) for image in images]
    lags = [autocorrelation(image, valid, blocks, lags=1)[:, 1] for image in images]
    loss = psnr_db(db, decoded, valid) - psnr_db(db, textured, valid)
    layer = 8 * texture_bytes(data) / item.values.size
    bias = [bias_db(db, image, blocks) for image in images[1:]]
    shown = [f"{lag[0]:.2f} {lag[1]:.2f}" for lag in lags]
    return (
        item.name,
        f"{8 * len(data) / item.values.size:.3f}",
        str(len(blocks)),
        f"{looks[0]:.2f}",
        f"{looks[1] / looks[0]:.2f}",
        marked(f"{looks[2] / looks[0]:.3f}", good=abs(looks[2] / looks[0] - 1) <= LOOKS),
        shown[0],
        shown[1],
        marked(shown[2], good=bool(np.abs(lags[2] - lags[0]).max() <= LAG)),
        marked(f"{loss:.2f}", good=loss <= LOSS_DB),
        marked(f"{layer:.5f}", good=layer <= BPP),
        f"{bias[0]:+.3f}",
        f"{bias[1]:+.3f}",
        f"{seconds:.1f} s",
        f"{with_texture:.1f} s",
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rates", type=float, nargs="+", default=[0.1, 0.2, 0.4, 0.8])
    parser.add_argument("--side", type=int, default=1024, help="pixels a side at most")
    parser.add_argument("--seed", type=int, default=5, help="of simulated scenes")
    parser.add_argument("--folders", nargs="*", default=["val"], help="of data, such as val train/slc")
    parser.add_argument("--no-simulated", action="store_true")
    parser.add_argument("--jobs", type=int, default=1)
    chosen = parser.parse_args()
    items = [] if chosen.no_simulated else list(simulated(chosen.side, chosen.seed))
    if "SARCODEC_DATA" in os.environ:
        items += real(Path(os.environ["SARCODEC_DATA"]), chosen.folders, chosen.side)
    if items:
        timed(items[0], quality=50, jobs=1)  # loads the model
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for item in items:
        valid = valid_mask(item.values, item.scale, item.nodata)
        db = np.where(valid, to_db(item.values, item.scale), 0)
        blocks = homogeneous_blocks(db, valid)
        if len(blocks) < FEWEST:
            continue
        for bpp in chosen.rates:
            print(f"| {' | '.join(row(item, db, blocks, bpp, chosen.jobs))} |", flush=True)


if __name__ == "__main__":
    main()
