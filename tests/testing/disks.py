"""Disks and devices without space."""

from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from testing.forked import ends_well

_NEWNS, _NEWUSER, _PRIVATE = 0x00020000, 0x10000000, 0x44000
_NOT_ALLOWED = "PermissionError: "


def full_device(folder: Path) -> Path:
    """A device that is always full; one of its own where this user may make it, else ``/dev/full``."""
    own = folder / "full"
    try:
        os.mknod(own, 0o20666, os.makedev(1, 7))
        own.open("rb").close()  # a file system may be mounted without devices
    except OSError:
        own.unlink(missing_ok=True)
        return Path("/dev/full")
    return own


def on_small_disk(work: Callable[[Path], object], megabytes: int, *, seconds: float = 120) -> str | None:
    """Run `work` in a child that sees a disk of its own in a folder; how it ended, see :func:`ends_well`.

    None where this user may not mount one. Other processes do not see the disk, and it goes with the child.
    """

    def inside() -> None:
        libc = ctypes.CDLL(None, use_errno=True)

        def allowed(result: int) -> None:
            if result:
                raise PermissionError(os.strerror(ctypes.get_errno()))

        root = os.geteuid() == 0
        user, group = os.geteuid(), os.getegid()
        allowed(libc.unshare(_NEWNS if root else _NEWNS | _NEWUSER))
        if not root:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"0 {user} 1")
            Path("/proc/self/gid_map").write_text(f"0 {group} 1")
        allowed(libc.mount(b"none", b"/", None, _PRIVATE, None))
        allowed(libc.mount(b"none", os.fsencode(folder), b"tmpfs", 0, f"size={megabytes}m".encode()))
        work(Path(folder))

    with tempfile.TemporaryDirectory() as folder:
        ended = ends_well(inside, seconds=seconds)
    return None if ended.startswith(_NOT_ALLOWED) else ended
