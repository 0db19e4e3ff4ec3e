"""GDAL's creation options for GeoTIFF: defaults, and what is not accepted."""

from __future__ import annotations

from collections.abc import Mapping

from sarcodec.errors import UsageError

_YES = ("YES", "TRUE", "ON", "1")
_ASIDE = ("TFW", "WORLDFILE", "RPB", "RPCTXT", "APPEND_SUBDATASET")
"""Write beside the file, or into one that is there."""
_SIDE = 4096
"""Largest side of a block that may be asked for; GDAL keeps whole blocks in memory."""


def creation_options(dtype: str, given: Mapping[str, str]) -> dict[str, str]:
    """GDAL's creation options, upper case: the defaults as far as they go with those `given`.

    Raises
    ------
    UsageError
        One of `given` writes other files, makes blocks too large, or allows pixels to change.
    """
    chosen = {key.upper(): str(value).upper() for key, value in given.items()}
    for key, value in chosen.items():
        if key in _ASIDE and value not in ("NO", "FALSE", "OFF", "0"):
            raise not_accepted(f"{key}={value} writes to other files")
        if key == "MAX_Z_ERROR" and value != "0":
            raise not_accepted(f"{key}={value} would change pixels")
        if key in ("BLOCKXSIZE", "BLOCKYSIZE") and value.isdecimal() and int(value) > _SIDE:
            raise not_accepted(f"{key}={value} is above {_SIDE}")
    options = {"TILED": "YES", "COMPRESS": "DEFLATE", "INTERLEAVE": "BAND", "BIGTIFF": "IF_SAFER"} | chosen
    if is_set(options, "TILED"):
        options = {"BLOCKXSIZE": "256", "BLOCKYSIZE": "256"} | options
    if options["COMPRESS"] in ("DEFLATE", "LZW", "ZSTD"):
        # 2 takes differences of integers, 3 of a float's bytes.
        options.setdefault("PREDICTOR", "3" if dtype.startswith("float") else "2")
    return options


def is_set(options: Mapping[str, str], key: str) -> bool:
    """Whether a yes-or-no option is on; off where it is not given."""
    return options.get(key, "NO") in _YES


def not_accepted(reason: str) -> UsageError:
    """The error for a GeoTIFF that cannot be made as asked."""
    return UsageError(
        f"GDAL cannot make such a GeoTIFF: {reason}",
        hint="The creation options stand at https://gdal.org/drivers/raster/gtiff.html",
    )
