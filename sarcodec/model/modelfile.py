"""A model as one safetensors file: four parts, two digests.

Keys begin with ``entropy/`` (integer networks and tables: they decide symbols), ``synthesis/`` (latents to
pixels), ``overview/`` (latents to means of pixels) or ``analysis/`` (encoder only). A `.sarc` file
carries the digest of the first two.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save_file
from torch import Tensor, nn

from sarcodec import memory, zoo
from sarcodec.atomic import replacing, write_error
from sarcodec.errors import UnsupportedError
from sarcodec.limits import check
from sarcodec.model import contents, eightbit, families, products
from sarcodec.model.contents import DIGEST_BYTES
from sarcodec.model.families import transform_of
from sarcodec.model.family import Arrays
from sarcodec.model.hyper import CONTEXT_MAX, EntropyNetworks, Shape
from sarcodec.model.integer import ACTIVATION_MAX, SHIFT, IntConv2d, float32_is_exact
from sarcodec.model.integer_bytes import ByteNetworks, in_bytes
from sarcodec.model.latent_scales import LatentScales
from sarcodec.model.network_transform import fill, part
from sarcodec.model.tables import Tables
from sarcodec.model.transforms import Transform

FORMAT = "sarcodec-model-1"
ENTROPY_SETTINGS = ("groups", "hyper", "hidden", "anchors", "layers", "first_coded")
SYNTHESIS_SETTINGS = ("groups", "anchors")
"""What each digest covers besides tensors: another synthesis must not change the entropy part's digest."""


@dataclass(frozen=True)
class EntropyPart:
    """What decides symbols: integer networks, integer tables of levels, probability tables."""

    networks: EntropyNetworks
    in_bytes: ByteNetworks | None
    """The same in products of bytes, where weights and the processor allow."""
    mean_log2: npt.NDArray[Any]
    scale_offset: npt.NDArray[Any]
    hyper_log2: npt.NDArray[Any]
    powers: npt.NDArray[Any]
    y_tables: Tables
    y_shrink: npt.NDArray[Any] | None
    """Of trellis-coded quantisation, see :mod:`sarcodec.model.trellis`; None where it is scalar."""
    z_tables: Tables
    z_coded: npt.NDArray[Any]


