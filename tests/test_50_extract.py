"""A file cut to fewer layers: what is left decodes as it did, and says what it is."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sarcodec
from conftest import TOY
from oracle import sarc_decoder as oracle
from sarcodec.api import encode_array
from sarcodec.bitstream.layout import LayerKind
from sarcodec.bitstream.reader import Reader
from sarcodec.cli import main
from sarcodec.encoding import survey
from sarcodec.errors import ChecksumError, OutputExistsError, UsageError
from sarcodec.layers import keep_layers
from testing.scenes import decode_bytes, dn, open_bytes

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "TILE_SIDE", 256)


def coded() -> bytes:
    cube = np.stack([dn((300, 280), 1), dn((300, 280), 2)])
    cube[0, :40, :90] = 0
    return encode_array(cube, model=TOY, jobs=1, quality=60, nodata=0)


def cut(data: bytes, layers: int) -> bytes:
    out = io.BytesIO()
    keep_layers(io.BytesIO(data), out, layers, lambda *_: None)
    return out.getvalue()


def test_the_base_layer_alone_decodes_as_base_only_does() -> None:
    data = coded()
    base = cut(data, 1)
    assert len(base) < len(data)
    with open_bytes(data, TOY, base_only=True) as whole:
        assert (decode_bytes(base, TOY) == whole.read()).all()


def test_all_layers_are_the_very_file() -> None:
    data = coded()
    layers = len(Reader(io.BytesIO(data)).header.layers)
    assert layers > 1
    assert cut(data, layers) == data


def test_a_gain_grid_stays_with_all_layers_and_goes_with_any() -> None:
    data = encode_array(dn((300, 280), 1), model=TOY, jobs=1, quality=60, radiometry=True)
    kinds = [layer.kind for layer in Reader(io.BytesIO(data)).header.layers]
    assert kinds[-1] == LayerKind.GAIN_GRID
    assert cut(data, len(kinds) - 1) == data
    assert LayerKind.GAIN_GRID not in {layer.kind for layer in Reader(io.BytesIO(cut(data, 1))).header.layers}


def test_all_measured_layers_stay_with_all_layers_and_go_with_any() -> None:
    layers: dict[str, Any] = {"targets": True, "radiometry": True, "texture": True}
    data = encode_array(dn((300, 280), 1), model=TOY, jobs=1, quality=60, **layers)
    kinds = [layer.kind for layer in Reader(io.BytesIO(data)).header.layers]
    measured = [LayerKind.BRIGHT_TARGETS, LayerKind.GAIN_GRID, LayerKind.TEXTURE]
    assert kinds[-3:] == measured
    assert cut(data, len(kinds) - 3) == data
    assert not set(measured) & {layer.kind for layer in Reader(io.BytesIO(cut(data, 1))).header.layers}


def test_a_cut_file_can_be_cut_again_and_names_its_layers() -> None:
    base = cut(coded(), 1)
    assert cut(base, 1) == base
    assert len(Reader(io.BytesIO(base)).header.layers) == 1


def test_an_independent_decoder_reads_a_cut_file() -> None:
    base = cut(coded(), 1)
    found = oracle.decode(base, oracle.read_model(Path(TOY)))
    off = np.abs(found.pixels.astype(int) - decode_bytes(base, TOY).astype(int))
    assert off.max() <= 1


def test_a_window_of_a_cut_file_is_a_crop_of_it() -> None:
    base = cut(coded(), 1)
    with open_bytes(base, TOY) as opened:
        assert (opened.read(1, window=(200, 220, 70, 60)) == opened.read(1)[220:280, 200:270]).all()


@pytest.mark.parametrize("layers", [0, 9])
def test_layers_that_are_not_there_are_a_usage_error(layers: int) -> None:
    with pytest.raises(UsageError, match="layers to keep"):
        cut(coded(), layers)


def test_damage_is_not_copied() -> None:
    data = coded()
    reader = Reader(io.BytesIO(data))
    segment = reader.record(1, 0).segments[0][1]
    at = reader._span(1, 0)[0] + segment.start + segment.size - 1
    with pytest.raises(ChecksumError, match="tile row 1, column 0"):
        cut(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], 1)


def run(*arguments: Any) -> int:
    return main([str(argument) for argument in arguments])


def test_the_command_writes_a_file_that_passes_every_check(tmp_path: Path) -> None:
    source, out = tmp_path / "a.sarc", tmp_path / "b.sarc"
    source.write_bytes(coded())
    assert run("extract", source, "--layers", 1, "-o", out, "--quiet") == 0
    assert run("test", out, "--model", TOY, "--quiet") == 0
    assert out.read_bytes() == cut(source.read_bytes(), 1)
    assert run("extract", source, "-o", out, "--quiet") == 8
    assert run("extract", source, "-o", source, "-f", "--quiet") == 2
    assert run("extract", source, "--layers", 5, "-o", tmp_path / "c.sarc", "--quiet") == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.sarc", "b.sarc"]


def test_python_cuts_files_too(tmp_path: Path) -> None:
    source, out = tmp_path / "a.sarc", tmp_path / "b.sarc"
    source.write_bytes(coded())
    found = sarcodec.extract(source, out, layers=1)
    assert (found.layers, found.bytes) == (1, out.stat().st_size)
    with pytest.raises(OutputExistsError):
        sarcodec.extract(source, out)
