"""What a model file must hold; all of it is checked before memory is taken for a network.

A file's settings claim sizes. Sizes have limits, and every tensor that they call for must be there with its
dtype and shape, so that a network is never larger than the bytes of the file it was read from.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from sarcodec.bitstream.header import ModelRef
from sarcodec.errors import FormatError
from sarcodec.limits import DEFAULT
from sarcodec.model import families
from sarcodec.model.hyper import CONTEXT_CHANNELS, QUANTISERS, Shape
from sarcodec.model.integer import WEIGHT_MAX
from sarcodec.model.levels import STEPS
from sarcodec.model.schema import DEEPEST, WIDEST, Claims, in_range
from sarcodec.model.transforms import STRIDE
from sarcodec.native.trellis_code import MEAN_STEPS, SCALES, SHRUNK

DIGEST_BYTES = 4
"""Of each part of a model, in a `.sarc` file."""
LARGEST_FILE = 2**27
"""Bytes of a model file, over thirty times what the default model takes."""
EXPONENT = 11 * STEPS
"""Largest magnitude of a level's logarithm; with 4 extra bits no shift leaves -15..15."""

DTYPES = {
    "F16": torch.float16,
    "F32": torch.float32,
    "U8": torch.uint8,
    "I16": torch.int16,
    "I32": torch.int32,
}
"""Dtypes of tensors by their names in a schema."""


@dataclass(frozen=True)
class Settings:
    """The settings of a model file, each in its range."""

    shape: Shape
    layers: tuple[int, ...]
    unit_db: float
    first_coded: int


def check_id(name: str) -> str:
    """The model's id, where a header could carry it."""
    try:
        ModelRef(name, bytes(DIGEST_BYTES), bytes(DIGEST_BYTES)).check()
    except FormatError as error:
        raise ValueError(error.message) from error
    return name


def settings_of(config: dict[str, Any]) -> Settings:
    """Settings from the file's JSON.

    Raises
    ------
    ValueError
        One has another type or is out of its range.
    LookupError
        One is missing.
    """
    family = config.get("family", families.DEFAULT)
    if not isinstance(family, str) or family not in families.REGISTRY:
        raise ValueError(f"family {str(family)[:40]!r} is none of {', '.join(families.REGISTRY)}")
    quantiser = config.get("quantiser", "scalar")
    if quantiser not in QUANTISERS:
        raise ValueError(f"quantiser {str(quantiser)[:40]!r} is none of {', '.join(QUANTISERS)}")
    kind = families.REGISTRY[family].shape
    shape = Shape(
        transform=kind(**{name: config[name] for name in kind.names()}),
        quantiser=quantiser,
        groups=_sizes(config, "groups"),
        hyper=_whole(config, "hyper", 1, WIDEST),
        hidden=_whole(config, "hidden", 1, WIDEST),
        anchors=_whole(config, "anchors", 2, DEEPEST),
    )
    layers = _sizes(config, "layers")
    ends, bounds = _ends(layers), _ends(shape.groups)
    if not set(ends) <= set(bounds) or ends[-1] != shape.channels:
        raise ValueError(f"layers of {layers} channels are not whole groups of {shape.groups}")
    if shape.channels > STRIDE**2:
        raise ValueError(f"{shape.channels} channels of latents are more than {STRIDE**2}")
    unit = config["unit_db"]
    if type(unit) not in (int, float) or not 0 < unit < math.inf:
        raise ValueError(f"unit_db is {unit!r}")
    return Settings(shape, layers, float(unit), _whole(config, "first_coded", 0, SCALES))


def config_of(settings: Settings) -> dict[str, Any]:
    """What :func:`settings_of` reads."""
    config = asdict(settings.shape)
    return {
        **families.REGISTRY[settings.shape.family].also_written,
        **config.pop("transform"),
        **config,
        "family": settings.shape.family,
        "layers": settings.layers,
        "unit_db": settings.unit_db,
        "first_coded": settings.first_coded,
    }


def parse(config: str) -> dict[str, Any]:
    """The JSON of the settings, an object."""
    parsed = json.loads(config)
    if not isinstance(parsed, dict):
        raise TypeError("the settings are not a JSON object")
    return parsed


def _whole(config: dict[str, Any], name: str, low: int, high: int) -> int:
    return in_range(config[name], name, low, high)


def _sizes(config: dict[str, Any], name: str) -> tuple[int, ...]:
    sizes = config[name]
    if not isinstance(sizes, list) or not 1 <= len(sizes) <= DEEPEST:
        raise ValueError(f"{name} is not a list of 1 to {DEEPEST} numbers")
    return tuple(in_range(size, name, 1, WIDEST) for size in sizes)


def _ends(sizes: tuple[int, ...]) -> list[int]:
    return [sum(sizes[: i + 1]) for i in range(len(sizes))]


