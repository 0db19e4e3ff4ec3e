"""The header of a file that is about to be written."""

from __future__ import annotations

from typing import Any

from sarcodec import provenance
from sarcodec.bitstream.header import Band, Header, Layer, ModelRef
from sarcodec.bitstream.layout import LayerKind, Quantiser
from sarcodec.corrections import layers as corrections
from sarcodec.encoding.survey import Scene
from sarcodec.metadata import pack_geo, pack_text
from sarcodec.model.modelfile import Model


def header_of(scene: Scene, model: Model, level: int) -> Header:
    """The header of a scene coded at a rate level."""
    meta, common = scene.source.meta, (scene.meanings[0].pixel.scale, scene.meanings[0].basis)
    kinds = [LayerKind.BASE] + [LayerKind.ENHANCEMENT] * (len(model.layers) - 1)
    return Header(
        width=meta.width,
        height=meta.height,
        dtype=meta.dtype,
        scale=common[0],
        bands=tuple(_band(scene, model, level, number) for number in range(meta.count)),
        layers=(
            *(Layer(kind, n) for kind, n in zip(kinds, model.layers, strict=True)),
            *corrections.layers_of(scene.wishes),
        ),
        model=ModelRef(model.id, model.entropy_digest, model.synthesis_digest),
        quantity=scene.quantity,
        quantiser=Quantiser(model.shape.quantiser),
        groups=scene.groups,
        tile_side=scene.grid.side,
        geo=pack_geo(meta),
        text=pack_text(provenance.unmarked(meta), scene.limits),
        basis=common[1],
    )


def _band(scene: Scene, model: Model, level: int, number: int) -> Band:
    """A band (from 0); its scale is that of the first one unless it says another."""
    scan, meaning, first = scene.scans[number], scene.meanings[number], scene.meanings[0]
    span: tuple[Any, Any] = (scan.span.vmin, scan.span.vmax) if scan.span else (0, 0)
    own, hidden = (meaning.pixel.scale, meaning.basis), scan.palette.hidden
    return Band(
        scan.mean_db,
        scan.unit_db(model.unit_db),
        level,
        *span,
        palette=scan.palette.bits + hidden,
        scale=None if own == (first.pixel.scale, first.basis) else own,
        gain=meaning.pixel.gain,
        addend=meaning.pixel.addend,
        masked=len(hidden) if hidden or scene.source.has_mask else None,
    )
