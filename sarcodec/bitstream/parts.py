"""Parts of the header: a band, a layer, the model. Values <-> bytes and their ranges."""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass

import numpy as np

from sarcodec import limits as lim
from sarcodec.bitstream import layout
from sarcodec.bitstream.cursor import Cursor
from sarcodec.bitstream.layout import LayerKind
from sarcodec.errors import FormatError, UnsupportedError
from sarcodec.types import Basis, Scale

_COMMON = (LayerKind.BASE, LayerKind.ENHANCEMENT)
_BAND_FLAGS = (
    layout.TILES_CARRY_QUALITY | layout.HAS_USUAL_UNIT | layout.OWN_SCALE | layout.HAS_GAIN | layout.HAS_MASK
)
_MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)  # names a folder, so no separators


@dataclass(frozen=True)
class Band:
    """How one band was coded."""

    offset: float
    """dB of power that the network sees as 0; kept to float32, as the file does."""
    unit: float
    """dB in one network unit; kept to float32, as the file does."""
    level: int
    """Rate level, a fine logarithmic step, 0..65535."""
    vmin: float
    """Smallest valid value in the band's dtype (an int for integer dtypes); 0 where no pixel is valid."""
    vmax: float
    """Largest valid value in the band's dtype; 0 where no pixel is valid."""
    palette: tuple[int, ...] = ()
    """Distinct invalid values as bit patterns of the dtype; class k of a mask is the k-th, from 1."""
    tile_quality: bool = False
    """Whether every tile carries a quality offset for this band."""
    scale: tuple[Scale, Basis] | None = None
    """Scale, and how it is known, if they differ from those of the raster."""
    gain: float = 1.0
    """A stored value means ``value * gain + addend`` on the band's scale."""
    addend: float = 0.0
    masked: int | None = None
    """Last entries of the palette that stand for pixels which a mask band masks; None without a mask band."""

    def __post_init__(self) -> None:
        # The encoder has to work with the very numbers that the decoder will read.
        with np.errstate(over="ignore"):
            object.__setattr__(self, "offset", float(np.float32(self.offset)))
            object.__setattr__(self, "unit", float(np.float32(self.unit)))

    def check(self, where: str, dtype: str, limits: lim.Limits) -> None:
        """`FormatError` or `LimitError`, naming `where`, for a field out of range."""
        if not math.isfinite(self.offset) or not math.isfinite(self.unit) or self.unit <= 0:
            raise FormatError(
                f"{where}: offset {self.offset} dB, unit {self.unit} dB: not finite with a unit above 0"
            )
        if not (math.isfinite(self.vmin) and math.isfinite(self.vmax) and self.vmin <= self.vmax):
            raise FormatError(f"{where}: {self.vmin}..{self.vmax} is not a range of valid values")
        lim.check(f"{where}: number of invalid values", len(self.palette), min(limits.invalid_values, 255))
        bits = 8 * layout.native(dtype).size
        if not 0 <= (self.masked or 0) <= len(self.palette):
            raise FormatError(f"{where}: {self.masked} masked values in a palette of {len(self.palette)}")
        for part in self.palette[: self.unmasked], self.palette[self.unmasked :]:
            if len(set(part)) != len(part) or any(value >> bits for value in part):
                raise FormatError(f"{where}: palette {self.palette} is not distinct patterns of {bits} bits")
        if not (math.isfinite(self.gain) and math.isfinite(self.addend) and self.gain):
            raise FormatError(f"{where}: a gain of {self.gain} and an addend of {self.addend} are no scale")

    @property
    def unmasked(self) -> int:
        """Entries of the palette before those of masked pixels."""
        return len(self.palette) - (self.masked or 0)

    def to_bytes(self, dtype: str) -> bytes:
        """The BAND chunk."""
        pixel = layout.native(dtype)
        flags = layout.TILES_CARRY_QUALITY if self.tile_quality else 0
        unit = b"" if self.unit == layout.USUAL_UNIT else layout.UNIT.pack(self.unit)
        flags |= 0 if unit else layout.HAS_USUAL_UNIT
        own = b"" if self.scale is None else bytes([layout.pack_scale(*self.scale)])
        gain = b"" if (self.gain, self.addend) == (1, 0) else layout.GAIN.pack(self.gain, self.addend)
        mask = b"" if self.masked is None else bytes([self.masked])
        flags |= layout.OWN_SCALE * bool(own) | layout.HAS_GAIN * bool(gain) | layout.HAS_MASK * bool(mask)
        try:
            out = layout.BAND_HEAD.pack(self.offset, self.level, flags) + unit + own + gain
            span = pixel.pack(self.vmin) + pixel.pack(self.vmax)
        except (struct.error, OverflowError) as error:
            raise FormatError(
                f"level {self.level} or values {self.vmin}..{self.vmax} do not fit: {error}"
            ) from error
        if pixel.unpack(span[: pixel.size]) != (self.vmin,) or pixel.unpack(span[pixel.size :]) != (
            self.vmax,
        ):
            raise FormatError(f"{self.vmin!r}..{self.vmax!r} are not values of {dtype}")
        invalid = b"".join(value.to_bytes(pixel.size, "little") for value in self.palette)
        return out + span + bytes([len(self.palette)]) + invalid + mask

    @staticmethod
    def from_bytes(data: bytes, dtype: str) -> Band:
        """The band in a BAND chunk."""
        pixel = layout.native(dtype)
        cursor = Cursor(data, "header chunk BAND")
        offset, level, flags = cursor.unpack(layout.BAND_HEAD, "band")
        if flags & ~_BAND_FLAGS:
            raise UnsupportedError(
                f"band flags {flags:#04x} are not known to this version", hint=layout.NEWER
            )
        unit = layout.USUAL_UNIT
        if not flags & layout.HAS_USUAL_UNIT:
            (unit,) = cursor.unpack(layout.UNIT, "unit")
            if unit == layout.USUAL_UNIT:
                raise FormatError(f"header chunk BAND: a unit of {unit} dB is stored where a flag says it")
        scale = layout.unpack_scale(cursor.u8("scale")) if flags & layout.OWN_SCALE else None
        gain, addend = cursor.unpack(layout.GAIN, "gain") if flags & layout.HAS_GAIN else (1.0, 0.0)
        if flags & layout.HAS_GAIN and (gain, addend) == (1, 0):
            raise FormatError("header chunk BAND: a gain of 1 and an addend of 0 are stored")
        (vmin,), (vmax,) = cursor.unpack(pixel, "smallest value"), cursor.unpack(pixel, "largest value")
        count = cursor.u8("palette count")
        palette = tuple(int.from_bytes(cursor.take(pixel.size, "palette"), "little") for _ in range(count))
        masked = cursor.u8("masked values") if flags & layout.HAS_MASK else None
        cursor.end()
        quality = bool(flags & layout.TILES_CARRY_QUALITY)
        return Band(offset, unit, level, vmin, vmax, palette, quality, scale, gain, addend, masked)


