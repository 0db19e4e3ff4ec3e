"""The shared library: where it is, and which form of the processor its kernels are called for."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from sarcodec.errors import SarcError, UsageError
from sarcodec.native.streams import SinkStruct, SourceStruct, TablesStruct

log = logging.getLogger(__name__)

NUMPY: Final = "numpy"
"""The form without a library: twins in NumPy and plain Python."""
FORMS: Final = {"avx512vnni": 2, "avx2": 1, "neon": 4}
"""Forms of the library, the fastest first, with their bits in what ``sarcodec_processor`` says."""
CHOICE, PLACE = "SARCODEC_CPU", "SARCODEC_LIBRARY"
"""Variables that name a form, and another library than the installed one."""

_SLOW = (
    "no native library runs here: entropy coding is done by NumPy and Python, many times slower "
    f"(install a wheel for this platform, or set {CHOICE}={NUMPY} to hear no more of it)"
)
HERE: Final = Path(__file__).parent
_FILES = {"win32": "sarcodec.dll", "darwin": "libsarcodec.dylib"}
_ADDRESS, _I32, _I64 = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
_SOURCE, _SINK, _TABLES = (ctypes.POINTER(kind) for kind in (SourceStruct, SinkStruct, TablesStruct))
KERNELS: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "rans_write": (_I32, (_SINK, _TABLES, _ADDRESS, _ADDRESS, _I64)),
    "rans_read": (_I32, (_SOURCE, _TABLES, _ADDRESS, _I64, _ADDRESS)),
    "trellis_read": (_I32, (_SOURCE, _TABLES, _ADDRESS, _I64, _ADDRESS, _ADDRESS)),
    "trellis_search": (
        _I32,
        (
            *(_ADDRESS, _ADDRESS, _I64, _ADDRESS, _ADDRESS, _I32),
            *(_ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS, _I64, _I64, _I64),
        ),
    ),
    "gather": (_I64, (_ADDRESS, _ADDRESS, _ADDRESS, _I64, _I64, _ADDRESS, _ADDRESS, _I64)),
    "scatter": (_I32, (_ADDRESS, _I64, _ADDRESS, _I64, _I64, _ADDRESS)),
    **dict.fromkeys(
        ("logarithms_f32", "logarithms_f64", "powers_f32", "powers_f64"),
        (_I32, (_ADDRESS, _I64, ctypes.c_double, _ADDRESS)),
    ),
    **dict.fromkeys(
        ("lapped_synthesis", "lapped_analysis"),
        (_I32, (_ADDRESS, _I64, _I64, _ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS)),
    ),
}
"""Result and arguments of each kernel, as in its C file."""


@dataclass(frozen=True)
class Form:
    """Kernels for one form of the processor; the form NUMPY has none."""

    name: str
    functions: dict[str, Callable[..., int]]


def own() -> Path:
    """Where the library of this installation is, if it has one."""
    return HERE / _FILES.get(sys.platform, "libsarcodec.so")


@cache
def _library() -> ctypes.CDLL | None:
    """The library, or None if this installation has none."""
    named = os.environ.get(PLACE)
    path = Path(named).absolute() if named else own()
    if not named and not path.exists():
        return None
    hint = f"Name another, or unset {PLACE}." if named else "Install sarcodec again."
    refused = UsageError if named else SarcError
    try:
        library = ctypes.CDLL(str(path))
        built_from = int(library.sarcodec_sources()) & 0xFFFFFFFF
    except (OSError, AttributeError) as error:
        raise refused(f"the library {path} cannot be loaded: {error}", hint=hint) from error
    if any(HERE.glob("*.c")) and built_from != _checksum():  # without C files, they came together
        raise refused(
            f"the library {path} was built from other C files than those of this package", hint=hint
        )
    return library


@cache
def runs_here(name: str) -> bool:
    """Whether the library is here and the processor has what a form needs; the form NUMPY runs everywhere."""
    library = None if name == NUMPY else _library()
    return name == NUMPY or (library is not None and bool(library.sarcodec_processor() & FORMS[name]))


@cache
def form(name: str) -> Form:
    """The form of this name.

    Raises
    ------
    UsageError
        There is none, or it does not run here.
    """
    if name != NUMPY and name not in FORMS:
        raise UsageError(f"{CHOICE}={name} is no form of the processor", hint=f"Give {_known()}.")
    if not runs_here(name):
        what = "this processor lacks its instructions" if _library() else "this installation has no library"
        fitting = ", ".join(other for other in (*FORMS, NUMPY) if runs_here(other))
        raise UsageError(f"{CHOICE}={name}: {what}", hint=f"Here {fitting} can be given, or nothing.")
    functions = {}
    if name != NUMPY:
        for kernel, (result, arguments) in KERNELS.items():
            function = getattr(_library(), f"sarcodec_{kernel}_{name}")
            function.restype, function.argtypes = result, arguments
            functions[kernel] = function
    return Form(name, functions)


def _known() -> str:
    return ", ".join((*FORMS, NUMPY)[:-1]) + f" or {NUMPY}"


def _checksum() -> int:
    """CRC-32 of the C files, as build.py has it: other kernels would write where they must not."""
    crc = 0
    for source in sorted(HERE.glob("*.[ch]")):
        crc = zlib.crc32(source.read_bytes(), crc)
    return crc


_borrowed: list[Form] = []
"""Forms of :func:`using`, the last one in use."""
_default: list[Form] = []
_lock = threading.Lock()


def chosen() -> Form:
    """The form in use: what SARCODEC_CPU names, or else the fastest that runs here."""
    for form_in_use in (*_borrowed[-1:], *_default):
        return form_in_use
    with _lock:
        if not _default:
            named = os.environ.get(CHOICE)
            name = named or next(other for other in (*FORMS, NUMPY) if runs_here(other))
            if not named and name == NUMPY:
                log.warning(_SLOW)
            _default.append(form(name))
        return _default[0]


@contextmanager
def using(other: str | Form) -> Iterator[None]:
    """Use another form within the block, in all threads; blocks of several threads may not overlap."""
    _borrowed.append(form(other) if isinstance(other, str) else other)
    try:
        yield
    finally:
        _borrowed.pop()
