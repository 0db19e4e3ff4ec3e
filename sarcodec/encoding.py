"""One encode from end to end: what is asked for, checked, and how it is carried out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from sarcodec import memory
from sarcodec.dataset import Tick, silent
from sarcodec.errors import UsageError
from sarcodec.limits import DEFAULT, Limits
from sarcodec.parallel import workers
from sarcodec.scan import Source
from sarcodec.types import Quantity, Scale, SideWish

if TYPE_CHECKING:
    from sarcodec.rate import Target

DEFAULT_QUALITY = 50
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
    scale: Scale
    model: str
    seconds: float
    reached: bool
    """Whether the wanted bpp or rmse_db lies in the model's range; if not, the nearest was taken."""


@dataclass(frozen=True)
class Order:
    """What is asked of an encode; :func:`sarcodec.api.encode` says what the fields mean."""

    quality: float | None = None
    bpp: float | None = None
    rmse_db: float | None = None
    scale: Scale | str | None = None
    quantity: Quantity | str = Quantity.UNKNOWN
    radiometry: bool | int = False
    targets: bool = False
    texture: bool = False
    model: str | None = None
    device: str = "auto"
    jobs: int | None = None
    limits: Limits = DEFAULT

    def __post_init__(self) -> None:
        from sarcodec.bitstream.gaingrid import SIDES

        if not isinstance(self.radiometry, bool) and self.radiometry not in SIDES:
            raise UsageError(
                f"gains cannot be measured on cells of {self.radiometry} pixels",
                hint=f"Give one of {', '.join(map(str, SIDES))}.",
            )

        _ = self.target  # before anything is opened

    @property
    def target(self) -> Target:
        """The rate; raises `UsageError` where more than one is asked for, or one that cannot be."""
        from sarcodec.rate import Target

        unsaid = self.quality is self.bpp is self.rmse_db is None
        return Target(DEFAULT_QUALITY if unsaid else self.quality, self.bpp, self.rmse_db)

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
    scale = None if order.scale in (None, "auto") else _member(Scale, order.scale)
    quantity = _member(Quantity, order.quantity)
    threads = workers(order.jobs)
    with threads_kept():
        model = modelfile.load(zoo.find(order.model), pick_device(order.device))
    memory.need("encoding", ENCODING_BYTES + threads * THREAD_BYTES)
    scene = encoder.survey(source, scale, quantity, threads, progress, order.limits, order.sides)
    latents = encoder.Latents(scene, model, keep=target.quality is None, folder=folder)
    try:
        with threads_kept():
            if target.quality is None:
                encoder.spool(latents, threads, progress)
            level, size, reached = rate.write_at(file, latents, model, target, threads, progress)
    finally:
        latents.close()
    seconds = time.monotonic() - began
    return EncodeReport(size, 8 * size / scene.pixels, level, scene.scale, model.id, seconds, reached)


def _member(kind: Any, value: Any) -> Any:
    """A member of an enum by value."""
    try:
        return kind(value)
    except ValueError as error:
        names = ", ".join(member.value for member in kind)
        raise UsageError(f"{value!r} is not one of {names}") from error
