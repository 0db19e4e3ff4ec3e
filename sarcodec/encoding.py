"""One encode from end to end: what is asked for, checked, and how it is carried out."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from sarcodec import arguments, memory
from sarcodec.dataset import LimitsLike, PathLike, Tick, silent
from sarcodec.errors import UsageError
from sarcodec.limits import DEFAULT, limits_of
from sarcodec.parallel import workers
from sarcodec.source import Source
from sarcodec.types import DEVICES, Basis, Quantity, Scale, SideWish

if TYPE_CHECKING:
    from sarcodec.wanted import Target

log = logging.getLogger(__name__)

DEFAULT_QUALITY = 50
SMALL = 4096
"""Bytes of a file below which nobody is warned that it is larger than its pixels."""
ENCODING_BYTES, THREAD_BYTES = 150 * 10**6, 50 * 10**6
"""Bytes that encoding takes at least, beside what is loaded, and on top of that in each thread."""


@dataclass(frozen=True)
class EncodeReport:
    """What an encode did."""

    bytes: int
    """Size of the file."""
    bpp: float
    """8 * bytes / (pixels * bands), headers included."""
    level: int
    scales: tuple[Scale, ...]
    """What the values of each band are."""
    scales_from: tuple[Basis, ...]
    """How that is known; `Basis.ASSUMED` is a guess."""
    model: str
    seconds: float
    reached: bool
    """Whether the wanted bpp or rmse_db lies in the model's range; if not, the nearest was taken."""
    rmse_db: tuple[float | None, ...] = ()
    """Root mean square error of each band in dB, where `rmse_db` was asked for; None without valid pixels."""

    @property
    def scale(self) -> Scale | None:
        """The scale of all bands, None if they differ."""
        return self.scales[0] if len(set(self.scales)) == 1 else None


@dataclass(frozen=True)
class Order:
    """What is asked of an encode; :func:`sarcodec.api.encode` says what the fields mean.

    Raises
    ------
    UsageError
        One is of a kind that it cannot be, they contradict each other, or are out of range.
    """

    quality: float | None = None
    bpp: float | None = None
    rmse_db: float | None = None
    scale: Scale | str | Sequence[Scale | str | None] | None = None
    quantity: Quantity | str = Quantity.UNKNOWN
    radiometry: bool | int = False
    targets: bool = False
    texture: bool = False
    model: PathLike | None = None
    device: str = "auto"
    jobs: int | None = None
    limits: LimitsLike = DEFAULT

    def __post_init__(self) -> None:
        plain: dict[str, Any] = {
            name: arguments.maybe(arguments.number, name, getattr(self, name))
            for name in ("quality", "bpp", "rmse_db")
        }
        plain |= {name: arguments.flag(name, getattr(self, name)) for name in ("targets", "texture")}
        plain["scale"] = _scales(self.scale)
        plain["quantity"] = Quantity.named(self.quantity)
        plain["radiometry"] = _radiometry(self.radiometry)
        plain["model"] = arguments.maybe(arguments.text, "model", self.model)
        plain["device"] = arguments.choice("device", self.device, DEVICES)
        plain["jobs"] = arguments.maybe(arguments.whole, "jobs", self.jobs)
        plain["limits"] = limits_of(self.limits)
        for name, value in plain.items():
            object.__setattr__(self, name, value)
        workers(self.jobs)
        _ = self.target  # before anything is opened

    @property
    def target(self) -> Target:
        """The rate; raises `UsageError` where more than one is asked for, or one that cannot be."""
        from sarcodec.wanted import Target

        unsaid = self.quality is self.bpp is self.rmse_db is None
        return Target(DEFAULT_QUALITY if unsaid else self.quality, self.bpp, self.rmse_db)

    @property
    def exactly(self) -> bool:
        """Whether a number of decibels is promised or measured, so that the scale must be known."""
        return self.rmse_db is not None or self.sides.any

    @property
    def sides(self) -> SideWish:
        """Layers beside the latents'."""
        side = None if isinstance(self.radiometry, bool) else self.radiometry
        return SideWish(self.radiometry is not False, side, self.targets, self.texture)


def carry_out(
    order: Order, source: Source, file: BinaryIO, progress: Tick = silent, folder: Path | None = None
) -> EncodeReport:
    """Encode `source` into an empty file.

    Parameters
    ----------
    progress : callable
        Called with a stage, steps done and steps in all.
    folder : Path, optional
        Where a temporary file may go.

    Raises
    ------
    SarcError
        One of its subclasses, see :mod:`sarcodec.errors`.
    """
    from sarcodec import encoder, rate, zoo
    from sarcodec.model import modelfile
    from sarcodec.model.runtime import pick_device, threads_kept

    began = time.monotonic()
    target = order.target
    quantity, limits = Quantity(order.quantity), limits_of(order.limits)
    threads = workers(order.jobs)
    wanted = None if order.model is None else str(order.model)
    with threads_kept():
        model = modelfile.load(zoo.find(wanted), pick_device(order.device))
    memory.need("encoding", ENCODING_BYTES + threads * THREAD_BYTES)
    scene = encoder.survey(
        source,
        _scales(order.scale),
        quantity,
        threads,
        progress,
        limits,
        order.sides,
        matters=target.bpp is None,
        exactly=order.exactly,
    )
    latents = encoder.Latents(scene, model, keep=target.quality is None, folder=folder)
    try:
        with threads_kept():
            if target.quality is None:
                encoder.spool(latents, threads, progress)
            level, size, reached, errors = rate.write_at(file, latents, model, target, threads, progress)
    finally:
        latents.close()
    seconds = time.monotonic() - began
    raw = scene.pixels * np.dtype(source.meta.dtype).itemsize
    if size > max(raw, SMALL):
        log.warning(
            "the file has %d bytes, more than the %d of the pixels as they are; ask for a lower rate",
            size,
            raw,
        )
    return EncodeReport(
        size,
        8 * size / scene.pixels,
        level,
        tuple(meaning.pixel.scale for meaning in scene.meanings),
        tuple(meaning.basis for meaning in scene.meanings),
        model.id,
        seconds,
        reached,
        tuple(errors.get(band) for band in range(len(scene.scans))) if errors else (),
    )


def _scales(given: Any) -> tuple[Scale | None, ...]:
    """One scale for all bands, one for each, or none; None for one that is to be found out."""
    each: list[Any] = [given]
    if given is not None and not isinstance(given, Scale):
        each = given.split(",") if isinstance(given, str) else arguments.several("scale", given)
    return tuple(None if _is_auto(scale) else Scale.named(scale) for scale in each)


def _is_auto(scale: object) -> bool:
    """Whether the scale is to be found out."""
    return scale is None or (isinstance(scale, str) and scale.strip().lower() == "auto")


def _radiometry(value: object) -> bool | int:
    """Whether gains are wanted, or the side of their cells."""
    from sarcodec.bitstream.gaingrid import SIDES

    try:
        return arguments.flag("radiometry", value)
    except UsageError:
        side = arguments.whole("radiometry", value)
    if side not in SIDES:
        raise UsageError(
            f"gains cannot be measured on cells of {side} pixels",
            hint=f"Give one of {', '.join(map(str, SIDES))}.",
        )
    return side
