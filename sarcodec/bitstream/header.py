"""The header: what the file holds, how it was coded, which model decodes it. Checked once, here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import google_crc32c

from sarcodec import limits as lim
from sarcodec.bitstream import layout
from sarcodec.bitstream.cursor import Cursor
from sarcodec.bitstream.layout import Chunk, LayerKind, Meaning, Quantiser
from sarcodec.bitstream.parts import Band, Layer, ModelRef
from sarcodec.errors import ChecksumError, FormatError, UnsupportedError
from sarcodec.magic import OURS, PACKED, kind_of
from sarcodec.types import Basis, PixelScale, Quantity, Scale, TileGrid, first_of

__all__ = ["Band", "Header", "Layer", "ModelRef", "crc_in", "header_size"]


@dataclass(frozen=True)
class Header:
    """Everything that decoding a tile needs besides the tile and the model."""

    width: int
    """Pixels across."""
    height: int
    """Pixels down."""
    dtype: str
    """numpy name of the pixels' type, the same for all bands."""
    scale: Scale
    """That of every band which has none of its own."""
    bands: tuple[Band, ...]
    layers: tuple[Layer, ...]
    """Layers in the order of their segments; the first is the base layer."""
    model: ModelRef
    quantity: Quantity = Quantity.UNKNOWN
    meaning: Meaning = Meaning.LOG_MEAN
    tile_side: int = 1024
    """Pixels, a multiple of 256."""
    quantiser: Quantiser = Quantiser.SCALAR
    groups: tuple[int, ...] = ()
    """Bands of each group, of which the first predicts the others; () where all bands are on their own."""
    geo: bytes = b""
    """GEO chunk as it stands; `sarcodec.metadata` reads it."""
    text: bytes = b""
    """TEXT chunk as it stands; `sarcodec.metadata` reads it."""
    key: bytes = b""
    """KEY chunk as it stands: what a batch made the file of."""
    basis: Basis = Basis.UNRECORDED
    """How `scale` is known."""

    @cached_property
    def grid(self) -> TileGrid:
        """The tiles of each band."""
        return TileGrid(self.width, self.height, self.tile_side)

    def pixel_scale(self, band: int) -> PixelScale:
        """What stored values of a band (from 0) mean."""
        part = self.bands[band]
        return PixelScale(part.scale[0] if part.scale else self.scale, part.gain, part.addend)

    def scale_basis(self, band: int) -> Basis:
        """How the scale of a band (from 0) is known."""
        own = self.bands[band].scale
        return own[1] if own else self.basis

    @property
    def has_mask(self) -> bool:
        """Whether the raster has a mask band."""
        return any(band.masked is not None for band in self.bands)

    def first_of(self, band: int) -> int:
        """The band that predicts this one, itself where none does."""
        return first_of(self.groups, band)

    def side_layer(self, kind: LayerKind) -> int | None:
        """Number of a layer of this kind that pixels can be decoded without, None where there is none.

        One with channels is that of a newer encoder, and left out as other such layers are.
        """
        for number, layer in enumerate(self.layers):
            if layer.kind == kind and layer.skippable and not layer.channels:
                return number
        return None

    def to_bytes(self, *, limits: lim.Limits = lim.DEFAULT) -> bytes:
        """Prologue and header.

        Raises
        ------
        FormatError, UnsupportedError, LimitError
            A field is out of range.
        """
        _check(self, limits)
        parts = [(Chunk.IMAGE, _pack_image(self))]
        parts += [(Chunk.BAND, band.to_bytes(self.dtype)) for band in self.bands]
        parts += [(Chunk.MODEL, self.model.to_bytes())]
        optional = ((Chunk.GEO, self.geo), (Chunk.TEXT, self.text), (Chunk.KEY, self.key))
        parts += [(kind, data) for kind, data in optional if data]
        body = b"".join(bytes([kind]) + layout.pack_uv(len(data)) + data for kind, data in parts)
        lim.check("header length", len(body), limits.header_bytes, limit="header_bytes")
        start = layout.PROLOGUE.pack(layout.MAGIC, layout.MAJOR, layout.MINOR, len(body))
        return start + layout.CRC.pack(google_crc32c.value(start + body)) + body

    @staticmethod
    def from_bytes(data: bytes, *, limits: lim.Limits = lim.DEFAULT) -> Header:
        """The header in `data`: the prologue and the header, and nothing else.

        Raises
        ------
        FormatError
            Not a `.sarc` file, truncated or inconsistent; `ChecksumError` where the CRC differs.
        UnsupportedError
            A newer major version, or a critical chunk or a code that this version does not know.
        LimitError
            A size is above `limits`.
        """
        total = header_size(data, limits=limits)
        if len(data) != total:
            raise FormatError(f"prologue and header are {total} bytes, {len(data)} are here")
        start, body = data[: layout.PROLOGUE.size], data[layout.PROLOGUE_BYTES :]
        stored, computed = crc_in(data), google_crc32c.value(start + body)
        if stored != computed:
            raise ChecksumError(
                f"header checksum differs: stored {stored:08x}, computed {computed:08x}",
                hint="The file is damaged; copy it again from its source.",
            )
        header = _parse(body, limits)
        _check(header, limits)
        return header


