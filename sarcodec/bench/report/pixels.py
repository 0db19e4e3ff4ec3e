"""PNG files of one byte a pixel, and the bytes of an image."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sarcodec.atomic import replacing

Mask = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Doubles = npt.NDArray[np.float64]


def write_png(path: str | Path, pixels: Bytes, palette: Bytes | None = None) -> None:
    """Write `pixels` as a PNG of one byte a pixel in which 0 is transparent.

    Parameters
    ----------
    path : path
        Replaced where it exists.
    pixels : ndarray, shape (h, w), uint8
    palette : ndarray, shape (256, 3), uint8, optional
        Colours; grey where there is none.

    Raises
    ------
    WriteError
        The file could not be written.
    """
    height, width = pixels.shape
    plain = np.pad(pixels, [(0, 0), (1, 0)])
    rows = [plain.tobytes()]
    if palette is None:  # filter 2: difference to the row above
        rows.append(np.pad(np.diff(pixels, axis=0, prepend=np.uint8(0)), [(0, 0), (1, 0)],
                           constant_values=2).tobytes())  # fmt: skip
    data = min((zlib.compress(each, 9) for each in rows), key=len)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0 if palette is None else 3, 0, 0, 0))]
    if palette is None:
        chunks.append((b"tRNS", b"\x00\x00"))
    else:
        chunks += [(b"PLTE", palette.tobytes()), (b"tRNS", b"\x00")]
    chunks += [(b"IDAT", data), (b"IEND", b"")]
    with replacing(path, overwrite=True) as partial, partial.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, content in chunks:
            file.write(struct.pack(">I", len(content)) + kind + content)
            file.write(struct.pack(">I", zlib.crc32(kind + content)))


def levels(image: Doubles, valid: Mask, low: float, high: float) -> Bytes:
    """`image` as 1 to 255 from `low` to `high`, 0 where it is invalid or not a number.

    Parameters
    ----------
    image : ndarray, shape (h, w), float64
    valid : ndarray, shape (h, w), bool
    low, high : float
    """
    known = valid & ~np.isnan(image)
    scaled = 1 + 254 * np.clip((np.where(known, image, low) - low) / (high - low), 0, 1)
    return np.where(known, np.rint(scaled), 0).astype(np.uint8)


def diverging() -> Bytes:
    """Blue over white to red, shape (256, 3), uint8; the first colour stands for invalid pixels."""
    from matplotlib import colormaps

    colours = np.rint(255 * colormaps["RdBu_r"](np.linspace(0, 1, 255))[:, :3]).astype(np.uint8)
    return np.concatenate([np.full((1, 3), 255, np.uint8), colours])
