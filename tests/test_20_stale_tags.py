"""Tags that describe the pixels of the source, and no others, are left out of a file and of what is read."""

from __future__ import annotations

import json
import zlib

import pytest

from sarcodec.errors import LimitError
from sarcodec.limits import Limits
from sarcodec.metadata import BandMeta, RasterMeta, from_chunks, lasting, pack_text, unpack_text

GONE = (
    "STATISTICS_MINIMUM",
    "STATISTICS_MAXIMUM",
    "STATISTICS_MEAN",
    "STATISTICS_STDDEV",
    "STATISTICS_VALID_PERCENT",
    "STATISTICS_APPROXIMATE",
    "STATISTICS_MEDIAN",
    "STATISTICS_MODE",
    "STATISTICS_SKIPFACTORX",
    "STATISTICS_SKIPFACTORY",
    "STATISTICS_EXCLUDEDVALUES",
    "STATISTICS_COVARIANCES",
    "STATISTICS_HISTOMIN",
    "STATISTICS_HISTOMAX",
    "STATISTICS_HISTONUMBINS",
    "STATISTICS_HISTOBINVALUES",
    "STATISTICS_HISTOBINFUNCTION",
    "Statistics_Mean",
    "STX_MIN",
    "STX_STDV",
    "TIFFTAG_MINSAMPLEVALUE",
    "TIFFTAG_MAXSAMPLEVALUE",
    "actual_range",
    "Sigma0_VV#actual_range",
    "DATASUM",
    "CHECKSUM",
    "OVR_RESAMPLING_ALG",
    "OVERVIEW_RESAMPLING",
    "PyramidResamplingType",
)
KEPT = (
    "STATISTICS_OFFICE",
    "STATISTICS",
    "MY_STATISTICS_MEAN",
    "STATISTICS_MEANS",
    "MINIMUM",
    "MEAN_INCIDENCE",
    "valid_range",
    "valid_min",
    "VV#valid_max",
    "VV#actual_range_of_angles",
    "LAYER_TYPE",
    "MD5",
    "TIFFTAG_SOFTWARE",
    "min_value",
    "noise_max_value",
    "number_of_lines",
)


def unlimited(fields: dict[str, object]) -> bytes:
    """A TEXT chunk as an encoder writes it that leaves nothing out."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(json.dumps(fields).encode()) + packer.flush()


@pytest.mark.parametrize("namespace", ["", "SAR", "xml"])
def test_exactly_the_names_of_statistics_are_left_out_of_a_file(namespace: str) -> None:
    every = dict.fromkeys((*GONE, *KEPT), "1")
    kept = {namespace: dict.fromkeys(KEPT, "1")}
    meta = RasterMeta(4, 4, 1, "uint8", tags={namespace: every}, bands=(BandMeta(tags={namespace: every}),))
    fields = unpack_text(pack_text(meta))
    assert (fields["t"], fields["b"]) == (kept, [kept])


def test_a_file_of_an_older_encoder_is_read_without_them() -> None:
    every, kept = dict.fromkeys((*GONE, *KEPT), "1"), {"": dict.fromkeys(KEPT, "1")}
    meta = from_chunks(4, 4, 1, "uint8", b"", unlimited({"t": {"": every}, "b": [{"": every}]}))
    assert (meta.tags, meta.bands[0].tags) == (kept, kept)


def test_a_namespace_that_held_nothing_else_goes_with_them() -> None:
    meta = lasting(RasterMeta(4, 4, 1, "uint8", tags={"A": {"STATISTICS_MEAN": "1"}, "B": {"C": "2"}}))
    assert meta.tags == {"B": {"C": "2"}}


def test_the_tiling_of_a_cloud_optimised_geotiff_is_left_out() -> None:
    tags = {"TILING_SCHEME": {"NAME": "GoogleMapsCompatible", "ZOOM_LEVEL": "12"}, "": {"NAME": "x"}}
    assert lasting(RasterMeta(4, 4, 1, "uint8", tags=tags)).tags == {"": {"NAME": "x"}}


def test_statistics_of_nisar_are_left_out_if_all_four_are_there() -> None:
    path = "science_LSAR_GCOV_grids_frequencyA_HHHH_"
    four = {path + name: "1" for name in ("min_value", "max_value", "mean_value", "sample_stddev")}
    other = {"gain_min_value": "2", "gain_max_value": "3"}
    assert lasting(RasterMeta(4, 4, 1, "uint8", tags={"": four | other})).tags == {"": other}


def test_metadata_without_them_stays_as_it_is() -> None:
    meta = RasterMeta(4, 4, 2, "uint8", tags={"": {"A": "1"}, "B": {}}, crs="EPSG:4326")
    assert lasting(meta) == meta


def test_more_tags_than_allowed_are_a_limit_error_in_both_directions() -> None:
    tags = {"": {f"k{n}": "" for n in range(3)}, "A": {"x": ""}}
    meta = RasterMeta(1, 1, 2, "uint8", tags=tags, bands=(BandMeta(tags={"B": {"y": ""}}), BandMeta()))
    packed = pack_text(meta, Limits(tags=5))
    assert from_chunks(1, 1, 2, "uint8", b"", packed, limits=Limits(tags=5)) == meta
    with pytest.raises(LimitError, match="number of tags is 5, above the limit of 4") as caught:
        pack_text(meta, Limits(tags=4))
    assert "--limit tags=5" in caught.value.hint
    with pytest.raises(LimitError, match="number of tags is 5"):
        from_chunks(1, 1, 2, "uint8", b"", packed, limits=Limits(tags=4))


@pytest.mark.parametrize(
    "fields",
    [
        {"t": {"": {f"k{n}": "" for n in range(17_000)}}},
        {"t": {f"n{n}": {} for n in range(17_000)}},
        {"t": {f"n{n}": {"k": ""} for n in range(17_000)}},
        {"b": [{"": {f"k{n}": "" for n in range(17_000)}}]},
        {"r": {f"k{n}": "" for n in range(17_000)}},
    ],
    ids=["tags", "empty namespaces", "namespaces", "tags of a band", "RPCs"],
)
def test_what_takes_gdal_quadratic_time_is_limited_by_default(fields: dict[str, object]) -> None:
    with pytest.raises(LimitError, match="number of tags is 17000, above the limit of 16384"):
        from_chunks(1, 1, 1, "uint8", b"", unlimited(fields))


def test_dropped_tags_do_not_count_at_encoding() -> None:
    meta = RasterMeta(1, 1, 1, "uint8", tags={"": {"STATISTICS_MEAN": "1", "A": "2"}})
    assert unpack_text(pack_text(meta, Limits(tags=1)))["t"] == {"": {"A": "2"}}
