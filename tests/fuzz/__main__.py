"""Run the fuzz targets for a while: ``python -m fuzz --seconds 60 [--target header] [--keep]``.

Exits with 1 where an input fails; such inputs are in the folder of crashes, and
``python -m fuzz.replay TARGET FILE`` repeats one.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from fuzz import TARGETS, corpus

MEMORY_MB = 2048
INPUT_SECONDS = 10
LONGEST = 8192
"""Bytes of an input."""
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Run:
    """What fuzzing one target came to."""

    target: str
    status: int
    executions: int
    rate: int
    """Executions a second."""
    coverage: int
    """Edges of the library's code that were reached."""
    inputs: int
    """Size of the corpus behind the run."""
    output: str


def main() -> int:
    """Fuzz and report; the exit status."""
    options = _options()
    if importlib.util.find_spec("atheris") is None:
        _say("fuzzing needs atheris, which has wheels for Linux: pip install 'sarcodec[fuzz]' (atheris>=2.3)")
        return 2
    options.crashes.mkdir(parents=True, exist_ok=True)
    targets = [options.target] if options.target else list(TARGETS)
    failed = []
    for target in targets:
        run = fuzz(
            target, options.seconds / len(targets), options.crashes, seed=options.seed, keep=options.keep
        )
        _say(
            f"{target}: {run.executions} executions, {run.rate} a second, coverage {run.coverage}, "
            f"{run.inputs} inputs, {'FAILED' if run.status else 'no failure'}"
        )
        if run.status:
            _say(run.output[-6000:])
            failed.append(target)
    if failed:
        _say(f"failing inputs of {', '.join(failed)} are in {options.crashes}")
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Fuzz what reads .sarc files.")
    parser.add_argument("--seconds", type=float, default=60, help="for all targets together")
    parser.add_argument("--target", choices=TARGETS, help="this one alone")
    parser.add_argument("--crashes", type=Path, default=Path("runs/fuzz"), help="folder for failing inputs")
    parser.add_argument("--seed", type=int, default=0, help="of libFuzzer; 0 takes a new one each time")
    parser.add_argument("--keep", action="store_true", help="write the minimised corpus back")
    return parser.parse_args()


def fuzz(target: str, seconds: float, crashes: Path, *, seed: int = 0, keep: bool = False) -> Run:
    """Fuzz one target in a child process."""
    with tempfile.TemporaryDirectory() as folder:
        grown, small = Path(folder, "grown"), Path(folder, "small")
        grown.mkdir()
        small.mkdir()
        corpus.unpack(target, grown)
        prefix = f"{crashes.resolve()}/{target}-"
        limits = [f"-max_total_time={max(1, round(seconds))}", f"-artifact_prefix={prefix}", f"-seed={seed}"]
        limits += [f"-rss_limit_mb={MEMORY_MB}", f"-timeout={INPUT_SECONDS}", f"-max_len={LONGEST}"]
        done = _child(target, *limits, "-print_final_stats=1", "-use_value_profile=1", str(grown))
        inputs = len(list(grown.iterdir()))
        if keep and done.returncode == 0:
            merged = _child(
                target, "-merge=1", "-use_value_profile=1", f"-max_len={LONGEST}", str(small), str(grown)
            )
            if merged.returncode == 0:
                inputs = corpus.pack(target, small)
        output = done.stdout
    return Run(
        target=target,
        status=done.returncode,
        executions=_last(r"stat::number_of_executed_units: (\d+)", output),
        rate=_last(r"stat::average_exec_per_sec: +(\d+)", output),
        coverage=_last(r"cov: (\d+)", output),
        inputs=inputs,
        output=output,
    )


def _child(target: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    roots = [str(HERE.parent), str(HERE.parent.parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, roots)), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "fuzz.child", target, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


def _last(pattern: str, text: str) -> int:
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
