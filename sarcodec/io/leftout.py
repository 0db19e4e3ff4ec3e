"""What of a raster file does not go into a `.sarc` file, in words: nothing is left out without one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sarcodec.io import gdal

_VIEWS = {"SAFE", "RS2"}
"""Drivers whose subdatasets are the bands once more."""
_IMPLIED = {"JP2OpenJPEG", "JPEG", "WEBP", "SAFE"}
"""Drivers whose overviews are a way to read the pixels, not pixels of their own."""
_BESIDE = {
    "GDALRasterAttributeTable": "the raster attribute table",
    "CategoryNames": "names of categories",
    "Histograms": "histograms",
}
"""Elements of an .aux.xml file, or of a VRT, that no tag holds."""
_BYTES = 2**24


def left_out(dataset: Any) -> tuple[str, ...]:
    """What is not carried, a sentence each that names it and says what to do.

    Parameters
    ----------
    dataset : rasterio.DatasetReader
        Open, with at least one band.
    """
    told = (_others, _places, _overviews, _inverted, _beside)
    found = [tell(dataset) for tell in told]
    return tuple(text for text in found if text)


def _others(dataset: Any) -> str:
    """Pages, images and arrays beside the one that is read."""
    if dataset.driver in _VIEWS:
        return ""
    names = [name for name in dataset.subdatasets if not _is_read(dataset, name)]
    if not names:
        return ""
    kind = "page" if names[0].startswith("GTIFF_DIR:") else "raster"
    listed = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    if len(names) == 1:
        return f"1 more {kind} in the file is left out; encode it by its name: {listed}"
    return f"{len(names)} more {kind}s in the file are left out; encode each by its name: {listed}"


def _is_read(dataset: Any, name: str) -> bool:
    """Whether a subdataset is what the bands are, or what :func:`_places` tells of."""
    variable = dataset.tags(1).get("NETCDF_VARNAME")
    if re.match(r"GTIFF_DIR:1:|NITF_IM:0:", name) or (variable and name.endswith(f":{variable}")):
        return True
    return _plain(name) in map(_plain, _geolocation(dataset))


def _places(dataset: Any) -> str:
    """Arrays of coordinates, one for each pixel."""
    arrays = _geolocation(dataset)
    return f"geolocation arrays ({', '.join(arrays)}) are left out; keep the file for them" if arrays else ""


def _geolocation(dataset: Any) -> list[str]:
    tags = dataset.tags(ns="GEOLOCATION")
    return [tags[key] for key in ("X_DATASET", "Y_DATASET") if key in tags]


def _plain(name: str) -> str:
    """Name of a subdataset as far as it must agree."""
    prefix, colon, rest = name.replace('"', "").partition(":")
    return prefix.lower() + colon + rest


def _overviews(dataset: Any) -> str:
    try:
        factors = sorted({factor for band in dataset.indexes for factor in dataset.overviews(band)})
    except gdal.GdalErrors:
        factors = []
    if not factors or dataset.driver in _IMPLIED:
        return ""
    return (
        f"overviews (1:{', 1:'.join(map(str, factors))}) are left out; "
        "decode --reduce makes one of a .sarc file, gdaladdo makes them for a decoded GeoTIFF"
    )


def _inverted(dataset: Any) -> str:
    if dataset.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") != "YES":
        return ""
    return (
        "PHOTOMETRIC=MINISWHITE is left out, so viewers swap black and white of the decoded raster; "
        "decode --co PHOTOMETRIC=MINISWHITE brings it back"
    )


def _beside(dataset: Any) -> str:
    """What stands in an .aux.xml file, or in a VRT, and is no tag."""
    files = [Path(name) for name in dataset.files if name.endswith((".aux.xml", ".vrt"))]
    texts = [text for text in map(_read, files) if text]
    found = [what for element, what in _BESIDE.items() if any(f"<{element}" in text for text in texts)]
    if not found:
        return ""
    return f"{' and '.join(found)} in {', '.join(path.name for path in files)} {_is(found)} left out"


def _is(found: list[str]) -> str:
    return "is" if found == [_BESIDE["GDALRasterAttributeTable"]] else "are"


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
