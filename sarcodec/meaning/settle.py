"""One scale out of clues and statistics, or what is to be asked. No pixels and no files here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sarcodec.errors import InputError, SarcError, UsageError
from sarcodec.meaning.clues import Clue
from sarcodec.meaning.statistics import BULK_DB, SPREAD_DB, Statistics, Verdict
from sarcodec.types import Basis, Scale

GIVE = "Say which: --scale "
BRIGHT = 100.0
"""Squares of whole numbers count as intensities if their 99th percentile is above this."""
LARGEST_DN = 65535.0
FEW = 64
"""Pixels from which a range tells that values are no dB."""


@dataclass(frozen=True)
class Settled:
    """A scale, or the error that asks for it."""

    scale: Scale | None
    basis: Basis
    words: str
    """What speaks for it, or what is not clear."""
    hint: str = ""
    harmless: bool = False
    """Whether a wrong guess does no more than cost bytes at a given quality."""
    counts: bool = True
    """Whether there are pixels that the guess is about."""
    error: type[SarcError] | None = None
    leave: bool = False
    """Whether the band may be no backscatter, so that leaving it out is a way."""


def settled(clues: Sequence[Clue], pixels: Statistics, bits: int | None) -> Settled:
    """The scale of a band.

    Parameters
    ----------
    clues : sequence of Clue
        In the order in which they count.
    pixels : Statistics
        Of all its valid pixels.
    bits : int or None
        Bits of the stored integers if these are the values themselves; None for floats and for integers
        with a scale or an offset.
    """
    verdict = pixels.verdict()
    if not clues:
        return _by_statistics(pixels, verdict, bits)
    first = clues[0]
    if first.scale is None or first.factor:
        return _without_scale(first)
    other = next(
        (clue for clue in clues[1:] if not clue.weak and not first.weak and _apart(first, clue)), None
    )
    if other is not None and other.scale is not None:
        if verdict is Verdict.DB and Scale.DB in (first.scale, other.scale):
            return Settled(
                Scale.DB, Basis.STATISTICS, f"{first.words} and {other.words} differ, pixels are dB"
            )
        return _refused(
            f"{first.words} speaks for {first.scale.value}, {other.words} for {other.scale.value}",
            f"{GIVE}{first.scale.value} or --scale {other.scale.value}",
        )
    return _held_against(first, pixels, verdict, bits)


def _without_scale(clue: Clue) -> Settled:
    """What is asked if a clue says that a band has no scale as it is stored."""
    if clue.factor:
        hint = f"Declare the factor as the band's scale (gdal_edit.py -scale 0.01); or {GIVE}db"
        return _refused(f"{clue.words} tells of dB times a factor", hint)
    if clue.picture:
        words = f"{clue.words} are those of a picture, not of backscatter"
        return _refused(words, "If they are digital numbers all the same, give --scale dn")
    hint = "Code it all the same by giving its scale: --scale db, or one for each band"
    return _refused(f"{clue.words} says that it is no backscatter", hint, leave=True)


def _apart(one: Clue, other: Clue) -> bool:
    amplitudes = {Scale.DN, Scale.AMPLITUDE}
    return one.scale is not other.scale and not {one.scale, other.scale} <= amplitudes


def _held_against(clue: Clue, pixels: Statistics, verdict: Verdict, bits: int | None) -> Settled:
    """A clue, unless the pixels rule it out."""
    low, high = pixels.percentile(1), pixels.percentile(99)
    span = f"pixels from {low:.4g} to {high:.4g}"
    if clue.scale is Scale.DB:
        outside = pixels.counts.any() and not (BULK_DB[0] <= low and high <= BULK_DB[1])
        narrow = pixels.valid >= FEW and low >= 0 and high < SPREAD_DB
        if outside or narrow:
            return _refused(
                f"{clue.words} speaks for dB, but {span} do not: they are no dB, or dB times a factor that "
                "is not declared",
                f"{GIVE}db, --scale power or --scale amplitude; or declare the factor as the band's scale",
            )
        return Settled(clue.scale, clue.basis, clue.words)
    return _linear_clue(clue, pixels, verdict, bits, span)


def _linear_clue(clue: Clue, pixels: Statistics, verdict: Verdict, bits: int | None, span: str) -> Settled:
    """A clue for power, amplitude or digital numbers, unless the pixels rule it out."""
    assert clue.scale is not None
    said = f"{clue.words} speaks for {clue.scale.value}"
    if pixels.percentile(1) < 0:
        if verdict is Verdict.DB and clue.weak:
            return Settled(Scale.DB, Basis.STATISTICS, f"{clue.words}, and {span}, which spread as dB do")
        if verdict is not Verdict.SIGNED:
            return _refused(
                f"{said}, but {span} do not: values below zero have no logarithm",
                f"{GIVE}db if they are dB; otherwise add the noise floor, or set them to nodata",
            )
    if clue.weak and bits is not None:
        words = f"{clue.words} names a quantity, but integers, {span}, are digital numbers as a rule"
        return Settled(Scale.DN, Basis.ASSUMED, words, f"{GIVE}dn or --scale power", harmless=True)
    if clue.weak and pixels.may_be_db and verdict in (Verdict.DB, Verdict.UNCLEAR):
        hint = f"{GIVE}power, --scale db or --scale amplitude"
        return _refused(f"{said} as a rule, but {span} may be dB above zero", hint)
    return Settled(clue.scale, clue.basis, clue.words)


def _by_statistics(pixels: Statistics, verdict: Verdict, bits: int | None) -> Settled:
    """What the pixels say if nothing else does."""
    low, high = pixels.percentile(1), pixels.percentile(99)
    span = f"values from {low:.4g} to {high:.4g} (1st to 99th percentile)"
    if not pixels.counts.any():
        span = "values that are constant in blocks of 8 x 8 pixels"
    if not pixels.valid:
        nothing = Scale.POWER if bits is None else Scale.DN
        return Settled(nothing, Basis.ASSUMED, "no pixel is valid", counts=False)
    if verdict is Verdict.DB and (bits is None or low < 0):
        return Settled(Scale.DB, Basis.STATISTICS, f"{span} spread as dB do")
    if low < 0:
        return _of_both_signs(span, verdict, bits)
    if pixels.squares and high > BRIGHT:
        return Settled(Scale.POWER, Basis.STATISTICS, f"{span} are squares of whole numbers")
    if bits is not None:
        return _whole(span, pixels, verdict, bits)
    return _linear(span, pixels, verdict)


def _of_both_signs(span: str, verdict: Verdict, bits: int | None) -> Settled:
    if bits is not None:
        return _refused(
            f"integers below zero: {span}. They may be dB times a factor that the file does not declare, "
            "unsigned integers that were read as signed ones, or dB",
            "Declare the factor (gdal_edit.py -scale 0.01), convert to unsigned integers, or give --scale db",
        )
    if verdict is Verdict.SIGNED:
        words = f"{span} are of both signs: power after subtraction of noise has no logarithm"
        hint = "Add the noise floor, or set those pixels to one nodata value; give --scale db if they are dB"
        return Settled(None, Basis.ASSUMED, words, hint, error=InputError)
    return _refused(
        f"it is not clear what {span} are: dB near 0, power after subtraction of noise, or no backscatter",
        f"{GIVE}db if they are dB; power below zero has no logarithm, so add the noise floor first",
        leave=True,
    )


def _whole(span: str, pixels: Statistics, verdict: Verdict, bits: int) -> Settled:
    """Integers that are the values themselves: digital numbers, unless something speaks against it."""
    hint = f"{GIVE}dn, --scale power or --scale db"
    if bits <= 8:
        words = f"integers of 8 bits, {span}, may be digital numbers or a stretched picture"
        return Settled(Scale.DN, Basis.ASSUMED, words, hint, harmless=True)
    if pixels.percentile(100) > LARGEST_DN:
        words = f"integers, {span}, may be digital numbers or intensities"
        return Settled(Scale.DN, Basis.ASSUMED, words, hint, harmless=True)
    if verdict is Verdict.LINEAR and not pixels.rough:
        return Settled(Scale.DN, Basis.STATISTICS, f"integers, {span}, spread as amplitudes do")
    if verdict in (Verdict.UNCLEAR, Verdict.LINEAR) or not pixels.counts.any():
        words = f"integers, {span}, are digital numbers as a rule, but nothing says so"
        return Settled(Scale.DN, Basis.ASSUMED, words, hint, harmless=True)
    words = f"integers, {span}, do not spread as digital numbers do; dB times a factor would"
    return _refused(words, f"{hint}, or declare the factor as the band's scale")


def _linear(span: str, pixels: Statistics, verdict: Verdict) -> Settled:
    """Positive numbers that are not known to be dB."""
    hint = f"{GIVE}power or --scale amplitude"
    if verdict is Verdict.NEITHER:
        words = f"{span} do not spread as backscatter does on any scale: stretched dB, or no backscatter"
        return _refused(words, f"{hint} or --scale db if it is one all the same", leave=True)
    if pixels.whole and pixels.percentile(100) > 1:
        words = f"whole numbers, {span}, may be digital numbers (amplitude) or intensities (power)"
        return Settled(Scale.AMPLITUDE, Basis.ASSUMED, words, hint)
    if verdict is Verdict.LINEAR:
        words = f"{span} are linear, power or amplitude: pixels do not tell these two apart"
        return Settled(Scale.POWER, Basis.ASSUMED, words, hint)
    if not pixels.may_be_db:
        words = f"{span} may be power, amplitude, or no backscatter, such as dB stretched to another range"
        return Settled(Scale.POWER, Basis.ASSUMED, words, hint)
    return _refused(f"{span} may be power, amplitude, or dB above zero", f"{hint} or --scale db")


def _refused(words: str, hint: str, *, leave: bool = False) -> Settled:
    return Settled(None, Basis.ASSUMED, words, hint, error=UsageError, leave=leave)
