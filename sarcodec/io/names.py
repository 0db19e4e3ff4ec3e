"""What may be opened: a file on this machine, and nothing that it refers to elsewhere."""

from __future__ import annotations

import html
import os
import re
import stat
import zipfile
from pathlib import Path

from sarcodec.errors import InputError
from sarcodec.io import gdal

_REMOTE = re.compile(r"://|/vsi(curl|s3|gs|az|adls|oss|swift|webhdfs|hdfs)", re.IGNORECASE)
_GDAL_NAME = re.compile(r"/vsi|\w{2,}:")
_WITHIN_FILE = re.compile(r"(NETCDF|HDF5|GTIFF_DIR):(?!.*(://|/vsi))", re.IGNORECASE | re.DOTALL)
_TIFFS = (".tif", ".tiff")

_VRT_BYTES = 16 * 2**20  # a mosaic of some 30,000 rasters
_VRT_DEPTH = 8
_SOURCE = re.compile(r"<(SourceFilename|SourceDataset)\b([^<>]*)>([^<]*)(</)?")
_OPENDAP = re.compile(r"NETCDF:\W*\w+://", re.IGNORECASE)  # the one way out that no option of GDAL closes
_PYTHON = re.compile(r"PixelFunctionLanguage\W+python", re.IGNORECASE)


def checked(name: str) -> str:
    """`name` as GDAL is to be given it.

    Raises
    ------
    InputError
        There is no such file here, it is of a kind that holds rasters only deeper inside, or it is a VRT
        that refers to another machine, to itself, to what cannot be read, or to Python.
    """
    try:
        name.encode()
        kind = Path(name).stat().st_mode
    except UnicodeEncodeError as error:
        raise InputError(f"the name {_short(name)!a} is not UTF-8", hint="Rename the file.") from error
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return _checked_gdal_name(name)
    if stat.S_ISDIR(kind):
        raise InputError(f"{name} is a directory", hint=_inside(_tiffs_of_folder(Path(name))))
    if not stat.S_ISREG(kind):
        raise InputError(f"{name} is not a regular file", hint="Write it to a file first.")
    if not os.path.getsize(name):
        raise InputError(f"{name} is empty", hint="Fetch or make the file again.")
    # An absolute path is never taken for a GDAL name such as ZIP:a.tif.
    path = str(Path(name).absolute())
    if len(path.encode()) > gdal.PATH_BYTES:
        raise InputError(
            f"the path of {_short(name)} is longer than GDAL takes, {gdal.PATH_BYTES} bytes",
            hint="Move the file to a folder less deep.",
        )
    members = _tiffs_of_zip(path)
    if members:
        raise InputError(f"{name} is an archive", hint=_inside(members))
    if _is_vrt(path):
        _check_vrt(path, ())
    return path


def _checked_gdal_name(name: str) -> str:
    """The name of a dataset within a file, as GDAL writes it; nothing else can be right where no file is."""
    if name == "-" or name.startswith("/vsistdin"):
        raise InputError(f"{name} is not a file", hint="Standard input is not read; name a file.")
    if _REMOTE.search(name):
        raise InputError(
            f"{_short(name)} is not a file on this machine",
            hint="Download it first; nothing is fetched here.",
        )
    if not _GDAL_NAME.match(name):
        raise InputError(f"{_short(name)} does not exist", hint="Check the name and the folder.")
    return name


def _inside(found: list[str]) -> str:
    """A hint that names the rasters found."""
    if not found:
        return "Give the raster file in it; in a Sentinel-1 SAFE folder, a measurement/*.tiff."
    rest = f" and {len(found) - 4} more" if len(found) > 4 else ""
    return f"Give a raster in it: {', '.join(found[:4])}{rest}."


def _tiffs_of_folder(folder: Path) -> list[str]:
    """TIFFs in the folder, or in the measurement folder of a Sentinel-1 product."""
    for place in (folder / "measurement", folder):
        try:
            found = sorted(str(p) for p in place.iterdir() if p.suffix.lower() in _TIFFS)
        except OSError:
            continue
        if found:
            return found
    return []


def _tiffs_of_zip(path: str) -> list[str]:
    """TIFFs in an archive, by the names under which GDAL opens them."""
    try:
        with Path(path).open("rb") as file:
            if file.read(4) != b"PK\3\4":
                return []
            with zipfile.ZipFile(file) as archive:
                names = archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return []
    return sorted(f"/vsizip/{path}/{n}" for n in names if n.lower().endswith(_TIFFS) and n.isprintable())


def _is_vrt(path: str) -> bool:
    try:
        with Path(path).open("rb") as file:
            return b"<VRTDataset" in file.read(2**16)
    except OSError:
        return False


def _check_vrt(path: str, outer: tuple[str, ...]) -> None:
    """Raise `InputError` unless the VRT, and each VRT in it, is made of rasters on this machine alone."""
    real = os.path.realpath(path)
    if real in outer:
        raise InputError(f"{path} refers to itself", hint="Make it anew from the rasters themselves.")
    if os.path.getsize(path) > _VRT_BYTES or len(outer) >= _VRT_DEPTH:
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
            if _REMOTE.search(name):
                raise _elsewhere(path, name)
            if re.search(r"relativeToVRT\s*=\s*[\"']1", attributes) and not _WITHIN_FILE.match(name):
                name = str(Path(path).parent / name)
            _check_source(path, name, (*outer, real), raw=raw)


def _check_source(path: str, name: str, outer: tuple[str, ...], *, raw: bool) -> None:
    within = _WITHIN_FILE.match(name)
    if not within and not os.path.isfile(name):
        raise InputError(
            f"{path} refers to {_short(name)!r}, which is no file",
            hint="Fetch, unpack or move that file; a VRT may refer to plain files alone.",
        )
    if raw:
        return
    if not within and _is_vrt(name):
        _check_vrt(name, outer)
        return
    try:
        gdal.open_raster(name, vrt=False).close()
    except gdal.GdalErrors as error:
        raise InputError(
            f"{path} refers to {name}, which cannot be read as a raster: {gdal.reason(error)}",
            hint="Is that file complete, and in a format that GDAL reads, such as GeoTIFF?",
        ) from error


def _elsewhere(path: str, what: str) -> InputError:
    return InputError(
        f"{path} refers to {_short(what)}",
        hint="Download it first and refer to the file; nothing is fetched here.",
    )


def _unescaped(text: str) -> str:
    """`text` without entities, however often it was escaped, within reason."""
    for _ in range(_VRT_DEPTH):
        text = html.unescape(text)
    return text


def _short(name: str) -> str:
    """`name`, cut in the middle where no message could hold it."""
    return name if len(name) <= 1000 else f"{name[:100]}...{name[-100:]}"
