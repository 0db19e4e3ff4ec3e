"""The .aux.xml beside a GeoTIFF: where GDAL keeps, and looks for, a CRS that GeoTIFF cannot hold."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from xml.sax.saxutils import escape

from rasterio.errors import CRSError

from sarcodec.atomic import replacing
from sarcodec.errors import WriteError
from sarcodec.io.crs import crs_from_text

log = logging.getLogger(__name__)

ENDING = ".aux.xml"
"""What comes behind the raster's whole name."""


def texts(crs: str, pixel_is: str | None) -> list[str]:
    """Documents that may make GDAL read this CRS, the likeliest one first; none if PROJ does not know it.

    Parameters
    ----------
    crs : str
        As `RasterMeta` holds it.
    pixel_is : str or None
        Tag AREA_OR_POINT, which GDAL does not look for in the GeoTIFF if it finds the CRS here.
    """
    found: list[str] = []
    with suppress(CRSError):
        made = crs_from_text(crs)
        for version in ("WKT2_2019", "WKT1_GDAL"):
            with suppress(CRSError):
                found.append(made.to_wkt(version=version))
    tag = (
        f'  <Metadata>\n    <MDI key="AREA_OR_POINT">{escape(pixel_is)}</MDI>\n  </Metadata>\n'
        if pixel_is
        else ""
    )
    return [f"<PAMDataset>\n  <SRS>{escape(wkt)}</SRS>\n{tag}</PAMDataset>\n" for wkt in dict.fromkeys(found)]


@contextmanager
def written(raster: Path, text: str, *, overwrite: bool) -> Iterator[None]:
    """Put `text` beside `raster` once the block has put `raster` into its place; nothing if it is "".

    If that fails, `raster` is removed: without its CRS it is not what was asked for.

    Raises
    ------
    OutputExistsError, WriteError
        As :func:`sarcodec.atomic.replacing` does.
    """
    if not text:
        yield
        return
    path, placed = raster.with_name(raster.name + ENDING), False
    if path.is_symlink():  # `replacing` would write to where it points
        raise WriteError(f"{path} is a symbolic link", hint="Remove it first.")
    try:
        with replacing(path, overwrite=overwrite) as partial:
            partial.write_text(text, encoding="utf-8")
            yield
            placed = True
    except BaseException:
        if placed:
            path.unlink(missing_ok=True)
            raster.unlink(missing_ok=True)
        raise
    log.warning("GeoTIFF cannot hold the CRS: it stands in %s, keep both files together", path.name)
