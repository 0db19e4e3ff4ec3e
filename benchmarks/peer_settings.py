"""The settings of the codecs to compare with, and what else was tried, on the validation chips.

    SARCODEC_DATA=/path/to/data python benchmarks/peer_settings.py            # all, some 20 minutes
    SARCODEC_DATA=/path/to/data python benchmarks/peer_settings.py jpegxl sz3

Prints the Markdown table of `docs/peers.md`. Each variant makes files near seven rates from 0.05 to 1 bpp
(LERC and ZFP, whose errors are larger, from 0.2 to 4). BD-rate is over the errors that two curves share, the
mean and the range of the bands. Times are medians over the bands of one encode and one decode near 0.36 bpp
(LERC and ZFP 1.4), one thread.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sarcodec.bench.codecs.float_field import lerc, sperr, sz3, zfp
from sarcodec.bench.codecs.integer_image import avif, htj2k, jpegxl, webp
from sarcodec.bench.codecs.jpeg2000 import Jpeg2000
from sarcodec.bench.codecs.peer import Peer
from sarcodec.bench.images import Image, images
from sarcodec.errors import InputError
from sarcodec.metrics import bd_rate, rmse_db

KINDS = ("grd", "multilook")
RATES = (0.05, 0.08, 0.13, 0.22, 0.36, 0.6, 1.0)
COARSE = ("lerc", "zfp")
TIMED = 4  # of RATES
NEAR = 0.1  # of the wanted rate is near enough for a point of a curve

Variants = dict[str, Callable[[], Peer | Jpeg2000]]

TRIED: dict[str, Variants] = {
    "jpeg2000": {
        "6 resolutions": Jpeg2000,
        "7 resolutions": lambda: Jpeg2000(resolutions=7),
        "5 resolutions": lambda: Jpeg2000(resolutions=5),
    },
    "jpegxl": {
        "effort 6, decoding speed 3, dB linear in XYB over 0.25": jpegxl,
        "samples linear in light, whole scale": lambda: jpegxl(even=False, span=1),
        "dB linear in XYB over the whole scale": lambda: jpegxl(span=1),
        "over 0.5": lambda: jpegxl(span=0.5),
        "over 0.125": lambda: jpegxl(span=0.125),
        "decoding speed 0": lambda: jpegxl(tier=0),
        "decoding speed 4": lambda: jpegxl(tier=4),
        "effort 3": lambda: jpegxl(effort=3),
        "effort 5": lambda: jpegxl(effort=5),
        "effort 7": lambda: jpegxl(effort=7),
        "effort 9": lambda: jpegxl(effort=9),
        "effort 9, decoding speed 0": lambda: jpegxl(effort=9, tier=0),
    },
    "avif": {
        "10 bits, speed 4": avif,
        "8 bits": lambda: avif(bits=8),
        "12 bits": lambda: avif(bits=12),
        "speed 6": lambda: avif(speed=6),
        "speed 2": lambda: avif(speed=2),
    },
    "htj2k": {
        "6 decompositions, 16 bits": htj2k,
        "5 decompositions": lambda: htj2k(decompositions=5),
        "7 decompositions": lambda: htj2k(decompositions=7),
        "8 bits": lambda: htj2k(bits=8),
    },
    "webp": {
        "no noise shaping, 1 segment, simple filter 100": webp,
        "filter 60": lambda: webp(FILTER_STRENGTH=60),
        "strong filter": lambda: webp(FILTER_TYPE=1),
        "4 segments": lambda: webp(SEGMENTS=4),
        "6 passes": lambda: webp(PASS=6),
        "as libwebp sets itself": lambda: webp(
            SNS_STRENGTH=50, SEGMENTS=4, FILTER_TYPE=1, FILTER_STRENGTH=20
        ),
    },
    "lerc": {
        "version 6, ZSTD": lerc,
        "version 4, ZSTD": lambda: lerc(version=4),
        "version 2, ZSTD": lambda: lerc(version=2),
        "version 6, DEFLATE": lambda: lerc(compression="deflate", level=9),
        "version 6 alone": lambda: lerc(compression=None),
    },
    "zfp": {
        "fixed accuracy, mean taken off": zfp,
        "mean left in": lambda: zfp(centre=False),
        "fixed rate": lambda: zfp(mode="r"),
    },
    "sz3": {"as its library sets itself": sz3},
    "sperr": {
        "fixed rate": sperr,
        "fixed PSNR": lambda: sperr(mode="psnr"),
        "fixed point-wise error": lambda: sperr(mode="pwe"),
    },
}


@dataclass(frozen=True)
class Curve:
    """One variant on one band."""

    rates: list[float]
    errors: list[float]
    encode_s: float
    decode_s: float


def measure(codec: Peer | Jpeg2000, image: Image, rates: list[float]) -> Curve:
    """Files near the rates; two that are the same count once."""
    prepared, points = codec.prepare(image), {}
    for rate in rates:
        coded = codec.search(prepared, rate, tolerance=NEAR)
        decoded = codec.decode(prepared, coded.data)
        points[rmse_db(image.db, decoded, image.valid)] = 8 * len(coded.data) / image.values.size
        if rate == rates[TIMED]:
            began = time.perf_counter()
            codec.encode(prepared, coded.setting)
            between = time.perf_counter()
            codec.decode(prepared, coded.data)
            times = between - began, time.perf_counter() - between
    return Curve(list(points.values()), list(points), *times)


def against(reference: list[Curve], test: list[Curve]) -> str:
    """Mean BD-rate, and its range over the bands."""
    found = []
    for ours, theirs in zip(reference, test, strict=True):
        try:
            found.append(bd_rate(ours.rates, ours.errors, theirs.rates, theirs.errors).percent)
        except InputError:
            continue
    if not found:
        return "no common error"
    few = f", {len(found)} bands" if len(found) < len(test) else ""
    return f"{statistics.mean(found):+.1f} % ({min(found):+.1f} to {max(found):+.1f}{few})"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("codecs", nargs="*", metavar="CODEC", help=f"of {', '.join(TRIED)} (default: all)")
    options = parser.parse_args()
    data = os.environ.get("SARCODEC_DATA")
    if not data:
        parser.error("SARCODEC_DATA names no folder of data")
    unknown = set(options.codecs) - set(TRIED)
    if unknown:
        parser.error(f"no such codec: {', '.join(sorted(unknown))}")
    bands = [
        image
        for kind in KINDS
        for path in sorted((Path(data) / "val" / kind).glob("*.tif"))
        for image in images(path)
    ]
    print(f"{len(bands)} bands: {', '.join(image.name for image in bands)}\n")
    print("| codec | setting | BD-rate against the chosen one | against JPEG 2000 | encode, decode |")
    print("| --- | --- | --- | --- | --- |")
    peer = [measure(Jpeg2000(), image, list(RATES)) for image in bands]
    for name in options.codecs or TRIED:
        rates = [4 * rate for rate in RATES] if name in COARSE else list(RATES)
        chosen: list[Curve] = []
        for label, make in TRIED[name].items():
            curves = [measure(make(), image, rates) for image in bands]
            change = against(chosen, curves) if chosen else "chosen"
            chosen = chosen or curves
            encode, decode = (
                statistics.median(getattr(curve, side) for curve in curves)
                for side in ("encode_s", "decode_s")
            )
            row = (name, label, change, against(peer, curves), f"{encode:.2f} s, {decode:.2f} s")
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
