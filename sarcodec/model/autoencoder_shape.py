"""Settings that the autoencoders of the founding notes share."""

from __future__ import annotations

from dataclasses import dataclass

from sarcodec.model.schema import DEEPEST, WIDEST, TransformShape, setting


@dataclass(frozen=True)
class AutoencoderShape(TransformShape):
    """Sizes of a convolutional autoencoder at stride 16.

    It looks at the raster as one image: it has no normalisation over an image or a batch, so that a tile with
    its halo gives what the whole raster would give.
    """

    base: int = setting(0, 1, WIDEST // 8)
    """Channels at the finest stride."""
    # These have no meaning here: model files of every family hold them, and digests cover them.
    wide: int = setting(0, 0, WIDEST)
    deep: int = setting(128, 0, WIDEST)
    wide_blocks: int = setting(3, 0, DEEPEST)
    deep_blocks: int = setting(2, 0, DEEPEST)
