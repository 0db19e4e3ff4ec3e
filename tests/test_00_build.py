"""The native library: what every compiler makes of the C files, the table of targets, and the build hook."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from sarcodec.native import library
from testing.needed import needed

ROOT = Path(__file__).parents[1]
NATIVE = ROOT / "sarcodec" / "native"


def load(path: Path) -> Any:
    """A module by its path, as the hook and hatchling load it; the installed package has no hook."""
    spec = importlib.util.spec_from_file_location(f"loaded_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if TYPE_CHECKING:
    from sarcodec.native import build as native
else:
    native = load(NATIVE / "build.py")

TARGETS = sorted(native.TARGETS)
HERE = native.TARGETS.get(native.this_machine())
GCC, CLANG, ZIG = ("gcc",), ("clang",), native.ZIG
MEMORY = {"memcpy", "memmove", "memset", "memcmp"}


def there(compiler: tuple[str, ...]) -> tuple[str, ...]:
    """The compiler, or a skipped test."""
    needed("ziglang" if compiler == ZIG else compiler[0])
    return compiler


def this_target() -> native.Target:
    if HERE is None:
        pytest.skip(f"{native.this_machine()} is no target")
    return HERE


def exported(target: native.Target) -> set[str]:
    """Names that the C files say they export, in each form of a target."""
    kernels = [
        name
        for source in NATIVE.glob("*.c")
        for name in re.findall(r"^EXPORT\b[^;{(]*\bNAME\((\w+)\)", source.read_text(), re.MULTILINE)
    ]
    assert set(kernels) == set(library.KERNELS)
    return {"sarcodec_processor", "sarcodec_sources"} | {
        f"sarcodec_{name}_{form}" for name in kernels for form in target.forms
    }


def read(tool: str, *arguments: str) -> str:
    """What a tool of the binutils prints about a library."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    return subprocess.run([tool, *arguments], capture_output=True, text=True, check=True).stdout


compilers = pytest.mark.parametrize("compiler", [GCC, CLANG, ZIG], ids=["gcc", "clang", "zig"])


