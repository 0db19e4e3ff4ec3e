"""Peak memory of one encode or decode, in a process of its own.

``python -m sarcodec.bench.memory STEP CODEC SCENE.tif FILE SETTING THREADS DEVICE [MODEL]`` does the step
once and prints the peak resident set of the process while it ran, in bytes: the interpreter, the libraries
that the codec needs and the image are part of it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from sarcodec.bench.codecs.interface import Codec, Coded
from sarcodec.bench.images import Image
from sarcodec.bench.results import OURS, SpeedRow
from sarcodec.errors import VerifyError
from sarcodec.parallel import ordered_map

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def with_peaks(
    row: SpeedRow, image: Image, coded: Coded, *, model: str | None, device: str, threads: int
) -> SpeedRow:
    """`row` with the peak memory of its codec; unchanged where the system does not tell.

    Raises
    ------
    VerifyError
        The process failed.
    """
    if not _STATUS.exists():
        return row
    with tempfile.TemporaryDirectory(prefix="sarcodec-") as scratch:
        scene, file = Path(scratch) / "scene.tif", Path(scratch) / "coded"
        image.write(scene)
        file.write_bytes(coded.data)

        def peak(step: str) -> float:
            command = [step, row.codec, str(scene), str(file), repr(coded.setting), str(threads), device]
            command += [model] if model else []
            done = subprocess.run(  # noqa: S603
                [sys.executable, "-m", "sarcodec.bench.memory", *command],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                last = (done.stderr.strip().splitlines() or ["no word"])[-1]
                raise VerifyError(f"{row.codec} could not {step} in a process of its own: {last}")
            return int(done.stdout) / 1e6

        peaks = list(ordered_map(peak, ("encode", "decode"), 2))
    return replace(row, encode_mb=peaks[0], decode_mb=peaks[1])


def main(arguments: list[str]) -> int:
    """Do one step; the peak resident set in bytes."""
    from sarcodec.bench.codecs import registry
    from sarcodec.bench.images import images

    step, name, scene, file, setting, threads, device, *model = arguments
    if name == OURS:
        from sarcodec.bench.codecs.sarc import Sarc  # brings torch, which the others do without

        codec: Codec = Sarc(model[0] if model else None, device)
    else:
        codec = registry.make(name)
    [image] = images(scene)
    prepared, data = codec.prepare(image), Path(file).read_bytes()
    _forget_peak()
    if step == "encode":
        codec.encode(prepared, float(setting), threads=int(threads))
    else:
        codec.decode(prepared, data, threads=int(threads))
    return _peak_bytes()


def _forget_peak() -> None:
    """Let the kernel count the peak from here on; where it may not, preparation counts too."""
    try:
        _CLEAR.write_text("5", encoding="ascii")
    except OSError:
        return


def _peak_bytes() -> int:
    """VmHWM; ``getrusage`` would give that of the parent where it was larger."""
    line = next(x for x in _STATUS.read_text(encoding="ascii").splitlines() if x.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    print(main(sys.argv[1:]))  # noqa: T201
