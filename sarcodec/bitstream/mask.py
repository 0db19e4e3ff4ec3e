"""Lossless coding of a tile's class map: 0 is a valid pixel, k the k-th invalid value of the band's palette.

An all-valid map packs to nothing. Otherwise a mode byte and one of: one class everywhere; the places
where runs of equal classes end in the row-major flattened map; one bit plane per invalid class.
"""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

from sarcodec.bitstream.cursor import Cursor
from sarcodec.bitstream.layout import pack_uv
from sarcodec.errors import FormatError

UNIFORM, RUNS, PLANES = 1, 2, 3

ClassMap = npt.NDArray[np.uint8]


def pack(class_map: ClassMap) -> bytes:
    """The packed `class_map`, shape (h, w), uint8; b"" where it is 0 everywhere."""
    flat = np.ascontiguousarray(class_map).reshape(-1)
    ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if not ends.size:
        return bytes([UNIFORM, flat[0]]) if flat.size and flat[0] else b""
    level = (
        9 if 64 * ends.size <= flat.size else 4
    )  # level 9 searches noise for a quarter of a second, for nothing
    planes = _pack_planes(class_map, level)
    # Runs of less than four pixels on average cost more as positions than as bits, and much more time.
    runs = _pack_runs(flat, ends, class_map.shape[1], level) if 4 * ends.size <= flat.size else planes
    return min(runs, planes, key=len)


def unpack(data: bytes, shape: tuple[int, int], classes: int) -> ClassMap:
    """The class map that `pack` was given.

    Parameters
    ----------
    data : bytes
        A packed map.
    shape : tuple of int
        Rows and columns of the tile.
    classes : int
        Number of invalid values in the band's palette, and so the largest class.

    Returns
    -------
    ndarray, shape `shape`, uint8

    Raises
    ------
    FormatError
        `data` is not a packed map of this shape with these classes.
    """
    if not data:
        return np.zeros(shape, np.uint8)
    cursor = Cursor(data, "mask")
    mode = cursor.u8("mode")
    if mode == UNIFORM:
        value = cursor.u8("class")
        cursor.end()
        if not 1 <= value <= classes:
            raise FormatError(f"mask: class {value} everywhere is not one of 1..{classes}")
        return np.full(shape, value, np.uint8)
    if mode not in (RUNS, PLANES):
        raise FormatError(f"mask: mode {mode} is none of {UNIFORM}, {RUNS}, {PLANES}")
    ids = np.frombuffer(cursor.take(cursor.u8("number of classes"), "classes"), np.uint8)
    if np.unique(ids).size != ids.size or np.any(ids > classes):
        raise FormatError(f"mask: classes {ids.tolist()[:20]} are not distinct ones of 0..{classes}")
    return _unpack_runs(cursor, ids, shape) if mode == RUNS else _unpack_planes(cursor, ids, shape)


def _pack_runs(flat: ClassMap, ends: npt.NDArray[np.intp], width: int, level: int) -> bytes:
    of_run = flat[np.concatenate(([0], ends))]
    ids, first = np.unique(of_run, return_index=True)
    ids = ids[np.argsort(first)]  # in order of first appearance, so that two classes need no more than this
    before = np.concatenate(([-width, -width], ends[:-2]))[: ends.size]
    residual = ends - before - width
    zigzag = np.where(residual < 0, -2 * residual - 1, 2 * residual).astype(np.uint32)
    inner = pack_uvs(zigzag[0::2]) + pack_uvs(zigzag[1::2])
    if ids.size > 2:
        number = np.zeros(256, np.uint8)
        number[ids] = np.arange(ids.size, dtype=np.uint8)
        inner += number[of_run[1:]].tobytes()
    return bytes([RUNS, ids.size, *ids.tolist()]) + pack_uv(ends.size) + _deflate(inner, level)


