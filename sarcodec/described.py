"""What an open dataset says of itself, by the names that rasterio uses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from sarcodec.arguments import shown, whole
from sarcodec.errors import UsageError
from sarcodec.metadata import RasterMeta


class Described(ABC):
    """Size, type, place and tags of a raster whose metadata are `meta`."""

    name: str
    """Name of the file, as it was given."""

    @property
    @abstractmethod
    def meta(self) -> RasterMeta:
        """All metadata."""

    @property
    def profile(self) -> dict[str, Any]:
        """What rasterio calls a profile: driver, dtype, nodata, width, height, count, crs, transform."""
        from sarcodec.io.raster import profile

        return profile(self.meta)

    @property
    def width(self) -> int:
        """Columns."""
        return self.meta.width

    @property
    def height(self) -> int:
        """Rows."""
        return self.meta.height

    @property
    def count(self) -> int:
        """Number of bands."""
        return self.meta.count

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of a band."""
        return self.meta.height, self.meta.width

    @property
    def indexes(self) -> tuple[int, ...]:
        """Numbers of the bands, from 1."""
        return tuple(range(1, self.meta.count + 1))

    @property
    def dtypes(self) -> tuple[str, ...]:
        """NumPy's name of the pixel type, for each band; all have the same."""
        return (self.meta.dtype,) * self.meta.count

    @property
    def nodata(self) -> float | int | None:
        """The declared nodata value."""
        return self.meta.nodata

    @property
    def nodatavals(self) -> tuple[float | int | None, ...]:
        """The declared nodata value, for each band."""
        return (self.meta.nodata,) * self.meta.count

    @property
    def crs(self) -> Any:
        """A `rasterio.crs.CRS`, or None."""
        return self.profile["crs"]

    @property
    def transform(self) -> Any:
        """An `affine.Affine` from (column, row) to coordinates; the identity if the raster has none."""
        return self.profile["transform"]

    @property
    def bounds(self) -> Any:
        """A `rasterio.coords.BoundingBox`: left, bottom, right, top."""
        from sarcodec.io.raster import bounds

        return bounds(self.meta)

    @property
    def res(self) -> tuple[float, float]:
        """Width and height of a pixel in units of the CRS."""
        from sarcodec.io.raster import pixel_size

        return pixel_size(self.meta)

    @property
    def descriptions(self) -> tuple[str | None, ...]:
        """Descriptions of the bands."""
        return tuple(band.description for band in self.meta.bands)

    @property
    def units(self) -> tuple[str | None, ...]:
        """Units of the bands."""
        return tuple(band.unit for band in self.meta.bands)

    @property
    def scales(self) -> tuple[float, ...]:
        """Scales of the bands, which reading does not apply."""
        return tuple(band.scale for band in self.meta.bands)

    @property
    def offsets(self) -> tuple[float, ...]:
        """Offsets of the bands, which reading does not apply."""
        return tuple(band.offset for band in self.meta.bands)

    def tags(self, bidx: int = 0, ns: str | None = None) -> dict[str, str]:
        """Tags of the dataset, or of a band counted from 1, in a namespace; the default one if left out.

        Raises
        ------
        UsageError
            There is no such band.
        """
        spaces = self._spaces(bidx)
        if ns is not None and not isinstance(ns, str):
            raise UsageError(f"ns={shown(ns)} is not a namespace", hint=f"Give one of {', '.join(spaces)}.")
        return dict(spaces.get(ns or "", {}))

    def tag_namespaces(self, bidx: int = 0) -> list[str]:
        """Namespaces of tags beside the default one."""
        return [name for name in self._spaces(bidx) if name]

    def _spaces(self, bidx: int) -> dict[str, dict[str, str]]:
        number = whole("bidx", bidx)
        if not 0 <= number <= self.meta.count:
            raise UsageError(
                f"band {number} is not one of 1..{self.meta.count}", hint="Give 0 for the whole dataset."
            )
        return self.meta.bands[number - 1].tags if number else self.meta.tags

    def _told(self) -> str:
        """The raster in a few words."""
        meta = self.meta
        place = "no CRS" if meta.crs is None else meta.crs if len(meta.crs) <= 40 else f"{meta.crs[:37]}..."
        bands = "1 band" if meta.count == 1 else f"{meta.count} bands"
        return f"{meta.width} x {meta.height}, {bands} of {meta.dtype}, nodata {meta.nodata}, {place}"
