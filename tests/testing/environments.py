"""Processor settings under which a file has to decode alike, each in a process of its own.

oneDNN, ATen and MKL read their settings once in a process; threads and jobs can be varied inside it.
`run` is the caller's side. ``python -m testing.environments`` is the child's: a `Work` on standard input,
what came of it on standard output, both JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sarcodec.decoding import tile_pixels
from sarcodec.types import Place, Window
from testing.scenes import dn, power

Array = npt.NDArray[Any]

ROOT = Path(__file__).parents[2]
ONEDNN = ("SSE41", "AVX", "AVX2", "AVX512_CORE", "")
"""Values of ONEDNN_MAX_CPU_ISA; "" leaves it out. A processor that has less ignores what it does not have."""
ATEN = ("default", "avx2", "avx512")
THREADS = (1, 2, 3)
JOBS = (1, 2)
_MKL = {"SSE41": "SSE4_2", "AVX": "AVX", "AVX2": "AVX2", "AVX512_CORE": "AVX512"}
_KNOWN = ("ONEDNN_", "DNNL_", "MKL_", "OMP_", "KMP_", "ATEN_CPU_CAPABILITY")


@dataclass(frozen=True)
class Environment:
    """What a process is told of its processor.

    MKL, which computes the integers' float64 sums, gets the instruction set that oneDNN gets.
    """

    onednn: str
    aten: str
    extra: tuple[tuple[str, str], ...] = ()
    """Further variables."""
    tweak: str = ""
    """A setting of torch itself, see `_tweak`."""

    @property
    def name(self) -> str:
        """Its settings in short."""
        parts = [self.onednn or "any", self.aten, *(f"{k}={v}" for k, v in self.extra), self.tweak]
        return " ".join(part for part in parts if part)

    def variables(self) -> dict[str, str]:
        """Environment variables of the process, this one's own settings left out."""
        rest = {k: v for k, v in os.environ.items() if not k.startswith(_KNOWN)}
        isa = {"ONEDNN_MAX_CPU_ISA": self.onednn, "MKL_ENABLE_INSTRUCTIONS": _MKL.get(self.onednn, "")}
        paths = {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
        own = {"ATEN_CPU_CAPABILITY": self.aten, **(isa if self.onednn else {})}
        # Threads that wait sleep: there are more of them than processors.
        threads = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
        return {**rest, **paths, **threads, **own, **dict(self.extra)}


def matrix() -> list[Environment]:
    """Every environment this processor can be put in: ATen takes its setting's word that AVX-512 is there."""
    import torch

    able = {"avx2": torch.cpu._is_avx2_supported, "avx512": torch.cpu._is_avx512_supported}
    aten = [name for name in ATEN if name not in able or able[name]()]
    return [Environment(onednn, name) for onednn in ONEDNN for name in aten]


@dataclass(frozen=True)
class File:
    """A coded file and the model that decodes it: a path, or "" for the default one."""

    path: str
    model: str = ""


@dataclass(frozen=True)
class Scene:
    """A raster to encode: kind is dn (uint16), db (float32) or two (two bands of uint16)."""

    name: str
    kind: str
    height: int
    width: int
    quality: float
    model: str = ""
    tile_side: int = 1024

    def pixels(self) -> Array:
        """The raster, shape (bands, height, width)."""
        shape = self.height, self.width
        if self.kind == "db":
            return (10 * np.log10(power(shape, 7))).astype(np.float32)[None]
        return np.stack([dn(shape, seed) for seed in ((1, 2) if self.kind == "two" else (1,))])


@dataclass(frozen=True)
class Work:
    """What a process has to do: decode files in every combination, encode scenes into a folder."""

    files: tuple[File, ...] = ()
    reference: str = ""
    """Pixels to compare with, an .npz by the files' number."""
    threads: tuple[int, ...] = THREADS
    jobs: tuple[int, ...] = JOBS
    scenes: tuple[Scene, ...] = ()
    folder: str = ""


@dataclass
class Result:
    """What came of it in one environment."""

    capability: str = ""
    convolution: str = ""
    """Implementation that oneDNN took for a float32 convolution."""
    sums: str = ""
    """Hash of a float64 matrix product of numbers that are not integers."""
    tasks: list[int] = field(default_factory=list)
    """Threads of the process once each number of torch threads was used."""
    latents: dict[str, list[str]] = field(default_factory=dict)
    """By file, a hash of its latents for each decode, or the name of an error."""
    moved: dict[str, list[float]] = field(default_factory=dict)
    """By file, the largest difference from the reference for each decode: DN of integers, dB of floats."""
    encoded: dict[str, list[str]] = field(default_factory=dict)
    """By scene, hashes of the file's bytes and of its latents."""


def run(environment: Environment, work: Work, *, timeout: float = 300) -> Result:
    """Do work in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "testing.environments", environment.tweak],
        input=json.dumps(asdict(work)),
        env=environment.variables(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{environment.name}: exit code {done.returncode}: {done.stderr[-2000:]}"
    return Result(**json.loads(done.stdout.splitlines()[-1]))


def encode(scene: Scene) -> bytes:
    """A scene as a file, in this process."""
    from sarcodec.api import encode_array
    from sarcodec.encoding import survey

    usual, survey.TILE_SIDE = survey.TILE_SIDE, scene.tile_side
    try:
        scale = "db" if scene.kind == "db" else "dn"
        return encode_array(
            scene.pixels(), quality=scene.quality, scale=scale, model=scene.model or None, jobs=1
        )
    finally:
        survey.TILE_SIDE = usual


def decode(file: File, jobs: int) -> tuple[str, Array]:
    """Hash of the latents, and pixels, as the library's own threads compute them."""
    import sarcodec
    from sarcodec.model.runtime import one_thread, threads_kept
    from sarcodec.parallel import ordered_map

    with sarcodec.open(file.path, model=file.model or None, jobs=jobs, device="cpu") as coded:
        with threads_kept():
            latents = list(ordered_map(coded.decoder.latents, _places(coded), jobs, one_thread))
        return _hash(latents), comparable(coded.read(), coded.decoder.header.scale.value)


def decode_here(file: File) -> tuple[str, Array]:
    """The same in this thread, with as many torch threads as are set."""
    import sarcodec

    with sarcodec.open(file.path, model=file.model or None, jobs=1, device="cpu") as coded:
        places, decoder = _places(coded), coded.decoder
        y_hats = {place: decoder.latents(place) for place in places}
        pixels = np.empty((coded.meta.count, coded.meta.height, coded.meta.width), coded.meta.dtype)
        whole = Window(0, 0, coded.meta.width, coded.meta.height)
        for place in places:
            near = {there: y_hats[there] for there in place.around() if there in y_hats}
            piece = tile_pixels.pixels(decoder, place, decoder.record(*place.at), near)
            pixels[(piece.band, *piece.window.inside(whole))] = piece.values
        return _hash(y_hats.values()), comparable(pixels, decoder.header.scale.value)


def save_reference(path: Path, files: Iterable[File]) -> list[str]:
    """Decode in this process: pixels into an .npz, hashes of latents."""
    decoded = [decode(file, 1) for file in files]
    arrays: dict[str, Any] = {str(k): pixels for k, (_, pixels) in enumerate(decoded)}
    np.savez(path, **arrays)
    return [latents for latents, _ in decoded]


def comparable(pixels: Array, scale: str) -> Array:
    """Integers as they are, floats in decibels; NaN where there is no logarithm."""
    if pixels.dtype.kind in "iu" or scale == "db":
        return pixels
    with np.errstate(invalid="ignore", divide="ignore"):
        decibels: Array = (10 if scale == "power" else 20) * np.log10(pixels.astype(np.float64))
    return np.where(pixels > 0, decibels, np.nan)


def moved(a: Array, b: Array) -> float:
    """Largest difference: of integers DN, of floats dB; infinite where NaNs differ."""
    if a.dtype.kind in "iu":
        return float(np.abs(a.astype(np.int64) - b.astype(np.int64)).max())
    if not np.array_equal(np.isnan(a), np.isnan(b)):
        return float("inf")
    with np.errstate(invalid="ignore"):  # between infinities
        return float(np.nanmax(np.abs(a.astype(np.float64) - b.astype(np.float64))))


def _places(coded: Any) -> list[Place]:
    grid = coded.decoder.header.grid
    return [Place(band, *at) for band in range(coded.meta.count) for at in grid.tiles]


def _hash(latents: Iterable[Array]) -> str:
    sha = hashlib.sha256()
    for part in latents:
        sha.update(np.ascontiguousarray(part).astype("<i4").tobytes())
    return sha.hexdigest()


def _tweak(name: str) -> None:
    """Set torch as another program in the same process might."""
    import torch

    if name == "flush denormals":
        torch.set_flush_denormal(True)
    elif name == "float64 default":
        torch.set_default_dtype(torch.float64)
    elif name == "bf16 matmul":
        torch.set_float32_matmul_precision("medium")
    elif name == "bf16":
        torch.backends.fp32_precision = "bf16"  # type: ignore[attr-defined]
        torch.backends.mkldnn.conv.fp32_precision = "bf16"  # type: ignore[attr-defined]
        torch.backends.mkldnn.matmul.fp32_precision = "bf16"  # type: ignore[attr-defined]
    elif name == "deterministic":
        torch.use_deterministic_algorithms(mode=True)
    elif name == "no oneDNN":
        torch.backends.mkldnn.enabled = False  # type: ignore[assignment]
    elif name:
        raise ValueError(name)


def _probe() -> tuple[str, str, str]:
    """What torch, oneDNN and MKL compute with."""
    import torch

    net = torch.nn.Conv2d(64, 64, 3, dtype=torch.float32)
    x = torch.ones(1, 64, 32, 32, dtype=torch.float32)
    out, into = os.pipe()
    kept = os.dup(1)
    os.dup2(into, 1)
    try:
        with torch.inference_mode(), _verbose():
            net(x)
    finally:
        _flush()
        os.dup2(kept, 1)
        os.close(kept)
        os.close(into)
    with os.fdopen(out) as pipe:
        lines = [line.split(",") for line in pipe if ",convolution," in line]
    third = (torch.arange(90000, dtype=torch.float64) / 3).sin().reshape(300, 300)
    sums = hashlib.sha256((third @ third).numpy().tobytes()).hexdigest()
    implementation = lines[0][lines[0].index("convolution") + 1] if lines else ""
    return torch.backends.cpu.get_cpu_capability(), implementation, sums


def _verbose() -> Any:
    """Let oneDNN print what it does."""
    from torch.backends import mkldnn

    return mkldnn.verbose(mkldnn.VERBOSE_ON)  # type: ignore[no-untyped-call]


def _flush() -> None:
    """Write what C's standard output still holds."""
    import ctypes

    ctypes.CDLL(None).fflush(None)


def main() -> None:
    """The child's side."""
    work = json.load(sys.stdin)
    import torch

    from sarcodec.errors import SarcError
    from sarcodec.model import modelfile

    modelfile.load = cache(modelfile.load)
    _tweak(sys.argv[1] if len(sys.argv) > 1 else "")
    result = Result(*_probe())
    files = [File(**file) for file in work["files"]]
    ways: list[tuple[int, Callable[[File], tuple[str, Array]]]] = []
    for threads in work["threads"]:
        ways.append((threads, decode_here))
        ways += [(threads, partial(decode, jobs=jobs)) for jobs in work["jobs"]]
    reference = np.load(work["reference"]) if work["reference"] else {}
    for threads, way in ways:
        torch.set_num_threads(threads)
        for number, file in enumerate(files):
            try:
                latents, pixels = way(file)
                far = moved(reference[str(number)], pixels)
            except SarcError as error:
                latents, far = type(error).__name__, float("inf")
            result.latents.setdefault(file.path, []).append(latents)
            result.moved.setdefault(file.path, []).append(far)
        if way is decode_here:
            result.tasks.append(_tasks())
    torch.set_num_threads(1)
    for scene in (Scene(**scene) for scene in work["scenes"]):
        data = encode(scene)
        path = Path(work["folder"]) / f"{scene.name}.sarc"
        path.write_bytes(data)
        latents, _ = decode(File(str(path), scene.model), 1)
        result.encoded[scene.name] = [hashlib.sha256(data).hexdigest(), latents]
    sys.stdout.write(json.dumps(asdict(result)))


def _tasks() -> int:
    """Threads of this process, where the system tells."""
    folder = Path("/proc/self/task")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


if __name__ == "__main__":
    main()
