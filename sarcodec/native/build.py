"""The build of the native library: which C files, for which forms of the processor, on which systems.

The build hook and the tests load this file by its path, so it imports only the standard library. By hand:
``python sarcodec/native/build.py [--target NAME] [--compiler "gcc"] [--flags "-g -O1"] -o FOLDER``.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

SOURCES: Final = Path(__file__).parent
"""Every C file of this folder is compiled once for each form of the processor, BASELINE only once."""
BASELINE: Final = "processor.c"
CHOICE: Final = "SARCODEC_TARGET"
"""Variable that names the target of a build; `NO_LIBRARY` builds a package without the library."""
NO_LIBRARY: Final = "any"
ANY_TAG: Final = "py3-none-any"
ZIGLANG: Final = "ziglang==0.17.1"
"""What has to be installed to build without CC; pinned, so that a library has the same bytes on every day."""
ZIG: Final = (sys.executable, "-m", "ziglang", "cc")

_COMMON = [
    "-std=c11",
    "-O3",
    "-g0",  # zig would add -g, and the library would hold the paths of this machine
    "-fPIC",
    "-fvisibility=hidden",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-tree-slp-vectorize",  # it makes gathers of what is better read one by one
    "-Wall",
    "-Wextra",
]
_AVX2 = ["-mavx2", "-mbmi", "-mbmi2", "-mlzcnt", "-mpopcnt"]  # no -mfma: the sums of floats are never fused
_AVX512 = ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx512vnni"]
_X86_64 = {"avx2": _AVX2, "avx512vnni": [*_AVX2, *_AVX512]}
_AARCH64: dict[str, list[str]] = {"neon": []}  # every 64-bit ARM processor has NEON


class BuildError(RuntimeError):
    """The library cannot be built; the message says why and what to do."""


class Target(NamedTuple):
    """A system and a processor that the library is built for."""

    name: str
    triple: str
    """The target's name for zig, with the oldest version of the system that the library runs on."""
    library: str
    """File name of the library."""
    platform: str
    """Platform tag of a wheel that zig built the library for."""
    forms: Mapping[str, Sequence[str]]
    """Forms of the processor, with their flags."""
    link: Sequence[str] = ()
    own: Sequence[str] = ()
    """Flags for another compiler than zig, which `triple` says nothing to."""

    def tag(self, *, zig: bool) -> str:
        """Tag of a wheel: another compiler than zig links against this machine's C library, of any age."""
        system, _, machine = self.name.partition("-")
        return f"py3-none-{self.platform if zig or system != 'linux' else f'linux_{machine}'}"


TARGETS: Final = {
    target.name: target
    for target in (
        Target(
            name="linux-x86_64",
            triple="x86_64-linux-gnu.2.17",
            library="libsarcodec.so",
            platform="manylinux_2_17_x86_64",
            forms=_X86_64,
        ),
        Target(
            name="linux-aarch64",
            triple="aarch64-linux-gnu.2.17",
            library="libsarcodec.so",
            platform="manylinux_2_17_aarch64",
            forms=_AARCH64,
        ),
        Target(
            name="macos-arm64",
            triple="aarch64-macos.11.0",
            library="libsarcodec.dylib",
            platform="macosx_11_0_arm64",
            forms=_AARCH64,
            link=("-Wl,-install_name,@rpath/libsarcodec.dylib",),
            own=("-mmacosx-version-min=11.0",),
        ),
        Target(
            name="windows-x86_64",
            triple="x86_64-windows-gnu",
            library="sarcodec.dll",
            platform="win_amd64",
            forms=_X86_64,
            link=("-Wl,-Brepro",),  # the same bytes on every day
        ),
    )
}


def this_machine() -> str:
    """Name of the system and processor that this Python runs on; TARGETS may not have it."""
    system = {"darwin": "macos", "win32": "windows"}.get(sys.platform, sys.platform)
    machine = platform.machine().lower()
    if system in {"windows", "linux"}:
        machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    if sys.maxsize < 2**32:
        machine += "-32bit"
    musl = system == "linux" and platform.libc_ver()[0] != "glibc"
    return f"{system}-{machine}{'-musl' if musl else ''}"


def wanted(environment: Mapping[str, str]) -> Target | None:
    """The target that SARCODEC_TARGET names, or this machine; None for a package without the library.

    Raises
    ------
    BuildError
        SARCODEC_TARGET names no target.
    """
    name = environment.get(CHOICE, "")
    if name and name not in {*TARGETS, NO_LIBRARY}:
        known = ", ".join((*TARGETS, NO_LIBRARY))
        raise BuildError(f"{CHOICE}={name} is no target; give one of {known}, or nothing for this machine")
    return TARGETS.get(name or this_machine())


