"""A whole benchmark: points, comparisons, speed and what a reader should know, as one value."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sarcodec.bench import comparison, inputs, machine, simulated, speed
from sarcodec.bench.codecs import registry
from sarcodec.bench.codecs.interface import Codec
from sarcodec.bench.codecs.sarc import Sarc
from sarcodec.bench.images import LARGEST, Image
from sarcodec.bench.original import Original
from sarcodec.bench.report.crops import write_crops
from sarcodec.bench.results import OURS, REFERENCE, CodecInfo, Point, Results, Shown, SpeedRow
from sarcodec.bench.runner import Raster, Run
from sarcodec.errors import InputError
from sarcodec.model.runtime import device_name, pick_device
from sarcodec.parallel import workers
from sarcodec.progress import Tick

RATES, QUICK_RATES = (0.05, 0.1, 0.2, 0.4, 0.8), (0.1, 0.2, 0.4, 0.8)
_SHOWN_BPP = 0.2  # about where speckle begins to go: pictures and memory are of the rate nearest to it
_TIMED, _TIMED_QUICK = (
    2048,
    1536,
)  # pixels a side of the scene for timing: several of our tiles, so that threads have work
_CROPS = 12  # images that get pictures
_MISS = 0.05  # relative distance from a wanted rate that is worth a warning


@dataclass(frozen=True)
class Plan:
    """What to compare, and how thoroughly."""

    command: str
    """What to run to get the same report."""
    peers: tuple[str, ...] = (REFERENCE,)
    """Codecs besides ours, by name."""
    rates: tuple[float, ...] = RATES
    """Bits per pixel, ascending."""
    pairs: tuple[inputs.Pair, ...] = ()
    """Files of an earlier and a later date of one place."""
    quick: bool = False
    with_speed: bool = True
    largest: int = LARGEST
    """Pixels a side; the middle of a larger raster is used."""
    model: str | None = None
    device: str = "cpu"
    jobs: int | None = None

    @property
    def shown_rate(self) -> float:
        """The wanted rate that pictures are made at."""
        return min(self.rates, key=lambda rate: abs(rate - _SHOWN_BPP))


def codecs_of(plan: Plan) -> dict[str, Codec]:
    """Ours and the others, by name; `UsageError` where one is unknown or its package is missing."""
    codecs: dict[str, Codec] = {OURS: Sarc(plan.model, pick_device(plan.device))}
    return codecs | {name: registry.make(name) for name in plan.peers}


def images_of(paths: Sequence[str], plan: Plan) -> list[Image]:
    """Images of the given rasters and pairs; simulated ones where there are neither. Raises as `load`."""
    if not paths and not plan.pairs:
        return simulated.scenes(quick=plan.quick)
    return inputs.load(paths, plan.pairs, largest=plan.largest)


def run(codecs: Mapping[str, Codec], found: Sequence[Image], plan: Plan, folder: Path, tick: Tick) -> Results:
    """Measure; pictures of crops are written to `folder`, the rest is returned.

    Parameters
    ----------
    codecs, found
        From :func:`codecs_of` and :func:`images_of`.
    plan : Plan
    folder : Path
    tick : callable
        Called with a stage, steps done and steps in all.

    Raises
    ------
    InputError
        No image has a valid pixel.
    VerifyError
        A codec did not return every valid pixel.
    """
    began = time.monotonic()
    empty = [image.name for image in found if not image.valid.any()]
    found = [image for image in found if image.valid.any()]
    if not found:
        raise InputError(
            f"{', '.join(empty)}: no valid pixel to compare", hint="Give rasters that hold data."
        )
    jobs = workers(plan.jobs)
    infos = {name: codec.info() for name, codec in codecs.items()}
    done = Run(codecs, plan.rates, jobs, plan.shown_rate, _Crops(folder))
    done.images(found, tick)
    rows = comparison.bd_rows(done.points, done.scenes)
    timed = _speed(codecs, plan, jobs, tick) if plan.with_speed else ()
    about = machine.about(
        plan.command, model=plan.model, device=device_name(plan.device), threads=jobs, quick=plan.quick
    )
    return Results(
        about=about | {"seconds": round(time.monotonic() - began, 1)},
        rates=plan.rates,
        codecs=tuple(infos.values()),
        scenes=tuple(done.scenes),
        points=tuple(done.points),
        bd_rate=rows,
        bd_summary=comparison.bd_summaries(rows, done.scenes),
        paired=comparison.paired(done.points, plan.rates, {s.name: s.group for s in done.scenes}),
        speed=timed,
        shown=tuple(shown for shown in done.shown if shown.pictures),
        warnings=(
            *_left_out(empty),
            *sorted(done.failures),
            *_warnings(found, done.points, infos, plan),
        ),
    )


@dataclass
class _Crops:
    """Writes the pictures of the first images."""

    folder: Path
    count: int = 0

    def __call__(
        self, original: Original, decoded: Mapping[str, tuple[Raster, Point]], wanted_bpp: float
    ) -> Shown:
        self.count += 1
        chosen = {
            name: (db, f"{point.bpp:.3f} bpp, {point.measures['rmse_db']:.2f} dB over the whole image")
            for name, (db, point) in decoded.items()
        }
        if self.count > _CROPS or not chosen:
            return Shown(original.image.name, wanted_bpp, 0.0, 0.0, {}, {})
        name = original.image.name
        return write_crops(self.folder, self.count, name, original.db, chosen, original.valid, wanted_bpp)


def _speed(codecs: Mapping[str, Codec], plan: Plan, jobs: int, tick: Tick) -> tuple[SpeedRow, ...]:
    """Time the codecs on a simulated landscape, the same one in every report."""
    tick("speed", 0, 1)
    side = _TIMED_QUICK if plan.quick else _TIMED
    image, shown = simulated.landscape(side, seed=5, date=0), plan.shown_rate
    return speed.measure(
        replace(image, name=f"landscape {side}x{side}"),
        codecs,
        (shown,) if plan.quick else tuple(sorted({shown, plan.rates[-1]})),
        threads=jobs,
        repeats=3 if plan.quick else 5,
        memory_at=shown,
        model=plan.model,
        device=pick_device(plan.device),
        tick=tick,
    )


def _left_out(empty: Sequence[str]) -> list[str]:
    return [f"Without a valid pixel and left out: {', '.join(empty)}."] if empty else []


def _warnings(
    found: Sequence[Image], points: Sequence[Point], infos: Mapping[str, CodecInfo], plan: Plan
) -> list[str]:
    """What a reader should know before believing the figures."""
    said = []
    own = all(image.path == "" for image in found)
    if own:
        said.append("All scenes are simulated: how codecs compare on real ones can differ.")
    if plan.quick:
        said.append("A quick run: few rates, and three repeats of each timing.")
    groups = len({image.group or image.name for image in found})
    if groups < 3:
        said.append(f"{groups} place{'s' if groups > 1 else ''}: too few for confidence intervals.")
    if cut := [image.name for image in found if image.cut]:
        said.append(f"Of {', '.join(cut)} the middle {plan.largest}x{plan.largest} pixels at most were used.")
    said += _missed(points, infos)
    if not own and (mixed := sorted({i.kind for i in found if i.kind.endswith(", small")})):
        said.append(f"Below 512 pixels a side ({'; '.join(mixed)}) the headers of a file weigh heavily.")
    return said


def _missed(points: Sequence[Point], infos: Mapping[str, CodecInfo]) -> list[str]:
    """A sentence for each codec whose files are far from the wanted sizes."""
    said = []
    for name, info in infos.items():
        asked = [p for p in points if p.codec == name and p.wanted_bpp is not None]
        missed = [p for p in asked if p.wanted_bpp and abs(p.bpp / p.wanted_bpp - 1) > _MISS]
        if missed:
            rates = ", ".join(f"{rate:g}" for rate in sorted({p.wanted_bpp for p in missed if p.wanted_bpp}))
            said.append(
                f"{info.title} missed the wanted rate by more than {_MISS:.0%} in {len(missed)} of "
                f"{len(asked)} files (at {rates} bpp): its points stand where its files are."
            )
    return said