def claims(shape: Shape) -> Claims:
    """Every tensor that a model of this shape consists of, as `docs/FORMAT.md` lists them."""
    channels, hyper = (shape.anchors, shape.channels), (shape.anchors, shape.hyper)
    wanted: Claims = {
        "analysis/gain_log2": ("I16", channels),
        "analysis/deviation_log2": ("F32", channels[1:]),
        "synthesis/inverse_log2": ("F32", channels),
        "entropy/mean_log2": ("I16", channels),
        "entropy/scale_offset": ("I16", channels),
        "entropy/hyper_log2": ("I16", hyper),
        "entropy/z_coded": ("U8", hyper),
        "entropy/powers": ("I32", (STEPS,)),
    }
    trellis = shape.quantiser == "trellis"
    if trellis:
        wanted["entropy/y_shrink"] = ("I16", (2, SHRUNK))
    for which, rows in (("y", SCALES * (1 + trellis)), ("z", shape.anchors * shape.hyper)):
        wanted[f"entropy/{which}_cdf"] = ("I32", (rows, None))
        wanted[f"entropy/{which}_size"] = wanted[f"entropy/{which}_offset"] = ("I32", (rows,))
    for name, size in _integer_layers(shape):
        wanted[f"entropy/nets.{name}.weight"] = ("I16", size)
        wanted[f"entropy/nets.{name}.bias"] = ("I32", size[:1])
    for name, size in _hyper_analysis_layers(shape):
        wanted[f"{name}.weight"] = ("F16", size)
        wanted[f"{name}.bias"] = ("F16", size[:1])
    return wanted | families.schema_of(shape).required


Layer = tuple[str, tuple[int, int, int, int]]
"""Name and shape of a convolution's weight: outputs, inputs, rows, columns."""


def _integer_layers(shape: Shape) -> Iterator[Layer]:
    n = shape.hidden
    yield "h_s.first", (96, shape.hyper, 3, 3)
    yield "h_s.up1", (4 * n, 96, 1, 1)
    yield "h_s.middle", (n, n, 3, 3)
    yield "h_s.up2", (192, n, 3, 3)
    yield "h_s.last", (n, 48, 3, 3)
    for k, (start, size) in enumerate(zip(shape.starts, shape.groups, strict=True)):
        inner, kernel = (96, 3) if k else (64, 1)
        yield f"heads.{k}.mix", (inner, n + min(start, CONTEXT_CHANNELS), kernel, kernel)
        yield f"heads.{k}.out", (2 * size, inner, 1, 1)


def _hyper_analysis_layers(shape: Shape) -> Iterator[Layer]:
    n = shape.hidden
    yield "analysis/h_a.net.0", (n, 2 * shape.channels, 3, 3)
    yield "analysis/h_a.net.2", (n, n, 4, 4)
    yield "analysis/h_a.net.4", (shape.hyper, n, 4, 4)


def check_tensors(tensors: dict[str, Tensor], shape: Shape) -> None:
    """Names, dtypes, shapes and ranges of the tensors of a file whose settings claim this shape.

    Raises
    ------
    ValueError
        One is missing, superfluous, of another dtype or shape, not finite or out of range.
    """
    wanted, schema = claims(shape), families.schema_of(shape)
    for more in schema.optional:
        if more.keys() & tensors.keys():
            wanted |= more
    if different := sorted(wanted.keys() ^ tensors.keys()):
        what = "is missing" if different[0] in wanted else "belongs to no model"
        raise ValueError(f"tensor {different[0][:80]} {what}")
    for name, (kind, sizes) in wanted.items():
        tensor, dtype = tensors[name], DTYPES[kind]
        here = tuple(tensor.shape)
        fits = len(here) == len(sizes) and all(b in (a, None) for a, b in zip(here, sizes, strict=True))
        if tensor.dtype != dtype or not fits:
            raise ValueError(f"tensor {name} is {tensor.dtype} {here}, not {dtype} {sizes}")
        if dtype.is_floating_point and not tensor.isfinite().all():
            raise ValueError(f"tensor {name} holds values that are not finite")
    weights = [name for name in wanted if name.startswith("entropy/nets.") and name.endswith(".weight")]
    for name, low, high in (
        *((name, -WEIGHT_MAX, WEIGHT_MAX) for name in weights),
        ("entropy/mean_log2", -EXPONENT, EXPONENT),
        ("entropy/hyper_log2", -EXPONENT, EXPONENT),
        ("entropy/powers", 2**16, 2**17 - 1),
        ("entropy/y_offset", -DEFAULT.symbol, 0),
        ("entropy/z_offset", -DEFAULT.symbol, 0),
        ("entropy/z_coded", 0, 1),
        *((("entropy/y_shrink", -MEAN_STEPS, MEAN_STEPS),) if "entropy/y_shrink" in wanted else ()),
        *((name, *ends) for name, ends in schema.ranges.items() if name in wanted),
    ):
        least, most = (int(v) for v in tensors[name].aminmax())
        if least < low or most > high:
            raise ValueError(f"{name} reaches from {least} to {most}, beyond {low} to {high}")
