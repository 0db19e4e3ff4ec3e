"""Masked areas that a file keeps exactly without the source having declared them, for ``sarcodec info``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sarcodec.bitstream.reader import Reader
    from sarcodec.metadata import RasterMeta


def masked(reader: Reader, meta: RasterMeta) -> list[list[dict[str, Any]]]:
    """Values of each band that would be data but mark masked areas, and the share of pixels they fill.

    Masks are read only where there is such a value; the share is None where one of them is damaged.
    """
    import numpy as np

    from sarcodec.invalid import InvalidPalette, valid_mask

    header, found = reader.header, []
    for number, band in enumerate(header.bands):
        palette = InvalidPalette.of_band(band, header.dtype)
        values = palette.values
        alpha = meta.bands[number].colorinterp == "alpha"
        kept = valid_mask(values, header.pixel_scale(number), meta.nodata) & (not alpha)
        classes = np.flatnonzero(kept) + 1
        counts = _counts(reader, number, len(palette)) if classes.size else []
        size = header.width * header.height
        found.append(
            [{"value": values[k - 1].item(), "share": counts[k] / size if counts else None} for k in classes]
        )
    return found


def _counts(reader: Reader, band: int, classes: int) -> list[int]:
    """Pixels of each class of a band, valid ones first; empty where a mask is damaged."""
    import numpy as np

    from sarcodec.bitstream import mask
    from sarcodec.errors import FormatError

    total = np.zeros(classes + 1, np.int64)
    for row in range(reader.grid.rows):
        for col in range(reader.grid.cols):
            window = reader.grid.window(row, col)
            try:
                packed = reader.mask_bytes(row, col, band)
                part = mask.unpack(packed, (window.height, window.width), classes)
            except FormatError:
                return []
            total += np.bincount(part.ravel(), minlength=classes + 1)
    counts: list[int] = total.tolist()
    return counts
