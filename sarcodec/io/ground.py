"""How large a pixel is on the ground."""

from __future__ import annotations

import math

from rasterio.errors import CRSError

from sarcodec.io import gdal
from sarcodec.io.crs import crs_from_text
from sarcodec.metadata import RasterMeta

_METRES_PER_DEGREE = 111_320.0  # of latitude


def pixel_m(meta: RasterMeta) -> float | None:
    """Side of a pixel along its columns in metres; None without a transform, or a CRS that PROJ knows.

    Degrees of a geographic CRS count along the meridian.
    """
    if meta.transform is None or meta.crs is None:
        return None
    _, along_x, _, _, along_y, _ = meta.transform
    try:
        with gdal.reading():
            crs = crs_from_text(meta.crs)
            unit = _METRES_PER_DEGREE if crs.is_geographic else crs.linear_units_factor[1]
    except CRSError:
        return None
    return math.hypot(along_x, along_y) * unit
