"""What a model file must hold; all of it is checked before memory is taken for a network.

A file's settings claim sizes. Sizes have limits, and every tensor that they call for must be there with its
dtype and shape, so that a network is never larger than the bytes of the file it was read from.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sarcodec.bitstream.header import ModelRef
from sarcodec.errors import FormatError
from sarcodec.limits import DEFAULT
from sarcodec.model.eightbit import GREATEST, SMALLEST, steps_in
from sarcodec.model.families import claimed
from sarcodec.model.hyper import CONTEXT_CHANNELS, FAMILIES, QUANTISERS, Shape
from sarcodec.model.integer import WEIGHT_MAX
from sarcodec.model.levels import STEPS
from sarcodec.model.loops import SHRUNK
from sarcodec.model.tables import MEAN_STEPS, SCALES
from sarcodec.model.transforms import STRIDE

DIGEST_BYTES = 4
"""Of each part of a model, in a `.sarc` file."""
LARGEST_FILE = 2**27
"""Bytes of a model file, over thirty times what the default model takes."""
WIDEST = 2048
"""Channels of a layer."""
DEEPEST = 32
"""Residual blocks in a row, groups, and rate anchors."""
EXPONENT = 11 * STEPS
"""Largest magnitude of a level's logarithm; with 4 extra bits no shift leaves -15..15."""

OVERVIEWS = (4, 8)
"""Factors of reduction that a model may have kernels for; those for 8 are also those for 16, averaged."""
STEPS_LOG2 = ("analysis/steps_log2", "synthesis/steps_log2")
"""Logarithms of the steps of bytes, see :mod:`sarcodec.model.eightbit`."""

Claim = tuple[torch.dtype, tuple[int | None, ...]]
"""Dtype and shape of a tensor; a size of None is the file's to choose."""


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
    family = config.get("family", "lapped")
    if family not in FAMILIES:
        raise ValueError(f"family {str(family)[:40]!r} is none of {', '.join(FAMILIES)}")
    quantiser = config.get("quantiser", "scalar")
    if quantiser not in QUANTISERS:
        raise ValueError(f"quantiser {str(quantiser)[:40]!r} is none of {', '.join(QUANTISERS)}")
    shape = Shape(
        family=family,
        quantiser=quantiser,
        base=_whole(config, "base", 1, WIDEST // 8) if family != "lapped" else 0,
        groups=_sizes(config, "groups"),
        wide=_whole(config, "wide", 0, WIDEST),
        deep=_whole(config, "deep", 1 if config["wide"] else 0, WIDEST),
        wide_blocks=_whole(config, "wide_blocks", 0, DEEPEST),
        deep_blocks=_whole(config, "deep_blocks", 0, DEEPEST),
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


def parse(config: str) -> dict[str, Any]:
    """The JSON of the settings, an object."""
    parsed = json.loads(config)
    if not isinstance(parsed, dict):
        raise TypeError("the settings are not a JSON object")
    return parsed


def _whole(config: dict[str, Any], name: str, low: int, high: int) -> int:
    return _in_range(config[name], name, low, high)


def _in_range(value: Any, name: str, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} is {str(value)[:40]}, not a whole number of {low} to {high}")
    return value


def _sizes(config: dict[str, Any], name: str) -> tuple[int, ...]:
    sizes = config[name]
    if not isinstance(sizes, list) or not 1 <= len(sizes) <= DEEPEST:
        raise ValueError(f"{name} is not a list of 1 to {DEEPEST} numbers")
    return tuple(_in_range(size, name, 1, WIDEST) for size in sizes)


def _ends(sizes: tuple[int, ...]) -> list[int]:
    return [sum(sizes[: i + 1]) for i in range(len(sizes))]


def claims(shape: Shape) -> dict[str, Claim]:
    """Every tensor that a model of this shape consists of, as `docs/FORMAT.md` lists them."""
    channels, hyper = (shape.anchors, shape.channels), (shape.anchors, shape.hyper)
    wanted: dict[str, Claim] = {
        "analysis/gain_log2": (torch.int16, channels),
        "analysis/deviation_log2": (torch.float32, channels[1:]),
        "synthesis/inverse_log2": (torch.float32, channels),
        "entropy/mean_log2": (torch.int16, channels),
        "entropy/scale_offset": (torch.int16, channels),
        "entropy/hyper_log2": (torch.int16, hyper),
        "entropy/z_coded": (torch.uint8, hyper),
        "entropy/powers": (torch.int32, (STEPS,)),
    }
    trellis = shape.quantiser == "trellis"
    if trellis:
        wanted["entropy/y_shrink"] = (torch.int16, (2, SHRUNK))
    for which, rows in (("y", SCALES * (1 + trellis)), ("z", shape.anchors * shape.hyper)):
        wanted[f"entropy/{which}_cdf"] = (torch.int32, (rows, None))
        wanted[f"entropy/{which}_size"] = wanted[f"entropy/{which}_offset"] = (torch.int32, (rows,))
    for name, size in _integer_layers(shape):
        wanted[f"entropy/nets.{name}.weight"] = (torch.int16, size)
        wanted[f"entropy/nets.{name}.bias"] = (torch.int32, size[:1])
    for name, size in _hyper_analysis_layers(shape):
        wanted[f"{name}.weight"] = (torch.float16, size)
        wanted[f"{name}.bias"] = (torch.float16, size[:1])
    wanted |= {name: (torch.float16, tuple(value.shape)) for name, value in claimed(shape).items()}
    return wanted


def optional(shape: Shape) -> tuple[dict[str, Claim], ...]:
    """Tensors of branches that run in 8 bits, and of overviews: of each, all or none are there."""
    if shape.family != "lapped" or not shape.wide:
        return ()
    size = (steps_in(shape.wide_blocks + shape.deep_blocks),)
    overviews: dict[str, Claim] = {}
    for factor in OVERVIEWS:
        cells, kernel = (STRIDE // factor) ** 2, overview_kernel(shape)
        overviews[f"overview/{factor}.weight"] = (torch.float16, (cells, shape.deep, kernel, kernel))
        overviews[f"overview/{factor}.bias"] = (torch.float16, (cells,))
    return dict.fromkeys(STEPS_LOG2, (torch.int16, size)), overviews


def overview_kernel(shape: Shape) -> int:
    """Side of the kernels of overviews: as far as the half of the branch reaches that they stand for."""
    return 2 * (shape.reach - shape.deep_blocks) + 1


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
    wanted = claims(shape)
    for more in optional(shape):
        if more.keys() & tensors.keys():
            wanted |= more
    if different := sorted(wanted.keys() ^ tensors.keys()):
        what = "is missing" if different[0] in wanted else "belongs to no model"
        raise ValueError(f"tensor {different[0][:80]} {what}")
    for name, (dtype, sizes) in wanted.items():
        tensor = tensors[name]
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
        *((name, SMALLEST, GREATEST) for name in STEPS_LOG2 if name in wanted),
    ):
        least, most = (int(v) for v in tensors[name].aminmax())
        if least < low or most > high:
            raise ValueError(f"{name} reaches from {least} to {most}, beyond {low} to {high}")
