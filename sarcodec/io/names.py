"""What may be opened: a file on this machine, and nothing that it refers to elsewhere."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from sarcodec.errors import InputError
from sarcodec.io import gdal, inside
from sarcodec.io.subdatasets import within_file
from sarcodec.io.vrt import check_vrt, is_vrt
from sarcodec.magic import ENOUGH, OURS, kind_of
from sarcodec.places import check_near, container, local_path, short

_GDAL_NAME = re.compile(r"/vsi|\w{2,}:")


def checked(given: str) -> str:
    """The raster `given` as GDAL is to be given it.

    Raises
    ------
    InputError
        There is no such file here, it is of a kind that holds rasters only deeper inside, it is a `.sarc`
        file, or it is a VRT that refers to another machine, to itself, to what cannot be read, or to Python.
    """
    name = local_path(given)
    try:
        name.encode()
        kind = Path(name).stat().st_mode
    except UnicodeEncodeError as error:
        raise InputError(f"the name {short(name)!a} is not UTF-8", hint="Rename the file.") from error
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return _checked_gdal_name(name)
    if stat.S_ISDIR(kind):
        if inside.is_zarr(Path(name)):
            return within_file(f'ZARR:"{name}"') or name
        raise InputError(f"{name} is a directory", hint=inside.hint_of_folder(Path(name)))
    if not stat.S_ISREG(kind):
        raise InputError(
            f"{name} is not a regular file",
            hint="Write it to a file first; the command line reads a pipe by the name -.",
        )
    if not os.path.getsize(name):
        raise InputError(f"{name} is empty", hint="Fetch or make the file again.")
    return _checked_file(name)


def _checked_file(name: str) -> str:
    # An absolute path is never taken for a GDAL name such as ZIP:a.tif.
    path = str(Path(name).absolute())
    if len(path.encode()) > gdal.PATH_BYTES:
        raise InputError(
            f"the path of {short(name)} is longer than GDAL takes, {gdal.PATH_BYTES} bytes",
            hint="Move the file to a folder less deep.",
        )
    if _start(path) == OURS:
        raise InputError(
            f"{name} is a .sarc file already: decode or extract it",
            hint="sarcodec decode makes a GeoTIFF of it, sarcodec extract a smaller .sarc file.",
        )
    within = inside.hint_of_zip(name)
    if within:
        raise InputError(f"{name} is an archive", hint=within)
    if is_vrt(path):
        check_vrt(path)
    return path


def _checked_gdal_name(name: str) -> str:
    """The name of a dataset within a file; nothing else can be right if there is no file of that name."""
    if name == "-" or name.startswith("/vsistdin"):
        raise InputError(
            f"{name} is not a file", hint="Standard input is read by the command line only, by the name -."
        )
    found = within_file(name)
    if found:
        return found
    check_near(name)
    if not _GDAL_NAME.match(name) or not (name.startswith("/vsi") or container(name)):
        raise InputError(f"{short(name)} does not exist", hint="Check the name and the folder.")
    return name


def _start(path: str) -> str | None:
    try:
        with Path(path).open("rb") as file:
            return kind_of(file.read(ENOUGH))
    except OSError:
        return None
