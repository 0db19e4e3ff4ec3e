"""Coordinate reference systems as the texts that `RasterMeta` holds."""

from __future__ import annotations

import re

from rasterio.crs import CRS
from rasterio.errors import CRSError

from sarcodec.io.proj import check_proj

_QUOTED = re.compile(r'"((?:[^"]|"")*)"')


def crs_text(crs: CRS | None) -> str | None:
    """``"EPSG:n"`` or the first of WKT2 and WKT1 from which the very same CRS can be made again.

    Raises
    ------
    InputError
        PROJ finds no data of its own, and would tell no EPSG code.
    """
    if not crs:
        return None
    check_proj()
    code = crs.to_epsg(confidence_threshold=100)
    texts = [] if code is None else [f"EPSG:{code}"]
    texts += [crs.to_wkt(version="WKT2_2019"), crs.to_wkt()]
    return next((text for text in texts if _makes(text, crs)), texts[-1])


def crs_from_text(text: str) -> CRS:
    """The CRS of a text that `RasterMeta` holds; the text alone decides, no file or address it may name.

    Raises
    ------
    CRSError
        The text is neither ``"EPSG:n"`` nor WKT, or PROJ does not know it, or it would have PROJ open a file
        at a place of its choice.
    InputError
        PROJ finds no data of its own.
    """
    named = _file_named(text)
    if named:
        raise CRSError(f"it names the file {named[:80]!r}")
    return _made(text)


def _file_named(wkt: str) -> str | None:
    """The quoted text that would have PROJ open a file outside of its own folders, or an address."""
    if "\N{LEFT DOUBLE QUOTATION MARK}" in wkt:  # quotes as well, to PROJ
        return wkt
    keyword, end = "", 0
    for found in _QUOTED.finditer(wkt):
        before, end = wkt[end : found.start()].strip(), found.end()
        if before != ",":
            keyword = before.rstrip("[( \t\r\n").upper()
        # Names of systems and areas have slashes, too, but no "=", which parameters of PROJ have.
        parameter = keyword.endswith(("PARAMETERFILE", "EXTENSION")) or "=" in found[1]
        if parameter and any(mark in found[1] for mark in "/\\~"):
            return found[1].rpartition("=")[2]
    return None


def _made(text: str) -> CRS:
    digits = text.removeprefix("EPSG:")
    try:
        if digits != text and digits.isdecimal() and len(digits) < 10:
            return CRS.from_epsg(int(digits))
        return CRS.from_wkt(text)
    except CRSError:
        check_proj()
        raise


def same(one: str | None, other: str | None) -> bool:
    """Whether two texts stand for one CRS; False if PROJ knows one of them not, unless they are equal."""
    if one == other or one is None or other is None:
        return one == other
    try:
        return bool(crs_from_text(one) == crs_from_text(other))
    except CRSError:
        return False


def _makes(text: str, crs: CRS) -> bool:
    try:
        made = _made(text)  # of a CRS that GDAL has made before
    except CRSError:
        return False
    return bool(made == crs and made.to_wkt() == crs.to_wkt())
