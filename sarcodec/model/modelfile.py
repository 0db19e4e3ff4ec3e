"""A model as one safetensors file: three parts, two digests.

Keys begin with ``entropy/`` (integer networks and tables: they decide symbols), ``synthesis/`` (latents to
pixels) or ``analysis/`` (encoder only). A `.sarc` file carries the digest of the first two.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sarcodec.errors import UnsupportedError
from sarcodec.model.hyper import CONTEXT_MAX, EntropyNetworks, Shape
from sarcodec.model.integer import ACTIVATION_MAX, SHIFT, IntConv2d
from sarcodec.model.levels import STEPS, interpolate
from sarcodec.model.tables import SCALES, Tables
from sarcodec.model.transforms import AnalysisTransform, SynthesisTransform

FORMAT = "sarcodec-model-1"
DIGEST_BYTES = 8
PART_SETTINGS = {
    "entropy": ("groups", "hyper", "hidden", "anchors", "layers", "first_coded"),
    "synthesis": ("groups", "wide", "deep", "wide_blocks", "deep_blocks", "anchors"),
}
"""What each digest covers besides tensors: another synthesis must not change the entropy part's digest."""
EXACT = 2**53
"""Integers below this magnitude are exact in float64."""


@dataclass(frozen=True)
class EntropyPart:
    """What decides symbols: integer networks, integer tables of levels, probability tables."""

    networks: EntropyNetworks
    mean_log2: npt.NDArray[Any]
    scale_offset: npt.NDArray[Any]
    hyper_log2: npt.NDArray[Any]
    powers: npt.NDArray[Any]
    y_tables: Tables
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
    g_a: AnalysisTransform
    g_s: SynthesisTransform
    gain_log2: npt.NDArray[Any]
    """Encoder only: log2 of quantiser steps in a latent unit, in 1/256, shape (anchors, channels)."""
    deviation_log2: Tensor
    inverse_log2: Tensor
    entropy_digest: bytes
    synthesis_digest: bytes

    @property
    def top_level(self) -> int:
        """Highest rate level."""
        return STEPS * (self.shape.anchors - 1)

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

    @torch.inference_mode()
    def analyse(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """g_a: float32 (h, w) in network units, multiples of 16 -> latents (C, h/16, w/16)."""
        device = self.deviation_log2.device
        y: npt.NDArray[Any] = self.g_a(torch.from_numpy(x)[None, None].to(device))[0].float().cpu().numpy()
        return y

    @torch.inference_mode()
    def hyper_analysis(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """h_a: latents (C, h, w) -> hyper-latents (hyper, h/4, w/4), rounded up, float32."""
        device = self.deviation_log2.device
        v = torch.from_numpy(y)[None].to(device) * torch.exp2(-self.deviation_log2)[:, None, None]
        z: npt.NDArray[Any] = self._h_a(v)[0].cpu().numpy()
        return z

    @property
    def _h_a(self) -> torch.nn.Module:
        return self.g_a.get_submodule("hyper")

    @torch.inference_mode()
    def synthesise(self, y_hat: npt.NDArray[Any], level: int) -> npt.NDArray[Any]:
        """g_s: decoded latents in sixteenths of a step (C, h, w) -> (16 h, 16 w) float32, network units."""
        device = self.inverse_log2.device
        position = torch.tensor([level / STEPS], device=device)
        scale = torch.exp2(interpolate(self.inverse_log2, position))[0, :, None, None] / 16
        y = torch.from_numpy(y_hat.astype(np.float32)).to(device) * scale
        modulation = interpolate(self.g_s.modulate, position) if self.g_s.branch else None
        x: npt.NDArray[Any] = self.g_s(y[None], modulation)[0, 0].cpu().numpy()
        return x


def digest(tensors: dict[str, Tensor], part: str, settings: dict[str, Any]) -> bytes:
    """Start of the SHA-256 of a part: its settings, then name, dtype, shape and bytes of each tensor."""
    own = {name: settings[name] for name in PART_SETTINGS[part]}
    sha = hashlib.sha256(json.dumps(own, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    for name in sorted(n for n in tensors if n.startswith(part + "/")):
        array = tensors[name].contiguous().numpy()
        sha.update(f"{name} {array.dtype.str} {list(array.shape)}\n".encode())
        sha.update(array.tobytes())
    return sha.digest()[:DIGEST_BYTES]


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
    config = {**asdict(shape), "layers": layers, "unit_db": unit_db, "first_coded": first_coded}
    metadata = {"format": FORMAT, "id": id, "config": json.dumps(config, sort_keys=True)}
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata)
    path.chmod(0o644)  # safetensors leaves a file that only its owner reads


def load(path: Path, device: str = "cpu") -> Model:
    """Load and check a model file.

    Raises
    ------
    UnsupportedError
        The file is missing, damaged, or of another kind.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if metadata.get("format") != FORMAT:
            raise UnsupportedError(f"{path} is not a model of this codec", hint="Run: sarcodec models")
        return _build(metadata["id"], metadata["config"], tensors, device)
    except (
        OSError,
        SafetensorError,
        RuntimeError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
    ) as error:
        raise UnsupportedError(
            f"cannot load the model {path}: {error}", hint="Install the package again."
        ) from error


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _build(id: str, config: str, tensors: dict[str, Tensor], device: str) -> Model:  # noqa: A002
    settings: dict[str, Any] = json.loads(config)
    named: dict[str, Any] = {f.name: settings[f.name] for f in fields(Shape)}
    named["groups"] = tuple(named["groups"])
    shape = Shape(**named)
    sizes = (shape.channels, shape.wide, shape.deep, shape.wide_blocks, shape.deep_blocks)
    networks = EntropyNetworks(shape)
    g_a = AnalysisTransform(*sizes)
    g_s = SynthesisTransform(*sizes, shape.anchors)
    g_a.load_state_dict({k: v.float() for k, v in _part(tensors, "analysis/g_a.").items()})
    g_s.load_state_dict({k: v.float() for k, v in _part(tensors, "synthesis/g_s.").items()})
    networks.h_a.load_state_dict({k: v.float() for k, v in _part(tensors, "analysis/h_a.").items()})
    _load_integers(networks, _part(tensors, "entropy/nets."))
    table = {k: v.numpy() for k, v in _part(tensors, "entropy/").items() if not k.startswith("nets.")}
    entropy = EntropyPart(
        networks=networks.double().eval(),
        mean_log2=table["mean_log2"],
        scale_offset=table["scale_offset"],
        hyper_log2=table["hyper_log2"],
        powers=table["powers"].astype(np.int64),
        y_tables=Tables(table["y_cdf"], table["y_size"], table["y_offset"]),
        z_tables=Tables(table["z_cdf"], table["z_size"], table["z_offset"]),
        z_coded=table["z_coded"].astype(bool),
    )
    _check_sizes(shape, tuple(settings["layers"]), tensors)
    g_a.add_module("hyper", networks.h_a.float())
    layout = torch.channels_last
    return Model(
        id=id,
        shape=shape,
        layers=tuple(settings["layers"]),
        unit_db=float(settings["unit_db"]),
        first_coded=int(settings["first_coded"]),
        entropy=entropy,
        g_a=g_a.eval().to(device).to(memory_format=layout),
        g_s=g_s.eval().to(device).to(memory_format=layout),
        gain_log2=tensors["analysis/gain_log2"].numpy(),
        deviation_log2=tensors["analysis/deviation_log2"].float().to(device),
        inverse_log2=tensors["synthesis/inverse_log2"].float().to(device),
        entropy_digest=digest(tensors, "entropy", settings),
        synthesis_digest=digest(tensors, "synthesis", settings),
    )


def _check_sizes(shape: Shape, layers: tuple[int, ...], tensors: dict[str, Tensor]) -> None:
    """Sizes of what no network checks as it is filled; layers are whole groups."""
    channels, hyper = (shape.anchors, shape.channels), (shape.anchors, shape.hyper)
    wanted = {
        **dict.fromkeys(("analysis/gain_log2", "entropy/mean_log2", "entropy/scale_offset"), channels),
        **dict.fromkeys(("entropy/hyper_log2", "entropy/z_coded"), hyper),
        "entropy/powers": (STEPS,),
        "entropy/y_size": (SCALES,),
        "entropy/z_size": (shape.anchors * shape.hyper,),
        "analysis/deviation_log2": (shape.channels,),
        "synthesis/inverse_log2": channels,
    }
    for name, size in wanted.items():
        if tuple(tensors[name].shape) != size:
            raise ValueError(f"{name} has the shape {tuple(tensors[name].shape)}, not {size}")
    ends = np.cumsum(layers).tolist()
    if not set(ends) <= set(np.cumsum(shape.groups).tolist()) or ends[-1] != shape.channels:
        raise ValueError(f"layers of {layers} channels are not whole groups of {shape.groups}")


def _load_integers(networks: EntropyNetworks, stored: dict[str, Tensor]) -> None:
    """Put integers back as the fractions that round to them exactly; check that every sum fits."""
    for name, module in networks.named_modules():
        if isinstance(module, IntConv2d):
            module.double()
            module.weight.data = stored[f"{name}.weight"].double() / 2**SHIFT
            module.bias.data = stored[f"{name}.bias"].double() / 2 ** (SHIFT + 4)
            if module.worst_sum(max(ACTIVATION_MAX, CONTEXT_MAX)) >= EXACT:
                raise ValueError(f"sums of {name} do not stay exact")
