"""Checkpoints of a training run as safetensors: network, optimiser and step; nothing is pickled."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from sarcodec.atomic import replacing, write_error
from sarcodec.errors import InputError


def save(
    path: Path, net: nn.Module, optimiser: torch.optim.Optimizer, step: int, settings: dict[str, object]
) -> None:
    """Write a checkpoint; the old one at `path` is replaced only once the new one is complete."""
    tensors: dict[str, Tensor] = {
        f"net/{k}": v.detach().cpu().contiguous() for k, v in net.state_dict().items()
    }
    for index, state in optimiser.state_dict()["state"].items():
        for key, value in state.items():
            tensors[f"adam/{index}/{key}"] = torch.as_tensor(value).detach().cpu().contiguous()
    with replacing(path, overwrite=True) as partial:
        try:
            save_file(tensors, partial, {"step": str(step), "settings": json.dumps(settings)})
        except SafetensorError as error:
            raise write_error(path, OSError(str(error))) from error


def load(path: Path, net: nn.Module, optimiser: torch.optim.Optimizer | None) -> int:
    """Restore a checkpoint into `net` and `optimiser`; returns the step it was written at.

    Raises
    ------
    InputError
        The file is missing, damaged, or belongs to a network of another shape.
    """
    try:
        with safe_open(path, "pt") as file:
            step = int(file.metadata()["step"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        net.load_state_dict({k[4:]: v for k, v in tensors.items() if k.startswith("net/")})
    except (OSError, SafetensorError, RuntimeError, ValueError, LookupError, TypeError) as error:
        raise InputError(
            f"cannot resume from {path}: {error}", hint="Start a new run in another folder."
        ) from error
    if optimiser is not None:
        whole = optimiser.state_dict()
        states: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("adam/"):
                _, index, name = key.split("/")
                states.setdefault(int(index), {})[name] = value
        whole["state"] = states
        optimiser.load_state_dict(whole)
    return step


def settings_of(path: Path) -> dict[str, object]:
    """The settings a checkpoint was trained with."""
    with safe_open(path, "pt") as file:
        settings: dict[str, object] = json.loads(file.metadata()["settings"])
    return settings
