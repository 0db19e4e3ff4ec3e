"""A model as one safetensors file: four parts, two digests.

Keys begin with ``entropy/`` (integer networks and tables: they decide symbols), ``synthesis/`` (latents to
pixels), ``overview/`` (latents to means of pixels) or ``analysis/`` (encoder only). A `.sarc` file
carries the digest of the first two.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
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
from sarcodec.model import contents, eightbit, products
from sarcodec.model.contents import DIGEST_BYTES, OVERVIEWS, STEPS_LOG2
from sarcodec.model.families import transforms
from sarcodec.model.hyper import CONTEXT_MAX, EntropyNetworks, Shape
from sarcodec.model.integer import ACTIVATION_MAX, SHIFT, IntConv2d, float32_is_exact
from sarcodec.model.integer_bytes import ByteNetworks, in_bytes
from sarcodec.model.levels import STEPS, integer_row, interpolate
from sarcodec.model.tables import Tables
from sarcodec.model.transforms import SLICE, STRIDE, AnalysisTransform, SynthesisTransform

FORMAT = "sarcodec-model-1"
PART_SETTINGS = {
    "entropy": ("groups", "hyper", "hidden", "anchors", "layers", "first_coded"),
    "synthesis": ("groups", "wide", "deep", "wide_blocks", "deep_blocks", "anchors"),
}
"""What each digest covers besides tensors: another synthesis must not change the entropy part's digest."""
FAMILY_SETTINGS = ("family", "base")
"""What the synthesis' digest covers as well where the family is not the lapped one."""


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
    g_a: nn.Module
    g_s: nn.Module
    gain_log2: npt.NDArray[Any]
    """Encoder only: log2 of quantiser steps in a latent unit, in 1/256, shape (anchors, channels)."""
    deviation_log2: Tensor
    inverse_log2: Tensor
    overviews: dict[int, tuple[Tensor, Tensor]]
    """Weight and bias that make means over so many pixels a side, see `sarcodec.model.averaged`."""
    entropy_digest: bytes
    synthesis_digest: bytes

    @property
    def on_cuda(self) -> bool:
        """Whether it computes on a CUDA device."""
        return self.inverse_log2.is_cuda

    @property
    def top_level(self) -> int:
        """Highest rate level."""
        return STEPS * (self.shape.anchors - 1)

    def steps(self, level: int) -> npt.NDArray[Any]:
        """Quantiser steps in a unit of each latent channel at a rate level, float64; encoder only."""
        steps: npt.NDArray[Any] = 2.0 ** (integer_row(self.gain_log2, level) / STEPS)
        return steps

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
        z: npt.NDArray[Any] = self.entropy.networks.h_a(v)[0].cpu().numpy()
        return z

    @torch.inference_mode()
    def synthesise(self, y_hat: npt.NDArray[Any], level: int) -> npt.NDArray[Any]:
        """g_s: decoded latents in sixteenths of a step (C, h, w) -> (16 h, 16 w) float32, network units."""
        y, modulation = self.dequantised(y_hat, level)
        x: npt.NDArray[Any] = self.g_s(y, modulation)[0, 0].cpu().numpy()
        return x

    def dequantised(self, y_hat: npt.NDArray[Any], level: int) -> tuple[Tensor, Tensor | None]:
        """What g_s takes: the first channels as floats, (1, c, h, w), and the modulation of its branch.

        The lapped family takes fewer where the last ones are zero, as they often are.
        """
        lapped = self.shape.family == "lapped"
        while lapped and len(y_hat) > SLICE and not y_hat[-SLICE:].any():
            y_hat = y_hat[:-SLICE]
        device = self.inverse_log2.device
        position = torch.tensor([level / STEPS], device=device, dtype=torch.float32)
        # In double precision first: libraries that round the last digit otherwise then make no difference.
        log2 = interpolate(self.inverse_log2, position)[0, : len(y_hat), None, None].double()
        scale = torch.exp2(log2).float() / 16
        y = torch.from_numpy(y_hat.astype(np.float32)).to(device) * scale
        modulation = interpolate(self.g_s.get_parameter("modulate"), position) if self.g_s.branch else None
        return y[None], modulation


