"""Encode and decode speed against JPEG 2000 in one run: same scene, same threads, process warm, medians.

    python benchmarks/speed.py --size 4096 --threads 2 --repeat 5

Both codecs start from an array in memory and end in bytes (encode), or the reverse (decode). JPEG 2000 is
handed the finished 16-bit dB image and makes one attempt at the rate that our file came out at, so its time
is that of the coder alone; ours includes logarithms, masks and checksums.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import sarcodec
from sarcodec.bench import jpeg2000
from sarcodec.radiometry import to_db
from sarcodec.simulate import Scene, SceneSpec
from sarcodec.types import Scale


def median_seconds(work: Callable[[], Any], repeat: int) -> tuple[float, Any]:
    """Median wall time of `repeat` calls after one that is not counted, and the last result."""
    result = work()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return statistics.median(times), result


def main() -> None:
    """Measure and print one line per rate."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--quality", type=float, nargs="+", default=[25, 40, 55])
    parser.add_argument("-o", "--output", type=Path, help="write the figures as JSON too")
    options = parser.parse_args()

    scene = Scene(SceneSpec(options.size, options.size, border=0))
    dn = np.concatenate([block.values[0] for block in scene.blocks()])
    db = to_db(dn, Scale.DN)
    samples, low, high = jpeg2000.samples_of(db, np.ones(db.shape, dtype=bool))
    pixels = dn.size / 1e6
    rows = []
    print(
        f"{options.size}x{options.size} DN, {options.threads} threads, OpenJPEG {jpeg2000.openjpeg_version()}"
    )
    for quality in options.quality:
        ours_enc, data = median_seconds(
            lambda q=quality: sarcodec.encode_array(dn, quality=q, jobs=options.threads, device="cpu"),  # type: ignore[misc]
            options.repeat,
        )
        bpp = 8 * len(data) / dn.size
        ours_dec, _ = median_seconds(
            lambda d=data: sarcodec.decode_array(d, jobs=options.threads, device="cpu"),  # type: ignore[misc]
            options.repeat,
        )
        peer_enc, stream = median_seconds(
            lambda b=bpp: jpeg2000.encode_at(samples, 16 / b, options.threads),  # type: ignore[misc]
            options.repeat,
        )
        code = jpeg2000.Codestream(stream, low, high)
        peer_dec, _ = median_seconds(
            lambda c=code: jpeg2000.decode(c, threads=options.threads),  # type: ignore[misc]
            options.repeat,
        )
        row = {
            "bpp": bpp,
            "jpeg2000_bpp": 8 * len(code.data) / dn.size,
            "encode_mpix_s": pixels / ours_enc,
            "decode_mpix_s": pixels / ours_dec,
            "jpeg2000_encode_mpix_s": pixels / peer_enc,
            "jpeg2000_decode_mpix_s": pixels / peer_dec,
            "encode_ratio": peer_enc / ours_enc,
            "decode_ratio": peer_dec / ours_dec,
        }
        rows.append(row)
        print(
            f"{bpp:.3f} bpp  encode {row['encode_mpix_s']:.1f} MPix/s ({row['encode_ratio']:.2f} x JPEG 2000)"
            f"  decode {row['decode_mpix_s']:.1f} MPix/s ({row['decode_ratio']:.2f} x JPEG 2000)"
        )
    if options.output:
        options.output.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
