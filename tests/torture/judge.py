"""What a damaged or hostile file does to everything that reads it, in one word."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.bitstream.reader import Reader
from sarcodec.cli import info
from sarcodec.dataset import SarcDataset
from sarcodec.errors import SarcError
from sarcodec.limits import DEFAULT
from sarcodec.types import Place
from torture.subjects import Subject, opened

Array = npt.NDArray[Any]

SAME, VALID, WIDE = "nothing was changed", "valid pixels", "opened, too wide to decode here"
LARGEST_TILE, LARGEST = 2**20, 2**22
"""Pixels of a tile and of a raster beyond which a hostile file is opened and no more."""


class HarmError(Exception):
    """An outcome that must not occur."""

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(f"{outcome}: {detail}")
        self.outcome, self.detail = outcome, detail


@dataclass
class Step:
    """One use of a file: its result, or the name of the error that the package raised."""

    result: Any = None
    error: str = ""


def attempt(name: str, work: Callable[[], Any]) -> Step:
    """Do `work`; whatever is no `SarcError` is harm."""
    try:
        return Step(work())
    except SarcError as error:
        if not error.message:
            raise HarmError("other", f"{name}: {type(error).__name__} without a message") from error
        return Step(error=type(error).__name__)
    except HarmError:
        raise
    except Exception as error:
        raise HarmError("other", f"{name}: {type(error).__name__}: {error}") from error


def bits(values: Array) -> Array:
    """The same memory as unsigned integers."""
    return np.ascontiguousarray(values).view(f"u{values.itemsize}")


def _equal(name: str, got: Array, wanted: Array) -> None:
    if got.dtype != wanted.dtype or got.shape != wanted.shape:
        raise HarmError("silent error", f"{name}: {got.dtype} {got.shape}, not {wanted.dtype} {wanted.shape}")
    if not np.array_equal(bits(got), bits(wanted)):
        raise HarmError("silent error", f"{name}: {int((bits(got) != bits(wanted)).sum())} pixels differ")


def damaged(subject: Subject, data: bytes, tile: int | None = None) -> str:
    """Use a file that was damaged by chance.

    Parameters
    ----------
    tile : int, optional
        The only tile that was hit, -1 for none of them; anything where left out.

    Returns
    -------
    str
        Name of the error with which `verify` ends; `SAME` where the file is whole.

    Raises
    ------
    HarmError
        Other pixels without an error, or an exception that is no `SarcError`.
    """
    attempt("info", lambda: info.describe(Reader(io.BytesIO(data)), "x", DEFAULT))
    partly = attempt("partial", lambda: _partial(subject, data, tile))
    whole = attempt("open", lambda: opened(data, subject.model))
    if whole.error:
        return whole.error
    coded: SarcDataset = whole.result
    found = attempt("verify", coded.verify)
    read = attempt("read", coded.read)
    if not read.error:
        _equal("read", read.result, subject.pixels)
    part = attempt("window", lambda: coded.read(window=subject.window))
    if not part.error:
        _equal("window", part.result, subject.crop)
    if not found.error and data != subject.data:
        raise HarmError("silent error", "verify finds nothing wrong")
    if read.error and not found.error:
        raise HarmError("silent error", f"verify passes, reading ends with {read.error}")
    if partly.error:
        raise HarmError("other", f"the file opens, its part does not: {partly.error}")
    return found.error or SAME


def _partial(subject: Subject, data: bytes, tile: int | None) -> int:
    """Decode what is whole; returns how many tiles are lost."""
    coded = opened(data, subject.model, allow_partial=True)
    got, decoder = coded.read(), coded.decoder
    if got.dtype != subject.pixels.dtype or got.shape != subject.pixels.shape:
        raise HarmError("silent error", f"partial: {got.dtype} {got.shape}")
    grid = decoder.header.grid
    for _, row, col in coded.coded.damaged:
        start, end = subject.spans[row * grid.cols + col]
        # A record without segments has no checksum of its own: the index proves it, if that is whole.
        unproven = tile == -1 and not any(subject.data[start:end])
        if tile not in (None, row * grid.cols + col) and not unproven:
            raise HarmError("silent error", f"partial: tile {row}, {col} is named, {tile} was hit")
    lost = np.zeros(got.shape, bool)
    for band, row, col in coded.coded.damaged:
        window = grid.window(row, col)
        top, left = max(0, window.row - subject.reach), max(0, window.col - subject.reach)
        lost[band, top : window.bottom + subject.reach, left : window.right + subject.reach] = True
    fill = bits(np.array([coded.fill], got.dtype))[0]
    same = bits(got) == bits(subject.pixels)
    if not (same | lost).all():
        raise HarmError("silent error", f"partial: {int((~(same | lost)).sum())} pixels differ unannounced")
    if not (same | (bits(got) == fill)).all():
        raise HarmError("silent error", "partial: lost pixels are not all nodata")
    return len(coded.coded.damaged)


def hostile(subject: Subject, data: bytes) -> str:
    """Use a file that was made to harm, with right checksums; raises as :func:`damaged`."""
    attempt("info", lambda: info.describe(Reader(io.BytesIO(data)), "x", DEFAULT))
    whole = attempt("open", lambda: opened(data, subject.model))
    if whole.error:
        return whole.error
    coded: SarcDataset = whole.result
    head = coded.decoder.header
    if min(head.tile_side, head.width) * min(head.tile_side, head.height) > LARGEST_TILE:
        return WIDE
    if head.width * head.height * len(head.bands) > LARGEST:
        return WIDE
    found = attempt("verify", coded.verify)
    read = attempt("read", coded.read)
    if not read.error:
        _legal(coded, read.result, None)
    _same_latents(subject, coded)
    window = (head.width // 2, head.height // 2, 1, 1)
    part = attempt("window", lambda: coded.read(window=window))
    if not part.error:
        _legal(coded, part.result, (1, 1))
    part = attempt("partial", lambda: _legal_part(subject, data))
    return read.error or found.error or VALID


def _legal_part(subject: Subject, data: bytes) -> None:
    coded = opened(data, subject.model, allow_partial=True)
    _legal(coded, coded.read(), None, fill=coded.fill)


def _legal(coded: SarcDataset, got: Array, size: tuple[int, int] | None, *, fill: Any = None) -> None:
    """Every pixel is an invalid value of the band, bit for bit, or finite, in range and no nodata."""
    head, nodata = coded.decoder.header, coded.meta.nodata
    shape = (len(head.bands), *(size or (head.height, head.width)))
    if got.shape != shape or got.dtype != head.dtype:
        raise HarmError("silent error", f"an array of {got.dtype} {got.shape}, not {head.dtype} {shape}")
    for band, values in zip(head.bands, got, strict=True):
        raw = bits(values)
        other = np.isin(raw, np.array(band.palette, raw.dtype))
        if fill is not None:
            other |= raw == bits(np.array([fill], got.dtype))[0]
        rest = values[~other].astype(np.float64)
        if not np.isfinite(rest).all():
            raise HarmError("silent error", "a valid pixel is not finite")
        if rest.size and (rest.min() < band.vmin or rest.max() > band.vmax):
            raise HarmError("silent error", f"a valid pixel lies outside {band.vmin}..{band.vmax}")
        if nodata is not None and (rest == nodata).any():
            raise HarmError("silent error", "a valid pixel is nodata")


def _same_latents(subject: Subject, coded: SarcDataset) -> None:
    """Latents whose digest is that of the whole file are those of the whole file."""
    decoder, layers = coded.decoder, coded.decoder.model.layers
    for (band, row, col), wanted in subject.latents.items():
        place = Place(band, row, col)
        if band >= coded.meta.count or row >= decoder.header.grid.rows or col >= decoder.header.grid.cols:
            continue
        try:
            got = decoder.latents(place)
        except SarcError:
            continue
        # What a header calls a skippable layer is left out, whatever its bytes are.
        read = [number for number, layer in enumerate(decoder.header.layers) if not layer.skippable]
        for layer, start in enumerate(np.cumsum((0, *layers[:-1])).tolist()):
            if layer not in read:
                continue
            stored = decoder.reader.record(row, col).layer(band, layer)[:4]
            part = slice(start, start + layers[layer])
            promised = len(stored) == 4 and stored == _digest(subject, place, layer)
            if promised and got[part].tobytes() != wanted[part].tobytes():
                raise HarmError("silent error", f"latents of {place} differ, their digest does not")


def _digest(subject: Subject, place: Place, layer: int) -> bytes:
    """The digest that the whole file has for a layer, none where the layer is empty."""
    reader = Reader(io.BytesIO(subject.data))
    body = reader.record(place[1], place[2]).layer(place[0], layer)
    return body[: struct.calcsize("<I")]
