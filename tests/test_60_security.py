"""What comes from elsewhere cannot run code, ask the network, or lead to other files."""

from __future__ import annotations

import ast
import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

import sarcodec
from conftest import TOY
from sarcodec.arrays import ArraySource
from sarcodec.bitstream.parts import ModelRef
from sarcodec.cli import main
from sarcodec.encoding import pipeline
from sarcodec.errors import FormatError, SarcError
from sarcodec.metadata import BandMeta, RasterMeta
from sarcodec.options import EncodeOptions
from sarcodec.types import Quantity, Scale
from testing.scenes import dn, open_bytes

ROOT = Path(__file__).parents[1]
PACKAGE = Path(sarcodec.__path__[0])


# --- a model file that is none


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with scene.tif, scene.sarc and what is no model; who unpickles makes a file `ran`."""
    folder = tmp_path_factory.mktemp("files")
    profile = {
        "driver": "GTiff",
        "width": 40,
        "height": 30,
        "count": 1,
        "dtype": "uint16",
        "crs": "EPSG:4326",
    }
    place = rasterio.Affine(0.001, 0, 12, 0, -0.001, 48)
    with rasterio.open(folder / "scene.tif", "w", transform=place, **profile) as out:
        out.write(dn((30, 40)), 1)
    assert main(["encode", str(folder / "scene.tif"), "--quiet", "-j", "1", "--model", TOY]) == 0
    bomb = pickle.dumps(Touch(folder / "ran"))
    for name in ("m.pth", "pickle.safetensors", "m.pkl"):
        (folder / name).write_bytes(bomb)
    whole = Path(TOY).read_bytes()
    (folder / "whole.bin").write_bytes(whole)
    (folder / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.safetensors").write_bytes(b"")
    (folder / "raster.safetensors").write_bytes((folder / "scene.tif").read_bytes())
    head = (
        b'{"__metadata__":{"format":"sarcodec-model-1"},"a":{"dtype":"F16","shape":[1000000000,1000000000],'
    )
    head += b'"data_offsets":[0,2000000000000000000]}}'
    (folder / "claims.safetensors").write_bytes(len(head).to_bytes(8, "little") + head)
    (folder / "long.safetensors").write_bytes((2**63).to_bytes(8, "little") + b"{}")
    (folder / "folder.safetensors").mkdir()
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe.safetensors")
    return folder


NO_MODELS = (
    "m.pth",
    "m.pkl",
    "pickle.safetensors",
    "whole.bin",
    "cut.safetensors",
    "empty.safetensors",
    "raster.safetensors",
    "claims.safetensors",
    "long.safetensors",
    "folder.safetensors",
    "folder",
    "pipe.safetensors",
    "none.safetensors",
    "scene.sarc",
)


@pytest.mark.parametrize("command", ["encode", "decode", "test"])
@pytest.mark.parametrize("name", NO_MODELS)
def test_a_model_option_that_names_no_model_exits_6_and_runs_nothing(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, name: str
) -> None:
    source = files / ("scene.tif" if command == "encode" else "scene.sarc")
    output = (
        [] if command == "test" else ["-o", str(tmp_path / ("a.sarc" if command == "encode" else "a.tif"))]
    )
    assert main([command, str(source), *output, "--model", str(files / name)]) == 6
    said = capsys.readouterr().err
    assert len(said.splitlines()) <= 2
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []
    assert not (files / "ran").exists()


def test_the_pickle_of_these_tests_does_something(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Touch(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "name",
    ["https://example.com/m.safetensors", "file:///etc/passwd", "../../etc/passwd", "lapped16\0", "~", "."],
)
def test_a_model_option_that_is_an_address_is_no_model(files: Path, name: str) -> None:
    with pytest.raises(SarcError) as caught:
        sarcodec.open(files / "scene.sarc", model=name)
    assert caught.value.exit_code == 6


# --- a .sarc file that names things


def coded(meta: dict[str, Any]) -> bytes:
    """A file whose metadata says what it likes."""
    import io

    source = ArraySource(dn((20, 24))[None], RasterMeta(24, 20, 1, "uint16", **meta))
    file = io.BytesIO()
    options = EncodeOptions(scale=Scale.DN, quantity=Quantity.DN, model=TOY, device="cpu", jobs=1)
    pipeline.encode(source, file, options)
    return file.getvalue()


@pytest.mark.parametrize(
    "name", ["..", "../models/lapped16", "/etc/passwd", "http://127.0.0.1:9/m", "a\\b", ".", ""]
)
def test_a_file_whose_model_could_be_a_path_is_damaged(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    from sarcodec.model import modelfile

    right = coded({})
    with monkeypatch.context() as careless:
        careless.setattr(ModelRef, "check", lambda _self: None)
        model = replace(modelfile.load(Path(TOY)), id=name)
        careless.setattr(modelfile, "load", lambda *_: model)
        data = coded({})
    assert data != right
    with pytest.raises(FormatError, match="model id"):
        open_bytes(data, None)


NAMES = (
    "{path}",
    "ESRI::{path}",
    "file://{path}",
    "+init={path}:99",
    "+proj=longlat +nadgrids={path}",
    "http://127.0.0.1:9/",
)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("text", NAMES)
def test_a_crs_that_names_a_file_or_an_address_is_taken_for_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.prj"
    path.write_text(rasterio.CRS.from_epsg(32633).to_wkt())
    data = coded({"crs": text.format(path=path)})
    source, out = tmp_path / "a.sarc", tmp_path / "a.tif"
    source.write_bytes(data)
    sarcodec.decode(source, out, model=TOY)
    with rasterio.open(out) as back:
        assert back.crs is None
    with open_bytes(data, TOY) as opened, pytest.raises(FormatError, match="neither an EPSG code nor WKT"):
        opened.profile  # noqa: B018


OPENED = """
import json, os, sys
paths = []
def hear(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        paths.append(os.path.abspath(os.fsdecode(arguments[0])))
    if event.startswith(("socket.", "urllib.", "subprocess.", "pickle.", "os.system", "os.exec")):
        paths.append(event)
from sarcodec.cli import main
commands = json.loads(sys.argv[1])
for again in (False, True):
    if again:
        sys.addaudithook(hear)
    for command in commands:
        assert main(command) == 0, command
print(json.dumps(paths))
"""


def test_decoding_opens_the_file_the_model_and_the_output_alone(tmp_path: Path) -> None:
    lure = tmp_path / "lure"
    lure.write_text("here")
    tags = {"": {"PATH": str(lure), "TIFFTAG_SOFTWARE": f"/vsicurl/http://127.0.0.1:9/{lure}"}}
    bands = (BandMeta(str(lure), "dn", tags={"": {"OVERVIEW_FILE": str(lure)}}),)
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    source = tmp_path / "in" / "a.sarc"
    source.write_bytes(coded({"tags": tags, "bands": bands, "crs": "EPSG:32633"}))
    commands = [
        ["info", str(source), "--json"],
        ["test", str(source), "--quiet", "--model", TOY],
        [
            "decode",
            str(source),
            "-o",
            str(tmp_path / "out" / "a.tif"),
            "-f",
            "--quiet",
            "-j",
            "1",
            "--model",
            TOY,
        ],
    ]
    paths = json.loads(child(OPENED, json.dumps(commands)).splitlines()[-1])
    models = [str(folder) for folder in (ROOT / "models", PACKAGE / "models")]
    own = (
        str(tmp_path / "out"),
        *models,
        sys.prefix,
        sys.base_prefix,
        str(PACKAGE),
        "/proc/",
        "/sys/",
        "/dev/",
    )
    assert str(source) in paths
    assert TOY in paths
    assert [p for p in paths if p not in {str(source), TOY} and not p.startswith(own)] == []


# --- no network, no other program


OFFLINE = """
import json, sys
PREFIXES = ("socket.", "urllib.", "http.", "ftplib.", "smtplib.", "subprocess.", "pickle.")
WHOLE = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty")
def forbid(event, arguments):
    if event.startswith(PREFIXES) or event in WHOLE:
        raise SystemExit(f"{event} {arguments}")
import torch  # looks for its libraries with what it likes
sys.addaudithook(forbid)
from sarcodec.cli import main
for command in json.loads(sys.argv[1]):
    code = main(command)
    assert code == 0, (command, code)
print("done")
"""


def child(code: str, *arguments: str, before: tuple[str, ...] = ()) -> str:
    """Output of a program in a process of its own."""
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    done = subprocess.run(
        [*before, sys.executable, "-c", code, *arguments],
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def everything(folder: Path) -> list[list[str]]:
    """All commands but train and bench, which read what their user has."""
    scene, file, back = (str(folder / name) for name in ("scene.tif", "scene.sarc", "back.tif"))
    return [
        ["simulate", scene, "--size", "64", "--seed", "1", "--quiet"],
        ["encode", scene, "-o", file, "--quiet", "-q", "60"],
        ["decode", file, "-o", back, "--quiet"],
        ["info", file],
        ["test", file, "--quiet"],
        ["models"],
        ["--version"],
    ]


UNSHARE = ("unshare", "--map-root-user", "--net")
"""A command that runs another one where there is no network."""


def without_network() -> tuple[str, ...]:
    """The command, where the system allows it; compiled code is out of the audit's sight."""
    if shutil.which(UNSHARE[0]) is None:
        return ()
    tried = subprocess.run([*UNSHARE, "true"], capture_output=True, check=False)
    return UNSHARE if tried.returncode == 0 else ()


def test_all_commands_work_where_network_and_other_programs_are_forbidden(tmp_path: Path) -> None:
    said = child(OFFLINE, json.dumps(everything(tmp_path)), before=without_network())
    assert said.endswith("done\n")
    with rasterio.open(tmp_path / "back.tif") as back:
        assert np.count_nonzero(back.read()) > 0


def test_the_ban_of_these_tests_does_ban(tmp_path: Path) -> None:
    for deed in (
        "import socket; socket.socket()",
        "import os; os.system('true')",
        "import pickle; pickle.loads(b'cos\\ngetcwd\\n.')",
    ):
        with pytest.raises(AssertionError):
            child(OFFLINE.replace('print("done")', deed).replace("import torch", ""), "[]")


# --- the source itself

MODULES = {
    "pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "subprocess",
    "multiprocessing",
    "pty",
    "socket",
    "socketserver",
    "ssl",
    "http",
    "urllib",
    "urllib3",
    "requests",
    "httpx",
    "aiohttp",
    "ftplib",
    "smtplib",
    "xmlrpc",
    "webbrowser",
    "huggingface_hub",
    "code",
    "runpy",
}
CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "torch.load",
    "torch.save",
    "torch.hub.load",
    "torch.jit.load",
    "torch.hub.load_state_dict_from_url",
    "os.system",
    "os.popen",
    "os.execv",
    "os.execve",
    "os.fork",
    "os.posix_spawn",
}


