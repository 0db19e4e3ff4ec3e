"""Fuzz the C kernels, with libFuzzer and sanitizers: ``python -m fuzz.native --seconds 60 [--form avx2]``.

Needs clang with its runtime libraries. Exits with 1 if an input fails; it is in the folder of crashes, and
the program that is named there repeats it.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from sarcodec.native import build

HARNESS = Path(__file__).with_name("native_kernels.c")
SANITIZERS = "address,undefined,float-cast-overflow"
LONGEST = 8192
"""Bytes of an input."""
INPUT_SECONDS = 20


def main() -> int:
    """Build, fuzz, report; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m fuzz.native", description="Fuzz the C kernels.")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--form", default="avx2", help="of the processor")
    parser.add_argument("--compiler", default="clang")
    parser.add_argument("--crashes", type=Path, default=Path("runs/fuzz"), help="folder for failing inputs")
    parser.add_argument("--seed", type=int, default=0, help="of libFuzzer; 0 takes a new one each time")
    chosen = parser.parse_args()
    folder = chosen.crashes.resolve() / f"native-{chosen.form}"
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    program = make(folder, chosen.form, shlex.split(chosen.compiler))
    limits = [f"-max_total_time={chosen.seconds}", f"-max_len={LONGEST}", f"-timeout={INPUT_SECONDS}"]
    prefix = f"-artifact_prefix={folder}/crash-"
    command = [program, *limits, prefix, f"-seed={chosen.seed}", "-print_final_stats=1", folder / "corpus"]
    done = subprocess.run(command, check=False)
    sys.stdout.write(f"{chosen.form}: {'FAILED' if done.returncode else 'no failure'}; {program}\n")
    return 1 if done.returncode else 0


def make(folder: Path, form: str, compiler: list[str]) -> Path:
    """Compile the kernels of one form of this machine with the harness."""
    own = build.TARGETS[build.this_machine()].forms[form]
    program = folder / "fuzz"
    flags = ["-std=c11", "-O1", "-g", "-ffp-contract=off", "-fno-sanitize-recover=all", "-DSOURCES=0u"]
    sources = [HARNESS, *sorted(build.SOURCES.glob("*.c"))]
    command = [*compiler, f"-fsanitize=fuzzer,{SANITIZERS}", *flags, *own, f"-DFORM={form}"]
    subprocess.run([*command, f"-I{build.SOURCES}", "-o", program, *sources], check=True)
    return program


if __name__ == "__main__":
    sys.exit(main())
