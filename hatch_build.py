"""The build hook: it compiles the C library into a wheel, or into the source folder of an editable one."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def _load(path: Path) -> ModuleType:
    """A module by its path: the package itself cannot be imported here, for want of its dependencies."""
    spec = importlib.util.spec_from_file_location("sarcodec_native_build", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class NativeLibraryHook(BuildHookInterface[Any]):
    """Builds the library by CC or by zig, for SARCODEC_TARGET or for this machine."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.native = Path(self.root, "sarcodec", "native")
        self.build = _load(self.native / "build.py")
        self.place: tempfile.TemporaryDirectory[str] | None = None

    def dependencies(self) -> list[str]:
        """What the build has to install first: zig, if it is the compiler."""
        needs_zig = self._target() is not None and self._compiler() == self.build.ZIG
        return [self.build.ZIGLANG] if needs_zig else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the library, and tell which platform the wheel is for."""
        target, compiler = self._target(), self._compiler()
        editable = version == "editable"
        if editable:  # one of an earlier build would be loaded
            for known in self.build.TARGETS.values():
                (self.native / known.library).unlink(missing_ok=True)
        if target is None:
            build_data["tag"] = self.build.ANY_TAG
            wanted = os.environ.get(self.build.CHOICE) or self.build.this_machine()
            self.app.display_warning(
                f"sarcodec is built without its native library, for {wanted}; it codes slowly"
            )
            return
        build_data["pure_python"] = False
        build_data["tag"] = target.tag(zig=compiler == self.build.ZIG)
        if editable:
            self.build.build(target, self.native, compiler)
        else:
            self.place = tempfile.TemporaryDirectory()
            library = self.build.build(target, Path(self.place.name), compiler)
            build_data["force_include"][str(library)] = f"sarcodec/native/{library.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove the library, which the wheel has by now."""
        if self.place is not None:
            self.place.cleanup()

    def _target(self) -> Any:
        return self.build.wanted(os.environ)

    def _compiler(self) -> Any:
        return self.build.chosen_compiler(os.environ)