KNOWN = {"native/build.py": ["subprocess"], "bench/memory.py": ["subprocess"], "memory.py": ["os.fork"]}
"""The benchmark runs itself once more for each codec: a peak of memory is that of a whole process.

Building the native library starts a compiler; nothing in the package imports that module.
Under a limit on memory a copy of this process tries first what might abort it.
"""


def breaches(code: str) -> list[str]:
    """Imports and calls in a source text that the package must not have."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom):
            found += [node.module] if (node.module or "").split(".")[0] in MODULES and node.module else []
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            found += [name] if name in CALLS or any(k.arg == "allow_pickle" for k in node.keywords) else []
    return found


def test_nothing_in_the_package_imports_the_build_of_its_library() -> None:
    users = [
        path.name for path in PACKAGE.rglob("*.py") if "native.build" in path.read_text(encoding="utf-8")
    ]
    users += [p.name for p in PACKAGE.rglob("*.py") if "native import build" in p.read_text(encoding="utf-8")]
    assert not users


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.relative_to(PACKAGE).as_posix()
)
def test_a_module_neither_unpickles_nor_evaluates_nor_calls_out(path: Path) -> None:
    found = breaches(path.read_text(encoding="utf-8"))
    assert found == KNOWN.get(path.relative_to(PACKAGE).as_posix(), [])


@pytest.mark.parametrize(
    "code",
    [
        "import pickle as p",
        "from urllib.request import urlopen",
        "eval('1')",
        "import torch\ntorch.load('a')",
    ],
)
def test_the_search_of_these_tests_finds(code: str) -> None:
    assert len(breaches(code)) == 1
