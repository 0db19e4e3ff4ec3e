"""A codec for SAR backscatter rasters.

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
    from sarcodec.encoding import EncodeReport
    from sarcodec.layers import Extracted
    from sarcodec.limits import Limits
    from sarcodec.types import Quantity, Scale, Window

__all__ = [
    "DamagedTile",
    "DecodeReport",
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
    "DamagedTile": "sarcodec.damage",
    "EncodeReport": "sarcodec.encoding",
    "Extracted": "sarcodec.layers",
    "Limits": "sarcodec.limits",
}

try:
    __version__ = version("sarcodec")
except PackageNotFoundError:
    __version__ = "0+source"


def __getattr__(name: str) -> Any:
    """Public names on first use, so that importing the package stays fast."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME.get(name, "sarcodec.api")), name)
