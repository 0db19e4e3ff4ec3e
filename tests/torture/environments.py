"""Files from every environment decoded in every other: the same latents everywhere, pixels nearly."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from sarcodec.native import library
from testing import environments
from testing.environments import Environment, File, Result, Scene, Work
from torture.tally import Tally

TOY = str(environments.ROOT / "tests" / "golden" / "toy1.safetensors")
SCENES = (
    Scene("low", "dn", 400, 330, 15),
    Scene("middle", "two", 200, 260, 50),
    Scene("high", "db", 220, 180, 95),
    Scene("tiles", "dn", 520, 300, 70, tile_side=256),
    Scene("toy", "two", 300, 280, 80, TOY, tile_side=256),
    Scene("toy_db", "db", 120, 90, 60, TOY),
)
TWEAKS = ("flush denormals", "float64 default", "bf16 matmul", "bf16", "deterministic", "no oneDNN")
VARIABLES = (
    {"OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "2"},
    {"MKL_CBWR": "COMPATIBLE"},
    {"MKL_CBWR": "AVX2,STRICT"},
    {"MKL_DYNAMIC": "FALSE", "OMP_DYNAMIC": "FALSE", "OMP_SCHEDULE": "dynamic,1"},
    {"ONEDNN_DEFAULT_FPMATH_MODE": "BF16"},
    {"ONEDNN_CPU_ISA_HINTS": "PREFER_YMM"},
)
TOLERANCE = {"dn": 1.0, "two": 1.0, "db": 0.001}
"""Largest difference of pixels by the kind of scene: DN, or dB."""


def further() -> list[Environment]:
    """Beside the matrix: other variables, and torch set by another program in the same process."""
    forms = [{library.CHOICE: name} for name in (*library.FORMS, library.NUMPY) if library.runs_here(name)]
    usual = [Environment("", "default", tuple(setting.items())) for setting in (*forms, *VARIABLES)]
    return usual + [Environment("", "default", tweak=tweak) for tweak in TWEAKS]


def coarse(environment: Environment) -> bool:
    """Whether float32 is allowed to be less precise than it is: pixels may move, latents must not."""
    return "bf16" in environment.tweak or "FPMATH" in str(environment.extra)


def run(seconds: float, report: Callable[[str], None]) -> Tally:
    """Encode in every environment, then decode all of it in every environment, with all threads and jobs.

    The matrix is always done whole; where `seconds` are over then, further settings are left out and named.
    """
    tally, began = Tally("decodes under other processor settings"), time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="sarcodec-environments-"))
    try:
        made = _encoded(folder, tally, report)
        files = {File(str(path), scene.model): (scene, names) for path, scene, names in made}
        reference = folder / "reference.npz"
        here = dict(zip(files, environments.save_reference(reference, files), strict=True))
        work = Work(tuple(files), str(reference))
        more = further()
        todo, late = environments.matrix() + more, []

        def decode(environment: Environment) -> Result | None:
            if environment in more and time.monotonic() - began > seconds:
                return None
            return environments.run(
                environment, replace(work, threads=(1, 3)) if environment in more else work
            )

        with ThreadPoolExecutor(2) as pool:
            for number, (environment, result) in enumerate(zip(todo, pool.map(decode, todo), strict=True), 1):
                if result is None:
                    late.append(environment.name)
                    continue
                _count(tally, environment, result, files, here)
                report(f"environments: {number} of {len(todo)}, {environment.name}")
        _sum_up(tally, late)
    finally:
        shutil.rmtree(folder)
    tally.seconds = time.monotonic() - began
    return tally


Made = tuple[Path, Scene, list[str]]
"""A file, its scene, and the environments that wrote these very bytes."""


def _encoded(folder: Path, tally: Tally, report: Callable[[str], None]) -> list[Made]:
    """Every scene from every environment; files with the same bytes are kept once."""

    def work(item: tuple[int, Environment]) -> Result:
        own = folder / str(item[0])
        own.mkdir()
        return environments.run(item[1], Work(threads=(), scenes=SCENES, folder=str(own)))

    todo = environments.matrix()
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(work, enumerate(todo)))
    found: dict[tuple[str, str], Made] = {}
    for number, (environment, result) in enumerate(zip(todo, results, strict=True)):
        for scene in SCENES:
            path = folder / str(number) / f"{scene.name}.sarc"
            key = scene.name, result.encoded[scene.name][0]
            found.setdefault(key, (path, scene, []))[2].append(environment.name)
            own = environments.decode(File(str(path), scene.model), 1)[0]
            same = own == result.encoded[scene.name][1]
            outcome = "same latents" if same else "silent error"
            tally.add("encoded in the matrix, decoded here", outcome, f"{scene.name}, {environment.name}")
    report(f"environments: {len(todo) * len(SCENES)} files, {len(found)} of them different")
    tally.notes.append(
        f"{len(todo)} environments wrote {len(SCENES)} scenes each: {len(found)} different files, since "
        "the analysis is floating point and may choose another symbol."
    )
    several = sorted(name for name in {s for s, _ in found} if sum(s == name for s, _ in found) > 1)
    if several:
        tally.notes.append(f"Scenes whose files differ: {', '.join(several)}.")
    return list(found.values())


def _count(
    tally: Tally,
    environment: Environment,
    result: Result,
    files: dict[File, tuple[Scene, list[str]]],
    here: dict[File, str],
) -> None:
    """One case for each file from each environment and each way of decoding it."""
    for file, (scene, writers) in files.items():
        for way, (latents, moved) in enumerate(
            zip(result.latents[file.path], result.moved[file.path], strict=True)
        ):
            name = f"{scene.name} of {writers[0]} in {environment.name}, way {way}, moved by {moved:g}"
            unit, far = "dB" if scene.kind == "db" else "DN", moved > TOLERANCE[scene.kind]
            case = "the matrix" if not environment.extra and not environment.tweak else "further settings"
            if coarse(environment):
                case, unit, far = "less precise float32", f"{unit} with less precise float32", False
            outcome = "other" if far or latents.endswith("Error") else "same latents"
            outcome = outcome if outcome == "other" or latents == here[file] else "silent error"
            tally.add(f"decoded: {case}", outcome, name)
            _largest(tally, unit, moved)


def _largest(tally: Tally, unit: str, moved: float) -> None:
    """Keep the largest difference of each unit as a note."""
    start = f"Largest difference of pixels in {unit}: "
    before = next((n for n in tally.notes if n.startswith(start)), None)
    if before is None:
        tally.notes.append(f"{start}{moved:.3g}")
    elif moved > float(before.removeprefix(start)):
        tally.notes[tally.notes.index(before)] = f"{start}{moved:.3g}"


def _sum_up(tally: Tally, late: list[str]) -> None:
    others = len(further()) - len(late)
    tally.notes.append(
        f"Decoded in {len(environments.matrix())} environments, with {len(environments.THREADS)} numbers of "
        f"threads and {len(environments.JOBS)} of jobs each, and in {others} with other settings."
    )
    if late:
        tally.notes.append(f"No time was left for: {'; '.join(late)}.")
