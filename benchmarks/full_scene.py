"""Time and peak memory of a whole Sentinel-1 GRD scene: encode, decode, a window of it, each in a process.

    python benchmarks/full_scene.py --folder runs/full

The scene is simulated (two bands, uint16) unless it is in the folder already. Peak memory is the largest
resident set that the system saw of each process, torch and GDAL included.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

WINDOW = """
import sys, time
path, col, row, side, jobs = sys.argv[1], *map(int, sys.argv[2:])
began = time.monotonic()
import sarcodec, sarcodec.decoding.pipeline
started = time.monotonic()
with sarcodec.open(path, jobs=jobs) as scene:
    touched = set()
    layers = scene.decoder.latents
    scene.decoder.latents = lambda place, *rest: touched.add(place) or layers(place, *rest)
    opened = time.monotonic()
    scene.read(window=(col, row, side, side))
    read = time.monotonic()
    print(started - began, opened - started, read - opened, len(touched))
"""


def run(arguments: list[str]) -> tuple[float, float, str]:
    """Seconds, peak resident set in bytes and output of a child process."""
    began = time.monotonic()
    child = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    said = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {child.returncode}")
    return time.monotonic() - began, usage.ru_maxrss * 1024, said


def main() -> None:
    """Run every step and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("runs/full"))
    parser.add_argument("--size", default="25000x16000")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--bpp", type=float, default=0.2)
    parser.add_argument("--window", type=int, default=1024)
    chosen = parser.parse_args()
    folder: Path = chosen.folder
    folder.mkdir(parents=True, exist_ok=True)
    scene, coded, back = folder / f"scene_{chosen.size}.tif", folder / "scene.sarc", folder / "back.tif"
    jobs = ["-j", str(chosen.jobs)]
    if not scene.exists():
        made = ["-m", "sarcodec", "simulate", str(scene), "--size", chosen.size, "--bands", "VV,VH"]
        print(row("simulate", *run(made)[:2], 0), flush=True)
    width, height = map(int, chosen.size.split("x"))
    pixels = 2 * width * height
    results: dict[str, Any] = {"size": chosen.size, "jobs": chosen.jobs}
    encode = ["-m", "sarcodec", "encode", str(scene), "-o", str(coded), "-f", *jobs]
    steps = {
        "encode -q 50": [*encode, "-q", "50"],
        f"encode --bpp {chosen.bpp:g}": [*encode, "--bpp", f"{chosen.bpp:g}"],
        "test": ["-m", "sarcodec", "test", str(coded), *jobs],
        "decode": ["-m", "sarcodec", "decode", str(coded), "-o", str(back), "-f", *jobs],
        "info": ["-m", "sarcodec", "info", str(coded)],
    }
    for name, arguments in steps.items():
        seconds, peak, _ = run(arguments)
        results[name] = {"seconds": seconds, "peak_bytes": peak}
        print(row(name, seconds, peak, pixels if name != "info" else 0), flush=True)
    side = chosen.window
    inside = [str(n) for n in (width // 2048 * 1024 + (1024 - side) // 2, height // 2048 * 1024, side)]
    for name, place in ((f"window {side}, any place", [str(width // 2), str(height // 2), str(side)]),
                        (f"window {side}, one tile", inside)):  # fmt: skip
        arguments = ["-c", WINDOW, str(coded), *place, str(chosen.jobs)]
        seconds, peak, said = run(arguments)
        imported, opened, read, tiles = map(float, said.split())
        results[name] = {"import": imported, "open": opened, "read": read, "tiles": tiles, "peak_bytes": peak}
        print(row(name, seconds, peak, 0), flush=True)
        print(
            f"  import {imported:.2f} s, open {opened:.2f} s, read {read:.2f} s; latents of {tiles:.0f} tiles"
        )
    results["bytes"] = coded.stat().st_size
    results["bpp"] = 8 * results["bytes"] / pixels
    (folder / "full_scene.json").write_text(json.dumps(results, indent=1) + "\n")
    print(f"{coded.stat().st_size} bytes, {results['bpp']:.4f} bpp; figures in {folder / 'full_scene.json'}")


def row(name: str, seconds: float, peak: float, pixels: int) -> str:
    """A line of the table."""
    speed = f"{pixels / seconds / 1e6:6.2f} MPix/s" if pixels else ""
    return f"{name:24} {seconds:8.1f} s  peak {peak / 1e6:7.0f} MB  {speed}"


if __name__ == "__main__":
    main()
