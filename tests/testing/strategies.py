"""Hypothesis strategies for the package's values."""

from __future__ import annotations

from hypothesis import strategies as st

from sarcodec.metadata import BandMeta, Gcp, RasterMeta

DTYPES = ("uint8", "uint16", "int16", "float32", "float64")
COLORS = ("gray", "undefined", "red", "green", "blue", "alpha", "nir", "sar_c")

numbers = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=20)
names = st.text("abcXYZ_019", min_size=1, max_size=8)
tag_items = st.dictionaries(names, texts, max_size=3)
# An empty namespace and a namespace that is not there are one and the same.
tags = st.dictionaries(
    st.sampled_from(["", "SAR", "xml:XMP", "s1.orbit"]), tag_items.filter(bool), max_size=3
)
crs_texts = st.one_of(
    st.integers(0, 99999).map(lambda code: f"EPSG:{code}"),
    st.sampled_from(['LOCAL_CS["x"]', "EPSG:007"]),
    texts,
)
bands = st.builds(
    BandMeta,
    description=st.none() | texts,
    unit=st.none() | texts,
    scale=st.just(1.0) | numbers,
    offset=st.just(0.0) | numbers,
    colorinterp=st.sampled_from(COLORS),
    tags=tags,
)
gcps = st.builds(Gcp, numbers, numbers, numbers, numbers, numbers, texts, texts)


@st.composite
def raster_metas(draw: st.DrawFn) -> RasterMeta:
    """Any metadata that the chunks can hold, with far more odd values than GeoTIFF could take."""
    dtype = draw(st.sampled_from(DTYPES))
    count = draw(st.integers(1, 3))
    area = draw(
        st.sampled_from([{}, {"AREA_OR_POINT": "Area"}, {"AREA_OR_POINT": "Point"}, {"AREA_OR_POINT": "x"}])
    )
    own = draw(tags)
    default = {**own.get("", {}), **area}
    return RasterMeta(
        width=draw(st.integers(1, 2**20)),
        height=draw(st.integers(1, 2**20)),
        count=count,
        dtype=dtype,
        nodata=draw(st.none() | st.floats() | st.integers(-(2**15), 2**16)),
        crs=draw(st.none() | crs_texts),
        transform=draw(st.none() | st.tuples(*[numbers] * 6)),
        gcps=tuple(draw(st.lists(gcps, max_size=4))),
        gcp_crs=draw(st.none() | crs_texts),
        rpcs=draw(st.none() | tag_items),
        tags={**own, "": default} if default else own,
        bands=tuple(draw(st.lists(bands, min_size=count, max_size=count))),
    )
