"""Packed training scenes: damaged ones are refused, and an interrupted packing leaves none."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sarcodec.errors import InputError, WriteError
from sarcodec.train.data import PackedScenes
from sarcodec.train.pack import pack_folder
from testing.files import tiff
from testing.scenes import dn

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A packed pair of scenes, of 70 x 80 and 90 x 65 pixels."""
    (tmp_path / "in").mkdir()
    tiff(tmp_path / "in" / "a.tif", dn((70, 80)))
    tiff(tmp_path / "in" / "b.tif", dn((90, 65)))
    assert pack_folder(tmp_path / "in", tmp_path / "p.npy") == 2
    assert len(PackedScenes(tmp_path / "p.npy", 64).scenes) == 2
    return tmp_path / "p.npy"


def replaced(path: Path, content: bytes | str) -> None:
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def listing(path: Path, **changes: object) -> None:
    """Change an entry of the list."""
    rows = json.loads(path.with_suffix(".json").read_text())
    rows[1] |= changes
    replaced(path.with_suffix(".json"), json.dumps(rows))


def archive() -> bytes:
    file = io.BytesIO()
    np.savez(file, a=np.zeros(4))
    return file.getvalue()


HARM: dict[str, Callable[[Path], object]] = {
    "array missing": lambda p: p.unlink(),
    "array empty": lambda p: replaced(p, ""),
    "array cut": lambda p: replaced(p, p.read_bytes()[:-1]),
    "array's head cut": lambda p: replaced(p, p.read_bytes()[:50]),
    "text for an array": lambda p: replaced(p, "no array"),
    "archive for an array": lambda p: replaced(p, archive()),
    "pickle for an array": lambda p: np.save(p, np.array([{}], object), allow_pickle=True),
    "floats": lambda p: np.save(p, np.load(p).astype("float32")),
    "another shape": lambda p: np.save(p, np.load(p)[None]),
    "one code too many": lambda p: np.save(p, np.append(np.load(p), np.uint16(0))),
    "list missing": lambda p: p.with_suffix(".json").unlink(),
    "list empty": lambda p: replaced(p.with_suffix(".json"), ""),
    "list cut": lambda p: replaced(p.with_suffix(".json"), p.with_suffix(".json").read_bytes()[:-5]),
    "list of nothing": lambda p: replaced(p.with_suffix(".json"), "[]"),
    "list of numbers": lambda p: replaced(p.with_suffix(".json"), "[1, 2]"),
    "no list": lambda p: replaced(p.with_suffix(".json"), '{"a": 1}'),
    "list not UTF-8": lambda p: replaced(p.with_suffix(".json"), b"[\xff]"),
    "nested too deeply": lambda p: replaced(p.with_suffix(".json"), "[" * 100000),
    "unknown key": lambda p: listing(p, more=1),
    "height of another scene": lambda p: listing(p, height=91),
    "negative height": lambda p: listing(p, height=-90, width=-65),
    "text for a height": lambda p: listing(p, height="90"),
    "fraction for a height": lambda p: listing(p, height=58.5, width=100),
    "number for a name": lambda p: listing(p, name=7),
    "offset beyond the array": lambda p: listing(p, offset=10**9),
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM.keys())
def test_damaged_packed_scenes_are_an_input_error(packed: Path, harm: Callable[[Path], object]) -> None:
    harm(packed)
    with pytest.raises(InputError, match=r"p\.npy") as caught:
        PackedScenes(packed, 64)
    assert caught.value.hint


@pytest.mark.parametrize("step", ["dumps", "save"])
def test_an_interrupted_packing_leaves_no_array(
    packed: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json if step == "dumps" else np, step, fail)
    with pytest.raises(WriteError, match="No space left"):
        pack_folder(packed.parent / "in", packed)
    assert not packed.exists()
    assert not list(packed.parent.glob("*.partial")) and not list(packed.parent.glob(".*"))
    monkeypatch.undo()
    assert pack_folder(packed.parent / "in", packed) == 2
    assert len(PackedScenes(packed, 64).scenes) == 2
