"""Where the time of encoding and decoding goes, beside JPEG 2000 in the same run, on one thread.

    python benchmarks/stages.py --quality 50

Times are processor time on one core, to which the program binds itself: medians over rounds in which ours
and JPEG 2000 take turns, on a simulated scene. Those of a stage leave out the stages within it. The tables
are Markdown on standard output.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest.mock import patch

from sarcodec import zoo
from sarcodec.api import decode_array, encode_array
from sarcodec.bench.codecs import registry
from sarcodec.bench.machine import processor
from sarcodec.bench.simulated import landscape
from sarcodec.encoding import spool, survey
from sarcodec.model import modelfile
from sarcodec.model.entropy import LatentCoder
from sarcodec.model.lapped import LappedTransform
from sarcodec.model.lapped.networks import AnalysisTransform, SynthesisTransform
from sarcodec.model.modelfile import Model
from sarcodec.model.trellis import Trellis
from sarcodec.model.walk import Walk
from sarcodec.native import library
from sarcodec.pixels import BandPixels

REST = "all else"
ENTROPY_CODING = ("choice of symbols by the trellis", "entropy coder", "entropy decoder")
Stages = dict[str, tuple[object, str]]
"""What is timed: an owner and its attribute, by the name of the stage."""


def stages_of(model: Model) -> tuple[Stages, Stages]:
    """Stages of encoding and of decoding."""
    assert isinstance(model.transform, LappedTransform)
    encoding: Stages = {
        "first pass: scale, range, mean": (survey, "scan_band"),
        "reading, decibels, mask, fill": (spool, "analyse"),
        "lapped transform of g_a": (model.transform.g_a.lapped, "forward"),
        "branch of g_a": (AnalysisTransform, "forward"),
        "hyper-analysis": (Model, "hyper_analysis"),
        "integer networks, means and scales": (Walk, "through"),
        "choice of symbols by the trellis": (Trellis, "choose"),
        "entropy coder": (LatentCoder, "_stream"),
    }
    decoding: Stages = {
        "entropy decoder": (Trellis, "read"),
        "integer networks, means and scales": (Walk, "through"),
        "branch of g_s": (SynthesisTransform, "features"),
        "lapped transform and last convolution of g_s": (SynthesisTransform, "forward"),
        "radiometry": (BandPixels, "native"),
    }
    return encoding, decoding


class Watch:
    """Seconds by stage, each without the stages within it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._within: list[float] = []

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, its time noted."""

        @wraps(function)
        def call(*args: Any, **options: Any) -> Any:
            began = time.process_time()
            self._within.append(0.0)
            try:
                return function(*args, **options)
            finally:
                spent = time.process_time() - began
                self.seconds[stage] += spent - self._within.pop()
                if self._within:
                    self._within[-1] += spent

        return call

    @contextmanager
    def watching(self, stages: Stages) -> Iterator[None]:
        """Time these while the context lasts."""
        with ExitStack() as stack:
            for stage, (owner, name) in stages.items():
                stack.enter_context(patch.object(owner, name, self.timed(stage, getattr(owner, name))))
            yield


def table(title: str, rounds: list[dict[str, float]], theirs: list[float], megapixels: float) -> float:
    """Print medians of each stage; milliseconds a megapixel of the entropy coding within."""
    peer = statistics.median(theirs)
    print(f"| {title} | CPU ms a megapixel | least and most | of JPEG 2000's |\n| --- | ---: | ---: | ---: |")
    whole = [sum(row.values()) for row in rounds]
    columns = {stage: [row[stage] for row in rounds] for stage in rounds[0]}
    medians = {}
    for stage, seconds in (*columns.items(), ("together", whole), ("JPEG 2000", theirs)):
        low, medians[stage], high = (1000 * of(seconds) / megapixels for of in (min, statistics.median, max))
        ratio = medians[stage] * megapixels / 1000 / peer
        print(f"| {stage} | {medians[stage]:.1f} | {low:.1f} to {high:.1f} | {ratio:.2f} |")
    print()
    return sum(medians.get(stage, 0.0) for stage in ENTROPY_CODING)


def main() -> None:
    """Encode, decode, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=2048, help="pixels")
    parser.add_argument("--quality", type=float, default=50)
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    image, peer = landscape(chosen.side, seed=5, date=0), registry.make("jpeg2000")
    prepared = peer.prepare(image)
    model = modelfile.load(zoo.find())
    ways = stages_of(model)
    rounds: tuple[list[dict[str, float]], list[dict[str, float]]] = ([], [])
    theirs: tuple[list[float], list[float]] = ([], [])
    data = encode_array(image.values, scale=image.scale, quality=chosen.quality, nodata=0, jobs=1)
    bpp = 8 * len(data) / image.values.size
    coded = peer.search(prepared, bpp)
    work: tuple[tuple[Callable[[], object], Callable[[], object]], ...] = (
        (
            lambda: encode_array(image.values, scale=image.scale, quality=chosen.quality, nodata=0, jobs=1),
            lambda: peer.encode(prepared, coded.setting),
        ),
        (lambda: decode_array(data, jobs=1), lambda: peer.decode(prepared, coded.data)),
    )
    for number in range(chosen.repeats + 1):
        for (ours, other), stages, seen, times in zip(work, ways, rounds, theirs, strict=True):
            watch = Watch()
            with watch.watching(stages):
                watch.timed(REST, ours)()
            began = time.process_time()
            other()
            if number:
                seen.append(watch.seconds)
                times.append(time.process_time() - began)
    print(f"{chosen.side} x {chosen.side} pixels at {bpp:.3f} bpp, one thread, {processor()}")
    print(f"kernels for {library.chosen().name}\n")
    megapixels = chosen.side**2 / 1e6
    entropy_coding = sum(
        table(title, seen, times, megapixels)
        for title, seen, times in zip(("encoding", "decoding"), rounds, theirs, strict=True)
    )
    print(f"{' + '.join(ENTROPY_CODING)}: {entropy_coding:.1f} CPU ms a megapixel")


if __name__ == "__main__":
    main()