def digest(tensors: dict[str, Tensor], part: str, settings: dict[str, Any]) -> bytes:
    """Start of the SHA-256 of a part: its settings, then name, dtype, shape and bytes of each tensor."""
    names: tuple[str, ...] = PART_SETTINGS[part]
    if part == "synthesis" and settings.get("family", "lapped") != "lapped":
        names += FAMILY_SETTINGS
    if part == "entropy" and settings.get("quantiser", "scalar") != "scalar":
        names += ("quantiser",)
    own = {name: settings[name] for name in names}
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


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _build(
    id: str,  # noqa: A002
    config: dict[str, Any],
    settings: contents.Settings,
    tensors: dict[str, Tensor],
    device: str,
) -> Model:
    shape = settings.shape
    with torch.device("cpu"), torch.random.fork_rng(devices=()):
        networks = EntropyNetworks(shape)
        g_a, g_s = transforms(shape)
    _fill(g_a, _part(tensors, "analysis/g_a."))
    _fill(g_s, _part(tensors, "synthesis/g_s."))
    _fill(networks.h_a, _part(tensors, "analysis/h_a."))
    _fill_integers(networks, _part(tensors, "entropy/nets."))
    table = {k: v.numpy() for k, v in _part(tensors, "entropy/").items() if not k.startswith("nets.")}
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
    layout = torch.channels_last
    for module in (networks.h_a, g_a, g_s):
        module.eval().to(device).to(memory_format=layout)
    whole = torch.device(device).type == "cpu" and products.exact()
    if whole:
        first = networks.h_a.net[0]
        assert isinstance(first, nn.Conv2d)
        networks.h_a.start = eightbit.HyperStart(first)
    if STEPS_LOG2[0] in tensors:
        assert isinstance(g_a, AnalysisTransform)
        assert isinstance(g_s, SynthesisTransform)
        g_a.in_bytes = eightbit.Analysis(g_a, tensors[STEPS_LOG2[0]], whole=whole)
        g_s.in_bytes = eightbit.Synthesis(g_s, tensors[STEPS_LOG2[1]], whole=whole)
    return Model(
        id=id,
        shape=shape,
        layers=settings.layers,
        unit_db=settings.unit_db,
        first_coded=settings.first_coded,
        entropy=entropy,
        g_a=g_a,
        g_s=g_s,
        gain_log2=tensors["analysis/gain_log2"].numpy(),
        deviation_log2=tensors["analysis/deviation_log2"].float().to(device),
        inverse_log2=tensors["synthesis/inverse_log2"].float().to(device),
        overviews=_overviews(_part(tensors, "overview/"), device),
        entropy_digest=digest(tensors, "entropy", config),
        synthesis_digest=digest(tensors, "synthesis", config),
    )


def _overviews(stored: dict[str, Tensor], device: str) -> dict[int, tuple[Tensor, Tensor]]:
    """Kernels of each factor that there are any for; one of 16 is the mean of the four of 8."""
    if not stored:
        return {}
    made = {
        factor: (stored[f"{factor}.weight"].float().to(device), stored[f"{factor}.bias"].float().to(device))
        for factor in OVERVIEWS
    }
    weight, bias = made[max(OVERVIEWS)]
    made[STRIDE] = (weight.mean(0, keepdim=True), bias.mean(0, keepdim=True))
    return made


def _fill(module: nn.Module, stored: dict[str, Tensor]) -> None:
    """Give a network its weights, as float32 whatever torch's default is."""
    module.load_state_dict({name: value.float() for name, value in stored.items()}, assign=True)


def _fill_integers(networks: EntropyNetworks, stored: dict[str, Tensor]) -> None:
    """Put integers back as the fractions that round to them exactly; check that every sum fits."""
    for name, module in networks.named_modules():
        if isinstance(module, IntConv2d):
            module.weight = nn.Parameter(stored[f"{name}.weight"].double() / 2**SHIFT)
            module.bias = nn.Parameter(stored[f"{name}.bias"].double() / 2 ** (SHIFT + 4))
            module.freeze(max(ACTIVATION_MAX, CONTEXT_MAX))
