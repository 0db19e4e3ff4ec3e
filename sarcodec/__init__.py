"""A codec for SAR backscatter rasters.

| function | what it does |
|---|---|
| `encode` | a raster file to a `.sarc` file |
| `decode` | a `.sarc` file to a GeoTIFF |
| `open` | an open `.sarc` file, a `SarcDataset`: metadata, and `read` for windows and overviews |
| `encode_array`, `decode_array` | the same for NumPy arrays and bytes |
| `extract` | a `.sarc` file cut to its first layers |

Every error that a user can cause is a `SarcError` with a hint.

>>> import sarcodec
>>> sarcodec.encode("scene.tif", "scene.sarc", bpp=0.2)  # doctest: +SKIP
>>> sarcodec.decode("scene.sarc", "back.tif")  # doctest: +SKIP
>>> with sarcodec.open("scene.sarc") as scene:  # doctest: +SKIP
...     corner = scene.read(1, window=(0, 0, 512, 512))
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from sarcodec.errors import SarcError

if TYPE_CHECKING:
    from sarcodec.api import DecodeReport, decode, decode_array, encode, encode_array, extract
    from sarcodec.damage import DamagedTile
    from sarcodec.dataset import SarcDataset, open  # noqa: A004
    from sarcodec.encoding.report import EncodeReport
    from sarcodec.layers import Extracted
    from sarcodec.limits import Limits
    from sarcodec.options import DecodeOptions, EncodeOptions
    from sarcodec.types import Quantity, Scale, Window

__all__ = [
    "DamagedTile",
    "DecodeOptions",
    "DecodeReport",
    "EncodeOptions",
    "EncodeReport",
    "Extracted",
    "Limits",
    "Quantity",
    "SarcDataset",
    "SarcError",
    "Scale",
    "Window",
    "decode",
    "decode_array",
    "encode",
    "encode_array",
    "extract",
    "open",
]

_HOME = {
    **dict.fromkeys(("Quantity", "Scale", "Window"), "sarcodec.types"),
    **dict.fromkeys(("SarcDataset", "open"), "sarcodec.dataset"),
    **dict.fromkeys(("DecodeOptions", "EncodeOptions"), "sarcodec.options"),
    "DamagedTile": "sarcodec.damage",
    "EncodeReport": "sarcodec.encoding.report",
    "Extracted": "sarcodec.layers",
    "Limits": "sarcodec.limits",
}

try:
    __version__ = version("sarcodec")
except PackageNotFoundError:
    __version__ = "0+source"


if not TYPE_CHECKING:  # type checkers are to know the names above, and no others

    def __getattr__(name: str) -> Any:
        """Public names on first use, so that importing the package stays fast."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_HOME.get(name, "sarcodec.api")), name)


def __dir__() -> list[str]:
    """The public names, whether or not they have been used already."""
    return sorted([*__all__, "errors", *(name for name in globals() if name.startswith("__"))])
