"""The few bytes that place a raster on the ground: EPSG code, affine transform, and what a pixel stands for.

Flags u8 (1 EPSG code, 2 transform, 4 b and d follow, else both are 0, 8 e is left out and is -a, 16 pixel
is an area, 32 pixel is a point, 64 c and f are given in pixels), then the code as u16 little-endian, then a,
[b], c, [d], [e], f as packed doubles. A packed double is a count u8 (0 to 8) and that many leading bytes of
the big-endian IEEE double; the bytes left out are zero. An origin in pixels stands for the doubles a times c
and e times f.
"""

from __future__ import annotations

import math
import struct

from sarcodec.errors import FormatError

Transform = tuple[float, float, float, float, float, float]

_EPSG, _TRANSFORM, _ROTATED, _SQUARE, _IN_PIXELS = 1, 2, 4, 8, 64
_PIXEL_IS = {"Area": 16, "Point": 32}


def pack(crs: str | None, transform: Transform | None, pixel_is: str | None) -> bytes:
    """Pack what fits this form, b"" where nothing does.

    Parameters
    ----------
    crs : str or None
        Packed where it is ``"EPSG:n"`` with n below 65536.
    transform : six floats (a, b, c, d, e, f) or None
        Packed bit for bit.
    pixel_is : str or None
        Packed where it is ``"Area"`` or ``"Point"``.
    """
    flags, parts = _PIXEL_IS.get(pixel_is or "", 0), []
    code = _epsg(crs)
    if code is not None:
        flags |= _EPSG
        parts.append(struct.pack("<H", code))
    if transform is not None:
        in_pixels = _in_pixels(transform)
        a, b, c, d, e, f = (_packed_double(v) for v in in_pixels or transform)
        flags |= _TRANSFORM | (_IN_PIXELS if in_pixels else 0)
        rotated, square = b + d != b"\0\0", e == _packed_double(-transform[0])
        if rotated:
            flags |= _ROTATED
        if square:
            flags |= _SQUARE
        parts += [a, b, c, d] if rotated else [a, c]
        parts += [f] if square else [e, f]
    return bytes([flags]) + b"".join(parts) if flags else b""


def unpack(data: bytes) -> tuple[str | None, Transform | None, str | None]:
    """Inverse of :func:`pack`.

    Raises
    ------
    FormatError
        The bytes are cut, too many, or carry flags that do not exist.
    """
    if not data:
        return None, None, None
    flags, rest = data[0], memoryview(data)[1:]
    crs, transform = None, None
    pixel_is = [name for name, bit in _PIXEL_IS.items() if flags & bit]
    of_transform = flags & (_ROTATED | _SQUARE | _IN_PIXELS)
    if flags > 127 or len(pixel_is) > 1 or (of_transform and not flags & _TRANSFORM):
        raise FormatError(f"GEO chunk: flags {flags:#04x} do not exist")
    try:
        if flags & _EPSG:
            crs = f"EPSG:{struct.unpack_from('<H', rest)[0]}"
            rest = rest[2:]
        if flags & _TRANSFORM:
            values = dict.fromkeys("abcdef", 0.0)
            absent = ("" if flags & _ROTATED else "bd") + ("e" if flags & _SQUARE else "")
            for name in [n for n in values if n not in absent]:
                values[name], rest = _next_double(rest)
            if flags & _SQUARE:
                values["e"] = -values["a"]
            if flags & _IN_PIXELS:
                values["c"], values["f"] = values["a"] * values["c"], values["e"] * values["f"]
            a, b, c, d, e, f = values.values()
            transform = a, b, c, d, e, f
    except (struct.error, IndexError) as error:
        raise FormatError(f"GEO chunk: cut, or no number, within {len(data)} bytes") from error
    if len(rest):
        raise FormatError(f"GEO chunk: {len(rest)} bytes too many")
    return crs, transform, pixel_is[0] if pixel_is else None


def _in_pixels(transform: Transform) -> Transform | None:
    """The transform with its origin in whole pixels, None where that is not exact or not shorter."""
    a, b, c, d, e, f = transform
    if not a or not e or not math.isfinite(c / a) or not math.isfinite(f / e):
        return None
    column, row = float(round(c / a)), float(round(f / e))
    exact = struct.pack(">2d", a * column, e * row) == struct.pack(">2d", c, f)
    shorter = len(_packed_double(column) + _packed_double(row)) < len(_packed_double(c) + _packed_double(f))
    return (a, b, column, d, e, row) if exact and shorter else None


def _epsg(crs: str | None) -> int | None:
    digits = (crs or "").removeprefix("EPSG:")
    code = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 6 else 2**16
    return code if code < 2**16 and crs == f"EPSG:{code}" else None


def _packed_double(value: float) -> bytes:
    body = struct.pack(">d", value).rstrip(b"\0")
    return bytes([len(body)]) + body


def _next_double(data: memoryview) -> tuple[float, memoryview]:
    count = data[0]
    if count > 8 or len(data) <= count:
        raise IndexError
    (value,) = struct.unpack(">d", bytes(data[1 : count + 1]).ljust(8, b"\0"))
    return value, data[count + 1 :]
