"""Encodes and decodes whose bytes are pinned, and what this processor makes of them.

``python -m testing.pinned`` prints, as JSON, what each case gives; ``--write`` writes it to `PINS`.
Floats round alike on few processors, so the child runs with the instructions that all x86-64 processors of
the last ten years have. Those that compute otherwise even so are found by :func:`arithmetic`.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from testing.scenes import dn, power

Array = npt.NDArray[Any]
Way = Mapping[str, Mapping[str, Any]]
"""Arguments of `open` and of `read`."""

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
PINS = GOLDEN / "pins.json"
TOY = str(GOLDEN / "toy1.safetensors")
TRELLIS, PLAIN, RESIDUAL = (
    str(GOLDEN / f"toy_{name}.safetensors") for name in ("trellis", "plain", "residual")
)

SETTINGS = {
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "MKL_CBWR": "COMPATIBLE",
    "OPENBLAS_CORETYPE": "Haswell",
    "OMP_NUM_THREADS": "1",
    # NumPy names a group of these X86_V4 from 2.4 on. A name that a version does not know is left out.
    "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL "
    "X86_V4 AVX512_ICL AVX512_SPR",
}
"""What the child is told of its processor."""
ARITHMETIC = "2a00d89ff99b0e3b82b42e44420991cc"
"""What :func:`arithmetic` gave when the pins were written."""


@dataclass(frozen=True)
class Case:
    """One raster, how it is encoded, and the ways in which the file is decoded."""

    make: Callable[[], Array]
    """Shape (bands, height, width)."""
    encode: Mapping[str, Any]
    """Arguments of `encode_array`; of `encode` if there are bands to choose."""
    decodes: Mapping[str, Way] = field(default_factory=dict)
    """By a name; a plain decode is made as well."""


def _db(h: int, w: int, seed: int) -> Array:
    return (10 * np.log10(power((h, w), seed))).astype(np.float32)


def _holed(image: Array, value: float) -> Array:
    """`image` with a border, a slanted edge and a hole of `value`."""
    rows, cols = np.indices(image.shape)
    invalid = (cols < 9) | (rows + 2 * cols > 1.9 * (image.shape[0] + image.shape[1])) | (rows < 5)
    invalid[40:58, 30:77] = True
    return np.where(invalid, image.dtype.type(value), image)


def _polarisations(h: int, w: int) -> Array:
    """Two polarisations of one ground, as power."""
    ground = power((h, w), 21)[:, :, None].repeat(2, 2).transpose(2, 0, 1)
    blocks = ground[:, ::8, ::8].repeat(8, 1).repeat(8, 2)[:, :h, :w]
    speckle = np.random.default_rng(22).gamma(4.0, 0.25, (2, h, w))
    cube: Array = blocks * speckle * np.array([1.0, 0.2])[:, None, None]
    return cube.astype(np.float32)


def _port(h: int, w: int) -> Array:
    """DN with bright targets, at the edges of tiles too."""
    image, rng = dn((h, w), 15), np.random.default_rng(15)
    image[rng.integers(0, h, 60), rng.integers(0, w, 60)] = rng.integers(1500, 9000, 60)
    image[[h // 2, h - 1], [1023, w - 1]] = 5000
    return image


def _masked() -> Array:
    image = dn((120, 150), 33)[None]
    hidden = np.add.outer(np.arange(120), np.arange(150))[None] < 40
    masked_where: Callable[..., Array] = np.ma.masked_where  # NumPy 1 has no types for it
    return masked_where(hidden, image)


def _mixed() -> Array:
    return np.stack([_db(130, 140, 31), (0.2 * power((130, 140), 32)).astype(np.float32)])


_WINDOW = {"window": (37, 21, 90, 60)}
_SIDES: dict[str, Way] = {
    "unbiased": {"open": {"unbiased": True}},
    "textured": {"open": {"texture": "speckle"}},
}
_OVERVIEWS: dict[str, Way] = {f"reduce {n}": {"read": {"reduce": n}} for n in (2, 4, 8, 16)}

CASES: dict[str, Case] = {
    "uint16 quality": Case(
        lambda: dn((300, 280), 1)[None],
        {"quality": 50},
        {"window": {"read": _WINDOW}, "base": {"open": {"base_only": True}}, **_OVERVIEWS},
    ),
    "uint16 bpp": Case(lambda: dn((300, 280), 2)[None], {"bpp": 0.4, "quantity": "dn"}),
    "uint16 rmse": Case(lambda: dn((300, 280), 3)[None], {"rmse_db": 1.5, "scale": "dn"}),
    "uint16 nodata edges": Case(lambda: _holed(dn((290, 310), 4), 0)[None], {"quality": 60, "nodata": 0}),
    "float32 db nan": Case(lambda: _holed(_db(200, 210, 5), np.nan)[None], {"quality": 70, "scale": "db"}),
    "float32 power bpp": Case(
        lambda: power((260, 250), 6).astype(np.float32)[None], {"bpp": 0.25, "scale": "power"}
    ),
    "float64 amplitude": Case(
        lambda: np.sqrt(power((140, 150), 7))[None],
        {"quality": 100, "scale": "amplitude", "quantity": "beta0"},
    ),
    "uint8": Case(lambda: np.clip(dn((150, 130), 8) / 3, 1, 255).astype(np.uint8)[None], {"quality": 40}),
    "int8": Case(
        lambda: np.clip(_db(120, 100, 9), -50, 20).astype(np.int8)[None], {"quality": 80, "scale": "db"}
    ),
    "int16": Case(
        lambda: _holed(dn((150, 170), 10).astype(np.int16), -7)[None],
        {"quality": 55, "nodata": -7, "scale": "dn"},
    ),
    "uint32": Case(
        lambda: dn((90, 80), 11).astype(np.uint32)[None] * 50, {"quality": 65, "scale": "amplitude"}
    ),
    "int32": Case(lambda: dn((90, 80), 12).astype(np.int32)[None] * 40, {"quality": 30, "scale": "power"}),
    "two bands predicted": Case(
        lambda: _polarisations(300, 270),
        {"quality": 50, "scale": "power", "quantity": "sigma0", "jobs": 2},
        {"second": {"read": {"band": 2, **_WINDOW}}, "base": {"open": {"base_only": True}}, **_OVERVIEWS},
    ),
    "two bands bpp": Case(lambda: _polarisations(280, 300), {"bpp": 0.3, "scale": "power"}),
    "two bands rmse": Case(_mixed, {"rmse_db": 1.2, "scale": "db,power"}),
    "masked array": Case(_masked, {"quality": 50, "scale": "dn"}),
    "gains": Case(
        lambda: _holed(dn((310, 200), 14), 0)[None], {"quality": 35, "radiometry": True, "nodata": 0}, _SIDES
    ),
    "gains of 16": Case(
        lambda: _polarisations(150, 160), {"bpp": 0.5, "radiometry": 16, "scale": "power"}, _SIDES
    ),
    "targets": Case(
        lambda: _port(60, 1060)[None],
        {"quality": 40, "targets": True, "scale": "dn", "model": TOY},
        {"without": {"open": {"targets": False}}, "window": {"read": {"window": (1000, 10, 60, 40)}}},
    ),
    "texture": Case(
        lambda: _holed(dn((200, 180), 16), 0)[None], {"quality": 30, "texture": True, "nodata": 0}, _SIDES
    ),
    "all layers, tiles": Case(
        lambda: np.stack([_port(1100, 1050), _port(1100, 1050)]),
        {
            "bpp": 0.8,
            "targets": True,
            "radiometry": 64,
            "texture": True,
            "scale": "dn",
            "model": TOY,
            "jobs": 2,
        },
        {**_SIDES, "across": {"read": {"window": (1000, 990, 50, 70)}}, "reduce 4": {"read": {"reduce": 4}}},
    ),
    "toy rmse tiles": Case(
        lambda: _holed(_db(70, 3300, 17), np.nan)[None], {"rmse_db": 1.4, "scale": "db", "model": TOY}
    ),
    "trellis": Case(
        lambda: _holed(dn((200, 190), 18), 0)[None], {"quality": 75, "nodata": 0, "model": TRELLIS}
    ),
    "trellis bpp": Case(lambda: dn((230, 210), 18)[None], {"bpp": 1.1, "model": TRELLIS}),
    "plain": Case(
        lambda: _holed(dn((150, 130), 19), 0)[None],
        {"quality": 70, "nodata": 0, "model": PLAIN},
        {"reduce 4": {"read": {"reduce": 4}}},
    ),
    "residual": Case(lambda: _db(140, 165, 20)[None], {"quality": 60, "scale": "db", "model": RESIDUAL}),
    "nothing valid": Case(lambda: np.full((1, 20, 30), np.nan, np.float32), {"quality": 50, "scale": "db"}),
    "one pixel": Case(lambda: np.full((1, 1, 1), 321, np.uint16), {"quality": 50, "scale": "dn"}),
}
"""Every option, dtype and scale of an encode, and the ways to decode what it gives."""


def sha(data: bytes) -> str:
    """Start of the SHA-256, enough to tell two files apart."""
    return hashlib.sha256(data).hexdigest()[:32]


def pixels(array: Array) -> dict[str, Any]:
    """Digest of an array, to the bit, and numbers that hardly move if its floats are rounded otherwise."""
    plain = np.ascontiguousarray(array)
    bits = f"{plain.dtype.str} {plain.shape}".encode() + plain.tobytes()
    finite = plain[np.isfinite(plain)].astype(np.float64)
    return {"sha": sha(bits), "mean": float(finite.mean()) if finite.size else 0.0, "valid": int(finite.size)}


def result(case: Case) -> dict[str, Any]:
    """What a case gives here."""
    import sarcodec

    data = sarcodec.encode_array(case.make(), device="cpu", **{"jobs": 1, **case.encode})
    found: dict[str, Any] = {"sha": sha(data), "bytes": len(data), "decodes": {}}
    model = case.encode.get("model")
    ways: dict[str, Way] = {"plain": {}, **case.decodes}
    for name, way in ways.items():
        try:
            with sarcodec.open(data, model=model, jobs=2, device="cpu", **way.get("open", {})) as coded:
                found["decodes"][name] = pixels(coded.read(**way.get("read", {})))
        except sarcodec.SarcError as error:
            found["decodes"][name] = {"error": type(error).__name__}
    return found


def through_files(folder: Path) -> dict[str, Any]:
    """A GeoTIFF of two bands and nodata through `encode`, `extract` and `decode`."""
    import sarcodec
    from sarcodec.io.raster import RasterSink, RasterSource
    from sarcodec.metadata import RasterMeta
    from sarcodec.types import Window

    cube = np.stack([_holed(dn((220, 260), 23), 0), _holed(dn((220, 260), 24), 0)])
    utm = (10.0, 0.0, 399960.0, 0.0, -10.0, 5300040.0)
    meta = RasterMeta(260, 220, 2, "uint16", nodata=0, crs="EPSG:32633", transform=utm, tags={"": {"A": "b"}})
    scene, coded, first, back = (
        folder / name for name in ("scene.tif", "scene.sarc", "first.sarc", "back.tif")
    )
    with RasterSink(scene, meta, overwrite=True) as sink:
        for number, band in enumerate(cube):
            _write(sink, number, band, Window(0, 0, 260, 220))
    sarcodec.encode(scene, coded, quality=50, bands=[2, 1], scale="dn", device="cpu", jobs=1)
    sarcodec.extract(coded, first, layers=1)
    found: dict[str, Any] = {"sha": sha(coded.read_bytes()), "bytes": coded.stat().st_size, "decodes": {}}
    found["decodes"]["extracted"] = {"sha": sha(first.read_bytes()), "mean": 0.0, "valid": 0}
    for source in coded, first:
        sarcodec.decode(source, back, device="cpu", overwrite=True, window=(0, 0, 200, 100))
        with RasterSource(back) as opened:
            array = np.stack([_read(opened, band, Window(0, 0, 200, 100)) for band in (0, 1)])
        found["decodes"][source.stem] = pixels(array)
    return found


def _write(sink: Any, band: int, array: Array, window: Any) -> None:
    sink.write(band, array, window)


def _read(source: Any, band: int, window: Any) -> Array:
    out: Array = source.read(band, window)
    return out


def arithmetic() -> str:
    """Digest of logarithms, powers and convolutions of floats: if it is the same, so are the bytes.

    Products of matrices and Fourier transforms of NumPy are left out. They round otherwise in each version of
    NumPy, and no pinned byte depends on their last bits.
    """
    import torch
    import torch.nn.functional as F

    x = np.sin(np.arange(3 * 64 * 40 * 40, dtype=np.float64)).astype(np.float32) + np.float32(1.5)
    parts = [np.log10(x), np.exp(x)]
    image = torch.from_numpy(x).reshape(3, 64, 40, 40)
    with torch.inference_mode():
        for layout in (torch.contiguous_format, torch.channels_last):
            y = image.contiguous(memory_format=layout)
            for kernel in (1, 2, 3, 5):
                weight = image.flatten()[: 32 * 64 * kernel**2].reshape(32, 64, kernel, kernel) / 64
                parts.append(F.conv2d(y, weight.contiguous(memory_format=layout)).numpy())
        parts.append(torch.exp2(image).numpy())
    return sha(b"".join(np.ascontiguousarray(part).tobytes() for part in parts))


def here() -> dict[str, Any]:
    """What this process makes of all cases."""
    with tempfile.TemporaryDirectory() as folder:
        files = through_files(Path(folder))
    return {"arithmetic": arithmetic(), "cases": {**{k: result(v) for k, v in CASES.items()}, "files": files}}


def child() -> dict[str, Any]:
    """:func:`here` in a process that uses old instructions."""
    paths = {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "testing.pinned"],
        env={**os.environ, **paths, **SETTINGS},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PINS.write_text(json.dumps(child(), indent=1, sort_keys=True) + "\n")
    else:
        print(json.dumps(here()))  # noqa: T201
