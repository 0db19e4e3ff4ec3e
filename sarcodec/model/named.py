"""The model that a `.sarc` file names, made sure to be the one that decodes it."""

from __future__ import annotations

import logging

from sarcodec import zoo
from sarcodec.bitstream.header import Header
from sarcodec.bitstream.layout import NEWER, LayerKind, Quantiser
from sarcodec.errors import FormatError, UnsupportedError
from sarcodec.model import modelfile
from sarcodec.model.modelfile import Model

log = logging.getLogger(__name__)


def model_of(header: Header, *, name: str | None = None, device: str = "cpu") -> Model:
    """The model that a file names.

    Raises
    ------
    UnsupportedError
        It is not installed, its entropy part is another one, or its layers are not those of the file.
    """
    wanted = header.model
    model = modelfile.load(zoo.find(name) if name else zoo.installed(wanted.id), device)
    if model.entropy_digest != wanted.entropy:
        raise UnsupportedError(
            f"model {wanted.id}: the file needs entropy part {wanted.entropy.hex()}, "
            f"{model.entropy_digest.hex()} is installed",
            hint="Install the version of sarcodec that wrote the file, or give --model its model file.",
        )
    if model.synthesis_digest != wanted.synthesis:
        log.warning("model %s has another synthesis than the encoder's: pixels differ slightly", wanted.id)
    critical = [layer for layer in header.layers if not layer.skippable]
    coded = tuple(layer.channels for layer in critical)
    known = all(layer.kind in {LayerKind.BASE, LayerKind.ENHANCEMENT} for layer in critical)
    if not known or any(band.tile_quality for band in header.bands):
        raise UnsupportedError(
            "the file has critical layers or tile qualities of a newer encoder", hint=NEWER
        )
    if header.quantiser is not Quantiser(model.shape.quantiser):
        raise UnsupportedError(
            f"the file's quantiser is {header.quantiser.value}, "
            f"that of model {model.id} {model.shape.quantiser}"
        )
    if coded != model.layers[: len(coded)]:
        raise UnsupportedError(
            f"layers of {coded} channels are not the first ones of model {model.id}: {model.layers}"
        )
    if any(band.level > model.top_level for band in header.bands):
        raise FormatError(f"a rate level is above {model.top_level}, the highest of model {model.id}")
    return model
