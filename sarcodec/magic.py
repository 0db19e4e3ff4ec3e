"""What kind of file a file is, by its first bytes; for messages only."""

from __future__ import annotations

OURS = "a .sarc file"
_KINDS: tuple[tuple[bytes, str], ...] = (
    (b"\x89SARC", OURS),
    (b"II*\0", "a TIFF"),
    (b"MM\0*", "a TIFF"),
    (b"II+\0", "a TIFF"),
    (b"MM\0+", "a TIFF"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"CDF\x01", "a netCDF file"),
    (b"CDF\x02", "a netCDF file"),
    (b"CDF\x05", "a netCDF file"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"<VRTDataset", "a VRT"),
    (b"EHFA_HEADER_TAG", "an ERDAS Imagine image"),
    (b"PK\3\4", "a zip archive"),
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ", "an xz file"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
)
PACKED = frozenset(
    {"a zip archive", "a gzip file", "a bzip2 file", "an xz file", "a 7z archive", "a Zstandard file"}
)
"""Kinds that hold other files."""
ENOUGH = 16
"""Bytes that decide."""


def kind_of(start: bytes) -> str | None:
    """Name of the kind of a file that begins with `start`, with its article; None for any other."""
    return next((name for magic, name in _KINDS if start.startswith(magic)), None)
