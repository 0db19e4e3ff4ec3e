"""What is fuzzed with the toy model: a whole file down to its pixels."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from unittest import mock

import numpy as np

from sarcodec import zoo
from sarcodec.dataset import SarcDataset
from sarcodec.decoding import decoder, pipeline, verify
from sarcodec.errors import SarcError
from sarcodec.limits import Limits
from sarcodec.model import modelfile
from sarcodec.model.modelfile import Model
from sarcodec.types import Window
from testing.repair import sealed

TOY = Path(__file__).parent.parent / "golden" / "toy1.safetensors"
SMALL = Limits(pixels=2**17, side=2**12, bands=3, header_bytes=2**16, tile_side=2**10, memory=2**26)
"""What one input may ask for: it has to take milliseconds."""

IMPORTED_LATE = (decoder, pipeline, verify)
"""Modules that opening a file imports: imported here, so that the fuzzer sees into them."""


@cache
def toy() -> Model:
    """The toy model, loaded once."""
    return modelfile.load(TOY)


def decode(data: bytes) -> None:
    """Pixels by the toy model, from a file without index.

    Byte 0: 1 right digests, 2 base layer only, 4 in part where damaged, 8 a window, 16 wrong checksums,
    32 verify instead.
    """
    if not data:
        return
    flags, data = data[0], data[1:]
    if not flags & 16:
        data = sealed(data, toy() if flags & 1 else None)
    with (
        mock.patch.object(modelfile, "load", return_value=toy()),
        mock.patch.object(zoo, "find", return_value=TOY),
    ):
        try:
            dataset = SarcDataset(
                io.BytesIO(data),
                "<bytes>",
                jobs=1,
                base_only=bool(flags & 2),
                allow_partial=bool(flags & 4),
                device="cpu",
                limits=SMALL,
            )
            if flags & 32:
                dataset.verify()
                return
            width, height = dataset.meta.width, dataset.meta.height
            window = Window(width // 2, height // 3, 1, 1) if flags & 8 else Window(0, 0, width, height)
            pixels = dataset.read(window=window)
        except SarcError:
            return
    assert pixels.dtype == np.dtype(dataset.meta.dtype)
    assert pixels.shape == (dataset.meta.count, window.height, window.width)


ALL: dict[str, Callable[[bytes], None]] = {"decode": decode}
