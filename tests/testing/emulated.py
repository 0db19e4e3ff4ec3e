"""Kernels of another processor, in a program under an emulator: called like those of a library.

The program is ``tests/native/serve.c``, linked with the kernels by zig.
"""

from __future__ import annotations

import ctypes
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sarcodec.native import build, library
from sarcodec.native.streams import SinkStruct, SourceStruct, TablesStruct

SERVE = Path(__file__).parents[1] / "native" / "serve.c"
ELEMENTWISE = {"logarithms_f32": (4, 4), "logarithms_f64": (8, 4), "powers_f32": (4, 4), "powers_f64": (4, 8)}
"""Bytes of an element that such a kernel takes, and of one that it makes."""
LAPPED = ("lapped_synthesis", "lapped_analysis")
KERNELS = (
    "rans_write",
    "rans_read",
    "trellis_read",
    "trellis_search",
    "gather",
    "scatter",
    *ELEMENTWISE,
    *LAPPED,
)
"""In the order of serve.c."""
STEP_BYTES = 64

Block = tuple[Any, int]
"""Address of a buffer, None if it has no bytes, and how many it has; a kernel may change them."""


def make(folder: Path) -> Path:
    """Compile the program for 64-bit ARM; a second."""
    program = folder / "serve"
    sources = sorted(build.SOURCES.glob("*.c"))
    command = [*build.ZIG, "-target", "aarch64-linux-musl", "-static", "-std=c11", "-O2", "-ffp-contract=off"]
    command += ["-Wall", "-Wextra", "-Werror", "-DFORM=neon", "-DSOURCES=0u", f"-I{build.SOURCES}"]
    subprocess.run([*command, "-o", program, SERVE, *sources], check=True)
    return program


class Emulated:
    """A running program, and its kernels as functions that take what those of a library take."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.functions: dict[str, Callable[..., int]] = {name: getattr(self, name) for name in KERNELS[:6]}
        self.functions |= {name: partial(self._elementwise, name) for name in ELEMENTWISE}
        self.functions |= {name: partial(self._lapped, name) for name in LAPPED}

    def rans_write(self, sink: SinkStruct, tables: TablesStruct, symbols: int, rows: int, n: int) -> int:
        numbers = [tables.rows, tables.columns, n, sink.capacity, sink.used, sink.state]
        blocks = [(sink.words, 4 * sink.capacity), (symbols, 4 * n), (rows, 2 * n)]
        result, numbers = self._call("rans_write", [*_tables(tables), *blocks], numbers)
        sink.used, sink.state = numbers[4:6]
        return result

    def rans_read(self, source: SourceStruct, tables: TablesStruct, rows: int, n: int, out: int) -> int:
        return self._read("rans_read", source, tables, n, [(rows, 2 * n), (out, 4 * n)])

    def trellis_read(
        self, source: SourceStruct, tables: TablesStruct, scale: int, n: int, shrink: int, out: int
    ) -> int:
        return self._read("trellis_read", source, tables, n, [(scale, n), (shrink, 24), (out, 4 * n)])

    def _read(
        self, kernel: str, source: SourceStruct, tables: TablesStruct, n: int, blocks: list[Block]
    ) -> int:
        numbers = [tables.rows, tables.columns, n, source.count, source.at, source.state, source.status]
        words = (source.words, 4 * source.count)
        result, numbers = self._call(kernel, [*_tables(tables), words, *blocks], numbers)
        source.at, source.state, source.status = numbers[4:7]
        return result

    def trellis_search(self, *arguments: Any) -> int:
        residual, scale, n, shrink, prices, places, symbols, rows, values, steps, room, piece, ahead = (
            arguments
        )
        blocks = [(residual, 4 * n), (scale, n), (shrink, 24), (prices, 128 * 2 * places * 2 * 4)]
        blocks += [(symbols, 4 * n), (rows, 2 * n), (values, 4 * n), (steps, STEP_BYTES * room)]
        return self._call("trellis_search", blocks, [n, places, room, piece, ahead])[0]

    def gather(self, *arguments: Any) -> int:
        values, scale, coded, channels, positions, values_out, scale_out, room = arguments
        cells, given = channels * positions, values is not None
        blocks = [(values, 4 * cells * given), (scale, cells), (coded, cells)]
        blocks += [(values_out, 4 * room * given), (scale_out, room)]
        return self._call("gather", blocks, [channels, positions, room, int(given)])[0]

    def scatter(self, *arguments: Any) -> int:
        values, n, coded, channels, positions, out = arguments
        cells = channels * positions
        return self._call(
            "scatter", [(values, 4 * n), (coded, cells), (out, 4 * cells)], [n, channels, positions]
        )[0]

    def _elementwise(self, kernel: str, values: int, n: int, factor: float, out: int) -> int:
        of_one, of_made = ELEMENTWISE[kernel]
        held = ctypes.c_double(factor)
        blocks = [(values, n * of_one), (out, n * of_made), (ctypes.addressof(held), 8)]
        return self._call(kernel, blocks, [n])[0]

    def _lapped(self, kernel: str, given: int, h: int, w: int, *places: int) -> int:
        rows, cols, room, made = places
        image, coefficients = 4 * 256 * (h + 1) * (w + 1), 4 * 256 * h * w
        lengths = (coefficients, image) if kernel == "lapped_synthesis" else (image, coefficients)
        line = 4 * 256 * (w + 1) * (2 if kernel == "lapped_synthesis" else 1)
        blocks = [(given, lengths[0]), (rows, 4 * 512), (cols, 4 * 512), (room, line), (made, lengths[1])]
        return self._call(kernel, blocks, [h, w])[0]

    def _call(self, kernel: str, blocks: list[Block], numbers: list[int]) -> tuple[int, list[int]]:
        """The kernel's result, and the numbers as it left them."""
        to, back = self.process.stdin, self.process.stdout
        assert to is not None
        assert back is not None
        held = struct.pack(f"<{len(numbers)}Q", *(number & (1 << 64) - 1 for number in numbers))
        lengths = [length for _, length in blocks] + [len(held)]
        to.write(struct.pack(f"<{2 + len(lengths)}q", KERNELS.index(kernel), len(lengths), *lengths))
        for place, length in blocks:
            to.write(ctypes.string_at(place, length) if length else b"")
        to.write(held)
        to.flush()
        (result,) = struct.unpack("<q", back.read(8))
        for place, length in blocks:
            answer = back.read(length)
            if length:
                ctypes.memmove(place, answer, length)
        return result, list(struct.unpack(f"<{len(numbers)}Q", back.read(len(held))))


def _tables(tables: TablesStruct) -> list[Block]:
    rows, columns = tables.rows, tables.columns
    return [
        (tables.cdf, 2 * rows * columns),
        (tables.size, 4 * rows),
        (tables.offset, 4 * rows),
        (tables.first, 256 * rows),
    ]


@contextmanager
def neon(program: Path) -> Iterator[None]:
    """Use the emulated form NEON within the block."""
    emulator = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    assert emulator is not None
    pipe = subprocess.PIPE
    with subprocess.Popen([emulator, program], stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None
        with process.stdin, library.using(library.Form("neon", Emulated(process).functions)):
            yield
