"""Inputs to begin with: ``python -m fuzz.seeds`` adds them to the corpus, where they are not in it yet.

All are right or nearly so: files of every dtype and scale, grids of many tiles, masks of each form, metadata
with every field. What is wrong in interesting ways is for the fuzzer to find.
"""

from __future__ import annotations

import io
import json
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt

from fuzz import corpus
from sarcodec.api import encode_array
from sarcodec.bitstream import layout
from sarcodec.bitstream import mask as masks
from sarcodec.bitstream.header import Band, Header, Layer, ModelRef
from sarcodec.bitstream.layout import LayerKind, Meaning
from sarcodec.bitstream.reader import Reader
from sarcodec.bitstream.tile import BandRecord, TileRecord
from sarcodec.bitstream.writer import Writer
from sarcodec.encoding import survey
from sarcodec.metadata import BandMeta, Gcp, RasterMeta, pack_geo, pack_text
from sarcodec.types import Basis, Quantity, Scale
from sarcodec.vocabulary import VOCABULARY
from testing.repair import index_start
from testing.scenes import dn, power

GOLDEN = Path(__file__).parent.parent / "golden"
TOY = str(GOLDEN / "toy1.safetensors")
LARGEST = 3000
"""Bytes of a golden file that is used."""
UTM = (10.0, 0.0, 399960.0, 0.0, -10.0, 5300040.0)


def golden() -> Iterator[bytes]:
    """The golden files that are small."""
    for path in sorted(GOLDEN.glob("*.sarc")):
        data = path.read_bytes()
        if len(data) <= LARGEST:
            yield data


