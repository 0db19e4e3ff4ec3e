"""Whether a GeoTIFF that was written is all there: GDAL reports no failure of what it writes on closing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rasterio

from sarcodec.io.gdal import opening, writing


def complete(path: Path, tags: dict[str, str]) -> bool:
    """Whether a file that was closed has all its blocks, and these tags in the default namespace.

    Raises
    ------
    One of `GdalErrors`
        It cannot be opened, or the last block of a band cannot be read.
    """
    with writing(), opening(), rasterio.open(path, driver="GTiff") as dataset:
        found: dict[str, str] = dataset.tags()
        return has_all_blocks(dataset, path.stat().st_size) and tags.items() <= found.items()


def has_all_blocks(dataset: Any, size: int, *, sparse: bool = False) -> bool:
    """Whether each block of an open file has a place and ends before byte `size`.

    With `sparse`, blocks may be missing. The last block of each band is read, which raises one of
    `GdalErrors` where it is damaged.
    """
    for band in dataset.indexes:
        windows = list(dataset.block_windows(band))
        if not sparse and not all(_within(dataset, band, at, size) for at, _ in windows):
            return False
        dataset.read(band, window=windows[-1][1])
    return True


def _within(dataset: Any, band: int, at: tuple[int, int], size: int) -> bool:
    row, col = at
    start = dataset.get_tag_item(f"BLOCK_OFFSET_{col}_{row}", "TIFF", band)
    length = dataset.get_tag_item(f"BLOCK_SIZE_{col}_{row}", "TIFF", band)
    return start is not None and length is not None and int(start) + int(length) <= size