def header_size(prologue: bytes, *, limits: lim.Limits = lim.DEFAULT) -> int:
    """Bytes of prologue and header, from the first 18 bytes of a file; raises as `Header.from_bytes`."""
    if len(prologue) < layout.PROLOGUE_BYTES:
        known = layout.MAGIC.startswith(prologue[:8]) or prologue.startswith(layout.MAGIC)
        if kind_of(prologue) and not known:
            raise _foreign(prologue)
        what = "truncated within its first 18 bytes" if known and prologue else "not a .sarc file"
        raise FormatError(f"{what}: {len(prologue)} bytes long")
    magic, major, minor, length = layout.PROLOGUE.unpack(prologue[: layout.PROLOGUE.size])
    if magic != layout.MAGIC:
        raise _foreign(prologue)
    if major > layout.MAJOR:
        raise UnsupportedError(
            f"format version {major}.{minor} is newer than {layout.MAJOR}", hint=layout.NEWER
        )
    if major < layout.MAJOR:
        raise FormatError(f"format version {major}.{minor} does not exist")
    return layout.PROLOGUE_BYTES + lim.check(
        "header length", length, limits.header_bytes, limit="header_bytes"
    )


def _foreign(start: bytes) -> FormatError:
    """The error for a file that begins with these bytes, which no `.sarc` file does."""
    kind = kind_of(start)
    if kind is None or kind == OURS:
        magic = layout.MAGIC
        return FormatError(
            f"not a .sarc file: it starts with {start[: len(magic)].hex(' ')}, not {magic.hex(' ')}",
            hint="A transfer changed its line ends: copy it again as a binary file." if kind else "",
        )
    packed = "Unpack it first; sarcodec encode makes a .sarc file of a raster."
    made = "It is an input of sarcodec encode, which makes a .sarc file of a raster."
    return FormatError(f"not a .sarc file: it is {kind}", hint=packed if kind in PACKED else made)


def crc_in(prologue: bytes) -> int:
    """The header's checksum as it stands in the prologue; index and tiles are bound to it."""
    (crc,) = layout.CRC.unpack(prologue[layout.PROLOGUE.size : layout.PROLOGUE_BYTES])
    return int(crc)


