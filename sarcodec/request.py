"""What is asked of an open file, made plain: bands, a window, a shape."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sarcodec import arguments
from sarcodec.arguments import shown, whole
from sarcodec.errors import UsageError
from sarcodec.metadata import RasterMeta
from sarcodec.types import Window

INSIDE = "Give col,row,width,height inside it."


def bands_of(wanted: object, meta: RasterMeta) -> tuple[list[int], bool]:
    """Bands counted from 0, in the order asked for, and whether one is asked for by its number.

    Parameters
    ----------
    wanted : int, iterable of int or None
        Counted from 1; all for None.

    Raises
    ------
    UsageError
        There is no such band, or it is not given by its number.
    """
    if wanted is None:
        return list(range(meta.count)), False
    if isinstance(wanted, str):
        known = [n for n, band in enumerate(meta.bands, 1) if band.description == wanted]
        hint = f"{wanted} is band {known[0]}." if known else f"Give 1 to {meta.count}."
        raise UsageError(f"band {shown(wanted)} is not the number of a band", hint=hint)
    several = isinstance(wanted, Iterable) and getattr(wanted, "ndim", 1) > 0
    numbers = arguments.several("band", wanted) if several else [wanted]
    if not numbers:
        raise UsageError("no band is asked for", hint=f"Give 1 to {meta.count}, or leave band out for all.")
    found = [whole("band", number) for number in numbers]
    for number in found:
        if not 1 <= number <= meta.count:
            raise UsageError(f"band {number} is not one of 1..{meta.count}", hint="Bands are counted from 1.")
    return [number - 1 for number in found], not several


def window_of(wanted: Any, meta: RasterMeta) -> Window:
    """The window asked for; the whole raster for None.

    Parameters
    ----------
    wanted : Window, rasterio window, four numbers or None

    Raises
    ------
    UsageError
        It is none of these, or leaves the raster.
    """
    whole_raster = Window(0, 0, meta.width, meta.height)
    if wanted is None:
        return whole_raster
    part = wanted if isinstance(wanted, Window) else Window(*_four(wanted))
    if part.intersect(whole_raster) != part:
        raise UsageError(
            f"window {part.col},{part.row},{part.width},{part.height} leaves the raster of "
            f"{meta.width}x{meta.height}",
            hint=INSIDE,
        )
    return part


def factor_of(out_shape: Any, window: Window, count: int) -> int:
    """The least factor by which `count` bands of a window are reduced to have this shape.

    Raises
    ------
    UsageError
        No factor gives this shape.
    """
    from sarcodec.model.transforms import FACTORS

    shapes = {(-(-window.height // n), -(-window.width // n)): n for n in (*reversed(FACTORS), 1)}
    sizes = arguments.several("out_shape", out_shape)
    found = tuple(whole("out_shape", size) for size in sizes[-2:])
    if len(sizes) not in {2, 3} or (len(sizes) == 3 and sizes[0] != count) or found not in shapes:
        known = ", ".join(f"{height} x {width}" for height, width in reversed(shapes))
        raise UsageError(
            f"out_shape={shown(out_shape)} is not a shape that can be decoded",
            hint=f"Give (height, width) of {known}, and resample afterwards.",
        )
    return shapes[found]


def _four(window: Any) -> tuple[int, int, int, int]:
    """Four whole numbers from a tuple or a rasterio window."""
    try:
        numbers = arguments.several("window", window.flatten() if hasattr(window, "flatten") else window)
        col, row, width, height = (whole("window", number) for number in numbers)
    except (TypeError, ValueError, UsageError) as error:
        raise UsageError(
            f"window {_short(window)} is not four whole numbers", hint="Give col,row,width,height."
        ) from error
    return col, row, width, height


def _short(window: object) -> str:
    """A rasterio window shows its numbers, which is what is wrong with it."""
    return str(window)[:80] if hasattr(window, "flatten") else shown(window)
