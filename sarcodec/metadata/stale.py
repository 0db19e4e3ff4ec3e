"""Tags that describe pixels, or the file that they lay in: decoded pixels and files make them false."""

from __future__ import annotations

from dataclasses import replace

from sarcodec.metadata.raster import RasterMeta, Tags

_OF_STATISTICS = (
    "MINIMUM", "MAXIMUM", "MEAN", "MEDIAN", "MODE", "STDDEV", "VALID_PERCENT", "APPROXIMATE", "COVARIANCES",
    "EXCLUDEDVALUES", "SKIPFACTORX", "SKIPFACTORY", "HISTOMIN", "HISTOMAX", "HISTONUMBINS", "HISTOBINVALUES",
    "HISTOBINFUNCTION",
)  # fmt: skip
"""What follows STATISTICS_ in names of GDAL, its drivers, ArcGIS and RIOS; other endings are other tags."""

STALE = frozenset(
    {f"STATISTICS_{name}" for name in _OF_STATISTICS}
    | {"STX_MIN", "STX_MAX", "STX_MEAN", "STX_STDV", "STX_STD_DEV", "STX_LIN_MIN", "STX_LIN_MAX"}  # DIMAP
    | {"TIFFTAG_MINSAMPLEVALUE", "TIFFTAG_MAXSAMPLEVALUE"}
    | {"ACTUAL_RANGE"}  # netCDF; valid_range, valid_min and valid_max declare what may occur, and stay
    | {"CHECKSUM", "DATASUM"}  # FITS
    | {"OVR_RESAMPLING_ALG", "OVERVIEW_RESAMPLING", "OVERVIEWS_ALGORITHM", "PYRAMIDRESAMPLINGTYPE"}
)
"""Names of such tags in upper case, whatever namespace they are in; GDAL does not tell cases apart."""

STALE_NAMESPACES = frozenset({"TILING_SCHEME"})
"""The tiles and overviews of a cloud-optimised GeoTIFF."""

_TOGETHER = ("MIN_VALUE", "MAX_VALUE", "MEAN_VALUE", "SAMPLE_STDDEV")
"""NISAR's statistics, behind one path: too general names to go by one of them alone."""


def lasting(meta: RasterMeta) -> RasterMeta:
    """`meta` without the tags that hold only for the pixels, or the file, that it was read with."""
    bands = tuple(replace(band, tags=lasting_tags(band.tags)) for band in meta.bands)
    return replace(meta, tags=lasting_tags(meta.tags), bands=bands)


def lasting_tags(tags: Tags) -> Tags:
    """`tags` of a raster or a band without those, and without namespaces that held nothing else."""
    kept = {
        namespace: {key: text for key, text in items.items() if key not in gone}
        for namespace, items in tags.items()
        if namespace.upper() not in STALE_NAMESPACES
        for gone in [_stale(items)]
    }
    return {namespace: items for namespace, items in kept.items() if items or not tags[namespace]}


def _stale(items: dict[str, str]) -> set[str]:
    """The keys of one namespace that go."""
    names = {key: key.upper() for key in items}
    present, gone = set(names.values()), set[str]()
    for name in present:
        if name.endswith(_TOGETHER[0]):
            four = {name.removesuffix(_TOGETHER[0]) + ending for ending in _TOGETHER}
            gone |= four if four <= present else set()
    # NetCDF's tags of a whole file are VARIABLE#attribute.
    return {key for key, name in names.items() if name in gone or name.rpartition("#")[2] in STALE}
