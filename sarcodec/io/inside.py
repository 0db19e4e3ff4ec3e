"""What lies inside an input that is no raster itself: the names to give instead."""

from __future__ import annotations

import tarfile
import time
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from sarcodec.io.subdatasets import vsi
from sarcodec.magic import ENOUGH, PACKED, kind_of
from sarcodec.places import container

_TIFFS = (".tif", ".tiff")
_RASTERS = (*_TIFFS, ".img", ".jp2")
_SECONDS = 2.0
"""How long an archive is looked through for names at most."""
_ZARR = (".zgroup", ".zarray", ".zmetadata", "zarr.json")


def is_zarr(folder: Path) -> bool:
    """Whether the folder is a Zarr store."""
    return any((folder / name).is_file() for name in _ZARR)


def hint_of_folder(folder: Path) -> str:
    """What to give instead of a folder."""
    return named(_rasters_of_folder(folder)) or (
        "Give the raster file in it; in a Sentinel-1 SAFE folder, a measurement/*.tiff."
    )


def hint_of_zip(name: str) -> str | None:
    """What to give instead of a zip archive that holds rasters; None for any other file."""
    try:
        with Path(name).open("rb") as file:
            if file.read(4) != b"PK\3\4":
                return None
            with zipfile.ZipFile(file) as archive:
                members = archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return None
    return named(vsi("zip", name, member) for member in _rasters(members)) or None


def hint_of_unreadable(name: str) -> str | None:
    """What may help if GDAL finds no raster of this name; None if nothing is known."""
    path = Path(name)
    try:
        with path.open("rb") as file:
            start = file.read(2**16)
    except (OSError, ValueError):
        return _hint_of_name(name)
    return _hint_of_file(name, path, start)


def _hint_of_file(name: str, path: Path, start: bytes) -> str | None:
    if b"<Dimap_Document" in start and b"BEAM" in start:
        return _hint_of_dimap(path)
    kind = kind_of(start[:ENOUGH])
    gzipped = kind == "a gzip file"
    if _is_tar(_unpacked(start) if gzipped else start):
        found = named(vsi("tar", name, member) for member in _rasters(_members_of_tar(path)))
        reads = not gzipped or name.lower().endswith((".tar.gz", ".tgz"))
        return (reads and found) or "It is a tar archive: unpack it first, and give a raster in it."
    if gzipped:
        return f"Unpack it first, which reads faster, or give {vsi('gzip', name)}."
    if kind in PACKED:
        return f"It is {kind}: unpack it first, and give a raster in it."
    if path.suffix.lower() == ".img" and not path.with_suffix(".hdr").exists():
        return f"The header {path.with_suffix('.hdr')} is missing; it tells what the bytes of the .img mean."
    return None


def _hint_of_name(name: str) -> str | None:
    """What may help for a folder, or for a raster within a file."""
    held = container(name)
    if held is None:
        return None
    if Path(held).is_dir() and is_zarr(Path(held)):
        return (
            "Arrays of Zarr version 2 can be read, by names such as "
            f'ZARR:"{held}":/VV; write any other array to a GeoTIFF first.'
        )
    return None if held == name else f"Give {held} by itself to see names of the rasters in it."


def _is_tar(start: bytes) -> bool:
    return start[257:262] == b"ustar"


def _unpacked(start: bytes) -> bytes:
    """The first bytes in a gzip file that begins with `start`."""
    try:
        return zlib.decompressobj(wbits=31).decompress(start, 512)
    except zlib.error:
        return b""


def _hint_of_dimap(header: Path) -> str:
    data = header.with_suffix(".data")
    found = named(sorted(str(path) for path in data.glob("*.img")))
    what = "It is the header of a BEAM-DIMAP product. "
    return what + (found or f"Give a raster in its folder: {data / 'Sigma0_VV.img'}, for example.")


def named(found: Iterable[str]) -> str:
    """A hint that names rasters; empty if there are none."""
    names = list(found)
    rest = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"Give a raster in it: {', '.join(names[:4])}{rest}." if names else ""


def _rasters(names: Iterable[str]) -> list[str]:
    """Names of rasters, TIFFs if there are any."""
    listed = sorted(name for name in names if name.isprintable() and name.lower().endswith(_RASTERS))
    return [name for name in listed if name.lower().endswith(_TIFFS)] or listed


def _rasters_of_folder(folder: Path) -> list[str]:
    """Rasters in the folder, or in the measurement folder of a Sentinel-1 product."""
    for place in (folder / "measurement", folder):
        try:
            found = _rasters(str(path) for path in place.iterdir())
        except OSError:
            continue
        if found:
            return found
    return []


class _Hasty:
    """A file for reading that ends when the time is up."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._end = time.monotonic() + _SECONDS

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size) if time.monotonic() < self._end else b""

    def close(self) -> None:
        self._file.close()


def _members_of_tar(path: Path) -> list[str]:
    """Names of files in an archive, as many as are found within the time."""
    names: list[str] = []
    try:
        file = _Hasty(path)
    except OSError:
        return names
    try:
        with tarfile.open(fileobj=file, mode="r|*") as archive:  # type: ignore[call-overload]
            names.extend(member.name.removeprefix("./") for member in archive if member.isfile())
    except (OSError, EOFError, tarfile.TarError, ValueError):
        pass
    finally:
        file.close()
    return names
