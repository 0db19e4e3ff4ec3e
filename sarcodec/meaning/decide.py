"""The scale of every band: the evidence in its order, and an error that asks if it settles nothing."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np

from sarcodec import provenance
from sarcodec.errors import SarcError, UsageError
from sarcodec.invalid import native_nodata, stands_for
from sarcodec.meaning import clues
from sarcodec.meaning.clues import Clue
from sarcodec.meaning.settle import Settled, settled
from sarcodec.meaning.statistics import Statistics, usable
from sarcodec.parallel import ordered_map
from sarcodec.source import Source, alpha_band, shown
from sarcodec.types import Basis, PixelScale, Scale, TileGrid

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Meaning:
    """What the values of a band mean."""

    pixel: PixelScale
    basis: Basis
    """How it is known."""
    words: str
    """The evidence in words."""
    hint: str = ""
    """What settles it, if it is assumed of valid pixels."""


def meanings(
    source: Source,
    wanted: Sequence[Scale | None],
    grid: TileGrid,
    jobs: int,
    tick: Callable[[], None],
    *,
    matters: bool,
    exactly: bool,
) -> tuple[Meaning, ...]:
    """Find out what the values of every band mean.

    Parameters
    ----------
    wanted : sequence of Scale or None
        What the user says: nothing, one for all bands, or one for each, None for what is to be found out.
    tick : callable
        Called after each tile of each band.
    matters : bool
        Whether what is asked for is counted in decibels, so that a wrong guess would break it.
    exactly : bool
        Whether it promises a number of decibels.

    Raises
    ------
    UsageError
        The evidence does not settle the scale of a band, or a band is no backscatter, or `wanted` has
        another number of bands.
    InputError
        A band holds linear values of both signs.
    """
    meta = source.meta
    if len(wanted) not in (0, 1, meta.count):
        raise UsageError(
            f"{len(wanted)} scales are given for {meta.count} {'band' if meta.count == 1 else 'bands'}",
            hint="Give one scale for all bands, or one for each that is coded: --scale db,power",
        )
    each = tuple(wanted) if len(wanted) == meta.count else (wanted[0] if wanted else None,) * meta.count
    found: list[Meaning] = []
    asked: list[tuple[int, Settled]] = []
    for band, said in enumerate(each):
        pixel = _stored(source, band)
        if band == alpha_band(meta):
            found.append(Meaning(PixelScale(Scale.DN), Basis.NAME, "alpha band, kept exactly"))
        elif said is not None:
            found.append(Meaning(PixelScale(said, *pixel), Basis.GIVEN, "given"))
        else:
            statistics = _statistics(source, band, pixel, grid, jobs, tick)
            whole = np.dtype(meta.dtype).kind in "iu" and pixel == (1, 0)
            bits = 8 * np.dtype(meta.dtype).itemsize if whole else None
            verdict = settled(_clues(source, band, whole=whole), statistics, bits)
            guessed = verdict.basis is Basis.ASSUMED and verdict.counts
            if verdict.error or (guessed and (exactly or (matters and not verdict.harmless))):
                asked.append((source.numbers[band], verdict))
            scale = verdict.scale or Scale.POWER
            hint = verdict.hint if guessed else ""
            found.append(Meaning(PixelScale(scale, *pixel), verdict.basis, verdict.words, hint))
    if asked:
        raise _question(source, asked)
    _tell_guesses(source, found)
    return tuple(found)


def _tell_guesses(source: Source, found: Sequence[Meaning]) -> None:
    """Warn of what is assumed, in one line for bands that are taken for the same."""
    for scale in Scale:
        bands = [n for n, m in zip(source.numbers, found, strict=True) if m.hint and m.pixel.scale is scale]
        if not bands:
            continue
        first = found[source.numbers.index(bands[0])]
        named = ", ".join(map(str, bands[:4])) + (f" and {len(bands) - 4} more" if len(bands) > 4 else "")
        log.warning(
            "band%s %s: %s; taken for %s (%s)",
            "s" * (len(bands) > 1),
            named,
            first.words,
            scale.value,
            first.hint,
        )


def _stored(source: Source, band: int) -> tuple[float, float]:
    """GDAL's scale and offset of a band, if they are usable."""
    part = source.meta.bands[band]
    if math.isfinite(part.scale) and math.isfinite(part.offset) and part.scale:
        return part.scale, part.offset
    log.warning(
        "band %d has a scale of %g and an offset of %g, which are not used",
        source.numbers[band],
        part.scale,
        part.offset,
    )
    return 1.0, 0.0


def _clues(source: Source, band: int, *, whole: bool) -> list[Clue]:
    """The clues of tags, unit and names, strongest kind first."""
    meta, part = source.meta, source.meta.bands[band]
    own, common = part.tags.get("", {}), meta.tags.get("", {})
    described = clues.of_description(part.description)
    tagged = clues.of_tags(
        {} if described and described.scale is None else common, provenance.said(part.tags) | own
    )
    stem = PurePath(source.name).name
    while PurePath(stem).suffix.lower() in (
        ".tif",
        ".tiff",
        ".img",
        ".vrt",
        ".gz",
        ".zip",
        ".jp2",
        ".h5",
        ".nc",
    ):
        stem = PurePath(stem).stem
    named = [clue for clue in clues.of_file(stem, common) if clue.scale is not Scale.DN or whole]
    unit = clues.of_unit(part.unit, own, common)
    picture = clues.of_picture(tuple(b.colorinterp for b in meta.bands))
    return [clue for clue in (tagged, unit, described, *named, picture) if clue is not None]


def _statistics(
    source: Source, band: int, pixel: tuple[float, float], grid: TileGrid, jobs: int, tick: Callable[[], None]
) -> Statistics:
    """Statistics of all valid pixels of a band (from 0)."""
    nodata = native_nodata(source.meta.nodata, np.dtype(source.meta.dtype))
    stored = PixelScale(Scale.DB, *pixel)

    def work(at: tuple[int, int]) -> Statistics:
        window = grid.window(*at)
        values = source.read(band, window)
        seen = shown(source, window)
        valid = np.ones(values.shape, bool) if seen is None else seen
        if nodata is not None:
            valid = valid & (values != nodata)
        if values.dtype.kind == "i" and not stored.plain:  # nobody stores data at the end of the type
            valid = valid & (values != np.iinfo(values.dtype).min)
        if values.dtype.kind == "f" or not stored.plain:
            numbers = stands_for(values, stored)
            return Statistics.of(numbers, usable(numbers, valid))
        return Statistics.of(values.astype(np.float64), valid & (values != 0))

    found = Statistics.empty()
    tiles = [(row, col) for row in range(grid.rows) for col in range(grid.cols)]
    for part in ordered_map(work, tiles, jobs):
        found |= part
        tick()
    return found


def _question(source: Source, asked: Sequence[tuple[int, Settled]]) -> SarcError:
    """The error that asks for the scale of bands, or that tells to leave them out."""
    words = "; ".join(f"band {number}: {verdict.words}" for number, verdict in asked[:4])
    more = f"; and {len(asked) - 4} more bands" if len(asked) > 4 else ""
    first = asked[0][1]
    out = {number for number, verdict in asked if verdict.leave}
    rest = ",".join(str(number) for number in source.numbers if number not in out)
    leave = f"; --bands {rest} leaves {'it' if len(out) == 1 else 'them'} out" if out and rest else ""
    error = next((verdict.error for _, verdict in asked if verdict.error), UsageError)
    return error(words + more, hint=f"{first.hint}{leave}.")
