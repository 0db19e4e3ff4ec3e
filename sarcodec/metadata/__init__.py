"""What a raster says about itself besides its pixels, as a value, as JSON fields and as chunks of a file."""

from sarcodec.metadata.chunks import check_counts, from_chunks, pack_geo, pack_text, unpack_text
from sarcodec.metadata.fields import canonical_json, from_fields, to_fields
from sarcodec.metadata.raster import BandMeta, Gcp, RasterMeta, Tags
from sarcodec.metadata.stale import lasting

__all__ = [
    "BandMeta",
    "Gcp",
    "RasterMeta",
    "Tags",
    "canonical_json",
    "check_counts",
    "from_chunks",
    "from_fields",
    "lasting",
    "pack_geo",
    "pack_text",
    "to_fields",
    "unpack_text",
]