@dataclass(frozen=True)
class Model:
    """A loaded model, ready to code and decode."""

    id: str
    shape: Shape
    layers: tuple[int, ...]
    """Channels of each layer, base first; a layer is one or more whole groups."""
    unit_db: float
    first_coded: int
    """Latents whose table index is below this are zero without being coded."""
    entropy: EntropyPart
    transform: Transform
    scales: LatentScales
    deviation_log2: Tensor
    entropy_digest: bytes
    synthesis_digest: bytes

    @property
    def on_cuda(self) -> bool:
        """Whether it computes on a CUDA device."""
        return self.deviation_log2.is_cuda

    @property
    def top_level(self) -> int:
        """Highest rate level."""
        return self.scales.top_level

    def steps(self, level: int) -> npt.NDArray[Any]:
        """Quantiser steps in a unit of each latent channel at a rate level, float64; encoder only."""
        return self.scales.steps(level)

    def layer_of(self, group: int) -> int:
        """Layer that a channel group belongs to."""
        bounds = np.cumsum(self.layers)
        return int(np.searchsorted(bounds, self.shape.starts[group], side="right"))

    def layer_channels(self, layer: int) -> slice:
        """Channels of a layer."""
        start = sum(self.layers[:layer])
        return slice(start, start + self.layers[layer])

    def hyper_tables(self, anchor: int) -> Tables:
        """Tables of the hyper-latents at a rate anchor, one a channel."""
        n = self.shape.hyper
        return self.entropy.z_tables.subset(slice(anchor * n, (anchor + 1) * n))

    def hyper_coded(self, anchor: int) -> npt.NDArray[Any]:
        """Which hyper-latent channels are coded at a rate anchor, bool, shape (hyper,)."""
        coded: npt.NDArray[Any] = self.entropy.z_coded[anchor]
        return coded

    def analyse(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """g_a: float32 (h, w) in network units, multiples of 16 -> latents (C, h/16, w/16)."""
        return self.transform.analyse(x)

    @torch.inference_mode()
    def hyper_analysis(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """h_a: latents (C, h, w) -> hyper-latents (hyper, h/4, w/4), rounded up, float32."""
        device = self.deviation_log2.device
        v = torch.from_numpy(y)[None].to(device) * torch.exp2(-self.deviation_log2)[:, None, None]
        z: npt.NDArray[Any] = self.entropy.networks.h_a(v)[0].cpu().numpy()
        return z

    def synthesise(self, y_hat: npt.NDArray[Any], level: int) -> npt.NDArray[Any]:
        """g_s: decoded latents in sixteenths of a step (C, h, w) -> (16 h, 16 w) float32, network units."""
        return self.transform.synthesise(y_hat, level)


def digest(tensors: dict[str, Tensor], part: str, names: Sequence[str], settings: dict[str, Any]) -> bytes:
    """Start of the SHA-256 of a part: some settings, then name, dtype, shape and bytes of each tensor."""
    own = {name: settings[name] for name in names}
    sha = hashlib.sha256(json.dumps(own, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    for name in sorted(n for n in tensors if n.startswith(part + "/")):
        array = tensors[name].contiguous().numpy()
        sha.update(f"{name} {array.dtype.str} {list(array.shape)}\n".encode())
        sha.update(array.tobytes())
    return sha.digest()[:DIGEST_BYTES]


def digested(shape: Shape) -> dict[str, tuple[str, ...]]:
    """Names of the settings that each digest covers."""
    family = families.REGISTRY[shape.family]
    quantiser = ("quantiser",) if shape.quantiser != "scalar" else ()
    name = ("family",) if family.name_in_digest else ()
    return {
        "entropy": ENTROPY_SETTINGS + quantiser,
        "synthesis": SYNTHESIS_SETTINGS + family.shape.names() + name,
    }


def write(
    path: Path,
    tensors: dict[str, Tensor],
    *,
    id: str,  # noqa: A002
    shape: Shape,
    layers: tuple[int, ...],
    unit_db: float,
    first_coded: int,
) -> None:
    """Write a model file; see `sarcodec.train.export` for the tensors."""
    config = contents.config_of(contents.Settings(shape, layers, unit_db, first_coded))
    metadata = {"format": FORMAT, "id": id, "config": json.dumps(config, sort_keys=True)}
    with replacing(path, overwrite=True) as partial:
        try:
            save_file({k: v.contiguous() for k, v in tensors.items()}, partial, metadata)
        except SafetensorError as error:
            raise write_error(path, OSError(str(error))) from error
        partial.chmod(0o644)  # safetensors leaves a file that only its owner reads


def load(path: Path, device: str = "cpu") -> Model:
    """Load and check a model file.

    Whoever loads the same bytes again gets the same model, which therefore nobody may change.

    Raises
    ------
    UnsupportedError
        The file is missing, damaged, of another kind, or not the one that its card was written for.
    LimitError
        It is larger than any model.
    """
    try:
        data = _bytes_of(path)
        _check_released(path, data)
        if _metadata(data).get("format") != FORMAT:
            raise UnsupportedError(f"{path} is not a model of this codec", hint="Run: sarcodec models")
        return _parsed(data, device, float32_is_exact())
    except (OSError, SafetensorError, RuntimeError, LookupError, ValueError, TypeError) as error:
        memory.check(error)
        raise UnsupportedError(
            f"cannot load the model {path}: {error}", hint="Install the package again."
        ) from error


@lru_cache(maxsize=2)
def _parsed(data: bytes, device: str, _exact: bool) -> Model:  # noqa: FBT001
    """The model that a file's bytes hold, its integer networks in the floats that are exact at this time."""
    metadata = _metadata(data)
    config = contents.parse(metadata["config"])
    settings = contents.settings_of(config)
    tensors = load_tensors(data)
    contents.check_tensors(tensors, settings.shape)
    return _build(contents.check_id(metadata["id"]), config, settings, tensors, device)


def is_model(path: Path) -> bool:
    """Whether a file says that it is a model file; a checkpoint of a training run is none."""
    try:
        return _metadata(_bytes_of(path)).get("format") == FORMAT
    except (OSError, ValueError):
        return False


def _bytes_of(path: Path) -> bytes:
    """The whole file: what is checked is what is used, whatever becomes of the file."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        return file.read(check("size of the model file in bytes", size, contents.LARGEST_FILE))


def _check_released(path: Path, data: bytes) -> None:
    """An installed model is the one that was released."""
    released, found = zoo.released_digest(path), hashlib.sha256(data).hexdigest()
    if released not in (None, found):
        raise UnsupportedError(
            f"the model {path} is not the one that its card was written for: its SHA-256 is {found}",
            hint="Install the package again; a model made anew needs its digest on its card.",
        )


def _metadata(data: bytes) -> dict[str, str]:
    """Texts of a safetensors file, once the library has found its structure sound."""
    if len(data) < 8:
        raise ValueError("it is cut short")
    head = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    metadata: dict[str, str] = head.get("__metadata__", {}) if isinstance(head, dict) else {}
    return metadata


def _build(
    id: str,  # noqa: A002
    config: dict[str, Any],
    settings: contents.Settings,
    tensors: dict[str, Tensor],
    device: str,
) -> Model:
    shape, arrays = settings.shape, {name: tensor.numpy() for name, tensor in tensors.items()}
    with torch.device("cpu"), torch.random.fork_rng(devices=()):
        networks = EntropyNetworks(shape)
    fill(networks.h_a, part(arrays, "analysis/h_a."))
    _fill_integers(networks, part(arrays, "entropy/nets."))
    table = part(arrays, "entropy/")
    entropy = EntropyPart(
        networks=networks.eval(),
        in_bytes=in_bytes(networks) if products.exact() else None,
        mean_log2=table["mean_log2"],
        scale_offset=table["scale_offset"],
        hyper_log2=table["hyper_log2"],
        powers=table["powers"].astype(np.int64),
        y_tables=Tables(table["y_cdf"], table["y_size"], table["y_offset"]),
        y_shrink=table.get("y_shrink"),
        z_tables=Tables(table["z_cdf"], table["z_size"], table["z_offset"]),
        z_coded=table["z_coded"].astype(bool),
    )
    networks.h_a.to(device).to(memory_format=torch.channels_last)
    if torch.device(device).type == "cpu" and products.exact():
        first = networks.h_a.net[0]
        assert isinstance(first, nn.Conv2d)
        networks.h_a.start = eightbit.HyperStart(first)
    gain, inverse = arrays["analysis/gain_log2"], arrays["synthesis/inverse_log2"]
    scales = LatentScales(settings.layers, settings.unit_db, gain, inverse, table["mean_log2"])
    names = digested(shape)
    return Model(
        id=id,
        shape=shape,
        layers=settings.layers,
        unit_db=settings.unit_db,
        first_coded=settings.first_coded,
        entropy=entropy,
        transform=transform_of(shape, scales, arrays, device),
        scales=scales,
        deviation_log2=tensors["analysis/deviation_log2"].float().to(device),
        entropy_digest=digest(tensors, "entropy", names["entropy"], config),
        synthesis_digest=digest(tensors, "synthesis", names["synthesis"], config),
    )


def _fill_integers(networks: EntropyNetworks, stored: Arrays) -> None:
    """Put integers back as the fractions that round to them exactly; check that every sum fits."""
    for name, module in networks.named_modules():
        if isinstance(module, IntConv2d):
            weight, bias = (
                torch.from_numpy(stored[f"{name}.{kind}"]).double() for kind in ("weight", "bias")
            )
            module.weight = nn.Parameter(weight / 2**SHIFT)
            module.bias = nn.Parameter(bias / 2 ** (SHIFT + 4))
            module.freeze(max(ACTIVATION_MAX, CONTEXT_MAX))
