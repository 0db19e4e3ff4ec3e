"""VRTs are looked into before GDAL opens them: they may name rasters on this machine, and run nothing."""

from __future__ import annotations

import html
import os
import re
from pathlib import Path

from sarcodec.errors import InputError
from sarcodec.io import gdal
from sarcodec.io.subdatasets import WITHIN_FILE, within_file
from sarcodec.places import REMOTE, short

_BYTES = 16 * 2**20  # a mosaic of some 30,000 rasters
_DEPTH = 8
_SOURCE = re.compile(r"<(SourceFilename|SourceDataset)\b([^<>]*)>([^<]*)(</)?")
_OPENDAP = re.compile(r"NETCDF:\W*\w+://", re.IGNORECASE)  # the one way out that no option of GDAL closes
_HDF5 = re.compile(r'HDF5:(?:"([^"]*)"|(.*?))://(?!.*(://|/vsi))', re.IGNORECASE | re.DOTALL)
_PYTHON = re.compile(r"PixelFunctionLanguage\W+python", re.IGNORECASE)


def is_vrt(path: str) -> bool:
    """Whether the file at `path` is a VRT."""
    try:
        with Path(path).open("rb") as file:
            return b"<VRTDataset" in file.read(2**16)
    except OSError:
        return False


def check_vrt(path: str, outer: tuple[str, ...] = ()) -> None:
    """Raise `InputError` unless the VRT, and each VRT in it, is made of rasters on this machine only."""
    real = os.path.realpath(path)
    if real in outer:
        raise InputError(f"{path} refers to itself", hint="Make it anew from the rasters themselves.")
    if os.path.getsize(path) > _BYTES or len(outer) >= _DEPTH:
        raise InputError(f"{path} is too large or too deeply nested", hint="Give the rasters themselves.")
    text = re.sub(r"<!\[CDATA\[|\]\]>", "", Path(path).read_bytes().decode("utf-8", "replace"))
    plain = _unescaped(text)
    if _PYTHON.search(plain):
        raise InputError(
            f"{path}: a pixel function in Python is not run",
            hint="Compute that raster first, for example with gdal_translate, if you trust the VRT.",
        )
    if _OPENDAP.search(plain):
        raise _elsewhere(path, "data on another machine")
    for band in text.split("<VRTRasterBand"):
        raw = "VRTRawRasterBand" in band.partition(">")[0]
        for _, attributes, source, end in _SOURCE.findall(band):
            name = _unescaped(source) if end else ""
            relative = re.search(r"relativeToVRT\s*=\s*[\"']1", attributes) is not None
            parent = str(Path(path).parent)
            hdf5 = _in_hdf5(name, parent if relative else "")
            if hdf5 is None and REMOTE.search(name):
                raise _elsewhere(path, name)
            if hdf5 is None and relative and not WITHIN_FILE.match(name):
                name = str(Path(parent) / name)
            _check_source(path, hdf5 or name, (*outer, real), raw=raw)


def _check_source(path: str, name: str, outer: tuple[str, ...], *, raw: bool) -> None:
    within = WITHIN_FILE.match(name) or name.startswith("HDF5:")
    if not within and not os.path.isfile(name):
        raise InputError(
            f"{path} refers to {short(name)!r}, which is no file",
            hint="Fetch, unpack or move that file; a VRT may refer to plain files alone.",
        )
    if raw:
        return
    if not within and is_vrt(name):
        check_vrt(name, outer)
        return
    try:
        gdal.open_raster(name, vrt=False).close()
    except gdal.GdalErrors as error:
        raise InputError(
            f"{path} refers to {name}, which cannot be read as a raster: {gdal.reason(error)}",
            hint="Is that file complete, and in a format that GDAL reads, such as GeoTIFF?",
        ) from error


def _in_hdf5(name: str, folder: str) -> str | None:
    """A raster in an HDF5 file on this machine; its name looks like an address, but is none."""
    held = _HDF5.match(name)
    path = held and (held[1] if held[1] is not None else held[2])
    if not path or REMOTE.search(path) or not os.path.isfile(Path(folder) / path):
        return None
    return within_file(name, folder)


def _elsewhere(path: str, what: str) -> InputError:
    return InputError(
        f"{path} refers to {short(what)}",
        hint="Download it first and refer to the file; nothing is fetched here.",
    )


def _unescaped(text: str) -> str:
    """`text` without entities, however often it was escaped, within reason."""
    for _ in range(_DEPTH):
        text = html.unescape(text)
    return text
