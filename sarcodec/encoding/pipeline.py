"""Encoding from end to end: native values -> decibels -> latents -> bytes, at the wanted rate."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import numpy as np

from sarcodec import memory, zoo
from sarcodec.bitstream.writer import Writer
from sarcodec.encoding.closed_loop import corrected
from sarcodec.encoding.coding import code_tiles
from sarcodec.encoding.heading import header_of
from sarcodec.encoding.rate_control import RateControl
from sarcodec.encoding.report import EncodeReport
from sarcodec.encoding.spool import Spool
from sarcodec.encoding.survey import survey
from sarcodec.model import modelfile
from sarcodec.model.modelfile import Model
from sarcodec.model.runtime import pick_device, threads_kept
from sarcodec.options import EncodeOptions
from sarcodec.progress import Steps, Tick, silent
from sarcodec.source import Source

log = logging.getLogger(__name__)

SMALL = 4096
"""Bytes of a file below which nobody is warned that it is larger than its pixels."""
ENCODING_BYTES, THREAD_BYTES = 150 * 10**6, 50 * 10**6
"""Bytes that encoding takes at least, beside what is loaded, and on top of that in each thread."""


def encode(
    source: Source, file: BinaryIO, options: EncodeOptions, tick: Tick = silent, folder: Path | None = None
) -> EncodeReport:
    """Encode `source` into an empty file.

    survey -> analyse each tile (read, class map, decibels, filling, g_a), into the spool if several levels
    are tried -> for each level that rate control yields: header -> quantise and entropy-code -> corrections,
    measured on decoded pixels -> records.

    Parameters
    ----------
    tick : callable
        Called with a stage, steps done and steps in all.
    folder : Path, optional
        Where a temporary file may go.

    Raises
    ------
    SarcError
        One of its subclasses, see :mod:`sarcodec.errors`.
    """
    began, jobs, target = time.monotonic(), options.threads, options.target
    model = load_model(options)
    memory.need("encoding", ENCODING_BYTES + jobs * THREAD_BYTES)
    scene = survey(source, options, tick)
    with Spool(scene, model, keep=target.quality is None, folder=folder) as spool, threads_kept():
        if spool.keep:
            spool.fill(jobs, tick)
        control = RateControl(target, spool, jobs)
        for attempt in control.attempts():
            file.seek(0)
            file.truncate()
            header = header_of(scene, model, attempt.coder.level)
            writer, step = Writer(file, header, limits=scene.limits), Steps(tick, "code", len(scene.places))
            with (
                closing(code_tiles(spool, attempt.coder, jobs)) as tiles,
                closing(corrected(tiles, scene, model, header, jobs)) as records,
            ):
                for record in records:
                    writer.add_tile(record)
                    for _ in record.bands:
                        step()
            attempt.size = writer.finish()
    report = EncodeReport(
        bytes=attempt.size,
        bpp=8 * attempt.size / scene.pixels,
        level=attempt.coder.level,
        scales=tuple(meaning.pixel.scale for meaning in scene.meanings),
        scales_from=tuple(meaning.basis for meaning in scene.meanings),
        model=model.id,
        seconds=time.monotonic() - began,
        reached=control.reached,
        header=header,
        layer_bytes=tuple(writer.layer_sizes),
        rmse_db=tuple(map(control.rmse_db.get, range(len(scene.scans)))) if control.rmse_db else (),
    )
    _warn_if_large(report, np.dtype(source.meta.dtype).itemsize)
    return report


def load_model(options: EncodeOptions) -> Model:
    """The model that encodes."""
    with threads_kept():
        return modelfile.load(zoo.find(options.model_name), pick_device(options.device))


def _warn_if_large(report: EncodeReport, item_bytes: int) -> None:
    raw = report.pixels * item_bytes
    if report.bytes > max(raw, SMALL):
        log.warning(
            "the file has %d bytes, more than the %d of the pixels as they are; ask for a lower rate",
            report.bytes,
            raw,
        )
