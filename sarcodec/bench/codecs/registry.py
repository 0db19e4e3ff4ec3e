"""The codecs to compare with, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sarcodec.bench.codecs import float_field, integer_image
from sarcodec.bench.codecs.interface import Codec
from sarcodec.bench.codecs.jpeg2000 import Jpeg2000
from sarcodec.bench.codecs.zstd_cog import ZstdCog
from sarcodec.errors import UsageError

_MAKERS: Mapping[str, Callable[[], Codec]] = MappingProxyType(
    {
        "jpeg2000": Jpeg2000,
        "jpegxl": integer_image.jpegxl,
        "avif": integer_image.avif,
        "htj2k": integer_image.htj2k,
        "webp": integer_image.webp,
        "lerc": float_field.lerc,
        "zfp": float_field.zfp,
        "sz3": float_field.sz3,
        "sperr": float_field.sperr,
        "zstd-cog": ZstdCog,
    }
)


def names() -> tuple[str, ...]:
    """Every codec to compare with; JPEG 2000, the reference, is the first."""
    return tuple(_MAKERS)


def make(name: str) -> Codec:
    """The codec of that name.

    Raises
    ------
    UsageError
        There is none, or its package is missing.
    SarcError
        JPEG 2000 finds no OpenJPEG library.
    """
    maker = _MAKERS.get(name)
    if maker is None:
        raise UsageError(
            f"there is no codec {name!r} to compare with", hint=f"Known are {', '.join(names())}."
        )
    codec = maker()
    codec.info()  # says what is missing
    return codec
