"""The corrections of a file: which are wanted, what they add to a tile, and their bodies in a new one."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, cast

from sarcodec.bitstream.header import Header, Layer
from sarcodec.bitstream.record import Record
from sarcodec.corrections.correction import Correction, Implementation
from sarcodec.corrections.registry import CORRECTIONS, UseFields, WishFields
from sarcodec.corrections.tiles import DecodedTile, Mask, SourceTile
from sarcodec.damage import named
from sarcodec.errors import FormatError, UsageError
from sarcodec.types import Place

Found = tuple[tuple[Correction, Any], ...]
"""Corrections of a tile, and what the body of each says."""


def implementation(correction: Correction) -> Implementation:
    """The module of a correction."""
    return cast("Implementation", import_module(correction.module))


def wished(options: WishFields) -> tuple[tuple[Correction, Any], ...]:
    """Corrections that a file is to have, and what is asked of each."""
    asked = ((correction, getattr(options, correction.wish)) for correction in CORRECTIONS)
    return tuple((correction, wish) for correction, wish in asked if wish is not False)


def present(header: Header) -> tuple[Correction, ...]:
    """Corrections that a file has."""
    return tuple(c for c in CORRECTIONS if header.side_layer(c.kind) is not None)


def layers_of(wishes: Sequence[tuple[Correction, Any]]) -> tuple[Layer, ...]:
    """Their layers in a header."""
    return tuple(Layer(correction.kind, 0, skippable=True) for correction, _ in wishes)


def applied(header: Header, options: UseFields, *, base_only: bool) -> tuple[Correction, ...]:
    """Corrections that a decode applies.

    Raises
    ------
    UsageError
        One that is asked for cannot be had: the file has none, only its base layer is wanted, corrections
        that it was measured on top of are turned off, or another one is asked for too.
    """
    here, found = present(header), []
    asked = [c for c in CORRECTIONS if getattr(options, c.use) not in (False, None)]
    off = [c for c in here if not c.on_demand and c not in asked]
    demanded = False
    for correction in asked:
        demand = correction.on_demand
        if demand is None:
            if correction in here and not base_only:
                found.append(correction)
            continue
        for refused, said in (
            (correction not in here, demand.missing),
            (base_only, demand.base_only),
            (demanded, demand.beside),
            (bool(off), demand.without),
        ):
            if refused and said is not None:
                raise UsageError(said[0], hint=said[1])
        found.append(correction)
        demanded = True
    return tuple(found)


def of_overviews(corrections: Sequence[Correction]) -> tuple[Correction, ...]:
    """Those of `corrections` that an overview has: none, for they are those of whole pixels.

    What a decoder applies by itself is next to nothing in a mean of decibels.

    Raises
    ------
    UsageError
        One of them was asked for.
    """
    for correction in corrections:
        if correction.on_demand is not None:
            message, hint = correction.on_demand.reduced
            raise UsageError(message, hint=hint)
    return ()


def unpacked(
    corrections: Sequence[Correction], header: Header, record: Record, place: Place, valid: Mask
) -> Found:
    """What a tile's record says of `corrections`, which the file has.

    Raises
    ------
    FormatError, ChecksumError
        A layer is damaged; the message names the tile.
    """
    found = []
    for correction in corrections:
        number = header.side_layer(correction.kind)
        assert number is not None
        body = record.layer(place.band, number)
        try:
            found.append((correction, implementation(correction).unpack(body, valid)))
        except FormatError as error:
            raise named(error, place) from error
    return tuple(found)


def corrected(decoded: DecodedTile, found: Found) -> DecodedTile:
    """A decoded tile with all that corrections add, each on top of those before."""
    for correction, what in found:
        decoded = decoded.plus(implementation(correction).apply(what, decoded))
    return decoded


def measured(
    wishes: Sequence[tuple[Correction, Any]], truth: SourceTile, decoded: DecodedTile
) -> tuple[bytes, ...]:
    """Bodies of a tile's layers, each measured on top of what every decoder applies."""
    bodies = []
    for correction, wish in wishes:
        module = implementation(correction)
        found = module.measure(truth, decoded, wish)
        bodies.append(module.pack(found, truth.valid))
        if correction.on_demand is None:
            decoded = decoded.plus(module.apply(found, decoded))
    return tuple(bodies)


def estimated_bytes(wishes: Sequence[tuple[Correction, Any]], counts: tuple[int, ...]) -> int:
    """About what all layers of a band will take; `counts` are the valid pixels of each tile."""
    return sum(implementation(correction).estimated_bytes(counts, wish) for correction, wish in wishes)
