"""Where a command may write its file, and under which endings."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from sarcodec.atomic import check_target
from sarcodec.errors import UsageError
from sarcodec.places import check_near, container, local_path, same_file

Kind = Literal[".sarc", ".tif"]
SARC: Kind = ".sarc"
GEOTIFF: Kind = ".tif"

_GEOTIFFS = (".tif", ".tiff", "")
_RASTERS = re.compile(
    r"\.(g?tiff?|vrt|jp2|j2[kc]|jpx|jxl|avif|heic|png|jpe?g|webp|gif|bmp|img|hdr|envi|nc4?|h5|he5|hdf5?|zarr|grd|"
    r"asc|ntf|nitf|bil|bip|bsq|dim|safe|pix|ers|gri?b2?|mrf|gpkg|pdf|np[yz])"
)
"""Endings of rasters and images, which a `.sarc` file must not have."""


def output_of(
    source: str | os.PathLike[str], output: str | os.PathLike[str], kind: Kind, *, overwrite: bool
) -> str:
    """The path to write, once it is sure that it may be written.

    Parameters
    ----------
    source, output : path
        What is read, by any name; what is to be written, a path or a ``file:`` URL.
    kind : str
        `SARC` or `GEOTIFF`.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    InputError
        `source` lies on another machine.
    UsageError
        `output` is no place on this machine, is `source` itself, or has the ending of another kind of file.
    OutputExistsError, WriteError
        As :func:`sarcodec.atomic.check_target`.
    """
    given, name = os.fspath(source), local_path(os.fspath(output))
    if container(given) is None:
        check_near(given)
    if same_file(given, name):
        raise UsageError(f"{name} is the input itself", hint="Give another output.")
    check_ending(name, kind)
    check_target(name, overwrite=overwrite)
    return name


def check_ending(name: str | os.PathLike[str], kind: Kind) -> None:
    """Raise `UsageError` for the name of another kind of file, or one that cannot be written."""
    suffix = Path(name).suffix.lower()
    try:
        os.fspath(name).encode()
    except UnicodeEncodeError as error:
        if kind == GEOTIFF:
            raise UsageError(
                f"the name {os.fspath(name)!a} is not UTF-8", hint="GDAL writes no such name; choose another."
            ) from error
    if kind == GEOTIFF and suffix not in _GEOTIFFS:
        raise UsageError(
            f"{os.fspath(name)} would be a GeoTIFF by another name",
            hint="Let the name end in .tif or .tiff; convert it afterwards, with gdal_translate say.",
        )
    if kind == SARC and _RASTERS.fullmatch(suffix):
        raise UsageError(
            f"{os.fspath(name)} would be a .sarc file by another name",
            hint="Let the name end in .sarc; sarcodec decode makes a GeoTIFF of it.",
        )
