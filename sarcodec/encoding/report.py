"""What an encode did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sarcodec.corrections.registry import CORRECTIONS
from sarcodec.types import Basis, Scale

if TYPE_CHECKING:
    from sarcodec.bitstream.header import Header


@dataclass(frozen=True)
class EncodeReport:
    """What an encode did."""

    bytes: int
    """Size of the file."""
    bpp: float
    """8 * bytes / (pixels * bands), headers included."""
    level: int
    scales: tuple[Scale, ...]
    """What the values of each band are."""
    scales_from: tuple[Basis, ...]
    """How that is known; `Basis.ASSUMED` is a guess."""
    model: str
    seconds: float
    reached: bool
    """Whether the wanted bpp or rmse_db lies in the model's range; if not, the nearest was taken."""
    header: Header = field(repr=False)
    """The file's header."""
    layer_bytes: tuple[int, ...]
    """Bytes of each layer of the header over all tiles and bands, checksums included."""
    rmse_db: tuple[float | None, ...] = ()
    """Root mean square error of each band in dB, where `rmse_db` was asked for; None without valid pixels."""

    @property
    def scale(self) -> Scale | None:
        """The scale of all bands, None if they differ."""
        return self.scales[0] if len(set(self.scales)) == 1 else None

    @property
    def pixels(self) -> int:
        """Pixels of all bands together."""
        return self.header.width * self.header.height * len(self.header.bands)

    @property
    def corrections(self) -> dict[str, float]:
        """Bits per pixel and band that each correction takes, by its keyword of encode."""
        numbers = {c.wish: self.header.side_layer(c.kind) for c in CORRECTIONS}
        return {
            wish: 8 * self.layer_bytes[number] / self.pixels
            for wish, number in numbers.items()
            if number is not None
        }