@dataclass(frozen=True)
class Layer:
    """One separately addressable layer of every tile and band."""

    kind: int
    """A `LayerKind`; another number only where the layer is skippable."""
    channels: int
    """Channels of symbols per latent position."""
    skippable: bool = False
    """Whether a decoder that does not know the kind may leave the layer out."""

    def check(self) -> None:
        """`UnsupportedError` for an unknown critical kind, `FormatError` for channels out of range."""
        if self.kind not in list(LayerKind) and not (
            self.skippable and 0 <= self.kind < layout.SKIPPABLE_LAYER
        ):
            raise UnsupportedError(
                f"critical layer of kind {self.kind} is not known to this version", hint=layout.NEWER
            )
        if not 0 <= self.channels <= layout.MAX_CHANNELS:
            raise FormatError(f"a layer has {self.channels} channels, not 0..{layout.MAX_CHANNELS}")

    def to_bytes(self) -> bytes:
        """The layer's entry in an IMAG chunk."""
        power = self.channels.bit_count() == 1 and self.channels <= layout.MAX_CHANNELS
        if self.kind in _COMMON and not self.skippable and power:
            return bytes([layout.SHORT_LAYER | self.kind << 4 | (self.channels.bit_length() - 1)])
        return bytes([self.kind | (layout.SKIPPABLE_LAYER if self.skippable else 0)]) + layout.pack_uv(
            self.channels
        )

    @staticmethod
    def read(cursor: Cursor) -> Layer:
        """The layer in the next entry; raises as :meth:`check` does, and for an entry that is too long."""
        code = cursor.u8("layer kind")
        kind, short = (code & 0x30) >> 4, (code & 0xC0) == layout.SHORT_LAYER
        if short and kind in _COMMON:
            return Layer(kind, 1 << (code & 0x0F))
        kind, skippable = code & ~layout.SKIPPABLE_LAYER, bool(code & layout.SKIPPABLE_LAYER)
        layer = Layer(kind, cursor.uv("layer channels"), skippable)
        if len(layer.to_bytes()) == 1:
            raise FormatError(f"{cursor.what}: a layer of {layer.channels} channels is not in its short form")
        return layer


@dataclass(frozen=True)
class ModelRef:
    """The model by name, and by the first bytes of two SHA-256 digests."""

    id: str
    entropy: bytes
    """Digest of tables and integer networks: another model with the same one decodes the same symbols."""
    synthesis: bytes
    """Digest of the synthesis: where it differs, pixels differ slightly."""

    def check(self) -> None:
        """`FormatError` for an id or a digest that is not one."""
        if not _MODEL_ID.fullmatch(self.id) or len(self.id) > layout.MAX_MODEL_ID:
            raise FormatError(
                f"model id {self.id[:80]!r} is not a letter or digit, then A-Z a-z 0-9 . _ -, "
                f"{layout.MAX_MODEL_ID} characters at most"
            )
        if {len(self.entropy), len(self.synthesis)} != {layout.DIGEST_BYTES}:
            raise FormatError(f"model digests are not {layout.DIGEST_BYTES} bytes each")

    def to_bytes(self) -> bytes:
        """The MODL chunk."""
        name = self.id.encode()
        return bytes([len(name)]) + name + self.entropy + self.synthesis

    @staticmethod
    def from_bytes(data: bytes) -> ModelRef:
        """The model in a MODL chunk."""
        cursor = Cursor(data, "header chunk MODL")
        name = cursor.take(cursor.u8("id length"), "id")
        entropy = cursor.take(layout.DIGEST_BYTES, "entropy digest")
        synthesis = cursor.take(layout.DIGEST_BYTES, "synthesis digest")
        cursor.end()
        return ModelRef(name.decode("latin-1"), entropy, synthesis)
