"""PROJ's data: found even if the user's variables name those of another PROJ, or said to be missing."""

from __future__ import annotations

import os
from typing import Self

import rasterio
from rasterio._env import PROJDataFinder, set_proj_data_search_path
from rasterio.crs import CRS
from rasterio.env import hasenv
from rasterio.errors import CRSError

from sarcodec.errors import InputError

_PROJ = ("PROJ_DATA", "PROJ_LIB")
"""Variables that name the folder of PROJ's data."""
_served: dict[tuple[str | None, ...], bool] = {}
"""Whether PROJ finds its data in the folders that they name."""


class ProjEnv(rasterio.Env):  # type: ignore[misc]
    """An environment in which PROJ finds its data, even if PROJ_DATA names those of another PROJ."""

    def __enter__(self) -> Self:
        super().__enter__()
        _mend_proj()
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        if hasenv():  # rasterio has started the outer one anew
            _mend_proj()


def check_proj() -> None:
    """Raise `InputError` if PROJ finds no data: a CRS that it then does not know may be right."""
    if not _knows_systems():
        named = " ".join(f"{name}={os.environ[name]}" for name in _PROJ if name in os.environ)
        raise InputError(
            f"PROJ does not find its data (proj.db), and so knows no CRS{': ' + named if named else ''}",
            hint=f"Unset {' and '.join(_PROJ)}, or let them name the data of rasterio's PROJ "
            f"{rasterio.__proj_version__}; PostGIS, QGIS and conda set them to others.",
        )


def _mend_proj() -> None:
    """Point PROJ to the data of rasterio's package, if those that the user's variables name do not serve.

    Whenever an environment starts, rasterio takes the variables anew.
    """
    named = tuple(os.environ.get(name) for name in _PROJ)
    if any(named) and named not in _served:
        _served[named] = _knows_systems()
    own = PROJDataFinder().search_wheel() if any(named) and not _served[named] else None
    if own:
        set_proj_data_search_path(own)


def _knows_systems() -> bool:
    try:
        return bool(CRS.from_epsg(4326))
    except CRSError:
        return False