def _pack_image(header: Header) -> bytes:
    codes = (
        layout.code_of(layout.DTYPES, header.dtype),
        layout.pack_scale(header.scale, header.basis),
        layout.code_of(layout.QUANTITIES, header.quantity),
        layout.code_of(layout.MEANINGS, header.meaning),
    )
    out = b"".join(layout.pack_uv(size) for size in (header.width, header.height, len(header.bands)))
    out += bytes(codes) + layout.pack_uv(header.tile_side // layout.TILE_UNIT)
    out += bytes([layout.code_of(layout.QUANTISERS, header.quantiser)])
    groups = header.groups or (1,) * len(header.bands)
    out += b"".join(layout.pack_uv(number) for number in (len(groups), *groups)) + bytes([len(header.layers)])
    return out + b"".join(layer.to_bytes() for layer in header.layers)


@dataclass(frozen=True)
class _Image:
    """The fields of an IMAG chunk."""

    width: int
    height: int
    bands: int
    dtype: str
    scale: Scale
    basis: Basis
    quantity: Quantity
    meaning: Meaning
    tile_side: int
    quantiser: Quantiser
    groups: tuple[int, ...]
    layers: tuple[Layer, ...]


def _unpack_image(data: bytes, limits: lim.Limits) -> _Image:
    cursor = Cursor(data, "header chunk IMAG")
    width, height = cursor.uv("width"), cursor.uv("height")
    bands = lim.check("number of bands", cursor.uv("bands"), limits.bands, limit="bands")
    dtype = layout.value_of(layout.DTYPES, cursor.u8("dtype"), "dtype")
    scale, basis = layout.unpack_scale(cursor.u8("scale"))
    quantity = layout.value_of(layout.QUANTITIES, cursor.u8("quantity"), "quantity")
    meaning = layout.value_of(layout.MEANINGS, cursor.u8("meaning"), "meaning")
    tile_side = cursor.uv("tile side") * layout.TILE_UNIT
    quantiser = layout.value_of(layout.QUANTISERS, cursor.u8("quantiser"), "quantiser")
    count = lim.check("number of band groups", cursor.uv("band groups"), limits.bands)
    sizes = [cursor.uv("bands of a group") for _ in range(count)]
    if sum(sizes) != bands or 0 in sizes:
        raise FormatError(f"header chunk IMAG: groups of {sizes} bands do not make {bands} bands")
    groups = tuple(sizes) if max(sizes, default=1) > 1 else ()
    layers = tuple(Layer.read(cursor) for _ in range(cursor.u8("layer count")))
    cursor.end()
    return _Image(
        width, height, bands, dtype, scale, basis, quantity, meaning, tile_side, quantiser, groups, layers
    )


def _chunks(body: bytes) -> Iterator[tuple[Chunk, bytes]]:
    """The known chunks in their order; unknown ones are left out where they are skippable."""
    cursor = Cursor(body, "header")
    number = 0
    while cursor.left:
        number = lim.check("number of header chunks", number + 1, layout.MAX_CHUNKS)
        kind = cursor.u8("chunk type")
        data = cursor.take(cursor.uv("chunk length"), f"chunk of type {kind}")
        if kind in list(Chunk):
            yield Chunk(kind), data
        elif kind < layout.FIRST_SKIPPABLE_CHUNK:
            raise UnsupportedError(
                f"critical header chunk of type {kind} is not known to this version", hint=layout.NEWER
            )


def _parse(body: bytes, limits: lim.Limits) -> Header:
    chunks = list(_chunks(body))
    if not chunks or chunks[0][0] is not Chunk.IMAGE:
        raise FormatError("the header does not start with an IMAG chunk")
    image = _unpack_image(chunks[0][1], limits)
    found = [kind for kind, _ in chunks]
    optional = [kind for kind in (Chunk.GEO, Chunk.TEXT, Chunk.KEY) if kind in found]
    expected = [Chunk.IMAGE, *[Chunk.BAND] * image.bands, Chunk.MODEL, *optional]
    if found != expected:
        names = " ".join(kind.name for kind in found[:80])
        raise FormatError(
            f"header chunks are {names}, which is not IMAGE, {image.bands} x BAND, MODEL, then GEO, TEXT, KEY"
        )
    extra = dict(chunks[1 + image.bands :])
    if any(not extra[kind] for kind in optional):
        raise FormatError("a GEO, TEXT or KEY chunk is empty; an empty one must be left out")
    return Header(
        width=image.width,
        height=image.height,
        dtype=image.dtype,
        scale=image.scale,
        bands=tuple(Band.from_bytes(data, image.dtype) for kind, data in chunks if kind is Chunk.BAND),
        layers=image.layers,
        model=ModelRef.from_bytes(extra[Chunk.MODEL]),
        quantity=image.quantity,
        meaning=image.meaning,
        tile_side=image.tile_side,
        quantiser=image.quantiser,
        groups=image.groups,
        geo=extra.get(Chunk.GEO, b""),
        text=extra.get(Chunk.TEXT, b""),
        key=extra.get(Chunk.KEY, b""),
        basis=image.basis,
    )


def _check(header: Header, limits: lim.Limits) -> None:
    """Ranges of all fields, for writing and reading alike."""
    for name, side in (
        ("width", header.width),
        ("height", header.height),
        ("number of bands", len(header.bands)),
    ):
        if side < 1:
            raise FormatError(f"{name} is {side}")
    lim.check("width", header.width, limits.side, limit="side")
    lim.check("height", header.height, limits.side, limit="side")
    lim.check("pixels per band", header.width * header.height, limits.pixels, limit="pixels")
    lim.check("number of bands", len(header.bands), limits.bands, limit="bands")
    if header.tile_side < 1 or header.tile_side % layout.TILE_UNIT:
        raise FormatError(f"tile side {header.tile_side} is not a multiple of {layout.TILE_UNIT}")
    lim.check("tile side", header.tile_side, limits.tile_side, limit="tile_side")
    layout.code_of(layout.DTYPES, header.dtype)
    first = header.layers[0] if header.layers else None
    if first is None or first.kind != LayerKind.BASE or first.skippable or not first.channels:
        raise FormatError("the first layer is not a critical base layer with at least one channel")
    if len(header.layers) > 255:
        raise FormatError(f"{len(header.layers)} layers, more than 255")
    for layer in header.layers:
        layer.check()
    for number, band in enumerate(header.bands, start=1):
        band.check(f"band {number}", header.dtype, limits)
        if band.scale == (header.scale, header.basis):
            raise FormatError(f"band {number}: its scale is that of the raster, and stored again")
    _check_groups(header)
    header.model.check()


def _check_groups(header: Header) -> None:
    """Groups are those of the bands, and the bands of one have one rate level."""
    groups = header.groups
    if groups and (min(groups) < 1 or max(groups) < 2 or sum(groups) != len(header.bands)):
        raise FormatError(f"groups of {groups} bands do not make {len(header.bands)} bands")
    for number, band in enumerate(header.bands):
        if band.level != header.bands[header.first_of(number)].level:
            raise FormatError(f"band {number + 1} has another rate level than the band that predicts it")