def _unpack_runs(cursor: Cursor, ids: npt.NDArray[np.uint8], shape: tuple[int, int]) -> ClassMap:
    size, width = shape[0] * shape[1], shape[1]
    count = cursor.uv("number of changes")
    if ids.size < 2 or not 1 <= count < size:
        raise FormatError(f"mask: {count} changes among {ids.size} classes in {size} pixels")
    named = count if ids.size > 2 else 0
    inner = _inflate(cursor, 5 * count + named)
    if len(inner) < named:
        raise FormatError(f"mask: {len(inner)} bytes for {count} changes")
    zigzag = unpack_uvs(inner[: len(inner) - named], count).astype(np.int64)
    residual = np.where(zigzag & 1, -(zigzag + 1) // 2, zigzag // 2)
    evens = (count + 1) // 2
    ends = np.empty(count, np.int64)
    ends[0::2] = np.cumsum(residual[:evens] + width) - width
    ends[1::2] = np.cumsum(residual[evens:] + width) - width
    bounds = np.concatenate(([0], ends, [size]))
    if np.any(np.diff(bounds) <= 0):
        raise FormatError("mask: changes do not follow one another within the tile")
    if named:
        number = np.concatenate(([0], np.frombuffer(inner, np.uint8)[len(inner) - named :])).astype(np.int64)
        newest = np.maximum.accumulate(number)
        if np.any(np.diff(number) == 0) or np.any(np.diff(newest) > 1) or newest[-1] != ids.size - 1:
            raise FormatError(
                "mask: classes of the runs are not in order of first appearance, or one repeats"
            )
    else:
        number = np.arange(count + 1) & 1
    return np.repeat(ids[number], np.diff(bounds)).reshape(shape)


def _pack_planes(class_map: ClassMap, level: int) -> bytes:
    ids = np.flatnonzero(np.bincount(class_map.reshape(-1), minlength=256)[1:]) + 1
    inner = b"".join(np.packbits(class_map == k, axis=1).tobytes() for k in ids)
    return bytes([PLANES, ids.size, *ids.tolist()]) + _deflate(inner, level)


def _unpack_planes(cursor: Cursor, ids: npt.NDArray[np.uint8], shape: tuple[int, int]) -> ClassMap:
    if not ids.size or np.any(ids == 0) or np.any(np.diff(ids.astype(np.int64)) < 0):
        raise FormatError(f"mask: planes of classes {ids.tolist()[:20]} are not ascending ones above 0")
    stride = -(-shape[1] // 8)
    plane = shape[0] * stride
    inner = _inflate(cursor, ids.size * plane)
    if len(inner) != ids.size * plane:
        raise FormatError(f"mask: {len(inner)} bytes for {ids.size} planes of {plane}")
    out = np.zeros(shape, np.uint8)
    for number, k in enumerate(ids):
        packed = np.frombuffer(inner, np.uint8, plane, number * plane).reshape(shape[0], stride)
        bits = np.unpackbits(packed, axis=1)
        here = bits[:, : shape[1]].astype(bool)
        if bits[:, shape[1] :].any() or not here.any() or out[here].any():
            raise FormatError(f"mask: the plane of class {k} is empty, overlaps another or leaves the tile")
        out[here] = k
    return out


def _deflate(data: bytes, level: int) -> bytes:
    """`data` raw-deflated in two ways, the smaller: run lengths and Huffman codes alone win on noise."""
    out = []
    for effort, strategy in ((level, zlib.Z_DEFAULT_STRATEGY), (1, zlib.Z_RLE)):
        packer = zlib.compressobj(effort, zlib.DEFLATED, -15, 9, strategy)
        out.append(packer.compress(data) + packer.flush())
    return min(out, key=len)


def _inflate(cursor: Cursor, most: int) -> bytes:
    """The rest of `cursor`, inflated to at most `most` bytes."""
    unpacker = zlib.decompressobj(-15)
    try:
        out = unpacker.decompress(cursor.take(cursor.left, "deflated bytes"), most + 1)
    except zlib.error as error:
        raise FormatError(f"mask: {error}") from error
    if len(out) > most or not unpacker.eof or unpacker.unused_data:
        raise FormatError(f"mask: the deflated bytes are cut, too long, or hold more than {most} bytes")
    return out


def pack_uvs(values: npt.NDArray[np.uint32]) -> bytes:
    """All `values`, shape (n,), as LEB128 back to back."""
    wide = values.astype(np.uint64)
    size = np.ones(wide.shape, np.int64)
    for k in range(1, 5):
        size += wide >= 1 << 7 * k
    first = np.cumsum(size) - size
    out = np.zeros(int(size.sum()), np.uint8)
    for k in range(5):
        here = size > k
        more = np.where(size[here] > k + 1, 0x80, 0).astype(np.uint8)
        out[first[here] + k] = (wide[here] >> np.uint64(7 * k)).astype(np.uint8) & 0x7F | more
    return out.tobytes()


def unpack_uvs(data: bytes, count: int) -> npt.NDArray[np.uint32]:
    """The `count` LEB128 integers that fill `data` exactly, shape (count,); else `FormatError`."""
    raw = np.frombuffer(data, np.uint8)
    last = np.flatnonzero(raw < 0x80)
    if last.size != count or (raw.size and raw[-1] >= 0x80):
        raise FormatError(f"expected {count} integers in {raw.size} bytes, found {last.size} whole ones")
    first = np.concatenate(([0], last[:-1] + 1)) if count else last
    size = last - first + 1
    if np.any(size > 5) or np.any((size > 1) & (raw[last] == 0)) or np.any((size == 5) & (raw[last] > 0x0F)):
        raise FormatError("an integer is longer than 32 bits or not in its shortest form")
    out = np.zeros(count, np.uint32)
    for k in range(5):
        here = size > k
        out[here] |= (raw[first[here] + k] & 0x7F).astype(np.uint32) << np.uint32(7 * k)
    return out
