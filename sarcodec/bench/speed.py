"""Speed of the codecs on one scene: process warm, same threads, medians, side by side in one run.

Every codec starts from the image in the form in which its library takes it and ends in the bytes of a file,
and the reverse; ours includes logarithms, masks and checksums. The rounds go over all codecs in turn, so that
a slow moment of the machine falls on all of them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence

from sarcodec.bench import memory
from sarcodec.bench.codecs.interface import Codec
from sarcodec.bench.images import Image
from sarcodec.bench.results import REFERENCE, SpeedRow
from sarcodec.progress import Tick


def measure(
    image: Image,
    codecs: Mapping[str, Codec],
    rates: Sequence[float],
    *,
    threads: int,
    repeats: int,
    memory_at: float,
    model: str | None,
    device: str,
    tick: Tick,
) -> tuple[SpeedRow, ...]:
    """Time every codec at every rate; a lossless codec once.

    Parameters
    ----------
    image : Image
        The scene to time on.
    codecs : mapping of name to Codec
    rates : sequence of float
        Wanted bits per pixel.
    threads : int
        Given to every codec; some libraries use one all the same.
    repeats : int
        Rounds after one that is not counted.
    memory_at : float
        Of `rates`, the one at which peak memory is measured too, in processes of their own.
    model, device : str
        Our model and where it runs, for those processes.
    """
    rows: list[SpeedRow] = []
    prepared = {name: codec.prepare(image) for name, codec in codecs.items()}
    infos = {name: codec.info() for name, codec in codecs.items()}
    steps = len(rates) * (repeats + 2)
    for index, rate in enumerate(rates):
        names = [name for name in codecs if not infos[name].lossless or rate == memory_at]
        tick("speed", index * (repeats + 2), steps)
        coded = {name: codecs[name].search(prepared[name], rate) for name in names}
        times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in names}
        for round_ in range(repeats + 1):
            tick("speed", index * (repeats + 2) + round_ + 1, steps)
            for name in names:
                encode, decode = _seconds(
                    codecs[name], prepared[name], coded[name].setting, coded[name].data, threads
                )
                if round_:
                    times[name][0].append(encode)
                    times[name][1].append(decode)
        peer = times.get(REFERENCE)
        for name in names:
            used = threads if infos[name].threaded else 1
            bpp = 8 * len(coded[name].data) / image.values.size
            rows.append(_row(image, name, times[name], peer, bpp, used))
        if rate == memory_at:
            rows[-len(names) :] = [
                memory.with_peaks(row, image, coded[row.codec], model=model, device=device, threads=threads)
                for row in rows[-len(names) :]
            ]
    tick("speed", steps, steps)
    return tuple(rows)


def _seconds(
    codec: Codec, prepared: object, setting: float, data: bytes, threads: int
) -> tuple[float, float]:
    """Wall time of one encode and one decode."""
    began = time.perf_counter()
    codec.encode(prepared, setting, threads=threads)
    between = time.perf_counter()
    codec.decode(prepared, data, threads=threads)
    return between - began, time.perf_counter() - between


def _row(
    image: Image,
    name: str,
    times: tuple[list[float], list[float]],
    peer: tuple[list[float], list[float]] | None,
    bpp: float,
    threads: int,
) -> SpeedRow:
    megapixels = image.values.size / 1e6
    encode, decode = (statistics.median(part) for part in times)
    ratios = [None, None] if peer is None else [
        statistics.median(theirs) / ours for theirs, ours in zip(peer, (encode, decode), strict=True)
    ]  # fmt: skip
    return SpeedRow(
        codec=name,
        scene=image.name,
        megapixels=megapixels,
        threads=threads,
        repeats=len(times[0]),
        bpp=bpp,
        encode_mpix_s=megapixels / encode,
        decode_mpix_s=megapixels / decode,
        encode_ratio=ratios[0],
        decode_ratio=ratios[1],
        encode_spread=(max(times[0]) - min(times[0])) / encode,
        decode_spread=(max(times[1]) - min(times[1])) / decode,
    )