@compilers
def test_every_form_compiles_without_a_warning_and_can_be_called(
    compiler: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    target = this_target()
    path = native.build(target, tmp_path / "made", there(compiler), ["-Werror"])
    assert list((tmp_path / "made").iterdir()) == [path]
    assert capfd.readouterr() == ("", "")
    loaded = ctypes.CDLL(str(path), mode=getattr(os, "RTLD_NOW", 0))  # every name it needs is found
    assert all(hasattr(loaded, name) for name in exported(target))
    assert loaded.sarcodec_processor() >= 0


@compilers
@pytest.mark.skipif(sys.platform != "linux", reason="reads ELF files")
def test_a_library_exports_its_kernels_only_and_needs_memory_functions_of_libc_only(
    compiler: tuple[str, ...], tmp_path: Path
) -> None:
    target = this_target()
    path = str(native.build(target, tmp_path, there(compiler)))
    assert set(re.findall(r" [A-Z] (\w+)", read("nm", "-D", "--defined-only", path))) == exported(target)
    assert set(re.findall(r" U (\w+)", read("nm", "-D", path))) <= MEMORY
    assert set(re.findall(r"NEEDED.*\[(.*)\]", read("readelf", "-dW", path))) <= {"libc.so.6"}


@pytest.mark.parametrize("name", TARGETS)
def test_zig_compiles_every_form_of_every_target_without_a_warning(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    native.compile_all(native.TARGETS[name], tmp_path, there(ZIG), ["-Werror"])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["linux-aarch64", "linux-x86_64", "macos-arm64"])
def test_zig_links_a_library_for_another_system(name: str, tmp_path: Path) -> None:
    """Not for Windows, whose C library zig would build first, for a minute."""
    target = native.TARGETS[name]
    made = native.build(target, tmp_path, there(ZIG)).read_bytes()
    machine = {"linux-aarch64": (18, 0xB7), "linux-x86_64": (18, 62), "macos-arm64": (4, 12)}[name]
    assert made.startswith(b"\xcf\xfa\xed\xfe" if name == "macos-arm64" else b"\x7fELF\x02")
    assert made[machine[0]] == machine[1]
    assert all(kernel.encode() + b"\0" in made for kernel in exported(target))


@pytest.mark.parametrize(
    ("compiler", "name"),
    [(GCC, None), (CLANG, None), (ZIG, "linux-x86_64"), (ZIG, "linux-aarch64"), (ZIG, "macos-arm64")],
    ids=["gcc", "clang", "zig-linux-x86_64", "zig-linux-aarch64", "zig-macos-arm64"],
)
def test_a_library_has_the_same_bytes_wherever_it_is_built(
    compiler: tuple[str, ...], name: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = native.TARGETS[name] if name else this_target()
    first = native.build(target, tmp_path / "a", there(compiler))
    shutil.copytree(NATIVE, tmp_path / "moved", ignore=shutil.ignore_patterns("*.so"))
    monkeypatch.setattr(native, "SOURCES", tmp_path / "moved")
    second = native.build(target, tmp_path / "b", compiler)
    assert first.read_bytes() == second.read_bytes()


def test_further_flags_win_and_symbols_stay_for_a_debugger(tmp_path: Path) -> None:
    path = native.build(this_target(), tmp_path, there(GCC), ["-g", "-O1"])
    assert ".debug_info" in read("readelf", "-SW", str(path))


@pytest.mark.parametrize("form", ["avx2", "avx512vnni"])
@pytest.mark.parametrize("compiler", [GCC, CLANG, ZIG], ids=["gcc", "clang", "zig"])
def test_a_form_has_the_instructions_of_its_name(form: str, compiler: tuple[str, ...]) -> None:
    target = native.TARGETS["linux-x86_64"]
    if HERE is not target and compiler != ZIG:
        pytest.skip("needs a compiler for x86-64")
    asked = [*there(compiler), *(["-target", target.triple] if compiler == ZIG else [])]
    done = subprocess.run(
        [*asked, *target.forms[form], "-dM", "-E", "-xc", "-"],
        input="",
        capture_output=True,
        text=True,
        check=True,
    )
    macros = set(re.findall(r"#define __(\w+)__ 1", done.stdout))
    assert {"AVX2", "BMI", "BMI2", "LZCNT", "POPCNT"} <= macros
    wide = {"AVX512F", "AVX512BW", "AVX512DQ", "AVX512VL", "AVX512VNNI"}
    assert macros & wide == (wide if form == "avx512vnni" else set())


def test_wheels_of_zig_run_on_old_systems_and_those_of_another_compiler_say_which_system_they_need() -> None:
    tags = {name: (target.tag(zig=True), target.tag(zig=False)) for name, target in native.TARGETS.items()}
    assert tags == {
        "linux-x86_64": ("py3-none-manylinux_2_17_x86_64", "py3-none-linux_x86_64"),
        "linux-aarch64": ("py3-none-manylinux_2_17_aarch64", "py3-none-linux_aarch64"),
        "macos-arm64": ("py3-none-macosx_11_0_arm64", "py3-none-macosx_11_0_arm64"),
        "windows-x86_64": ("py3-none-win_amd64", "py3-none-win_amd64"),
    }


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("linux", "x86_64", "linux-x86_64"),
        ("linux", "aarch64", "linux-aarch64"),
        ("darwin", "arm64", "macos-arm64"),
        ("win32", "AMD64", "windows-x86_64"),
        ("linux", "riscv64", None),
        ("darwin", "x86_64", None),
        ("freebsd14", "amd64", None),
    ],
)
def test_this_machine_is_found_in_the_table_or_gets_no_library(
    system: str, machine: str, name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("platform.libc_ver", lambda: ("glibc", "2.36"))
    found = native.wanted({})
    assert (found and found.name) == name


def test_the_library_of_glibc_is_not_built_on_a_system_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    assert native.wanted({}) is None
    assert native.wanted({"SARCODEC_TARGET": "linux-x86_64"}) == native.TARGETS["linux-x86_64"]


def test_a_python_of_32_bits_gets_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "maxsize", 2**31 - 1)
    assert native.wanted({}) is None


def test_a_target_can_be_named_or_declined_and_an_unknown_one_is_refused_with_the_known_ones() -> None:
    assert native.wanted({"SARCODEC_TARGET": "macos-arm64"}) == native.TARGETS["macos-arm64"]
    assert native.wanted({"SARCODEC_TARGET": "any"}) is None
    with pytest.raises(
        native.BuildError, match=r"SARCODEC_TARGET=amiga is no target; give one of linux-x86_64, .*any"
    ):
        native.wanted({"SARCODEC_TARGET": "amiga"})


def test_cc_is_split_as_a_shell_splits_it_and_zig_is_the_compiler_without_it() -> None:
    assert native.chosen_compiler({"CC": "ccache gcc -m64"}) == ("ccache", "gcc", "-m64")
    assert native.chosen_compiler({"CC": " "}) == native.chosen_compiler({}) == ZIG


def test_another_system_is_built_for_by_zig_whatever_cc_is() -> None:
    """A gcc of this machine would put its own code into that system's wheel."""
    other = "macos-arm64" if native.this_machine() != "macos-arm64" else "linux-x86_64"
    assert native.chosen_compiler({"CC": "gcc", "SARCODEC_TARGET": other}) == ZIG
    assert native.chosen_compiler({"CC": "gcc", "SARCODEC_TARGET": native.this_machine()}) == GCC


