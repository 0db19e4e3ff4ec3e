"""Layers beside the latents: which of them a file has, which are wanted, and what they add to pixels.

Gains, bright targets and texture are optional and change decoded decibels. Each is a matter of one tile's
own record.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from sarcodec import gain, targets, texture
from sarcodec.bitstream import gaingrid, targetlist, texturegrid
from sarcodec.bitstream.layout import LayerKind
from sarcodec.bitstream.reader import Reader
from sarcodec.bitstream.texturegrid import Texture
from sarcodec.damage import Place, named
from sarcodec.errors import FormatError, UsageError
from sarcodec.tile import decibels

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Classes = npt.NDArray[np.uint8]
Added = Callable[[Floats], Floats]
"""dB to add to each pixel of a tile, given its pixels in network units."""
T = TypeVar("T")


class SideLayers:
    """Side layers of an open file.

    Parameters
    ----------
    unbiased : bool
        Apply the gain grid, so that mean power is the source's.
    raising : bool
        Raise bright targets, where the file has them and not the base layer alone is wanted.
    textured : bool
        Add noise in place of the speckle that was left out.
    base_only : bool
        Whether the base layer alone is wanted.

    Raises
    ------
    UsageError
        `unbiased` or `textured` is asked of a file without what it takes, of its base layer alone, or of
        pixels without the bright targets that it was measured with; or both are asked.
    """

    def __init__(
        self, reader: Reader, *, unbiased: bool, raising: bool, textured: bool, base_only: bool
    ) -> None:
        self.reader, header = reader, reader.header
        self.gain_layer = header.side_layer(LayerKind.GAIN_GRID)
        self.target_layer = header.side_layer(LayerKind.BRIGHT_TARGETS)
        self.texture_layer = header.side_layer(LayerKind.TEXTURE)
        if unbiased:
            _check_gains(self.gain_layer, base_only=base_only)
            _check_targets(self.target_layer, "gains are those", "--unbiased", raising=raising)
        if textured:
            _check_texture(self.texture_layer, base_only=base_only, unbiased=unbiased)
            _check_targets(self.target_layer, "noise is that", "--texture", raising=raising)
        self.unbiased, self.textured = unbiased, textured
        self.raises = raising and not base_only and self.target_layer is not None

    def off(self) -> SideLayers:
        """The same layers, none of them applied."""
        other = copy(self)
        other.unbiased = other.textured = other.raises = False
        return other

    def gains(self, place: Place, classes: Classes) -> Floats:
        """Gain of each pixel of a tile, float32, shape of `classes`, dB.

        Raises
        ------
        FormatError, ChecksumError
            The layer is damaged; the message names the tile.
        """
        return gain.spread(self._unpacked(self.gain_layer, place, classes, gaingrid.unpack), classes.shape)

    def raised(self, place: Place, classes: Classes) -> Floats:
        """By how much each pixel of a tile is raised for bright targets; as :meth:`gains`."""
        found = self._unpacked(self.target_layer, place, classes, targetlist.unpack)
        return targets.spread(found, classes.shape)

    def texture(self, place: Place, classes: Classes) -> Texture | None:
        """Texture of a tile, None where nothing is added; raises as :meth:`gains`."""
        return self._unpacked(self.texture_layer, place, classes, texturegrid.unpack)

    def added(self, place: Place, classes: Classes) -> Added | None:
        """What is added to the decoded dB of a tile, None for nothing; raises as :meth:`gains`."""
        added = self.raised(place, classes) if self.raises else None
        if self.unbiased:
            gains = self.gains(place, classes)
            added = gains if added is None else gains + added
        found = self.texture(place, classes) if self.textured else None
        if found is None:
            return None if added is None else lambda _: added
        header, seed = self.reader.header, self.reader.header_crc
        number, window = place[0], header.grid.window(*place[1:])

        def textured(x: Floats) -> Floats:
            db = decibels(x, header.bands[number], added)  # noise is that of pixels with targets raised
            noise = texture.added(found, db, classes == 0, seed, number, window)
            if added is not None:
                noise += added
            return noise

        return textured

    def _unpacked(
        self, layer: int | None, place: Place, classes: Classes, unpack: Callable[[bytes, Mask], T]
    ) -> T:
        assert layer is not None
        band, row, col = place
        body = self.reader.record(row, col).layer(band, layer)
        try:
            return unpack(body, classes == 0)
        except FormatError as error:
            raise named(error, place) from error


def _check_gains(layer: int | None, *, base_only: bool) -> None:
    if layer is None:
        raise UsageError(
            "the file has no gain grid, so mean power cannot be brought back",
            hint="Encode the source anew with --radiometry, or decode without --unbiased.",
        )
    if base_only:
        raise UsageError(
            "gains are those of all layers together, not of the base layer",
            hint="Choose one of --unbiased and --base-only.",
        )


def _check_texture(layer: int | None, *, base_only: bool, unbiased: bool) -> None:
    if layer is None:
        raise UsageError(
            "the file has no texture to make speckle of",
            hint="Encode the source anew with --texture, or decode without --texture.",
        )
    if base_only:
        raise UsageError(
            "noise stands in for what all layers together leave out, not the base layer",
            hint="Choose one of --texture and --base-only.",
        )
    if unbiased:
        raise UsageError(
            "textured pixels have about the source's mean power without gains",
            hint="Choose one of --texture and --unbiased.",
        )


def _check_targets(layer: int | None, what: str, option: str, *, raising: bool) -> None:
    """Refuse to leave targets out where `what` was measured with them."""
    if layer is not None and not raising:
        raise UsageError(
            f"{what} of pixels whose bright targets are raised",
            hint=f"Choose one of {option} and --no-targets.",
        )
