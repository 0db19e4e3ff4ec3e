"""Masked areas that a file keeps exactly without the source having declared them, for ``sarcodec info``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sarcodec.bitstream.reader import Reader
    from sarcodec.metadata import RasterMeta


def masked(reader: Reader, meta: RasterMeta) -> list[list[dict[str, Any]]]:
    """Invalid values of each band that nobody declared, and the share of pixels that they fill.

    They are values of constant areas, and values that the scale cannot hold, such as zeros. Masks are read
    only if there is such a value; the share is None if one of them is damaged.
    """
    import numpy as np

    from sarcodec.invalid import InvalidPalette, native_nodata, valid_mask

    header, found = reader.header, []
    for number, band in enumerate(header.bands):
        palette = InvalidPalette.of_band(band, header.dtype)
        values = palette.values
        alpha = meta.bands[number].colorinterp == "alpha"
        declared = native_nodata(meta.nodata, values.dtype)
        kept = np.full(values.shape, not alpha)
        if declared is not None:
            kept &= values != declared
        if meta.nodata is not None and math.isnan(meta.nodata):
            kept &= ~np.isnan(values.astype(np.float64))
        constant = valid_mask(values, header.pixel_scale(number), meta.nodata)
        classes = np.flatnonzero(kept) + 1
        counts = _counts(reader, number, len(palette)) if classes.size else []
        size = header.width * header.height
        found.append(
            [
                {
                    "value": values[k - 1].item(),
                    "share": counts[k] / size if counts else None,
                    "constant": bool(constant[k - 1]),
                }
                for k in classes
            ]
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
                packed = reader.record(row, col).mask(band)
                if not packed:
                    total[0] += window.height * window.width
                    continue
                part = mask.unpack(packed, (window.height, window.width), classes)
            except FormatError:
                return []
            total += np.bincount(part.ravel(), minlength=classes + 1)
    counts: list[int] = total.tolist()
    return counts
