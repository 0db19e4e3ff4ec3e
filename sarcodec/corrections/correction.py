"""What a correction is: an entry of the registry, and the module that it names. Imports no NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sarcodec.bitstream.layout import LayerKind

if TYPE_CHECKING:
    from sarcodec.corrections.tiles import DecodedTile, Floats, Mask, SourceTile

Refusal = tuple[str, str]
"""Message and hint of a `UsageError`."""


@dataclass(frozen=True)
class Flag:
    """An option of the command line: a switch, or a choice of texts of which the first is the default."""

    name: str
    """As a Python name: ``gain_cell`` for ``--gain-cell``."""
    help: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class OnDemand:
    """What is said if a correction is asked of a decode that cannot have it."""

    missing: Refusal
    """The file has no such layer."""
    base_only: Refusal
    """Only the base layer is wanted."""
    reduced: Refusal
    """An overview is wanted."""
    without: Refusal
    """Corrections that it was measured on top of are turned off."""
    beside: Refusal | None = None
    """Another correction on demand is asked for as well; None for the first one."""


@dataclass(frozen=True)
class Correction:
    """One correction; `module` has what :class:`Implementation` lists."""

    kind: LayerKind
    module: str
    wish: str
    """Keyword of encode."""
    wish_flags: tuple[Flag, ...]
    use: str
    """Keyword of decode."""
    use_flag: Flag
    check_wish: Callable[[str, Any], Any]
    """Makes plain what `wish` is given, or raises `UsageError`; False stands for no such layer."""
    check_use: Callable[[str, Any], Any]
    """The same of `use`."""
    wish_of: Callable[[Mapping[str, Any]], Any]
    """What `wish_flags` ask for."""
    use_of: Callable[[Any], Any]
    """What `use_flag` asks for."""
    on_demand: OnDemand | None = None
    """None for a correction that is applied wherever it can be, unless it is turned off."""
    tag: str = ""
    """What a raster decoded with it says that its pixels are, if they are something else then."""
    told_in_bpp: bool = False
    """Whether a report says how many bits a pixel it takes, and not only that it is there."""


class Implementation(Protocol):
    """What the module of a correction has."""

    def pack(self, found: Any, valid: Mask) -> bytes:
        """Body of the layer of a tile, empty if it says nothing."""
        ...

    def unpack(self, body: bytes, valid: Mask) -> Any:
        """What `pack` was given; `FormatError` if `body` is none of a tile with these valid pixels."""
        ...

    def measure(self, truth: SourceTile, decoded: DecodedTile, wish: Any) -> Any:
        """What a tile lacks; `wish` is what the options of the encode ask for. Some pixels are valid."""
        ...

    def apply(self, found: Any, decoded: DecodedTile) -> Floats | None:
        """dB to add to each pixel of a tile, float32, shape (h, w); None for nothing."""
        ...

    def estimated_bytes(self, counts: tuple[int, ...], wish: Any) -> int:
        """About what the layer of a band will take; `counts` are the valid pixels of each tile."""
        ...