def chosen_compiler(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The command that CC names, split as a shell would split it, or zig.

    CC does not count for another system, whose code it does not make, nor on Windows, where gcc misaligns
    vectors on the stack.
    """
    elsewhere = environment.get(CHOICE) not in {None, "", this_machine()}
    return ZIG if elsewhere or os.name == "nt" else tuple(shlex.split(environment.get("CC", ""))) or ZIG


def build(target: Target, folder: Path, compiler: Sequence[str] = ZIG, flags: Sequence[str] = ()) -> Path:
    """Compile all sources, link them to one library and put that into a folder; nothing else is left there.

    Parameters
    ----------
    target : Target
        What to build for.
    folder : Path
        Where the library goes. A library of the same name is replaced in one step.
    compiler : sequence of str
        The compiler's command: zig, or one that compiles for the target without being told.
    flags : sequence of str
        Further flags, which win over those of the table. With ``-g`` the library keeps its symbols.

    Returns
    -------
    Path
        The library.

    Raises
    ------
    BuildError
        The compiler is not there, or fails.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        objects = [str(path) for path in compile_all(target, Path(place), compiler, flags)]
        strip = [] if "-g" in flags else ["-Wl,-x"] if target.library.endswith(".dylib") else ["-Wl,-s"]
        linked = Path(place, target.library)
        front = _front(target, compiler)
        _run([*front, *flags, "-shared", *target.link, *strip, "-o", str(linked), *objects])
        fresh = folder / f"{target.library}.{os.getpid()}"
        shutil.copy(linked, fresh)
        return fresh.replace(folder / target.library)


def compile_all(
    target: Target, folder: Path, compiler: Sequence[str] = ZIG, flags: Sequence[str] = ()
) -> list[Path]:
    """Compile all sources into a folder, for each form; arguments and errors are those of `build`."""
    commands: dict[Path, list[str]] = {}
    for source in sorted(SOURCES.glob("*.c")):
        forms: Mapping[str, Sequence[str]] = (
            {"baseline": (f"-DSOURCES={checksum()}u",)} if source.name == BASELINE else target.forms
        )
        for form, own in forms.items():
            path = folder / f"{source.stem}_{form}.o"
            front = [*_front(target, compiler), *own, f"-DFORM={form}", *flags]
            commands[path] = [*front, "-c", source.name, "-o", str(path)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_run, commands.values()))
    return list(commands)


def checksum() -> int:
    """CRC-32 of all C files and headers, by which the package knows its own library."""
    crc = 0
    for path in sorted(SOURCES.glob("*.[ch]")):
        crc = zlib.crc32(path.read_bytes(), crc)
    return crc


def _front(target: Target, compiler: Sequence[str]) -> list[str]:
    machine = ["-target", target.triple] if tuple(compiler) == ZIG else target.own
    return [*compiler, *machine, *_COMMON]


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        raise _failed(command, str(error)) from error
    if done.returncode:
        printed = (done.stderr + done.stdout).strip()
        raise _failed(command, printed or f"nothing; the exit code is {done.returncode}")
    sys.stderr.write(done.stderr)


def _failed(command: Sequence[str], printed: str) -> BuildError:
    return BuildError(
        f"the native library cannot be built: a compiler's command failed\n"
        f"  in {SOURCES}\n  {shlex.join(command)}\nIt printed:\n{printed}\n"
        f"Set CC to a C compiler that works here, CC=gcc (8 or later) or CC=clang, or set "
        f"{CHOICE}={NO_LIBRARY} for a package without the library, which codes slowly."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Build as the command line says; returns the exit code."""
    parser = argparse.ArgumentParser(description="Build the native library of sarcodec.")
    parser.add_argument("--target", choices=TARGETS, help=f"what to build for, instead of {CHOICE}")
    parser.add_argument("--compiler", help="command of the C compiler, instead of CC or zig")
    parser.add_argument("--flags", default="", help="further flags of the compiler")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="the library's")
    options = parser.parse_args(arguments)
    environment = dict(os.environ)
    if options.target:
        environment[CHOICE] = options.target
    compiler = shlex.split(options.compiler or "") or chosen_compiler(environment)
    try:
        target = wanted(environment)
        if target is None:
            sys.stderr.write(f"no library is built for {environment.get(CHOICE) or this_machine()}\n")
            return 1
        path = build(target, options.output, compiler, shlex.split(options.flags))
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
