"""Names of rasters within files that are here: HDF5, netCDF, Zarr, pages of a TIFF, members of an archive."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sarcodec.errors import InputError
from sarcodec.places import REMOTE, check_near, local_path, short

WITHIN_FILE = re.compile(r"(NETCDF|HDF5|GTIFF_DIR):(?!.*(://|/vsi))", re.IGNORECASE | re.DOTALL)
"""A name that reaches no further than the file in it."""

_ARCHIVE = re.compile(r"(zip|tar|gzip)(?:\+file)?://(.*)", re.IGNORECASE | re.DOTALL)
_KNOWN = re.compile(r"(NETCDF|HDF5|ZARR):(.*)", re.IGNORECASE | re.DOTALL)
_PAGE = re.compile(r"(GTIFF_DIR:(?:off:)?\d+):(.*)", re.IGNORECASE | re.DOTALL)
_ENDINGS = {"zip": (".zip", ".kmz"), "tar": (".tar", ".tgz", ".tar.gz")}
"""Names of archives that GDAL knows by their endings; others it takes in braces."""


def within_file(name: str, folder: str = "") -> str | None:
    """The raster in a file that `name` stands for, as GDAL is to be given it; None for another kind of name.

    The file's path becomes an absolute one, so that GDAL can take it for nothing else.

    Parameters
    ----------
    name : str
        As GDAL writes it, with or without quotes (``HDF5:"a.h5"://x``, ``NETCDF:a.nc:x``,
        ``GTIFF_DIR:2:a.tif``, ``ZARR:"a.zarr":/x``), or a URL as rasterio takes it (``zip://a.zip!b.tif``,
        ``gzip://a.tif.gz``).
    folder : str
        Where relative paths begin.

    Raises
    ------
    InputError
        The file is not there, or lies on another machine.
    """
    archive = _ARCHIVE.fullmatch(name)
    if archive:
        return _in_archive(archive[1].lower(), archive[2], name)
    page = _PAGE.fullmatch(name)
    if page:
        return f"{page[1]}:{_absolute(page[2], folder, name)}"
    known = _KNOWN.fullmatch(name)
    if known is None:
        return None
    kind = known[1].upper()
    path, rest = _split(known[2], folder)
    if kind == "HDF5":
        if not rest.startswith("://") or REMOTE.search(rest[3:]):
            return None
    elif REMOTE.search(rest):
        return None
    return f'{kind}:"{_absolute(path, folder, name, quoted=True)}"{rest}'


def vsi(kind: str, archive: str, member: str = "") -> str:
    """GDAL's name of a file in an archive; `kind` is zip, tar or gzip."""
    archive = re.sub("^/+", "/", archive)
    braces = not archive.lower().endswith(_ENDINGS.get(kind, ("",)))
    held = f"{{{archive}}}" if braces else archive
    return f"/vsi{kind}/{held}/{member.lstrip('/')}" if member else f"/vsi{kind}/{held}"


def _in_archive(kind: str, rest: str, name: str) -> str:
    path, _, member = rest.partition("!")
    archive = _absolute(local_path(path), "", name)
    if kind != "gzip" and not member.strip("/"):
        raise InputError(
            f"{short(name)} names no file in the archive",
            hint=f"Put it behind an exclamation mark: {kind}://{short(path)}!scene.tif",
        )
    return vsi(kind, archive, "" if kind == "gzip" else member)


def _split(text: str, folder: str) -> tuple[str, str]:
    """The path at the start of `text`, and what follows it from its colon on."""
    quoted = re.match(r'"([^"]*)"', text)
    if quoted:
        return quoted[1], text[quoted.end() :]
    ends = [len(text), *(at for at in range(len(text) - 1, -1, -1) if text[at] == ":")]
    for end in ends:
        if os.path.exists(os.path.join(folder, text[:end])):  # noqa: PTH118
            return text[:end], text[end:]
    end = text.find("://") if "://" in text else text.rfind(":")
    return (text, "") if end < 0 else (text[:end], text[end:])


def _absolute(path: str, folder: str, name: str, *, quoted: bool = False) -> str:
    found = os.path.join(folder, path)  # noqa: PTH118
    if not path or not os.path.exists(found):
        check_near(path)
        raise InputError(
            f"{short(name)}: {short(path)} does not exist", hint="Check the name and the folder."
        )
    whole = str(Path(found).absolute())
    if quoted and '"' in whole:
        raise InputError(f"the path {short(whole)} has quotes in it", hint="Rename the file.")
    return whole