def test_a_failing_compiler_is_told_with_its_command_its_words_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(native.BuildError) as caught:
        native.build(this_target(), tmp_path, there(GCC), ["-fno-such-flag"])
    text = str(caught.value)
    assert "gcc -std=c11" in text
    assert "-fno-such-flag -c " in text
    assert "unrecognized command-line option" in text
    assert "CC=gcc" in text
    assert "SARCODEC_TARGET=any" in text
    assert not list(tmp_path.iterdir())


def test_a_missing_compiler_is_told_the_same_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = this_target().name
    assert native.main(["--target", name, "--compiler", "no-such-compiler -x", "-o", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "no-such-compiler -x -std=c11" in err
    assert "No such file" in err
    assert "SARCODEC_TARGET=any" in err


def test_the_file_runs_by_itself_and_prints_where_the_library_is(tmp_path: Path) -> None:
    command = [sys.executable, "-I", str(NATIVE / "build.py"), "--target", this_target().name]
    done = subprocess.run(
        [*command, "--compiler", *there(GCC), "-o", str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()) == tmp_path / this_target().library
    assert (tmp_path / this_target().library).exists()


class Interface:
    """Stands in for hatchling's class, which the build's environment has."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.warnings: list[str] = []
        self.app = SimpleNamespace(display_warning=self.warnings.append)

    def __class_getitem__(cls, _: object) -> type:
        return cls


@pytest.fixture
def hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The build hook over a copy of the C files."""
    interface = ModuleType("interface")
    interface.__dict__["BuildHookInterface"] = Interface
    monkeypatch.setitem(sys.modules, "hatchling.builders.hooks.plugin.interface", interface)
    for name in ("CC", "SARCODEC_TARGET"):
        monkeypatch.delenv(name, raising=False)
    ignore = shutil.ignore_patterns("*.so", "*.dylib", "*.dll", "__pycache__")
    shutil.copytree(NATIVE, tmp_path / "sarcodec" / "native", ignore=ignore)
    return load(ROOT / "hatch_build.py").NativeLibraryHook(str(tmp_path))


def fresh() -> dict[str, Any]:
    return {"pure_python": True, "force_include": {}}


def test_the_hook_asks_for_zig_only_if_zig_compiles(hook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    this_target()
    assert hook.dependencies() == [native.ZIGLANG]
    monkeypatch.setenv("CC", "gcc")
    assert hook.dependencies() == []
    monkeypatch.setenv("SARCODEC_TARGET", "windows-x86_64")
    assert hook.dependencies() == [native.ZIGLANG]
    monkeypatch.delenv("CC")
    monkeypatch.setenv("SARCODEC_TARGET", "any")
    assert hook.dependencies() == []


def test_a_wheel_gets_the_library_and_the_source_folder_does_not(
    hook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", *there(GCC))
    before, data = sorted(tmp_path.rglob("*")), fresh()
    hook.initialize("standard", data)
    ((path, inside),) = data["force_include"].items()
    assert inside == f"sarcodec/native/{this_target().library}"
    assert Path(path).exists()
    assert (data["tag"], data["pure_python"]) == (this_target().tag(zig=False), False)
    hook.finalize("standard", data, "")
    assert not Path(path).exists()
    assert sorted(tmp_path.rglob("*")) == before


def test_an_editable_installation_gets_the_library_beside_its_sources(
    hook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", *there(GCC))
    data = fresh()
    hook.initialize("editable", data)
    assert (tmp_path / "sarcodec" / "native" / this_target().library).exists()
    assert data["force_include"] == {}


@pytest.mark.parametrize("version", ["standard", "editable"])
def test_without_a_target_the_wheel_is_for_any_machine_and_the_build_says_so(
    version: str, hook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = tmp_path / "sarcodec" / "native" / "libsarcodec.so"
    earlier.write_bytes(b"of an earlier build")
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    data = fresh()
    hook.initialize(version, data)
    assert data == {"pure_python": True, "force_include": {}, "tag": "py3-none-any"}
    assert "built without its native library" in hook.warnings[0]
    assert "riscv64" in hook.warnings[0]
    assert earlier.exists() == (version == "standard")  # a wheel leaves out what git ignores


def test_the_tests_have_the_same_zig_as_the_build() -> None:
    described = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert native.ZIGLANG in described["project"]["optional-dependencies"]["dev"]
    assert not any("ziglang" in wanted for wanted in described["build-system"]["requires"])