def headers() -> Iterator[Header]:
    """Headers of every dtype, scale, quantity and meaning, of one to four bands and layers."""
    model = ModelRef("s1-v1", bytes(range(4)), bytes(range(4, 8)))
    for number, dtype in enumerate(layout.DTYPES.values()):
        band = Band(-12.5, 5.0, 300 + number, 1, 120, (0, 255)[: number % 3], number % 4 == 3)
        scale = list(Scale)[number % 4]
        if number % 2:
            band = replace(band, gain=0.01, addend=-50.0, masked=len(band.palette) // 2)
        if number % 3 == 1:
            band = replace(band, scale=(list(Scale)[(number + 1) % 4], list(Basis)[number % 7]))
        layers = (Layer(LayerKind.BASE, 16), Layer(LayerKind.ENHANCEMENT, 48), Layer(99, 3, skippable=True))
        yield Header(
            width=1 << number,
            height=5000 >> number,
            dtype=dtype,
            scale=scale,
            basis=list(Basis)[number % 7],
            bands=(band,) * (1 + number % 4),
            layers=layers[: 1 + number % 3],
            model=replace(model, id="m" * (1 + 9 * number)),
            quantity=list(Quantity)[number % 5],
            meaning=list(Meaning)[number % 3],
            tile_side=256 * (1 + number),
            geo=bytes([1, 10, 127])[: 3 * (number % 2)],
            text=bytes(number),
            key=bytes(number // 2),
        )


def for_header() -> Iterator[bytes]:
    for data in golden():
        yield b"\0" + data[18 : 18 + int.from_bytes(data[10:14], "little")]
    for header in headers():
        body = header.to_bytes()[18:]
        yield b"\0" + body
        yield b"\x07" + body + bytes([200, 3]) + b"new"


def written(header: Header, records: list[TileRecord]) -> bytes:
    """A file of these records."""
    out = io.BytesIO()
    writer = Writer(out, header)
    for record in records:
        writer.add_tile(record)
    for kind in range(header.height % 3):
        writer.add_part(kind + 1, bytes(5 + kind))
    writer.finish()
    return out.getvalue()


def files() -> Iterator[bytes]:
    """Files whose bodies mean nothing, of one to twelve tiles."""
    rng = np.random.default_rng(0)
    for header in headers():
        small = replace(header, width=300, height=20 + 250 * (len(header.bands) - 1), tile_side=256)
        records = []
        for tile in range(small.grid.count):
            bands = []
            for band in small.bands:
                parts = [rng.bytes(int(rng.integers(0, 14))) for _ in range(1 + len(small.layers))]
                bands.append(BandRecord(parts[0], tuple(parts[1:]), tile - 3 if band.tile_quality else 0))
            records.append(TileRecord(tuple(bands)))
        yield written(small, records)


def for_file() -> Iterator[bytes]:
    for data in [*golden(), *files()]:
        yield b"\0" + data
        yield b"\1" + data[: index_start(data)]
        yield b"\2" + data[:-5] + b"\xff" + data[-4:]
        yield b"\3" + data[: index_start(data)][:-3]
    for data in golden():
        yield b"\4" + data


def metas() -> Iterator[RasterMeta]:
    """Metadata with every field in one or the other."""
    points = tuple(Gcp(n, 2.5 * n, 12 + n / 7, 48.0, 310.25, f"p{n}" * (n % 2), "x") for n in range(4))
    band = BandMeta("VV", "dB", 0.5, -83.0, "red", {"": {"pol": "VV"}, "SAR": {"k": "v"}})
    yield RasterMeta(100, 80, 1, "uint16", nodata=0, crs="EPSG:32633", transform=UTM)
    yield RasterMeta(100, 80, 1, "float32", nodata=float("nan"), tags={"": {"AREA_OR_POINT": "Area"}})
    yield RasterMeta(100, 80, 2, "int16", nodata=-32768, bands=(band, BandMeta()), crs='LOCAL_CS["x"]')
    yield RasterMeta(100, 80, 1, "uint8", gcps=points, gcp_crs="EPSG:4326")
    rpcs = {"LINE_OFF": "20", "SAMP_OFF": "50.5", "HEIGHT_SCALE": "1", "LINE_NUM_COEFF": "1 2 3"}
    yield RasterMeta(100, 80, 1, "int32", rpcs=rpcs, transform=(0.1, 0.02, 5.0, -0.3, -0.1, 7.0))
    tags = {"": {"AREA_OR_POINT": "Point", "ü": "日本"}, "xml:XMP": {"": "<x/>"}}
    yield RasterMeta(100, 80, 3, "float64", nodata=-9999.5, tags=tags, crs="EPSG:4326")


def _inflated(text: bytes) -> bytes:
    """The JSON of a TEXT chunk."""
    return zlib.decompressobj(-15, zdict=VOCABULARY).decompress(text)


def for_metadata() -> Iterator[bytes]:
    kinds = list(layout.DTYPES.values())
    for meta in metas():
        geo, text = pack_geo(meta), pack_text(meta)
        start = bytes([meta.count - 1, kinds.index(meta.dtype), len(geo)])
        yield b"\0" + start + geo + text
        yield b"\1" + start + geo + (_inflated(text) if text else b"{}")
    loose: list[Any] = [{"n": "inf"}, {"n": 10**30}, {"a": [1, 2, 3, 4, 5]}, {"r": {"SAMP_OFF": "x"}}, [], 7]
    loose += [
        {"t": {"": {}, "n": {"k": "\ud800"}}},
        {"g": [[]] * 5 + [None, None]},
        {"c": ["gray"]},
        {"p": None},
    ]
    for fields in loose:
        yield b"\1\0\2\0" + json.dumps(fields).encode()


def maps() -> Iterator[npt.NDArray[np.uint8]]:
    """Class maps: one class, borders, slants, blocks, noise, many classes."""
    rng = np.random.default_rng(1)
    rows, cols = np.mgrid[:24, :31]
    yield np.full((5, 9), 2, np.uint8)
    yield (cols < 4).astype(np.uint8)
    yield np.where(cols < 5 + 0.3 * rows, 1, 2 * (cols > 27)).astype(np.uint8)
    yield ((rows > 8) & (rows < 15) & (cols > 9)).astype(np.uint8) * 3
    yield (rng.random((24, 31)) < 0.3).astype(np.uint8)
    yield rng.integers(0, 4, (17, 8)).astype(np.uint8)
    yield np.repeat(rng.integers(0, 9, 40), 8).reshape(20, 16).astype(np.uint8)
    yield np.array([[0, 1]], np.uint8)


def for_mask() -> Iterator[bytes]:
    for found in maps():
        flat = found.reshape(-1)
        ends = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        forms = {masks.pack(found)}
        if ends.size:
            forms |= {masks._pack_planes(found, 6), masks._pack_runs(flat, ends, found.shape[1], 6)}
        start = bytes([found.shape[0] - 1, found.shape[1] - 1, int(found.max())])
        for packed in sorted(forms):
            yield start + b"\0" + packed
            if packed[0] != masks.UNIFORM:
                head = 2 + packed[1]
                while packed[0] == masks.RUNS and packed[head] > 0x7F:
                    head += 1
                head += packed[0] == masks.RUNS
                yield start + b"\1" + packed[:head] + zlib.decompress(packed[head:], -15)


def encoded() -> Iterator[bytes]:
    """Small files of the toy model."""
    options: dict[str, Any] = {"model": TOY, "jobs": 1}
    holes = dn((40, 48), 1)
    holes[5:15, 20:30] = 0
    yield encode_array(holes, quality=60, nodata=0, **options)
    yield encode_array(dn((16, 16), 2), quality=100, **options)
    decibels = (10 * np.log10(power((20, 33), 3))).astype(np.float32)
    decibels[:, :3] = np.nan
    yield encode_array(decibels, quality=30, scale="db", **options)
    yield encode_array(power((2, 70), 4), quality=90, scale="power", nodata=-1.0, **options)
    yield encode_array(np.stack([holes // 9 + 1, holes // 7 + 1]).astype(np.uint8), quality=1, **options)
    yield encode_array(np.zeros((30, 30), np.int16), **options)
    with mock.patch.object(survey, "TILE_SIDE", 256):
        yield encode_array(dn((20, 270), 5, contrast=0.1), quality=1, nodata=7, **options)


def for_decode() -> Iterator[bytes]:
    for data in [*golden(), *encoded()]:
        body = data[: index_start(data)]
        for flags in (0, 1, 3, 5, 8, 32):
            yield bytes([flags]) + body
        yield b"\x14" + data
    for data in hostile():
        yield b"\1" + data[: index_start(data)]


def hostile() -> Iterator[bytes]:
    """Files of right bytes and odd values: huge and tiny units and offsets, other ranges, scales, nodata."""
    reader = Reader(io.BytesIO((GOLDEN / "float32_power.sarc").read_bytes()))
    (band,) = reader.header.bands
    largest = float(np.finfo(np.float32).max)
    changes: list[dict[str, Any]] = [
        {"unit": 1e38},
        {"unit": largest, "offset": -largest},
        {"unit": 1e-45, "offset": largest},
        {"vmin": 0.0, "vmax": largest},
        {"vmin": -largest, "vmax": largest},
        {"palette": tuple(range(2**31 - 16, 2**31))},
        {"palette": ()},
        {"level": 512},
        {"level": 65535},
    ]
    for change in changes:
        for scale in (Scale.POWER, Scale.DB):
            header = replace(reader.header, bands=(replace(band, **change),), scale=scale)
            yield written(header, [reader.tile(0, 0)])
    for nodata in (largest, 1e300, 1e-46, 0.05, -0.0):
        meta = RasterMeta(reader.header.width, reader.header.height, 1, "float32", nodata=nodata)
        yield written(replace(reader.header, text=pack_text(meta)), [reader.tile(0, 0)])


SEEDS: dict[str, Callable[[], Iterator[bytes]]] = {
    "header": for_header,
    "file": for_file,
    "metadata": for_metadata,
    "mask": for_mask,
    "decode": for_decode,
}


def main() -> None:
    """Add what is missing."""
    for target, make in SEEDS.items():
        known = corpus.load(target)
        fresh = {corpus.name_of(data): data for data in make() if data not in known.values()}
        corpus.save(target, known | fresh)
        sys.stdout.write(f"{target}: {len(fresh)} inputs added to {len(known)}\n")


if __name__ == "__main__":
    main()
