"""What a figure of speed or of a library depends on: versions and machine, without its name or its paths."""

from __future__ import annotations

import hashlib
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sarcodec import __version__, zoo
from sarcodec.model import products

_PACKAGES = ("torch", "numpy", "scipy", "rasterio", "compressai", "glymur", "imagecodecs")


def about(
    command: str, *, model: str | None, device: str, threads: int, quick: bool
) -> dict[str, str | float | bool]:
    """Date, command, model, versions, machine.

    Parameters
    ----------
    command : str
        What to run to get the same report.
    model : str, optional
        Id or path of our model; the default one where left out.
    device : str
        What our networks ran on.
    """
    path = zoo.find(model)
    packages = {name: found for name in _PACKAGES if (found := _version(name))}
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": command,
        "sarcodec": __version__,
        "model": path.parent.name if path.name == "model.safetensors" else path.name,
        "model_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "python": platform.python_version(),
        **packages,
        "os": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "byte_products": products.exact(),
        "cores": os.cpu_count() or 0,
        "memory_gb": _memory_gb(),
        "device": device,
        "threads": threads,
        "quick": quick,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def processor() -> str:
    """Model name of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or "unknown"


def _memory_gb() -> float:
    """Physical memory, 1e9 bytes; 0 where the system does not tell."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (ValueError, OSError):
        return 0.0
